//! Weights that no model can have: what is no number, and what the type that they are kept in does not hold. One of them
//! makes everything that is computed from it no number either.

use crate::Error;
use crate::checkpoint::Tensor;
use crate::ops::WeightDType;

/// Whether each value is a number of at most this magnitude.
pub(super) fn are_within(largest: f32, values: &[f32]) -> bool {
    // Without a way out early, so that it takes a few instructions a vector.
    values
        .iter()
        .fold(true, |all, value| all & (value.abs() <= largest))
}

/// The error for the first weight of these tensors that `dtype` does not hold.
pub(super) fn error(tensors: &[&Tensor<'_>], dtype: WeightDType) -> Error {
    let found = tensors.iter().find_map(|tensor| {
        let values = tensor.to_f32();
        let at = (values.iter()).position(|value| !are_within(dtype.largest(), &[*value]))?;
        Some((tensor, at))
    });
    let (tensor, at) = found.expect("asked for where there is one");
    let value = tensor.value(at);
    Error::Weight {
        name: tensor.name.clone(),
        index: index(at, &tensor.shape),
        remedy: if !value.is_finite() {
            "which is no number to compute with: the file is damaged, of a type too small for it, or of a training that failed".into()
        } else if dtype == WeightDType::F16 {
            format!(
                "which f16 cannot hold: it ends at {}, take --dtype f32 or int8",
                half::f16::MAX
            )
        } else {
            format!("which f32 cannot hold: it ends at {:e}", f32::MAX)
        },
        value,
    }
}

/// Where element `at` of the flattened tensor is.
fn index(mut at: usize, shape: &[usize]) -> Vec<usize> {
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&length| {
            let place = at % length;
            at /= length;
            place
        })
        .collect();
    index.reverse();
    index
}
