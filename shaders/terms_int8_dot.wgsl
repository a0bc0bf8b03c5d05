// Terms of int8 on GPUs that multiply and add four at a time: a term is sixteen products, all that a load brings.

alias Input = vec4<u32>;    // the input of a term, as it is kept
alias Packed = vec4<u32>;   // the weights of a term
alias Term = vec4<u32>;

fn input_of(x: Loaded, t: u32) -> Input {
    return x;
}

fn packed_of(load: vec4<u32>, t: u32) -> Packed {
    return load;
}

fn input_term(x: Input) -> Term {
    return x;
}

fn weights_term(packed: Packed) -> Term {
    return packed;
}

fn with_products(sum: Sum, w: Term, x: Term) -> Sum {
    return sum + dot4I8Packed(w.x, x.x) + dot4I8Packed(w.y, x.y)
        + dot4I8Packed(w.z, x.z) + dot4I8Packed(w.w, x.w);
}
