//! Matrix products with weights as Hugging Face stores them, a row an output.

use std::thread::ScopedJoinHandle;

/// `x w^T` for `x` of shape `[rows, k]` and `w` of shape `[n, k]`: shape `[rows, n]`.
pub fn linear(x: &[f32], w: &[f32], k: usize) -> Vec<f32> {
    assert!(x.len().is_multiple_of(k) && w.len().is_multiple_of(k));
    let (rows, n) = (x.len() / k, w.len() / k);
    let threads = match rows * n * k {
        0..1_000_000 => 1,
        _ => std::thread::available_parallelism().map_or(1, |p| p.get()),
    };
    if threads == 1 {
        return x.chunks_exact(k).flat_map(|x| products(w, x)).collect();
    }
    // Each thread computes some of the outputs for all rows, so that a weight row is read once.
    let share = n.div_ceil(threads);
    let columns = std::thread::scope(|scope| {
        let parts = w.chunks(share * k);
        let running: Vec<_> = parts
            .map(|w| scope.spawn(move || transposed(x, w, k)))
            .collect();
        let join = |part: ScopedJoinHandle<'_, Vec<f32>>| part.join().expect("no product panics");
        running.into_iter().flat_map(join).collect::<Vec<f32>>()
    });
    (0..rows)
        .flat_map(|row| columns.iter().skip(row).step_by(rows))
        .copied()
        .collect()
}

/// `w x^T`: `[n, rows]`.
fn transposed(x: &[f32], w: &[f32], k: usize) -> Vec<f32> {
    w.chunks_exact(k).flat_map(|w| products(x, w)).collect()
}

/// The scalar products of `vector` with each row of `matrix`.
fn products(matrix: &[f32], vector: &[f32]) -> impl Iterator<Item = f32> {
    matrix
        .chunks_exact(vector.len())
        .map(move |row| dot(row, vector))
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
