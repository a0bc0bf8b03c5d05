// What happens to a finished product of a linear layer before it is written; const EPILOGUE chooses.

const STORE: u32 = 0u;     // out = y
const ADD: u32 = 1u;       // out += y: the residual stream
const ACTIVATE: u32 = 2u;  // out = act(y)
const GATE: u32 = 3u;      // out = act(y of row 2j) * y of row 2j+1: wi_0 and wi_1 lie interleaved

// Writes the product of weight row n, where row 0's goes to out[index]. `next` is the product of row n + 1, used by GATE at
// even n.
fn finish(index: u32, n: u32, y: f32, next: f32) {
    if (EPILOGUE == STORE) {
        out[index + n] = y;
    } else if (EPILOGUE == ADD) {
        out[index + n] += y;
    } else if (EPILOGUE == ACTIVATE) {
        out[index + n] = activate(y);
    } else if (n % 2u == 0u) {
        out[index + n / 2u] = activate(y) * next;
    }
}
