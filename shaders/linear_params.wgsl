// What all linear kernels bind: out[m, n] = epilogue(scale * sum_k norm(x)[m, k] * weights[n, k]). The host declares the
// weights, binding 1, and the gain, binding 2.
// norm(x) is T5LayerNorm, x * rsqrt(mean(x^2) + eps) * gain, where const NORM is set; else x itself.
// Widths are padded with zeros to multiples of 16, so rows are whole loads; `width` is the true one, for the mean.
// x itself, and how it meets the weights, is the business of terms_*.wgsl, or on software adapters of product_*.wgsl.

struct Params {
    m: u32,           // rows of x
    n: u32,           // rows of weights in this binding
    loads: u32,       // loads (of VECTORS vec4s) a row of x and of weights
    out_stride: u32,  // floats a row of out
    out_offset: u32,  // column of out that weight row 0 writes
    scale: f32,
    eps: f32,
    width: f32,
    first: u32,       // row of x that row 0 of out is computed from
    share: u32,       // BEST: number of these weights' first share
    row_groups: u32,  // blocks of rows a workgroup of matvec.wgsl
}

var<immediate> params: Params;

// What happens to a finished product before it is written; const EPILOGUE chooses.
const STORE: u32 = 0u;     // out = y
const ADD: u32 = 1u;       // out += y: the residual stream
const ACTIVATE: u32 = 2u;  // out = act(y)
const GATE: u32 = 3u;      // out = act(y of row 2j) * y of row 2j+1: wi_0 and wi_1 lie interleaved
const BEST: u32 = 4u;      // out = of every thread's weight rows the largest y and its row, the lowest among equals
