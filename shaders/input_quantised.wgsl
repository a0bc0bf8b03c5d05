// Input of a single row, made int8 by each workgroup for itself as row_scale.wgsl says: where there are few outputs, that
// costs less than a dispatch that does it for all.

var<workgroup> quantised: array<vec4<u32>, ROOM>;
var<workgroup> factor_of_row: f32;

// Every thread of the workgroup takes part.
fn prepare_input(local: u32) {
    let start = params.first * params.loads * VECTORS;
    let scale = row_scale(start, params.loads * VECTORS, params.width, params.eps, local);
    if (local == 0u) {
        factor_of_row = scale.factor;
    }
    for (var t = local; t < params.loads; t += THREADS) {
        quantised[t] = packed_texel(start, t, scale.inverse);
    }
    workgroupBarrier();
}

// Where row m of the input begins.
fn input_row(m: u32) -> u32 {
    return 0u;
}

fn read_x(at: u32) -> vec4<u32> {
    return quantised[at];
}

// What the sums of a row of x are multiplied by.
fn factor_of_input(row: u32) -> f32 {
    return factor_of_row;
}
