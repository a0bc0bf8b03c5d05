// Linear layer for many rows: blocks of x and of the weights go through workgroup memory, each thread keeps a TM x TN
// block of outputs in registers. A workgroup computes (TM * THREADS_M) x (TN * THREADS_N) outputs and walks K in steps
// of 16. Twin: src/reference/linear.rs

const BM: u32 = TM * THREADS_M;
const BN: u32 = TN * THREADS_N;
const THREADS: u32 = THREADS_M * THREADS_N;
// Loads a row of a block.
const BK: u32 = 4u / VECTORS;
// One place of padding a row keeps neighbouring rows out of each other's memory banks.
const ROW: u32 = BK + 1u;
// A thread's loads of each block.
const X_LOADS: u32 = (BM * BK + THREADS - 1u) / THREADS;
const W_LOADS: u32 = (BN * BK + THREADS - 1u) / THREADS;

var<workgroup> x_block: array<Input, BM * ROW>;
var<workgroup> w_block: array<vec4<u32>, BN * ROW>;
var<workgroup> squares: array<f32, BM * BK>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let tn = local % THREADS_N;
    let tm = local / THREADS_N;
    let n0 = workgroup.x * BN;
    let m0 = workgroup.y * BM;

    var acc: array<Sum, TM * TN>;
    var square: array<f32, X_LOADS>;
    for (var k = 0u; k < params.loads; k += BK) {
        for (var l = 0u; l < X_LOADS; l++) {
            let at = l * THREADS + local;
            let row = at / BK;
            let column = at % BK;
            if (row < BM) {
                var input = load_input(input_row(min(m0 + row, params.m - 1u)) + k + column);
                if (NORM) {
                    square[l] += squares_of(input);
                    input = with_gain(input, k + column);
                }
                x_block[row * ROW + column] = input;
            }
        }
        for (var l = 0u; l < W_LOADS; l++) {
            let at = l * THREADS + local;
            let row = at / BK;
            let column = at % BK;
            if (row < BN) {
                let w_row = min(n0 + row, params.n - 1u);
                w_block[row * ROW + column] = read_weights(w_row * params.loads + k + column);
            }
        }
        workgroupBarrier();
        for (var c = 0u; c < BK; c++) {
            var ws: array<Weights, TN>;
            for (var j = 0u; j < TN; j++) { // unrolled
                ws[j] = load_weights(w_block[column_of(tn, j) * ROW + c]);
            }
            for (var i = 0u; i < TM; i++) { // unrolled
                let input = x_block[(tm + i * THREADS_M) * ROW + c];
                for (var j = 0u; j < TN; j++) { // unrolled
                    acc[i * TN + j] += product(ws[j], input);
                }
            }
        }
        workgroupBarrier();
    }

    if (NORM) {
        for (var l = 0u; l < X_LOADS; l++) {
            let at = l * THREADS + local;
            if (at < BM * BK) {
                squares[at] = square[l];
            }
        }
        workgroupBarrier();
    }
    // Copies, so that the loops below, which need not be written out, do not keep the sums above out of registers.
    var sums: array<f32, TM * TN>;
    for (var i = 0u; i < TM; i++) { // unrolled
        for (var j = 0u; j < TN; j++) { // unrolled
            sums[i * TN + j] = f32(acc[i * TN + j]);
        }
    }
    for (var i = 0u; i < TM; i++) {
        let row = tm + i * THREADS_M;
        let m = m0 + row;
        if (m < params.m) {
            var factor = params.scale * factor_of_input(params.first + m);
            if (NORM) {
                var sum = 0.0;
                for (var c = 0u; c < BK; c++) {
                    sum += squares[row * BK + c];
                }
                factor *= inverseSqrt(sum / params.width + params.eps);
            }
            for (var j = 0u; j < TN; j++) {
                let n = n0 + column_of(tn, j);
                if (n < params.n) {
                    var next = 0.0;
                    if (EPILOGUE == GATE && n % 2u == 0u) {
                        next = factor * (sums[i * TN + j + 1u] * factor_of_weights(n + 1u));
                    }
                    let index = m * params.out_stride + params.out_offset;
                    finish(index, n, factor * (sums[i * TN + j] * factor_of_weights(n)), next);
                }
            }
            finish_share(m, workgroup.x * THREADS_N + tn);
        }
    }
}

// Column j of a thread that computes several: pairs of neighbours, so that a gate's two rows meet in one thread.
fn column_of(thread: u32, j: u32) -> u32 {
    return (j / 2u) * (2u * THREADS_N) + 2u * thread + j % 2u;
}
