// Terms of int8 on GPUs that have no instruction for products of int8, but many for those of floats, which are exact: a term is
// four products, a quarter of what a load brings.

alias Input = u32;    // the input of a term, as it is kept
alias Packed = u32;   // the weights of a term
alias Term = vec4<f32>;

fn input_of(x: Loaded, t: u32) -> Input {
    return x[t];
}

fn packed_of(load: vec4<u32>, t: u32) -> Packed {
    return load[t];
}

fn input_term(x: Input) -> Term {
    return vec4<f32>(unpack4xI8(x));
}

fn weights_term(packed: Packed) -> Term {
    return vec4<f32>(unpack4xI8(packed));
}

fn with_products(sum: Sum, w: Term, x: Term) -> Sum {
    return sum + i32(dot(w, x));
}
