//! Symmetric int8: what `--dtype int8` does to weights and inputs.

/// A row as int8 and the factor that leads back: `row ≈ values * scale`, the largest magnitude at ±127.
pub fn quantize(row: &[f32]) -> (Vec<i8>, f32) {
    let limit = row.iter().fold(0.0f32, |limit, x| limit.max(x.abs()));
    let inverse = if limit == 0.0 { 0.0 } else { 127.0 / limit };
    let values = row
        .iter()
        .map(|x| (x * inverse).round_ties_even() as i8)
        .collect();
    (values, limit / 127.0)
}

/// [`super::linear`] with both operands quantised row by row.
pub fn linear_int8(x: &[f32], w: &[f32], k: usize) -> Vec<f32> {
    let weights: Vec<_> = w.chunks_exact(k).map(quantize).collect();
    let mut out = Vec::new();
    for row in x.chunks_exact(k) {
        let (values, scale) = quantize(row);
        for (weights, w_scale) in &weights {
            let sum: i32 = values
                .iter()
                .zip(weights)
                .map(|(a, b)| i32::from(*a) * i32::from(*b))
                .sum();
            out.push(sum as f32 * scale * w_scale);
        }
    }
    out
}
