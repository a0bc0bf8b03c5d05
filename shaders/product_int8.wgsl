// Linear layers over int8 input, which stage.wgsl made (and normalised, where there is a norm): integer products, exact
// until a row's scales are multiplied in. The host declares x, binding 0. A lane's sum stays below 2^31 for any K below 2^17.

@group(0) @binding(4) var<storage, read> x_scales: array<f32>;  // a row of x
@group(0) @binding(5) var<storage, read> w_scales: array<f32>;  // a row of weights

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

// Never called: NORM is false.
fn squares_of(input: Input) -> f32 {
    return 0.0;
}

fn with_gain(input: Input, k: u32) -> Input {
    return input;
}

// What the sums of a row of the weights are multiplied by.
fn factor_of_weights(row: u32) -> f32 {
    return w_scales[row];
}

// What the sums of a row of x are multiplied by.
fn factor_of_input(row: u32) -> f32 {
    return x_scales[row];
}
