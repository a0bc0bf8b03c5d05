// What sums of linear layers over f32 input are made of, on GPUs: a term is four products of floats. A load of the weights has
// TERMS of them, and meets as many vec4s of input. The part in front gives vector_of_x(index) and factor_of_input(row), the
// part behind what is packed into the weights.

alias Loaded = vec4<f32>;   // what is loaded of the input at a time
alias Input = vec4<f32>;    // the input of a term, as it is kept
alias Term = vec4<f32>;
alias Sum = f32;

// Piece `piece` of the input that meets load `at` of the weights.
fn loaded_input(at: u32, piece: u32) -> Loaded {
    return vector_of_x(at * LOADED + piece);
}

fn with_gain(x: Loaded, k: u32, piece: u32) -> Loaded {
    return x * bitcast<vec4<f32>>(read_gain(k * LOADED + piece));
}

fn with_squares(sum: f32, x: Loaded) -> f32 {
    return with_products(sum, x, x);
}

fn input_of(x: Loaded, t: u32) -> Input {
    return x;
}

fn input_term(x: Input) -> Term {
    return x;
}

// Written out, so that all kernels round alike.
fn with_products(sum: Sum, w: Term, x: Term) -> Sum {
    return fma(w.w, x.w, fma(w.z, x.z, fma(w.y, x.y, fma(w.x, x.x, sum))));
}

// What the sums of a row of the weights are multiplied by.
fn factor_of_weights(row: u32) -> f32 {
    return 1.0;
}
