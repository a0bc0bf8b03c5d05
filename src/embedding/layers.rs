//! The layers that may follow pooling, on the CPU: a vector a text is little work.

use serde_json::{Map, Value};

use crate::checkpoint::{Checkpoint, TensorSource};
use crate::config::Fields;
use crate::reference::{activate, linear};
use crate::tensor_names::instead_of;
use crate::{Activation, Error, Result};

/// A linear layer and a non-linearity.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    pub in_features: usize,
    pub out_features: usize,
    /// `[out_features, in_features]`
    weight: Vec<f32>,
    /// `[out_features]`
    bias: Option<Vec<f32>>,
    activation: NamedActivation,
    residual: Option<Residual>,
}

/// What is added to a layer's output.
#[derive(Clone, Debug)]
enum Residual {
    /// The input.
    Input,
    /// The input times `[out_features, in_features]`.
    Projected(Vec<f32>),
}

/// A non-linearity with PyTorch's name for it.
type NamedActivation = (&'static str, fn(f32) -> f32);

/// PyTorch's modules without parameters that a [`Dense`] may end with.
const ACTIVATIONS: [NamedActivation; 6] = [
    ("Identity", |x| x),
    ("Tanh", f32::tanh),
    ("ReLU", |x| activate(Activation::Relu, x)),
    ("GELU", |x| activate(Activation::Gelu, x)),
    ("SiLU", |x| activate(Activation::Silu, x)),
    ("Sigmoid", |x| 1.0 / (1.0 + (-x).exp())),
];

impl Dense {
    /// Reads the layer's tensors; `fields` is its config.
    pub fn read(fields: &Map<String, Value>, weights: &Checkpoint) -> Result<Dense> {
        let config = Fields(fields);
        let (in_features, out_features) = (
            size(&config, "in_features")?,
            size(&config, "out_features")?,
        );
        let name = config
            .string("activation_function")?
            .unwrap_or("torch.nn.Tanh");
        let activation = ACTIVATIONS
            .into_iter()
            .find(|(known, _)| {
                name.starts_with("torch.nn.") && name.ends_with(&format!(".{known}"))
            })
            .ok_or_else(|| Error::Unsupported {
                what: "activation_function",
                found: name.into(),
                supported: "torch.nn's ".to_owned() + &ACTIVATIONS.map(|(name, _)| name).join(", "),
            })?;
        let shape = [out_features, in_features];
        Ok(Dense {
            weight: tensor(weights, "linear.weight", &shape)?,
            bias: match config.bool("bias")?.unwrap_or(true) {
                true => Some(tensor(weights, "linear.bias", &[out_features])?),
                false => None,
            },
            residual: match config.bool("use_residual")?.unwrap_or(false) {
                false => None,
                true if in_features == out_features => Some(Residual::Input),
                true => Some(Residual::Projected(tensor(
                    weights,
                    "residual.weight",
                    &shape,
                )?)),
            },
            in_features,
            out_features,
            activation,
        })
    }

    /// The non-linearity, by PyTorch's name.
    pub fn activation(&self) -> &'static str {
        self.activation.0
    }

    /// `x` has `in_features` values.
    pub fn apply(&self, x: &[f32]) -> Vec<f32> {
        let (_, activate) = self.activation;
        let mut out = linear(x, &self.weight, self.in_features);
        if let Some(bias) = &self.bias {
            add(&mut out, bias);
        }
        out.iter_mut().for_each(|x| *x = activate(*x));
        match &self.residual {
            None => (),
            Some(Residual::Input) => add(&mut out, x),
            Some(Residual::Projected(weight)) => {
                add(&mut out, &linear(x, weight, self.in_features))
            }
        }
        out
    }
}

/// PyTorch's LayerNorm.
#[derive(Clone, Debug)]
pub(super) struct LayerNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl LayerNorm {
    /// Reads the layer's tensors; `fields` is its config.
    pub fn read(fields: &Map<String, Value>, weights: &Checkpoint) -> Result<LayerNorm> {
        let dimension = size(&Fields(fields), "dimension")?;
        Ok(LayerNorm {
            weight: tensor(weights, "norm.weight", &[dimension])?,
            bias: tensor(weights, "norm.bias", &[dimension])?,
        })
    }

    pub fn dimension(&self) -> usize {
        self.weight.len()
    }

    pub fn apply(&self, x: &[f32]) -> Vec<f32> {
        let count = x.len() as f64;
        let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
        let square = |&x: &f32| (f64::from(x) - mean).powi(2);
        let variance = x.iter().map(square).sum::<f64>() / count;
        let scale = (variance + 1e-5).sqrt().recip();
        let parameters = self.weight.iter().zip(&self.bias);
        x.iter()
            .zip(parameters)
            .map(|(&x, (weight, bias))| ((f64::from(x) - mean) * scale) as f32 * weight + bias)
            .collect()
    }
}

/// Divides by the Euclidean length; zero stays zero.
pub(super) fn normalize(x: &[f32]) -> Vec<f32> {
    let squares = x.iter().map(|&x| f64::from(x).powi(2));
    let length = squares.sum::<f64>().sqrt().max(1e-12);
    x.iter().map(|&x| (f64::from(x) / length) as f32).collect()
}

fn add(x: &mut [f32], y: &[f32]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

fn size(config: &Fields, name: &str) -> Result<usize> {
    config.size(name)?.ok_or_else(|| {
        Error::Invalid(format!(
            "{name} is missing: say how many dimensions there are"
        ))
    })
}

fn tensor(weights: &Checkpoint, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
    match weights.tensor(name)? {
        Some(tensor) if tensor.shape == shape => Ok(tensor.to_f32()),
        Some(tensor) => Err(Error::TensorShape {
            name: tensor.name,
            expected: shape.to_vec(),
            found: tensor.shape,
        }),
        None => Err(Error::MissingTensor {
            name: name.to_owned(),
            expected: shape.to_vec(),
            instead: instead_of(name, &weights.names()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_end_up_one_long() {
        assert_eq!(normalize(&[3.0, -4.0]), [0.6, -0.8]);
        assert_eq!(normalize(&[0.0, 0.0]), [0.0, 0.0]);
    }
}
