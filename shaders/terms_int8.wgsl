// What sums of linear layers over int8 input (normalised, where there is a norm) are made of, on GPUs: integer products, exact
// until a row's scales are multiplied in; sums stay below 2^31 for any K below 2^17. The part in front gives read_x(index) and
// factor_of_input(row); the host declares w_scales, of the rows of the weights; the part behind says what a term is.

alias Loaded = vec4<u32>;   // what is loaded of the input at a time
alias Sum = i32;

// What meets load `at` of the weights.
fn loaded_input(at: u32, piece: u32) -> Loaded {
    return read_x(at);
}

// Never called: NORM is false.
fn with_gain(x: Loaded, k: u32, piece: u32) -> Loaded {
    return x;
}

fn with_squares(sum: f32, x: Loaded) -> f32 {
    return sum;
}

// What the sums of a row of the weights are multiplied by.
fn factor_of_weights(row: u32) -> f32 {
    return w_scales[row];
}
