// Linear layer for many rows: blocks of x and of the weights go through workgroup memory, each thread keeps a TM x TN
// block of outputs in registers. A workgroup computes (TM * THREADS_M) x (TN * THREADS_N) outputs and walks K in steps
// of 16 (four vec4s). Twin: src/reference/linear.rs

const BM: u32 = TM * THREADS_M;
const BN: u32 = TN * THREADS_N;
const THREADS: u32 = THREADS_M * THREADS_N;
const BK4: u32 = 4u;
// One vec4 of padding a row keeps neighbouring rows out of each other's memory banks.
const ROW: u32 = BK4 + 1u;
const X_LOADS: u32 = BM * BK4 / THREADS;
// Loads of weights a row of a block, and by each thread.
const BK: u32 = BK4 / VECTORS;
const W_LOADS: u32 = BN * BK / THREADS;

var<workgroup> x_block: array<vec4<f32>, BM * ROW>;
var<workgroup> w_block: array<vec4<f32>, BN * ROW>;
var<workgroup> squares: array<f32, BM * BK4>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let tn = local % THREADS_N;
    let tm = local / THREADS_N;
    let n0 = workgroup.x * BN;
    let m0 = workgroup.y * BM;

    var acc: array<f32, TM * TN>;
    var square: array<f32, X_LOADS>;
    for (var k = 0u; k < params.k4; k += BK4) {
        for (var l = 0u; l < X_LOADS; l++) {
            let at = l * THREADS + local;
            let row = at / BK4;
            let column = at % BK4;
            let x_row = params.first + min(m0 + row, params.m - 1u);
            var value = x[x_row * params.k4 + k + column];
            if (NORM) {
                square[l] += dot(value, value);
                value *= gain[k + column];
            }
            x_block[row * ROW + column] = value;
        }
        for (var l = 0u; l < W_LOADS; l++) {
            let at = l * THREADS + local;
            let row = at / BK;
            let column = at % BK;
            let w_row = min(n0 + row, params.n - 1u) * (params.k4 / VECTORS);
            let packed = weights[w_row + k / VECTORS + column];
            for (var part = 0u; part < VECTORS; part++) {
                w_block[row * ROW + column * VECTORS + part] = unpack(packed, part);
            }
        }
        workgroupBarrier();
        for (var c = 0u; c < BK4; c++) {
            var ws: array<vec4<f32>, TN>;
            for (var j = 0u; j < TN; j++) {
                ws[j] = w_block[column_of(tn, j) * ROW + c];
            }
            for (var i = 0u; i < TM; i++) {
                let value = x_block[(tm + i * THREADS_M) * ROW + c];
                for (var j = 0u; j < TN; j++) {
                    acc[i * TN + j] += dot(value, ws[j]);
                }
            }
        }
        workgroupBarrier();
    }

    if (NORM) {
        for (var l = 0u; l < X_LOADS; l++) {
            squares[l * THREADS + local] = square[l];
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < TM; i++) {
        let row = tm + i * THREADS_M;
        if (m0 + row < params.m) {
            var scale = params.scale;
            if (NORM) {
                let s = row * BK4;
                let sum = squares[s] + squares[s + 1u] + squares[s + 2u] + squares[s + 3u];
                scale *= inverseSqrt(sum / params.width + params.eps);
            }
            for (var j = 0u; j < TN; j++) {
                let n = n0 + column_of(tn, j);
                if (n < params.n) {
                    var next = 0.0;
                    if (EPILOGUE == GATE && j + 1u < TN) {
                        next = scale * acc[i * TN + j + 1u];
                    }
                    finish(m0 + row, n, scale * acc[i * TN + j], next);
                }
            }
        }
    }
}
