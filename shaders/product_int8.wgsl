// Linear layers over int8 input (normalised, where there is a norm) on software adapters: integer products, exact until a row's
// scales are multiplied in. The part in front gives read_x(index) and factor_of_input(row); the host declares w_scales, of the
// rows of the weights. A sum stays below 2^31 for any K below 2^17.

alias Input = vec4<u32>;
alias Weights = vec4<u32>;
alias Sum = i32;

fn load_input(at: u32) -> Input {
    return read_x(at);
}

fn load_weights(packed: vec4<u32>) -> Weights {
    return packed;
}

fn product(w: Weights, input: Input) -> Sum {
    return dot4I8Packed(w.x, input.x) + dot4I8Packed(w.y, input.y)
        + dot4I8Packed(w.z, input.z) + dot4I8Packed(w.w, input.w);
}

// What the sums of a row of the weights are multiplied by.
fn factor_of_weights(row: u32) -> f32 {
    return w_scales[row];
}
