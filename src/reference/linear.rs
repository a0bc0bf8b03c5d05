//! Matrix products with weights as Hugging Face stores them, a row an output.

use std::thread::ScopedJoinHandle;

use super::quantize::Quantized;

/// `x w^T` for `x` of shape `[rows, k]` and `w` of shape `[n, k]`: shape `[rows, n]`.
pub fn linear(x: &[f32], w: &[f32], k: usize) -> Vec<f32> {
    assert!(x.len().is_multiple_of(k) && w.len().is_multiple_of(k));
    let product = |row: usize, column: usize| dot(&x[row * k..][..k], &w[column * k..][..k]);
    outer(x.len() / k, w.len() / k, k, &product)
}

/// A weight matrix `[n, k]` as a device keeps it.
pub(super) enum Weight {
    /// Its values, whatever they were rounded to.
    Floats(Vec<f32>),
    /// int8 rows; inputs are quantised too.
    Int8(Quantized),
}

impl Weight {
    /// [`linear`] of rows of `k` with this matrix.
    pub fn linear(&self, x: &[f32], k: usize) -> Vec<f32> {
        match self {
            Weight::Floats(w) => linear(x, w, k),
            Weight::Int8(w) => {
                let x = Quantized::new(x, k);
                let product = |row: usize, column: usize| x.dot(row, w, column);
                outer(x.rows(), w.rows(), k, &product)
            }
        }
    }

    /// The rows `ids`, as an embedding: `[ids.len(), k]`.
    pub fn rows(&self, ids: &[u32], k: usize) -> Vec<f32> {
        match self {
            Weight::Floats(table) => super::embed(table, k, ids),
            Weight::Int8(table) => ids.iter().flat_map(|&id| table.row(id as usize)).collect(),
        }
    }
}

/// `product(row, column)` for all of them, each of `k` multiplications: `[rows, columns]`.
fn outer(
    rows: usize,
    columns: usize,
    k: usize,
    product: &(impl Fn(usize, usize) -> f32 + Sync),
) -> Vec<f32> {
    let threads = match rows * columns * k {
        0..1_000_000 => 1,
        _ => std::thread::available_parallelism().map_or(1, |p| p.get()),
    };
    if threads == 1 {
        return (0..rows)
            .flat_map(|row| (0..columns).map(move |column| product(row, column)))
            .collect();
    }
    // Each thread computes some of the outputs for all rows, so that a weight row is read once.
    let share = columns.div_ceil(threads);
    let part = |first: usize| {
        (first..(first + share).min(columns))
            .flat_map(|column| (0..rows).map(move |row| product(row, column)))
            .collect()
    };
    let transposed = std::thread::scope(|scope| {
        let running: Vec<_> = (0..columns)
            .step_by(share)
            .map(|first| scope.spawn(move || part(first)))
            .collect();
        let join = |part: ScopedJoinHandle<'_, Vec<f32>>| part.join().expect("no product panics");
        running.into_iter().flat_map(join).collect::<Vec<f32>>()
    });
    (0..rows)
        .flat_map(|row| transposed.iter().skip(row).step_by(rows))
        .copied()
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
