// What happens to finished products, but for BEST: they go to a buffer, binding 3.

@group(0) @binding(3) var<storage, read_write> out: array<f32>;

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

// Nothing: BEST's alone.
fn finish_share(m: u32, share: u32) {
}
