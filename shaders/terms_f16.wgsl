// Weights of f16 as terms_float.wgsl takes them.

alias Packed = vec2<u32>;   // the weights of a term

fn packed_of(load: vec4<u32>, t: u32) -> Packed {
    return select(load.xy, load.zw, t == 1u);
}

fn weights_term(packed: Packed) -> Term {
    return vec4<f32>(unpack2x16float(packed.x), unpack2x16float(packed.y));
}
