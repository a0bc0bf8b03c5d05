//! One vector a text: what becomes of the encoder's hidden states, and how text is read for it, as the directory of a
//! sentence-transformers model says. Plain arithmetic; knows neither GPU nor model.

mod json;
mod layers;
mod modules;
mod pooling;
mod reading;

use std::fmt;

pub(crate) use self::modules::Modules;
pub use self::pooling::Pooling;
pub use self::reading::{Reading, Source};

use self::layers::{Dense, LayerNorm, normalize};
use crate::{Error, Result};

/// What turns a text's hidden states into its vector.
#[derive(Clone, Debug)]
pub struct Embedding {
    /// Put one behind the other.
    poolings: Vec<Pooling>,
    /// Whether the tokens of a prompt count.
    include_prompt: bool,
    /// What follows, in order.
    layers: Vec<Layer>,
}

#[derive(Clone, Debug)]
enum Layer {
    Dense(Dense),
    LayerNorm(LayerNorm),
    /// So many dimensions are kept.
    Truncate(usize),
    Normalize,
}

impl Embedding {
    /// Pooling and nothing else.
    pub fn new(pooling: Pooling) -> Embedding {
        Embedding {
            poolings: vec![pooling],
            include_prompt: true,
            layers: Vec::new(),
        }
    }

    /// The same, and then divided by its length.
    pub fn normalized(mut self) -> Embedding {
        self.layers.push(Layer::Normalize);
        self
    }

    /// The vector of `hidden`, `[tokens, width]`, whose first `prompt_tokens` are a prompt's.
    ///
    /// # Errors
    /// [`Error::Invalid`] where a value is no finite number.
    pub fn apply(&self, hidden: &[f32], width: usize, prompt_tokens: usize) -> Result<Vec<f32>> {
        let skipped = if self.include_prompt {
            0
        } else {
            prompt_tokens
        };
        let pooled = self.poolings.iter();
        let pooled = pooled.flat_map(|pooling| pooling.apply(hidden, width, skipped));
        let vector = self
            .layers
            .iter()
            .fold(pooled.collect(), |x, layer| layer.apply(x));
        match vector.iter().all(|x: &f32| x.is_finite()) {
            true => Ok(vector),
            false => Err(Error::Invalid(
                "the embedding is not finite: the weights are broken, or pooling was left no token besides the prompt's"
                    .into(),
            )),
        }
    }
}

impl Layer {
    fn apply(&self, mut x: Vec<f32>) -> Vec<f32> {
        match self {
            Layer::Dense(dense) => dense.apply(&x),
            Layer::LayerNorm(norm) => norm.apply(&x),
            Layer::Truncate(dimensions) => {
                x.truncate(*dimensions);
                x
            }
            Layer::Normalize => normalize(&x),
        }
    }
}

/// `mean pooling, dense 768 to 768 (Identity), normalized`
impl fmt::Display for Embedding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.poolings.iter().map(|pooling| pooling.name()).collect();
        write!(f, "{} pooling", names.join(" and "))?;
        if !self.include_prompt {
            write!(f, " without the prompt")?;
        }
        for layer in &self.layers {
            match layer {
                Layer::Dense(dense) => write!(
                    f,
                    ", dense {} to {} ({})",
                    dense.in_features,
                    dense.out_features,
                    dense.activation()
                )?,
                Layer::LayerNorm(_) => write!(f, ", layer norm")?,
                Layer::Truncate(dimensions) => write!(f, ", cut to {dimensions} dimensions")?,
                Layer::Normalize => write!(f, ", normalized")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_counts_unless_it_is_left_out() {
        let hidden = [1.0, 0.0, 3.0, 4.0];
        let mut mean = Embedding::new(Pooling::Mean);
        assert_eq!(mean.apply(&hidden, 2, 1).unwrap(), [2.0, 2.0]);
        mean.include_prompt = false;
        assert_eq!(mean.apply(&hidden, 2, 1).unwrap(), [3.0, 4.0]);
        assert_eq!(mean.normalized().apply(&hidden, 2, 1).unwrap(), [0.6, 0.8]);
    }

    #[test]
    fn what_is_no_number_is_an_error() {
        let max = Embedding {
            include_prompt: false,
            ..Embedding::new(Pooling::Max)
        };
        assert!(max.apply(&[1.0, 2.0], 2, 0).is_ok());
        assert!(max.apply(&[1.0, 2.0], 2, 1).is_err());
        assert!(max.apply(&[1.0, f32::NAN], 1, 0).is_ok_and(|x| x == [1.0]));
        let mean = Embedding::new(Pooling::Mean);
        assert!(mean.apply(&[1.0, f32::NAN], 1, 0).is_err());
    }
}
