// Linear layer for software adapters: a thread is a lane of a CPU's vector and takes columns of its own, so nothing is
// summed across threads and nothing goes through workgroup memory. Each keeps a TM x TN block of outputs in registers; a
// workgroup computes TM x (TN * LANES) outputs; neighbours share their weights, which so come from memory once. Weights
// lie as layout_blocks.wgsl says. Twin: src/reference/linear.rs

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let n0 = workgroup.y * TN * LANES;
    let m0 = workgroup.x * TM;

    // Rows past the end repeat the last one; their results are not written.
    var x_row: array<u32, TM>;
    for (var i = 0u; i < TM; i++) { // unrolled
        x_row[i] = (params.first + min(m0 + i, params.m - 1u)) * params.loads;
    }
    var at = n0 / BLOCK * params.loads * BLOCK + n0 % BLOCK + local;

    var acc: array<Sum, TM * TN>;
    var squares: array<f32, TM>;
    for (var k = 0u; k < params.loads; k++) {
        var ws: array<Weights, TN>;
        for (var j = 0u; j < TN; j++) { // unrolled
            ws[j] = load_weights(read_weights(at + j * LANES));
        }
        for (var i = 0u; i < TM; i++) { // unrolled
            var input = load_input(x_row[i] + k);
            if (NORM) {
                squares[i] += squares_of(input);
                input = with_gain(input, k);
            }
            for (var j = 0u; j < TN; j++) { // unrolled
                acc[i * TN + j] += product(ws[j], input);
            }
        }
        at += BLOCK;
    }

    // Copies, so that the loops below, which need not be written out, do not keep the sums above out of registers.
    var sums: array<f32, TM * TN>;
    var norms: array<f32, TM>;
    for (var i = 0u; i < TM; i++) { // unrolled
        norms[i] = squares[i];
        for (var j = 0u; j < TN; j++) { // unrolled
            sums[i * TN + j] = f32(acc[i * TN + j]);
        }
    }
    for (var i = 0u; i < TM; i++) {
        if (m0 + i < params.m) {
            var scale = params.scale;
            if (NORM) {
                scale *= inverseSqrt(norms[i] / params.width + params.eps);
            }
            for (var j = 0u; j < TN; j++) {
                let n = n0 + row_at(j * LANES + local);
                if (n < params.n) {
                    var next = 0.0;
                    if (EPILOGUE == GATE) {
                        next = scale * value_of(sums[i * TN + (j | 1u)], m0 + i, n | 1u);
                    }
                    finish(m0 + i, n, scale * value_of(sums[i * TN + j], m0 + i, n), next);
                }
            }
        }
    }
}
