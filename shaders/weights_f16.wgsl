// Weights stored as f16, four a load; core WGSL, no feature needed.
alias Packed = vec2<u32>;

fn unpack(packed: Packed) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(packed.x), unpack2x16float(packed.y));
}
