//! Symmetric int8: what `--dtype int8` does to weights and inputs.

use super::linear::Weight;

/// A row as int8 and the factor that leads back: `row ≈ values * scale`, the largest magnitude at ±127. A row whose scale
/// would be no normal number is zero.
pub fn quantize(row: &[f32]) -> (Vec<i8>, f32) {
    // f32::max would drop NaN.
    let larger = |limit: f32, x: &f32| if x.abs() <= limit { limit } else { x.abs() };
    let limit = match row.iter().any(|x| x.is_nan()) {
        true => f32::NAN,
        false => row.iter().fold(0.0, larger),
    };
    let is_zero = limit < 127.0 * f32::MIN_POSITIVE;
    let inverse = if is_zero { 0.0 } else { 127.0 / limit };
    let values = row
        .iter()
        .map(|x| (x * inverse).round_ties_even() as i8)
        .collect();
    (values, limit / 127.0)
}

/// [`super::linear`] with both operands quantised row by row.
pub fn linear_int8(x: &[f32], w: &[f32], k: usize) -> Vec<f32> {
    Weight::Int8(Quantized::new(w, k)).linear(x, k)
}

/// Rows of `width`, each quantised by itself.
pub(super) struct Quantized {
    values: Vec<i8>,
    /// Of each row.
    scales: Vec<f32>,
    width: usize,
}

impl Quantized {
    pub fn new(rows: &[f32], width: usize) -> Quantized {
        assert!(rows.len().is_multiple_of(width));
        let mut values = Vec::with_capacity(rows.len());
        let scales = rows.chunks_exact(width).map(|row| {
            let (row, scale) = quantize(row);
            values.extend(row);
            scale
        });
        Quantized {
            scales: scales.collect(),
            values,
            width,
        }
    }

    pub fn rows(&self) -> usize {
        self.scales.len()
    }

    /// A row as floats again.
    pub fn row(&self, index: usize) -> impl Iterator<Item = f32> {
        let scale = self.scales[index];
        self.values(index)
            .iter()
            .map(move |&value| f32::from(value) * scale)
    }

    /// The scalar product of a row with one of `other`: of integers, exact until the scales are multiplied in.
    pub fn dot(&self, index: usize, other: &Quantized, other_index: usize) -> f32 {
        let pairs = self.values(index).iter().zip(other.values(other_index));
        let sum: i32 = pairs.map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
        sum as f32 * self.scales[index] * other.scales[other_index]
    }

    fn values(&self, index: usize) -> &[i8] {
        &self.values[index * self.width..][..self.width]
    }
}
