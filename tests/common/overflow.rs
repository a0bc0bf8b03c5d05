//! Small models whose finite weights overflow on the way.

use std::borrow::Cow;

use t5_gpu::checkpoint::{DType, RandomWeights, Tensor, TensorSource};
use t5_gpu::{Result, T5Config, parameters};

/// The token that overflows: ByT5's of the letter x.
pub const BAD: u32 = b'x' as u32 + 3;

/// Where numbers overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The encoder's first values, for sources with [`BAD`] in them.
    Source,
    /// The decoder's first values, for targets with [`BAD`] in them.
    Target,
    /// The scores of the decoder's first self-attention, for all.
    Scores,
    /// The feed-forward's first product, for all.
    FeedForward,
    /// A single logit, for all.
    Logit,
}

/// A shape of odd widths with a head of its own and ByT5's vocabulary.
pub fn config() -> T5Config {
    T5Config {
        d_model: 40,
        d_kv: 10,
        d_ff: 37,
        num_heads: 3,
        num_layers: 2,
        num_decoder_layers: 3,
        vocab_size: 384,
        tie_word_embeddings: false,
        ..T5Config::preset("t5-small").unwrap()
    }
}

/// Random weights that overflow; what would be near the largest float but for f16 is large enough for that.
pub struct OverflowingWeights {
    random: RandomWeights,
    overflow: Overflow,
}

impl OverflowingWeights {
    pub fn new(overflow: Overflow) -> OverflowingWeights {
        OverflowingWeights {
            random: parameters::random(&config(), 5, DType::F32),
            overflow,
        }
    }

    fn change(&self, name: &str, values: &mut [f32]) {
        let width = config().d_model;
        let first_column = |values: &mut [f32], value: f32| {
            values.iter_mut().step_by(width).for_each(|x| *x = value);
        };
        let own_values = match self.overflow {
            Overflow::Source => "encoder.block.0.layer.0.SelfAttention.v.weight",
            Overflow::Target => "decoder.block.0.layer.0.SelfAttention.v.weight",
            _ => "",
        };
        match (self.overflow, name) {
            (Overflow::Source | Overflow::Target, "shared.weight") => {
                // Only BAD has anything in its first dimension, and nothing else.
                first_column(values, 0.0);
                let row = &mut values[BAD as usize * width..][..width];
                row.fill(0.0);
                row[0] = 5.0;
            }
            (Overflow::Source | Overflow::Target, _) if name == own_values => {
                first_column(values, 3e38);
            }
            (
                Overflow::Scores,
                "decoder.block.0.layer.0.SelfAttention.q.weight"
                | "decoder.block.0.layer.0.SelfAttention.k.weight",
            ) => values.iter_mut().for_each(|x| *x *= 1e25),
            // So that there are sums of both infinities, which relu must not take for 0.
            (Overflow::FeedForward, "decoder.block.0.layer.2.DenseReluDense.wi.weight") => {
                values.iter_mut().for_each(|x| *x = 3e38_f32.copysign(*x));
            }
            (Overflow::Logit, "lm_head.weight") => {
                let row = &mut values[300 * width..][..width];
                row.iter_mut().for_each(|x| *x = 3e38_f32.copysign(*x));
            }
            _ => {}
        }
    }
}

impl TensorSource for OverflowingWeights {
    fn names(&self) -> Vec<&str> {
        self.random.names()
    }

    fn tensor(&self, name: &str) -> Result<Option<Tensor<'_>>> {
        let Some(tensor) = self.random.tensor(name)? else {
            return Ok(None);
        };
        let mut values = vec![0.0; tensor.len()];
        tensor.read_f32(0..tensor.len(), &mut values);
        self.change(name, &mut values);
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        Ok(Some(Tensor {
            data: Cow::Owned(bytes),
            ..tensor
        }))
    }
}
