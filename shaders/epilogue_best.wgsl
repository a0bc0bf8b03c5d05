// What happens to finished products where EPILOGUE is BEST: of each thread's the largest goes to a buffer, binding 3, with
// its row. Where one is not finite, the pair is one that beats all others and whose row is below 0.

@group(0) @binding(3) var<storage, read_write> out: array<f32>;

// The largest float's negative: less than all products but those that count for nothing.
const LOWEST: f32 = -0x1.fffffep+127;

// The best of a thread's products since the last finish_share.
var<private> best: f32 = LOWEST;
var<private> best_row: u32 = 0u;
// The largest magnitude, by its bits: those of what is not finite are the largest, and comparing floats may overlook NaN.
var<private> magnitude: u32 = 0u;

// Takes note of the product of weight row n. `index` and `next` are for other epilogues.
fn finish(index: u32, n: u32, y: f32, next: f32) {
    let is_better = y > best;
    best = select(best, y, is_better);
    best_row = select(best_row, n, is_better);
    magnitude = max(magnitude, bitcast<u32>(y) & 0x7fffffffu);
}

// Called when a thread has finished row m's share number `share`, by ascending n.
fn finish_share(m: u32, share: u32) {
    let index = m * params.out_stride + 2u * (params.share + share);
    let is_finite = magnitude < 0x7f800000u;
    out[index] = select(-LOWEST, best, is_finite);
    out[index + 1u] = select(-1.0, f32(params.out_offset + best_row), is_finite);
    best = LOWEST;
    best_row = 0u;
    magnitude = 0u;
}
