//! Matrix products with weights as Hugging Face stores them, a row an output.

/// `x w^T` for `x` of shape `[rows, k]` and `w` of shape `[n, k]`: shape `[rows, n]`.
pub fn linear(x: &[f32], w: &[f32], k: usize) -> Vec<f32> {
    assert!(x.len().is_multiple_of(k) && w.len().is_multiple_of(k));
    let (rows, n) = (x.len() / k, w.len() / k);
    let mut out = vec![0.0; rows * n];
    let threads = match rows * n * k {
        0..1_000_000 => 1,
        _ => std::thread::available_parallelism().map_or(1, |p| p.get()),
    };
    // Each thread computes some of the outputs, for all rows, into `[outputs, rows]`, so that a weight row is read once.
    let share = n.div_ceil(threads);
    let parts: Vec<Vec<f32>> = std::thread::scope(|scope| {
        let parts: Vec<_> = w
            .chunks(share * k)
            .map(|w| scope.spawn(move || products(x, w, k)))
            .collect();
        let join = |part: std::thread::ScopedJoinHandle<'_, _>| part.join().expect("no product panics");
        parts.into_iter().map(join).collect()
    });
    for (part, products) in parts.iter().enumerate() {
        for (i, &value) in products.iter().enumerate() {
            out[i % rows * n + part * share + i / rows] = value;
        }
    }
    out
}

/// `w x^T`: `[n, rows]`.
fn products(x: &[f32], w: &[f32], k: usize) -> Vec<f32> {
    w.chunks_exact(k)
        .flat_map(|w| x.chunks_exact(k).map(move |x| dot(x, w)))
        .collect()
}

/// The scalar product of two equally long vectors, in eight running sums.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a_chunks, a_tail), (b_chunks, b_tail)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    let tail: f32 = a_tail.iter().zip(b_tail).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + tail
}
