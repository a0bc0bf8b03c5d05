// Linear layers over f32 input on software adapters: weights become f32 and products are f32. The part in front gives
// vector_of_x(index) and factor_of_input(row).

// What meets one load of weights: VECTORS vec4s of input.
alias Input = array<vec4<f32>, VECTORS>;
// The same type, not one alike: two would be two types in SPIR-V.
alias Weights = Input;
alias Sum = f32;

fn load_input(at: u32) -> Input {
    var input: Input;
    for (var part = 0u; part < VECTORS; part++) { // unrolled
        input[part] = vector_of_x(at * VECTORS + part);
    }
    return input;
}

fn load_weights(packed: vec4<u32>) -> Weights {
    var unpacked: Weights;
    for (var part = 0u; part < VECTORS; part++) { // unrolled
        unpacked[part] = unpack(packed, part);
    }
    return unpacked;
}

fn product(w: Weights, input: Input) -> Sum {
    var sum = 0.0;
    for (var part = 0u; part < VECTORS; part++) { // unrolled
        sum += dot(w[part], input[part]);
    }
    return sum;
}

// What the sums of a row of the weights are multiplied by.
fn factor_of_weights(row: u32) -> f32 {
    return 1.0;
}
