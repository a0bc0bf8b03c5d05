// Input as it lies in a buffer.

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;

// Nothing to be done before input is read.
fn prepare_input(local: u32) {
}

// Where row m of the input begins.
fn input_row(m: u32) -> u32 {
    return (params.first + m) * params.loads;
}

fn vector_of_x(index: u32) -> vec4<f32> {
    return x[index];
}

// What the sums of a row of x are multiplied by.
fn factor_of_input(row: u32) -> f32 {
    return 1.0;
}
