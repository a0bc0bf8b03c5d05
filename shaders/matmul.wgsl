// Linear layer for many rows: blocks of x and of the weights go through workgroup memory, LANES loads of K at a time, while the
// next ones are read. Each lane of a group multiplies one of these loads, for an M_TILE x N_TILE block of outputs; a workgroup
// has GROUPS_M x GROUPS_N groups. Twin: src/reference/linear.rs

const GROUPS: u32 = GROUPS_M * GROUPS_N;
const BM: u32 = GROUPS_M * M_TILE;
const BN: u32 = GROUPS_N * N_TILE;
// One place of padding a row keeps neighbouring rows out of each other's memory banks.
const ROW: u32 = LANES * TERMS + 1u;

var<workgroup> x_block: array<Input, BM * ROW>;
var<workgroup> w_block: array<Packed, BN * ROW>;
var<workgroup> square_shares: array<f32, BM * LANES>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let n0 = workgroup.x * BN;
    let m0 = workgroup.y * BM;
    // What the thread brings into both blocks: load `column` of rows `row`, `row` + GROUPS, ...
    let row = local / LANES;
    let column = local % LANES;
    // What it multiplies. Groups that do the same are neighbours and read the same places.
    let group = local % GROUPS;
    let lane = local / GROUPS;
    let group_m = group / GROUPS_N;
    let group_n = group % GROUPS_N;
    let last = params.loads - 1u;

    // Rows past the end repeat the last one; their results are not written.
    var x_row: array<u32, X_LOADS>;
    var x_ahead: array<Loaded, X_LOADS * LOADED>;
    for (var l = 0u; l < X_LOADS; l++) { // unrolled
        x_row[l] = input_row(min(m0 + l * GROUPS + row, params.m - 1u));
        for (var piece = 0u; piece < LOADED; piece++) { // unrolled
            x_ahead[l * LOADED + piece] = loaded_input(x_row[l] + min(column, last), piece);
        }
    }
    var w_row: array<u32, W_LOADS>;
    var w_ahead: array<vec4<u32>, W_LOADS>;
    for (var l = 0u; l < W_LOADS; l++) { // unrolled
        w_row[l] = min(n0 + l * GROUPS + row, params.n - 1u) * params.loads;
        w_ahead[l] = read_weights(w_row[l] + min(column, last));
    }

    var acc: array<Sum, PRODUCTS>;
    var squares: array<f32, X_LOADS>;
    for (var k = 0u; k < params.loads; k += LANES) {
        let at = k + column;
        for (var l = 0u; l < X_LOADS; l++) { // unrolled
            for (var piece = 0u; piece < LOADED; piece++) { // unrolled
                var x = x_ahead[l * LOADED + piece];
                if (at > last) {
                    x = Loaded();
                }
                if (NORM) {
                    squares[l] = with_squares(squares[l], x);
                    x = with_gain(x, min(at, last), piece);
                }
                let place = (l * GROUPS + row) * ROW + column * TERMS + piece * TERMS_A_PIECE;
                for (var t = 0u; t < TERMS_A_PIECE; t++) { // unrolled
                    x_block[place + t] = input_of(x, t);
                }
            }
        }
        for (var l = 0u; l < W_LOADS; l++) { // unrolled
            for (var t = 0u; t < TERMS; t++) { // unrolled
                w_block[(l * GROUPS + row) * ROW + column * TERMS + t] = packed_of(w_ahead[l], t);
            }
        }
        workgroupBarrier();
        let next = min(at + LANES, last);
        for (var l = 0u; l < X_LOADS; l++) { // unrolled
            for (var piece = 0u; piece < LOADED; piece++) { // unrolled
                x_ahead[l * LOADED + piece] = loaded_input(x_row[l] + next, piece);
            }
        }
        for (var l = 0u; l < W_LOADS; l++) { // unrolled
            w_ahead[l] = read_weights(w_row[l] + next);
        }
        // Left a loop: written out, drivers would read all terms at once and run out of registers.
        for (var t = 0u; t < TERMS; t++) {
            let term = lane * TERMS + t;
            var terms: array<Term, M_TILE>;
            for (var i = 0u; i < M_TILE; i++) { // unrolled
                terms[i] = input_term(x_block[(group_m + i * GROUPS_M) * ROW + term]);
            }
            for (var j = 0u; j < N_TILE; j++) { // unrolled
                let w = weights_term(w_block[column_within(group_n, j) * ROW + term]);
                for (var i = 0u; i < M_TILE; i++) { // unrolled
                    acc[i * N_TILE + j] = with_products(acc[i * N_TILE + j], w, terms[i]);
                }
            }
        }
        workgroupBarrier();
    }

    if (NORM) {
        for (var l = 0u; l < X_LOADS; l++) { // unrolled
            square_shares[(l * GROUPS + row) * LANES + column] = squares[l];
        }
    }
    let place = Place(group, lane, m0 + group_m, n0, workgroup.x * GROUPS_N + group_n);
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
    return lane * GROUPS + group;
}

// Row i of the group's block.
fn row_of(place: Place, i: u32) -> u32 {
    return place.m0 + i * GROUPS_M;
}

// Column j of a group's block, within the workgroup's: pairs of neighbours, so that a gate's two rows meet in one thread.
fn column_within(group_n: u32, j: u32) -> u32 {
    return (j / 2u) * (2u * GROUPS_N) + 2u * group_n + j % 2u;
}

// Column j of the group's block.
fn column_of(place: Place, j: u32) -> u32 {
    return place.n0 + column_within(place.group % GROUPS_N, j);
}

// The sum of squares of row i of the group's block.
fn squares_of(place: Place, i: u32) -> f32 {
    let start = (place.group / GROUPS_N + i * GROUPS_M) * LANES;
    var sum = square_shares[start];
    for (var lane = 1u; lane < LANES; lane++) {
        sum += square_shares[start + lane];
    }
    return sum;
}
