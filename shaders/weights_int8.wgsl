// Weights stored as int8, sixteen a load; each row has a scale, which its reader multiplies by.
const VECTORS: u32 = 4u;

// Vector `part` of the VECTORS that a load brings.
fn unpack(packed: vec4<u32>, part: u32) -> vec4<f32> {
    return vec4<f32>(unpack4xI8(packed[part]));
}
