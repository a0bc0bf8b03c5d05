// What happens to a finished product of a linear layer before it is written; params.epilogue chooses, the same
// for all threads, so that one compiled kernel serves every layer.

const STORE: u32 = 0u;     // out = y
const ADD: u32 = 1u;       // out += y: the residual stream
const ACTIVATE: u32 = 2u;  // out = act(y)
const GATE: u32 = 3u;      // out = act(y of row 2j) * y of row 2j+1: wi_0 and wi_1 lie interleaved

// Writes the product of weight row n with input row m. `next` is the product of row n + 1, used by GATE at even n.
fn finish(m: u32, n: u32, y: f32, next: f32) {
    let index = m * params.out_stride + params.out_offset;
    switch params.epilogue {
        case ADD: {
            out[index + n] += y;
        }
        case ACTIVATE: {
            out[index + n] = activate(y);
        }
        case GATE: {
            if (n % 2u == 0u) {
                out[index + n / 2u] = activate(y) * next;
            }
        }
        default: {
            out[index + n] = y;
        }
    }
}
