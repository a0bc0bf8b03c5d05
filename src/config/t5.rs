//! `config.json`: the architecture of a T5-family model.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Which member of the family a `config.json` names; they differ in defaults, in who owns the relative position bias
/// and in whether logits are scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelType {
    /// t5, t5-v1_1, flan-t5, byt5, codet5, madlad400 and others with `"model_type": "t5"`.
    T5,
    /// mt5: as T5 v1.1, its logits never scaled.
    Mt5,
    /// umt5: every self-attention layer owns a bias table.
    Umt5,
}

/// The feed-forward non-linearity (for gated feed-forwards, that of the gate).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// max(0, x)
    Relu,
    /// x Φ(x), through erf
    Gelu,
    /// The tanh approximation of GELU; `gated-gelu` in a config means this one.
    GeluNew,
    /// x σ(x)
    Silu,
}

/// A T5-family architecture, read from `config.json`, defaulted as transformers does and validated.
#[derive(Clone, Debug, PartialEq)]
pub struct T5Config {
    pub model_type: ModelType,
    /// Rows of the embedding and of the head; may exceed the tokenizer's vocabulary.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Width of one attention head; `num_heads * d_kv` need not equal `d_model`.
    pub d_kv: usize,
    /// Width of the feed-forward's inner layer.
    pub d_ff: usize,
    pub num_heads: usize,
    /// Encoder blocks.
    pub num_layers: usize,
    /// Decoder blocks.
    pub num_decoder_layers: usize,
    pub relative_attention_num_buckets: usize,
    pub relative_attention_max_distance: usize,
    pub layer_norm_epsilon: f32,
    pub activation: Activation,
    /// Whether the feed-forward multiplies `act(wi_0 x)` with `wi_1 x`.
    pub gated: bool,
    pub tie_word_embeddings: bool,
    /// Whether the decoder's output is multiplied by `d_model^-0.5` before the head.
    pub scale_decoder_outputs: bool,
    pub n_positions: usize,
    pub pad_token_id: u32,
    pub eos_token_id: Vec<u32>,
    pub decoder_start_token_id: Option<u32>,
    /// `task_specific_params`, a block of generation options (and a `prefix`) a task.
    pub task_specific_params: BTreeMap<String, Map<String, Value>>,
}

impl T5Config {
    /// `num_heads * d_kv`: the width of q, k and v.
    pub fn inner_dim(&self) -> usize {
        self.num_heads * self.d_kv
    }
}
