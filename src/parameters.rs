//! The parameter tree of T5: which tensor of a checkpoint is which part of the model, shapes checked.
//! The GPU model uploads from it, the CPU reference copies from it, `inspect` prints it.

use crate::checkpoint::{Tensor, TensorSource};
use crate::{Result, T5Config};

/// Every parameter of a model. Shapes are Hugging Face's: linear weights `[out, in]`.
pub struct Parameters<'a> {
    /// Token embedding, `[vocab_size, d_model]`, shared by encoder and decoder.
    pub shared: Tensor<'a>,
    pub encoder: StackParameters<'a>,
    pub decoder: StackParameters<'a>,
    /// `[vocab_size, d_model]` where the checkpoint has a head of its own; else the shared embedding is the head.
    pub lm_head: Option<Tensor<'a>>,
}

/// Encoder or decoder.
pub struct StackParameters<'a> {
    pub blocks: Vec<BlockParameters<'a>>,
    /// `[d_model]`
    pub final_layer_norm: Tensor<'a>,
}

/// One block: self-attention, in the decoder cross-attention, feed-forward.
pub struct BlockParameters<'a> {
    pub self_attention: AttentionParameters<'a>,
    pub cross_attention: Option<AttentionParameters<'a>>,
    pub feed_forward: FeedForwardParameters<'a>,
}

/// An attention layer with the norm in front of it.
pub struct AttentionParameters<'a> {
    /// `[d_model]`
    pub layer_norm: Tensor<'a>,
    /// `[num_heads * d_kv, d_model]`
    pub q: Tensor<'a>,
    /// `[num_heads * d_kv, d_model]`
    pub k: Tensor<'a>,
    /// `[num_heads * d_kv, d_model]`
    pub v: Tensor<'a>,
    /// `[d_model, num_heads * d_kv]`
    pub o: Tensor<'a>,
    /// `[relative_attention_num_buckets, num_heads]`, where this layer owns a table: layer 0 of a stack, and every
    /// layer in UMT5. Layers without one use the table of their stack's layer 0.
    pub relative_attention_bias: Option<Tensor<'a>>,
}

/// A feed-forward layer with the norm in front of it.
pub struct FeedForwardParameters<'a> {
    /// `[d_model]`
    pub layer_norm: Tensor<'a>,
    /// `wi`, or `wi_0` of a gated feed-forward (the one the activation is applied to): `[d_ff, d_model]`
    pub wi: Tensor<'a>,
    /// `wi_1` of a gated feed-forward: `[d_ff, d_model]`
    pub wi_1: Option<Tensor<'a>>,
    /// `[d_model, d_ff]`
    pub wo: Tensor<'a>,
}

impl<'a> Parameters<'a> {
    /// Finds every parameter that `config` asks for and checks its shape. Tensors that the model does not use are ignored.
    ///
    /// # Errors
    /// [`crate::Error::MissingTensor`] and [`crate::Error::TensorShape`] name the tensor and the shapes.
    pub fn load(source: &'a dyn TensorSource, config: &T5Config) -> Result<Self> {
        let _ = (source, config);
        todo!()
    }
}
