// Weights stored as f32: one vec4 a load.
alias Packed = vec4<f32>;
const VECTORS: u32 = 1u;

// Vector `part` of the VECTORS that a load brings.
fn unpack(packed: Packed, part: u32) -> vec4<f32> {
    return packed;
}
