// Input of a single row, made ready by each workgroup for itself as row_scale.wgsl says, as stage.wgsl would leave it: where
// there are few outputs, that costs less than a dispatch that does it for all.

var<workgroup> prepared: array<vec4<u32>, ROOM>;
var<workgroup> factor_of_row: f32;

// Every thread of the workgroup takes part.
fn prepare_input(local: u32) {
    let vectors = params.loads * VECTORS;
    let start = params.first * vectors;
    let scale = row_scale(start, vectors, params.width, params.eps, local);
    if (local == 0u) {
        factor_of_row = scale.factor;
    }
    for (var t = local; t < select(vectors, params.loads, INT8); t += THREADS) {
        prepared[t] = ready_texel(start, t, scale.inverse);
    }
    workgroupBarrier();
}

// Where row m of the input begins.
fn input_row(m: u32) -> u32 {
    return 0u;
}

fn read_x(at: u32) -> vec4<u32> {
    return prepared[at];
}

fn vector_of_x(index: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(prepared[index]);
}

// What the sums of a row of x are multiplied by.
fn factor_of_input(row: u32) -> f32 {
    return factor_of_row;
}
