// Linear layer for few rows, as in a decode step: reading the weights is what costs.
// A group of LANES threads computes an N_TILE x M_TILE block of outputs; its lanes split K, a load at a time, and
// their partial sums meet in workgroup memory. A workgroup holds GROUPS groups. The order of summation depends on LANES
// alone, so a row gives the same bits whatever M_TILE is. Twin: src/reference/linear.rs

const PRODUCTS: u32 = N_TILE * M_TILE;
// Where the input is normalised, each input row's sum of squares is gathered beside the products.
const VALUES: u32 = PRODUCTS + select(0u, M_TILE, NORM);
// Threads of a group that finish its products: one a row where the best is sought, else as many as there are.
const FINISHERS: u32 = select(LANES, M_TILE, EPILOGUE == BEST);

var<workgroup> partial: array<f32, GROUPS * VALUES * LANES>;
var<workgroup> sums: array<f32, GROUPS * VALUES>;

@compute @workgroup_size(LANES * GROUPS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let group = local / LANES;
    let lane = local % LANES;
    let n0 = (workgroup.y * GROUPS + group) * N_TILE;
    let m0 = workgroup.x * M_TILE;

    prepare_input(local);
    // Rows past the end repeat the last one; their results are not written.
    var w_row: array<u32, N_TILE>;
    for (var j = 0u; j < N_TILE; j++) { // unrolled
        w_row[j] = min(n0 + j, params.n - 1u) * params.loads;
    }
    var x_row: array<u32, M_TILE>;
    for (var i = 0u; i < M_TILE; i++) { // unrolled
        x_row[i] = input_row(min(m0 + i, params.m - 1u));
    }

    var acc: array<Sum, PRODUCTS>;
    var squares: array<f32, M_TILE>;
    for (var k = lane; k < params.loads; k += LANES) {
        var inputs: array<Input, M_TILE>;
        for (var i = 0u; i < M_TILE; i++) { // unrolled
            inputs[i] = load_input(x_row[i] + k);
            if (NORM) {
                squares[i] += squares_of(inputs[i]);
                inputs[i] = with_gain(inputs[i], k);
            }
        }
        for (var j = 0u; j < N_TILE; j++) { // unrolled
            let w = load_weights(read_weights(w_row[j] + k));
            for (var i = 0u; i < M_TILE; i++) { // unrolled
                acc[j * M_TILE + i] += product(w, inputs[i]);
            }
        }
    }

    let base = group * VALUES;
    for (var j = 0u; j < N_TILE; j++) { // unrolled
        for (var i = 0u; i < M_TILE; i++) { // unrolled
            partial[(base + j * M_TILE + i) * LANES + lane] = f32(acc[j * M_TILE + i]);
        }
    }
    if (NORM) {
        for (var i = 0u; i < M_TILE; i++) { // unrolled
            partial[(base + PRODUCTS + i) * LANES + lane] = squares[i];
        }
    }
    workgroupBarrier();
    for (var v = lane; v < VALUES; v += LANES) {
        var sum = 0.0;
        for (var l = 0u; l < LANES; l++) {
            sum += partial[(base + v) * LANES + l];
        }
        sums[base + v] = sum;
    }
    workgroupBarrier();
    if (lane >= FINISHERS) {
        return;
    }
    for (var v = lane; v < PRODUCTS; v += FINISHERS) {
        let n = n0 + v / M_TILE;
        let i = v % M_TILE;
        if (n < params.n && m0 + i < params.m) {
            var factor = params.scale * factor_of_input(params.first + m0 + i);
            if (NORM) {
                factor *= inverseSqrt(sums[base + PRODUCTS + i] / params.width + params.eps);
            }
            var next = 0.0;
            if (EPILOGUE == GATE && n % 2u == 0u && v + M_TILE < PRODUCTS) {
                next = factor * (sums[base + v + M_TILE] * factor_of_weights(n + 1u));
            }
            let index = (m0 + i) * params.out_stride + params.out_offset;
            finish(index, n, factor * (sums[base + v] * factor_of_weights(n)), next);
        }
    }
    if (m0 + lane < params.m) {
        finish_share(m0 + lane, workgroup.y * GROUPS + group);
    }
}
