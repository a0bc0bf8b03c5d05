// Weights of f32 as terms_float.wgsl takes them.

alias Packed = vec4<u32>;   // the weights of a term

fn packed_of(load: vec4<u32>, t: u32) -> Packed {
    return load;
}

fn weights_term(packed: Packed) -> Term {
    return bitcast<vec4<f32>>(packed);
}
