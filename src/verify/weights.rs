//! A checkpoint as a device keeps it.

use std::borrow::Cow;

use half::f16;

use crate::checkpoint::{DType, Tensor, TensorSource};
use crate::{Result, WeightDType};

/// The tensors of a source, matrices rounded to the type that the device keeps them in.
pub(super) struct AsKept<'a> {
    source: &'a dyn TensorSource,
    dtype: WeightDType,
}

impl<'a> AsKept<'a> {
    pub fn new(source: &'a dyn TensorSource, dtype: WeightDType) -> Self {
        AsKept { source, dtype }
    }
}

impl TensorSource for AsKept<'_> {
    fn names(&self) -> Vec<&str> {
        self.source.names()
    }

    fn tensor(&self, name: &str) -> Result<Option<Tensor<'_>>> {
        let Some(tensor) = self.source.tensor(name)? else {
            return Ok(None);
        };
        // Norms and position biases stay f32 on the device.
        let is_matrix = tensor.shape.len() == 2 && !name.contains("relative_attention_bias");
        Ok(Some(match (self.dtype, tensor.dtype) {
            (WeightDType::F32, _) | (_, DType::F16) => tensor,
            (WeightDType::F16, _) if is_matrix => Tensor {
                dtype: DType::F16,
                data: Cow::Owned(halves(&tensor)),
                ..tensor
            },
            _ => tensor,
        }))
    }
}

fn halves(tensor: &Tensor<'_>) -> Vec<u8> {
    let floats = tensor.to_f32();
    floats
        .into_iter()
        .flat_map(|x| f16::from_f32(x).to_le_bytes())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{RandomTensor, RandomWeights};

    #[test]
    fn matrices_are_rounded_and_nothing_else() {
        let names = [
            "shared.weight",
            "norm.weight",
            "relative_attention_bias.weight",
        ];
        let specs = names.map(|name| RandomTensor {
            name: name.into(),
            shape: if name.starts_with("norm") {
                vec![6]
            } else {
                vec![2, 3]
            },
            mean: 0.0,
            deviation: 1.0,
        });
        let weights = RandomWeights::new(specs, 1, DType::F32);
        let kept = AsKept::new(&weights, WeightDType::F16);
        for name in names {
            let expected = weights.tensor(name).unwrap().unwrap().to_f32();
            let found = kept.tensor(name).unwrap().unwrap().to_f32();
            let rounded: Vec<f32> = expected
                .iter()
                .map(|&x| f16::from_f32(x).to_f32())
                .collect();
            assert_ne!(rounded, expected);
            let wanted = if name == "shared.weight" {
                rounded
            } else {
                expected
            };
            assert_eq!(found, wanted, "{name}");
        }
        assert!(kept.tensor("other").unwrap().is_none());
    }
}
