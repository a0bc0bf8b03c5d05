//! T5LayerNorm: scaled by the root of the mean square; no mean is taken off and no bias added.

/// Normalises each row of `weight.len()` elements of `x`.
pub fn rms_norm(x: &[f32], weight: &[f32], epsilon: f32) -> Vec<f32> {
    assert!(x.len().is_multiple_of(weight.len()));
    x.chunks_exact(weight.len())
        .flat_map(|row| {
            let mean_square = row.iter().map(|x| x * x).sum::<f32>() / row.len() as f32;
            let scale = 1.0 / (mean_square + epsilon).sqrt();
            row.iter().zip(weight).map(move |(x, w)| w * (x * scale))
        })
        .collect()
}
