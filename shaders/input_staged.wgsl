// Input as stage.wgsl left it; the host declares it, binding 0.

fn vector_of_x(index: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(read_x(index));
}
