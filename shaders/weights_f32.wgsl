// Weights stored as f32, four a load.
alias Packed = vec4<f32>;

fn unpack(packed: Packed) -> vec4<f32> {
    return packed;
}
