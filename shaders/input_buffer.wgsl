// Input as it lies in a buffer.

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;

fn vector_of_x(index: u32) -> vec4<f32> {
    return x[index];
}

// What the sums of a row of x are multiplied by.
fn factor_of_input(row: u32) -> f32 {
    return 1.0;
}
