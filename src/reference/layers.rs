//! The layers of a block: parameters copied to f32, and their mathematics.

use super::{Attention, activate, linear, rms_norm};
use crate::parameters::{
    AttentionParameters, BlockParameters, FeedForwardParameters, StackParameters,
};
use crate::relative_position::bias_table;
use crate::{Activation, T5Config};

/// Encoder or decoder.
pub(super) struct Stack {
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
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    o: Vec<f32>,
    /// `[num_heads, 2 * max_distance + 1]`; none in cross-attention.
    bias: Option<Vec<f32>>,
    num_heads: usize,
    d_kv: usize,
    d_model: usize,
}

pub(super) struct FeedForward {
    layer_norm: Norm,
    wi: Vec<f32>,
    wi_1: Option<Vec<f32>>,
    wo: Vec<f32>,
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
    pub fn new(config: &T5Config, parameters: &StackParameters, bidirectional: bool) -> Self {
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
                Block::new(config, block, shared_bias.clone())
            })
            .collect();
        Stack {
            blocks,
            final_layer_norm: Norm {
                weight: parameters.final_layer_norm.to_f32(),
                epsilon: config.layer_norm_epsilon,
            },
        }
    }
}

impl Block {
    fn new(config: &T5Config, parameters: &BlockParameters, bias: Option<Vec<f32>>) -> Self {
        Block {
            self_attention: AttentionLayer::new(config, &parameters.self_attention, bias),
            cross_attention: parameters
                .cross_attention
                .as_ref()
                .map(|cross| AttentionLayer::new(config, cross, None)),
            feed_forward: FeedForward::new(config, &parameters.feed_forward),
        }
    }
}

impl Norm {
    pub fn apply(&self, x: &[f32]) -> Vec<f32> {
        rms_norm(x, &self.weight, self.epsilon)
    }
}

impl AttentionLayer {
    fn new(config: &T5Config, parameters: &AttentionParameters, bias: Option<Vec<f32>>) -> Self {
        AttentionLayer {
            layer_norm: Norm {
                weight: parameters.layer_norm.to_f32(),
                epsilon: config.layer_norm_epsilon,
            },
            q: parameters.q.to_f32(),
            k: parameters.k.to_f32(),
            v: parameters.v.to_f32(),
            o: parameters.o.to_f32(),
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
            linear(states, &self.k, self.d_model),
            linear(states, &self.v, self.d_model),
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
        let q = linear(normed, &self.q, self.d_model);
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
            &linear(
                &attention.mix(&weights),
                &self.o,
                self.num_heads * self.d_kv,
            ),
        );
        weights
    }
}

impl FeedForward {
    fn new(config: &T5Config, parameters: &FeedForwardParameters) -> Self {
        FeedForward {
            layer_norm: Norm {
                weight: parameters.layer_norm.to_f32(),
                epsilon: config.layer_norm_epsilon,
            },
            wi: parameters.wi.to_f32(),
            wi_1: parameters.wi_1.as_ref().map(|wi_1| wi_1.to_f32()),
            wo: parameters.wo.to_f32(),
            activation: config.activation,
            d_model: config.d_model,
            d_ff: config.d_ff,
        }
    }

    /// Adds the feed-forward of `x` to `x`.
    pub fn apply(&self, x: &mut [f32]) {
        let normed = self.layer_norm.apply(x);
        let mut inner = linear(&normed, &self.wi, self.d_model);
        inner
            .iter_mut()
            .for_each(|x| *x = activate(self.activation, *x));
        if let Some(wi_1) = &self.wi_1 {
            let factors = linear(&normed, wi_1, self.d_model);
            inner
                .iter_mut()
                .zip(factors)
                .for_each(|(x, factor)| *x *= factor);
        }
        add(x, &linear(&inner, &self.wo, self.d_ff));
    }
}

fn add(x: &mut [f32], y: &[f32]) {
    assert_eq!(x.len(), y.len());
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}
