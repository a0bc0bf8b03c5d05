//! The layers of a block: parameters copied to f32, and their mathematics.

use std::sync::Arc;

use super::linear::Weight;
use super::quantize::Quantized;
use super::{Attention, activate, rms_norm};
use crate::checkpoint::Tensor;
use crate::parameters::{
    AttentionParameters, BlockParameters, FeedForwardParameters, StackParameters,
};
use crate::relative_position::bias_table;
use crate::{Activation, T5Config};

/// Encoder or decoder.
pub(super) struct Stack {
    /// `[vocab_size, d_model]`
    pub embed_tokens: Arc<Weight>,
    pub blocks: Vec<Block>,
    pub final_layer_norm: Norm,
}

pub(super) struct Block {
    pub self_attention: AttentionLayer,
    pub cross_attention: Option<AttentionLayer>,
    pub feed_forward: FeedForward,
}

pub(super) struct Norm {
    weight: Vec<f32>,
    epsilon: f32,
}

pub(super) struct AttentionLayer {
    layer_norm: Norm,
    q: Weight,
    k: Weight,
    v: Weight,
    o: Weight,
    /// `[num_heads, 2 * max_distance + 1]`; none in cross-attention.
    bias: Option<Vec<f32>>,
    num_heads: usize,
    d_kv: usize,
    d_model: usize,
}

pub(super) struct FeedForward {
    layer_norm: Norm,
    wi: Weight,
    wi_1: Option<Weight>,
    wo: Weight,
    activation: Activation,
    d_model: usize,
    d_ff: usize,
}

/// Which keys a layer's queries see, and by how much its heads count.
#[derive(Clone, Copy, Default)]
pub(super) struct View<'a> {
    pub key_mask: Option<&'a [bool]>,
    pub causal: bool,
    pub query_offset: usize,
    /// A factor a head on its attention weights.
    pub head_mask: Option<&'a [f32]>,
}

impl Stack {
    pub fn new(
        config: &T5Config,
        parameters: &StackParameters,
        embed_tokens: Arc<Weight>,
        int8: bool,
        bidirectional: bool,
    ) -> Self {
        let mut shared_bias = None;
        let blocks = parameters
            .blocks
            .iter()
            .map(|block| {
                if let Some(table) = &block.self_attention.relative_attention_bias {
                    shared_bias = Some(bias_table(
                        &table.to_f32(),
                        config.num_heads,
                        bidirectional,
                        config.relative_attention_num_buckets,
                        config.relative_attention_max_distance,
                    ));
                }
                Block::new(config, block, int8, shared_bias.clone())
            })
            .collect();
        Stack {
            embed_tokens,
            blocks,
            final_layer_norm: Norm {
                weight: parameters.final_layer_norm.to_f32(),
                epsilon: config.layer_norm_epsilon,
            },
        }
    }
}

impl Block {
    fn new(
        config: &T5Config,
        parameters: &BlockParameters,
        int8: bool,
        bias: Option<Vec<f32>>,
    ) -> Self {
        Block {
            self_attention: AttentionLayer::new(config, &parameters.self_attention, int8, bias),
            cross_attention: parameters
                .cross_attention
                .as_ref()
                .map(|cross| AttentionLayer::new(config, cross, int8, None)),
            feed_forward: FeedForward::new(config, &parameters.feed_forward, int8),
        }
    }
}

impl Norm {
    pub fn apply(&self, x: &[f32]) -> Vec<f32> {
        rms_norm(x, &self.weight, self.epsilon)
    }
}

impl AttentionLayer {
    fn new(
        config: &T5Config,
        parameters: &AttentionParameters,
        int8: bool,
        bias: Option<Vec<f32>>,
    ) -> Self {
        AttentionLayer {
            layer_norm: Norm {
                weight: parameters.layer_norm.to_f32(),
                epsilon: config.layer_norm_epsilon,
            },
            q: weight(&parameters.q, int8),
            k: weight(&parameters.k, int8),
            v: weight(&parameters.v, int8),
            o: weight(&parameters.o, int8),
            bias,
            num_heads: config.num_heads,
            d_kv: config.d_kv,
            d_model: config.d_model,
        }
    }

    /// The layer's norm, which comes before its projections.
    pub fn norm(&self, x: &[f32]) -> Vec<f32> {
        self.layer_norm.apply(x)
    }

    /// Keys and values of `states`, `[rows, d_model]`.
    pub fn keys_values(&self, states: &[f32]) -> (Vec<f32>, Vec<f32>) {
        (
            self.k.linear(states, self.d_model),
            self.v.linear(states, self.d_model),
        )
    }

    /// Adds to `x` what the queries of `normed` gather over keys and values; returns the attention weights,
    /// `[num_heads, queries, keys]`.
    pub fn attend(
        &self,
        x: &mut [f32],
        normed: &[f32],
        k: &[f32],
        v: &[f32],
        view: View,
    ) -> Vec<f32> {
        let q = self.q.linear(normed, self.d_model);
        let attention = Attention {
            num_heads: self.num_heads,
            d_kv: self.d_kv,
            q: &q,
            k,
            v,
            bias: self.bias.as_deref(),
            key_mask: view.key_mask,
            causal: view.causal,
            query_offset: view.query_offset,
        };
        let mut weights = attention.weights();
        if let Some(factors) = view.head_mask {
            assert_eq!(factors.len(), self.num_heads);
            let head = weights.len() / self.num_heads;
            for (weights, factor) in weights.chunks_exact_mut(head).zip(factors) {
                weights.iter_mut().for_each(|weight| *weight *= factor);
            }
        }
        add(
            x,
            &self
                .o
                .linear(&attention.mix(&weights), self.num_heads * self.d_kv),
        );
        weights
    }
}

impl FeedForward {
    fn new(config: &T5Config, parameters: &FeedForwardParameters, int8: bool) -> Self {
        FeedForward {
            layer_norm: Norm {
                weight: parameters.layer_norm.to_f32(),
                epsilon: config.layer_norm_epsilon,
            },
            wi: weight(&parameters.wi, int8),
            wi_1: parameters.wi_1.as_ref().map(|wi_1| weight(wi_1, int8)),
            wo: weight(&parameters.wo, int8),
            activation: config.activation,
            d_model: config.d_model,
            d_ff: config.d_ff,
        }
    }

    /// Adds the feed-forward of `x` to `x`.
    pub fn apply(&self, x: &mut [f32]) {
        let normed = self.layer_norm.apply(x);
        let mut inner = self.wi.linear(&normed, self.d_model);
        inner
            .iter_mut()
            .for_each(|x| *x = activate(self.activation, *x));
        if let Some(wi_1) = &self.wi_1 {
            let factors = wi_1.linear(&normed, self.d_model);
            inner
                .iter_mut()
                .zip(factors)
                .for_each(|(x, factor)| *x *= factor);
        }
        add(x, &self.wo.linear(&inner, self.d_ff));
    }
}

/// A matrix `[rows, width]`, as it is in the checkpoint or quantised.
pub(super) fn weight(tensor: &Tensor<'_>, int8: bool) -> Weight {
    let values = tensor.to_f32();
    match tensor.shape.last() {
        Some(&width) if int8 => Weight::Int8(Quantized::new(&values, width)),
        _ => Weight::Floats(values),
    }
}

fn add(x: &mut [f32], y: &[f32]) {
    assert_eq!(x.len(), y.len());
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}
