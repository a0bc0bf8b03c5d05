// Weights stored as f32: one vec4 a load.
const VECTORS: u32 = 1u;

// Vector `part` of the VECTORS that a load brings.
fn unpack(packed: vec4<u32>, part: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(packed);
}
