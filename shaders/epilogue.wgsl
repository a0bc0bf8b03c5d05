// What happens to finished products: they go to a buffer, binding 3.

@group(0) @binding(3) var<storage, read_write> out: array<f32>;

// The largest float's negative: less than all products but those that count for nothing.
const LOWEST: f32 = -0x1.fffffep+127;

// BEST's, since the last finish_share.
var<private> best: f32 = LOWEST;
var<private> best_row: u32 = 0u;

// Writes the product of weight row n, where row 0's goes to out[index]. `next` is the product of row n + 1, used by GATE at
// even n.
fn finish(index: u32, n: u32, y: f32, next: f32) {
    if (EPILOGUE == STORE) {
        out[index + n] = y;
    } else if (EPILOGUE == ADD) {
        out[index + n] += y;
    } else if (EPILOGUE == ACTIVATE) {
        out[index + n] = activate(y);
    } else if (EPILOGUE == GATE) {
        if (n % 2u == 0u) {
            out[index + n / 2u] = activate(y) * next;
        }
    } else if (y > best) {
        best = y;
        best_row = n;
    }
}

// Called when a thread has finished row m's share number `share`, by ascending n.
fn finish_share(m: u32, share: u32) {
    if (EPILOGUE == BEST) {
        let index = m * params.out_stride + 2u * (params.share + share);
        out[index] = best;
        out[index + 1u] = f32(params.out_offset + best_row);
        best = LOWEST;
        best_row = 0u;
    }
}
