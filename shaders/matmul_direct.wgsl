// Linear layer for software adapters: a thread is a lane of a CPU's vector and takes columns of its own, so nothing is
// summed across threads and nothing goes through workgroup memory. Each keeps a TM x TN block of outputs in registers; a
// workgroup computes TM x (TN * LANES) outputs; neighbours share their weights, which so come from memory once. Weights
// lie as layout_blocks.wgsl says, and are read one texel ahead of the products: they come a lane at a time, which only
// other work hides. Twin: src/reference/linear.rs

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    // Read once: drivers read `params` from memory wherever it is named.
    let rows = params.m;
    let columns = params.n;
    let loads = params.loads;
    let first = params.first;
    let n0 = workgroup.y * TN * LANES;
    let m0 = workgroup.x * TM;

    prepare_input(local);
    // Rows past the end repeat the last one; their results are not written.
    var x_row: array<u32, TM>;
    for (var i = 0u; i < TM; i++) { // unrolled
        x_row[i] = input_row(min(m0 + i, rows - 1u));
    }
    var at = n0 / BLOCK * loads * BLOCK + n0 % BLOCK + local;
    let last = at + (loads - 1u) * BLOCK;

    var acc: array<Sum, TM * TN>;
    var ahead = read_weights(at);
    for (var k = 0u; k < loads; k++) {
        var inputs: array<Input, TM>;
        for (var i = 0u; i < TM; i++) { // unrolled
            inputs[i] = load_input(x_row[i] + k);
        }
        for (var j = 0u; j < TN; j++) { // unrolled
            let w = load_weights(ahead);
            ahead = read_weights(select(at + (j + 1u) * LANES, min(at + BLOCK, last), j + 1u == TN));
            for (var i = 0u; i < TM; i++) { // unrolled
                acc[i * TN + j] += product(w, inputs[i]);
            }
        }
        at += BLOCK;
    }

    var factors: array<f32, TN>;
    for (var j = 0u; j < TN; j++) { // unrolled
        factors[j] = factor_of_weights(min(n0 + row_at(j * LANES + local), columns - 1u));
    }
    // Copies, so that the loops below, where they stay loops, do not keep the sums above out of registers.
    var sums: array<f32, TM * TN>;
    for (var i = 0u; i < TM; i++) { // unrolled
        for (var j = 0u; j < TN; j++) { // unrolled
            sums[i * TN + j] = f32(acc[i * TN + j]) * factors[j];
        }
    }
    let out_stride = params.out_stride;
    let out_offset = params.out_offset;
    let scale = params.scale;
    for (var i = 0u; i < TM; i++) { // unrolled if WRITTEN_OUT
        let m = m0 + i;
        if (m < rows) {
            let factor = scale * factor_of_input(first + m);
            for (var run = 0u; run < RUNS; run++) { // unrolled if WRITTEN_OUT
                let j = run * RUN;
                let n = n0 + row_at(j * LANES + local);
                if (n < columns) {
                    let at = i * TN + j;
                    let low = vec4(sums[at], sums[at + 1u], sums[at + 2u], sums[at + 3u]);
                    let high = vec4(sums[at + 4u], sums[at + 5u], sums[at + 6u], sums[at + 7u]);
                    finish_run(m * out_stride + out_offset, n, columns, factor * low, factor * high);
                }
            }
            finish_share(m, workgroup.y * LANES + local);
        }
    }
}
