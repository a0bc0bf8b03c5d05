// Input as stage.wgsl left it.

@group(0) @binding(4) var<storage, read> x_scales: array<f32>;  // a row of x

// What the sums of a row of x are multiplied by.
fn factor_of_input(row: u32) -> f32 {
    return x_scales[row];
}
