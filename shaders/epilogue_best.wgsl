// What happens to finished products where EPILOGUE is BEST: of each thread's the largest goes to a buffer, binding 3.

@group(0) @binding(3) var<storage, read_write> out: array<f32>;

// The largest float's negative: less than all products but those that count for nothing.
const LOWEST: f32 = -0x1.fffffep+127;

// The best of a thread's products since the last finish_share.
var<private> best: f32 = LOWEST;
var<private> best_row: u32 = 0u;

// Takes note of the product of weight row n. `index` and `next` are for other epilogues.
fn finish(index: u32, n: u32, y: f32, next: f32) {
    let is_better = y > best;
    best = select(best, y, is_better);
    best_row = select(best_row, n, is_better);
}

// Called when a thread has finished row m's share number `share`, by ascending n.
fn finish_share(m: u32, share: u32) {
    let index = m * params.out_stride + 2u * (params.share + share);
    out[index] = best;
    out[index + 1u] = f32(params.out_offset + best_row);
    best = LOWEST;
    best_row = 0u;
}
