//! The encoder: a padded batch of token ids to hidden states that stay on the GPU, in one submit.

use super::Model;
use super::weights::{Block, Stack};
use crate::gpu::{Buffer, Gpu, Plan};
use crate::ops::{Attention, AttentionArgs, Embed, Epilogue, Linear, LinearArgs, Norm, RmsNorm};
use crate::{Error, Result};

/// Encoded sources: their hidden states, on the GPU, ready to be decoded from.
pub struct Encoded<'a> {
    model: &'a Model,
    /// `[batch, width, d_model]`, after the final norm
    pub(super) hidden: Buffer,
    /// `[batch, width]`, 0 where a source has ended
    pub(super) mask: Buffer,
    lengths: Vec<usize>,
    /// Positions a source: the length of the longest.
    pub(super) width: usize,
}

impl Encoded<'_> {
    /// Number of sources.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether there is no source.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Tokens of source `row`.
    pub fn source_length(&self, row: usize) -> usize {
        self.lengths[row]
    }

    /// The last hidden state of source `row`, `[source_length, d_model]`, read back.
    ///
    /// # Errors
    /// [`Error::Gpu`].
    pub fn hidden(&self, row: usize) -> Result<Vec<f32>> {
        let padded = self.model.dims.d_model;
        let all = self.model.gpu.read(
            &self.hidden,
            (row * self.width + self.lengths[row]) * padded,
        )?;
        Ok(all[row * self.width * padded..]
            .chunks_exact(padded)
            .flat_map(|state| &state[..self.model.config.d_model])
            .copied()
            .collect())
    }
}

/// The buffers between the layers of a stack that computes whole batches.
struct Activations {
    /// The residual stream, `[rows, d_model]`
    x: Buffer,
    /// `[rows, 3 * inner]`
    qkv: Buffer,
    /// `[rows, inner]`
    attended: Buffer,
    /// `[rows, d_ff]`
    inner_layer: Buffer,
}

impl Model {
    /// Encodes sources together, padded to the longest. A source's states do not depend on its neighbours.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`], [`Error::Invalid`] for a source of no tokens, [`Error::TooLarge`].
    pub fn encode(&self, sources: &[Vec<u32>]) -> Result<Encoded<'_>> {
        let gpu = &self.gpu;
        let width = sources.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let mut ids = vec![0u32; sources.len() * width];
        let mut mask = vec![0u32; sources.len() * width];
        for (row, source) in sources.iter().enumerate() {
            if source.is_empty() {
                return Err(Error::Invalid(
                    "a source has no tokens: give at least one token id".into(),
                ));
            }
            self.check_tokens(source.iter().copied())?;
            ids[row * width..][..source.len()].copy_from_slice(source);
            mask[row * width..][..source.len()].fill(1);
        }
        let rows = ids.len();
        let ids = gpu.buffer_from("token ids", &ids)?;
        let mask = gpu.buffer_from("the attention mask", &mask)?;
        let buffer = |label, width: usize| gpu.buffer(label, (rows * width * 4) as u64);
        let activations = Activations {
            x: buffer("encoder states", self.dims.d_model)?,
            qkv: buffer("encoder queries, keys and values", 3 * self.dims.inner)?,
            attended: buffer("encoder attention", self.dims.inner)?,
            inner_layer: buffer("encoder feed-forward", self.dims.d_ff)?,
        };
        let hidden = buffer("encoder output", self.dims.d_model)?;

        let mut plan = Plan::default();
        Embed::new(gpu, &ids, 1, &self.weights.shared, &activations.x).record(gpu, rows, &mut plan);
        let stack = &self.weights.encoder;
        for (index, block) in stack.blocks.iter().enumerate() {
            self.encoder_block(
                index,
                block,
                &activations,
                &mask,
                [sources.len(), width],
                &mut plan,
            );
        }
        let final_norm = self.norm(&stack.final_norm);
        RmsNorm::new(gpu, &activations.x, &final_norm, &hidden).record(gpu, rows, &mut plan);
        gpu.run(&plan, None)?;
        Ok(Encoded {
            model: self,
            hidden,
            mask,
            lengths: sources.iter().map(Vec::len).collect(),
            width,
        })
    }

    fn encoder_block(
        &self,
        index: usize,
        block: &Block,
        activations: &Activations,
        mask: &Buffer,
        [batch, width]: [usize; 2],
        plan: &mut Plan,
    ) {
        let gpu: &Gpu = &self.gpu;
        let Activations {
            x,
            qkv,
            attended,
            inner_layer,
        } = activations;
        let inner = self.dims.inner;
        let rows = batch * width;
        let attention = &block.self_attention;
        self.linear(
            x,
            Some(&attention.norm),
            &attention.qkv,
            qkv,
            Epilogue::Store,
        )
        .record(gpu, rows, plan);
        Attention::new(
            gpu,
            &AttentionArgs {
                q: qkv,
                q_width: 3 * inner,
                kv: qkv,
                kv_width: 3 * inner,
                k_offset: inner,
                v_offset: 2 * inner,
                bias: Some(Stack::bias(&self.weights.encoder, index)),
                max_distance: self.config.relative_attention_max_distance,
                mask,
                causal: false,
                heads: self.config.num_heads,
                head_width: self.dims.d_kv,
                out: attended,
            },
        )
        .record(gpu, batch, width, width, plan);
        self.linear(attended, None, &attention.o, x, Epilogue::Add)
            .record(gpu, rows, plan);
        let feed_forward = &block.feed_forward;
        self.linear(
            x,
            Some(&feed_forward.norm),
            &feed_forward.wi,
            inner_layer,
            feed_forward.epilogue,
        )
        .record(gpu, rows, plan);
        self.linear(inner_layer, None, &feed_forward.wo, x, Epilogue::Add)
            .record(gpu, rows, plan);
    }

    /// A layer norm of this model by its gain.
    pub(super) fn norm<'a>(&self, gain: &'a Buffer) -> Norm<'a> {
        Norm {
            gain,
            width: self.config.d_model,
            eps: self.config.layer_norm_epsilon,
        }
    }

    /// A linear layer of this model from `x` to `out`, whose rows are as wide as the layer's output.
    pub(super) fn linear(
        &self,
        x: &Buffer,
        norm: Option<&Buffer>,
        weights: &crate::ops::Matrix,
        out: &Buffer,
        epilogue: Epilogue,
    ) -> Linear {
        let out_width = if matches!(epilogue, Epilogue::Gate(_)) {
            weights.rows() / 2
        } else {
            weights.rows()
        };
        let norm = norm.map(|gain| self.norm(gain));
        Linear::new(
            &self.gpu,
            &LinearArgs {
                x,
                norm,
                weights,
                out,
                out_width,
                epilogue,
                scale: 1.0,
            },
        )
    }

    /// Rejects ids beyond the embedding, which a kernel would read out of bounds.
    pub(super) fn check_tokens(&self, ids: impl IntoIterator<Item = u32>) -> Result<()> {
        let vocab_size = self.config.vocab_size;
        match ids.into_iter().find(|id| *id as usize >= vocab_size) {
            Some(id) => Err(Error::TokenOutOfRange { id, vocab_size }),
            None => Ok(()),
        }
    }
}
