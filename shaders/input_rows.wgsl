// Input that lies ready, row by row: input_buffer.wgsl or input_staged.wgsl.

// Nothing to be done before input is read.
fn prepare_input(local: u32) {
}

// Where row m of the input begins.
fn input_row(m: u32) -> u32 {
    return (params.first + m) * params.loads;
}
