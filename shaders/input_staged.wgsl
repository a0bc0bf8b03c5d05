// Input as stage.wgsl left it; the host declares it, binding 0.

@group(0) @binding(4) var<storage, read> x_scales: array<f32>;  // a row of x

fn vector_of_x(index: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(read_x(index));
}

// What the sums of a row of x are multiplied by.
fn factor_of_input(row: u32) -> f32 {
    return x_scales[row];
}
