// What happens to a finished product of a linear layer before it is written; const EPILOGUE chooses.

const STORE: u32 = 0u;     // out = y
const ADD: u32 = 1u;       // out += y: the residual stream
const ACTIVATE: u32 = 2u;  // out = act(y)
const GATE: u32 = 3u;      // out = act(y of row 2j) * y of row 2j+1: wi_0 and wi_1 lie interleaved
const BEST: u32 = 4u;      // out = of every SHARE weight rows the largest y and the row's number, the lowest among equals

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
