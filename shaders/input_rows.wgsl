// Input that lies ready, row by row, as input_plain.wgsl or input_staged.wgsl says; the host declares it, `x`, binding 0.

// Nothing to be done before input is read.
fn prepare_input(local: u32) {
}

// Where row m of the input begins.
fn input_row(m: u32) -> u32 {
    return (params.first + m) * params.loads;
}

fn vector_of_x(index: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(read_x(index));
}
