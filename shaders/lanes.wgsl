// How a block of products becomes output of which each of a group's LANES threads has summed a share of K: the shares of a
// product meet in workgroup memory, ROUND products of each group at a time, are added in the order of the lanes, and are
// finished. That order is the same in all kernels, so that a row gives the same bits beside any number of others.

// From the shares of a product to those of the next: what is written together lies side by side, and what is read together in
// different banks.
const STRIDE: u32 = THREADS + 1u;
const PRODUCTS: u32 = M_TILE * N_TILE;
// Products that a thread finishes: those of a row where the best of them is sought, a gate's two.
const RUN: u32 = select(select(1u, 2u, EPILOGUE == GATE), min(N_TILE, ROUND), EPILOGUE == BEST);
const STEP: u32 = select(1u, 2u, EPILOGUE == GATE);

var<workgroup> shares: array<Sum, ROUND * STRIDE>;

// A thread's place in its workgroup, and what its group computes.
struct Place {
    group: u32,
    lane: u32,
    m0: u32,      // first row of the group's block
    n0: u32,      // first column of the workgroup's, or of the group's
    share: u32,   // BEST: the block's number among those of the same rows
}

// The sum of the round's product `index`.
fn total(place: Place, index: u32) -> f32 {
    var sum = shares[index * STRIDE + slot_of(place.group, 0u)];
    for (var lane = 1u; lane < LANES; lane++) {
        sum += shares[index * STRIDE + slot_of(place.group, lane)];
    }
    return f32(sum);
}

// Finishes products first .. first + ROUND of the group's block, which are numbered row by row.
fn finish_round(place: Place, first: u32) {
    let begin = place.lane * RUN;
    let i = (first + begin) / N_TILE;
    let m = row_of(place, i);
    if (begin >= ROUND || m >= params.m || place.n0 >= params.n) {
        return;
    }
    var factor = params.scale * factor_of_input(params.first + m);
    if (NORM) {
        factor *= inverseSqrt(squares_of(place, i) / params.width + params.eps);
    }
    for (var r = 0u; r < RUN; r += STEP) {
        let index = begin + r;
        let n = column_of(place, (first + index) % N_TILE);
        if (n < params.n) {
            var next = 0.0;
            if (EPILOGUE == GATE) {
                next = factor * (total(place, index + 1u) * factor_of_weights(n + 1u));
            }
            let at = m * params.out_stride + params.out_offset;
            finish(at, n, factor * (total(place, index) * factor_of_weights(n)), next);
        }
    }
    if ((first + begin + RUN) % N_TILE == 0u) {
        finish_share(m, place.share);
    }
}
