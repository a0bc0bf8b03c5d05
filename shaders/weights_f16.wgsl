// Weights stored as f16: two vec4s a load; core WGSL, no feature needed.
const VECTORS: u32 = 2u;

// Vector `part` of the VECTORS that a load brings.
fn unpack(packed: vec4<u32>, part: u32) -> vec4<f32> {
    let halves = select(packed.xy, packed.zw, part == 1u);
    return vec4<f32>(unpack2x16float(halves.x), unpack2x16float(halves.y));
}
