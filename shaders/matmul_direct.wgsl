// Linear layer for many rows where memory is the CPU's, as in software adapters: each thread loads what it needs straight
// from the buffers and keeps a TM x TN block of outputs in registers; going through workgroup memory would only load
// everything twice. A workgroup computes TM x (TN * THREADS_N) outputs. Twin: src/reference/linear.rs

@compute @workgroup_size(THREADS_N)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let n0 = workgroup.x * TN * THREADS_N;
    let m0 = workgroup.y * TM;

    // Rows past the end repeat the last one; their results are not written.
    var x_row: array<u32, TM>;
    for (var i = 0u; i < TM; i++) {
        x_row[i] = (params.first + min(m0 + i, params.m - 1u)) * params.k4;
    }
    var w_row: array<u32, TN>;
    for (var j = 0u; j < TN; j++) {
        w_row[j] = min(n0 + column_of(local, j), params.n - 1u) * (params.k4 / VECTORS);
    }

    var acc: array<f32, TM * TN>;
    var squares: array<f32, TM>;
    for (var k = 0u; k < params.k4 / VECTORS; k++) {
        var packed: array<Packed, TN>;
        for (var j = 0u; j < TN; j++) {
            packed[j] = weights[w_row[j] + k];
        }
        for (var part = 0u; part < VECTORS; part++) {
            let at = k * VECTORS + part;
            var ws: array<vec4<f32>, TN>;
            for (var j = 0u; j < TN; j++) {
                ws[j] = unpack(packed[j], part);
            }
            for (var i = 0u; i < TM; i++) {
                var value = x[x_row[i] + at];
                if (NORM) {
                    squares[i] += dot(value, value);
                    value *= gain[at];
                }
                for (var j = 0u; j < TN; j++) {
                    acc[i * TN + j] += dot(value, ws[j]);
                }
            }
        }
    }

    for (var i = 0u; i < TM; i++) {
        if (m0 + i < params.m) {
            var scale = params.scale;
            if (NORM) {
                scale *= inverseSqrt(squares[i] / params.width + params.eps);
            }
            for (var j = 0u; j < TN; j++) {
                let n = n0 + column_of(local, j);
                if (n < params.n) {
                    var next = 0.0;
                    if (EPILOGUE == GATE && j + 1u < TN) {
                        next = scale * acc[i * TN + j + 1u];
                    }
                    finish(m0 + i, n, scale * acc[i * TN + j], next);
                }
            }
        }
    }
}
