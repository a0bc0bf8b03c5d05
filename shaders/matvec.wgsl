// Linear layer for few rows, as in a decode step: reading the weights is what costs. A group of LANES threads computes an
// M_TILE x N_TILE block of outputs; its lanes split K, a load of the weights at a time. The groups of a workgroup take all rows
// of x, `row_groups` blocks of them, and as many blocks of columns as there are groups left for: so weights come from memory
// once. Twin: src/reference/linear.rs

const GROUPS: u32 = THREADS / LANES;

var<workgroup> square_shares: array<f32, M_TILE * STRIDE>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let group = local / LANES;
    let lane = local % LANES;
    let row_group = group % params.row_groups;
    let column_group = group / params.row_groups;
    let column_groups = GROUPS / params.row_groups;
    let block = workgroup.x * column_groups + column_group;
    // Groups that are left over have no columns, and sum nothing.
    let n0 = select(params.n, block * N_TILE, column_group < column_groups);
    let loads = select(0u, params.loads, n0 < params.n);
    let m0 = row_group * M_TILE;
    let last = params.loads - 1u;

    // Rows past the end repeat the last one; their results are not written.
    var w_row: array<u32, N_TILE>;
    for (var j = 0u; j < N_TILE; j++) { // unrolled
        w_row[j] = min(n0 + j, params.n - 1u) * params.loads;
    }
    // The next AHEAD loads of each row of weights, where few rows of x leave room for them.
    var ahead: array<vec4<u32>, AHEAD * N_TILE>;
    if (READS_AHEAD) {
        for (var a = 0u; a < AHEAD; a++) { // unrolled
            for (var j = 0u; j < N_TILE; j++) { // unrolled
                ahead[a * N_TILE + j] = read_weights(w_row[j] + min(lane + a * LANES, last));
            }
        }
    }
    prepare_input(local);
    var x_row: array<u32, M_TILE>;
    for (var i = 0u; i < M_TILE; i++) { // unrolled
        x_row[i] = input_row(min(m0 + i, params.m - 1u));
    }

    var acc: array<Sum, PRODUCTS>;
    var squares: array<f32, M_TILE>;
    for (var k = lane; k < loads; k += AHEAD * LANES) {
        var weights: array<vec4<u32>, AHEAD * N_TILE>;
        for (var a = 0u; a < AHEAD; a++) { // unrolled
            for (var j = 0u; j < N_TILE; j++) { // unrolled
                if (READS_AHEAD) {
                    weights[a * N_TILE + j] = ahead[a * N_TILE + j];
                    ahead[a * N_TILE + j] = read_weights(w_row[j] + min(k + (AHEAD + a) * LANES, last));
                } else {
                    weights[a * N_TILE + j] = read_weights(w_row[j] + min(k + a * LANES, last));
                }
            }
        }
        for (var a = 0u; a < AHEAD; a++) { // unrolled
            let at = k + a * LANES;
            if (a == 0u || at < loads) {
                for (var piece = 0u; piece < LOADED; piece++) { // unrolled
                    var x: array<Loaded, M_TILE>;
                    for (var i = 0u; i < M_TILE; i++) { // unrolled
                        x[i] = loaded_input(x_row[i] + at, piece);
                        if (NORM) {
                            squares[i] = with_squares(squares[i], x[i]);
                            x[i] = with_gain(x[i], at, piece);
                        }
                    }
                    for (var t = 0u; t < TERMS_A_PIECE; t++) { // unrolled
                        var terms: array<Term, M_TILE>;
                        for (var i = 0u; i < M_TILE; i++) { // unrolled
                            terms[i] = input_term(input_of(x[i], t));
                        }
                        for (var j = 0u; j < N_TILE; j++) { // unrolled
                            let w = weights_term(packed_of(weights[a * N_TILE + j], piece * TERMS_A_PIECE + t));
                            for (var i = 0u; i < M_TILE; i++) { // unrolled
                                acc[i * N_TILE + j] = with_products(acc[i * N_TILE + j], w, terms[i]);
                            }
                        }
                    }
                }
            }
        }
    }

    if (NORM) {
        for (var i = 0u; i < M_TILE; i++) { // unrolled
            square_shares[i * STRIDE + local] = squares[i];
        }
    }
    let place = Place(group, lane, m0, n0, block);
    for (var round = 0u; round < ROUNDS; round++) {
        for (var r = 0u; r < ROUNDS; r++) { // unrolled
            if (r == round) {
                for (var v = 0u; v < ROUND; v++) { // unrolled
                    shares[v * STRIDE + local] = acc[r * ROUND + v];
                }
            }
        }
        workgroupBarrier();
        finish_round(place, round * ROUND);
        workgroupBarrier();
    }
}

// Where a group's lane keeps its shares.
fn slot_of(group: u32, lane: u32) -> u32 {
    return group * LANES + lane;
}

// Row i of the group's block.
fn row_of(place: Place, i: u32) -> u32 {
    return place.m0 + i;
}

// Column j of the group's block.
fn column_of(place: Place, j: u32) -> u32 {
    return place.n0 + j;
}

// The sum of squares of row i of the group's block.
fn squares_of(place: Place, i: u32) -> f32 {
    var sum = square_shares[i * STRIDE + slot_of(place.group, 0u)];
    for (var lane = 1u; lane < LANES; lane++) {
        sum += square_shares[i * STRIDE + slot_of(place.group, lane)];
    }
    return sum;
}
