//! The encoder: a padded batch of token ids to hidden states that stay on the GPU.

use super::Model;
use super::batch::Batch;
use super::stack::StackOptions;
use super::trace::{Trace, TraceOptions};
use crate::Result;
use crate::gpu::{Plan, Texels};

/// Encoded sources: their hidden states, on the GPU, ready to be decoded from.
pub struct Encoded<'a> {
    model: &'a Model,
    pub(super) batch: Batch,
    /// `[batch, width, d_model]`, after the final norm
    pub(super) hidden: Texels,
}

/// What the encoder may be told besides its token ids, a sequence each.
#[derive(Clone, Copy, Default)]
pub struct EncodeOptions<'a> {
    /// Embeddings to use in place of the ids', `[tokens, d_model]` each.
    pub inputs_embeds: Option<&'a [Vec<f32>]>,
    /// Whether each token counts as a key, here and for the decoder's cross-attention.
    pub attention_mask: Option<&'a [Vec<bool>]>,
    /// A factor on each head's attention weights, `[num_layers, num_heads]`.
    pub head_mask: Option<&'a [f32]>,
    /// What is wanted besides the last hidden state.
    pub trace: TraceOptions,
}

impl Encoded<'_> {
    /// Number of sources.
    pub fn len(&self) -> usize {
        self.batch.lengths.len()
    }

    /// Whether there is no source.
    pub fn is_empty(&self) -> bool {
        self.batch.lengths.is_empty()
    }

    /// Tokens of source `row`.
    pub fn source_length(&self, row: usize) -> usize {
        self.batch.lengths[row]
    }

    /// The last hidden state of every source, `[source_length, d_model]` each, read back.
    ///
    /// # Errors
    /// [`crate::Error::Gpu`].
    pub fn hidden_states(&self) -> Result<Vec<Vec<f32>>> {
        self.model.read_states(&self.hidden, &self.batch)
    }

    /// The last hidden state of source `row`, `[source_length, d_model]`, read back.
    ///
    /// # Errors
    /// [`crate::Error::Gpu`].
    pub fn hidden(&self, row: usize) -> Result<Vec<f32>> {
        Ok(self.hidden_states()?.swap_remove(row))
    }
}

impl Model {
    /// Encodes sources together, padded to the longest. A source's states do not depend on its neighbours.
    ///
    /// # Errors
    /// [`crate::Error::TokenOutOfRange`], [`crate::Error::Invalid`] for a source of no tokens, [`crate::Error::TooLarge`].
    pub fn encode(&self, sources: &[Vec<u32>]) -> Result<Encoded<'_>> {
        Ok(self.encode_with(sources, &EncodeOptions::default())?.0)
    }

    /// [`Model::encode`] with options, and a trace of what the options ask for.
    ///
    /// # Errors
    /// As [`Model::encode`], and [`crate::Error::Invalid`] for masks of the wrong size.
    pub fn encode_with(
        &self,
        sources: &[Vec<u32>],
        options: &EncodeOptions<'_>,
    ) -> Result<(Encoded<'_>, Trace)> {
        let mut plan = Plan::default();
        let (batch, x) = self.batch(
            &self.weights.encoder,
            sources,
            options.inputs_embeds,
            options.attention_mask,
            &mut plan,
        )?;
        let stack_options = StackOptions {
            causal: false,
            head_mask: options.head_mask,
            cross: None,
            trace: options.trace,
        };
        let (hidden, trace) =
            self.record_stack(&self.weights.encoder, &batch, &x, &stack_options, &mut plan)?;
        self.gpu.run(&plan, None)?;
        let trace = self.read_trace(trace, &batch, &hidden, None)?;
        Ok((
            Encoded {
                model: self,
                batch,
                hidden,
            },
            trace,
        ))
    }

    /// Encoder outputs given back in, `[tokens, d_model]` each, with the mask of their keys where not all count.
    ///
    /// # Errors
    /// As [`Model::encode_with`].
    pub fn encoded_from(
        &self,
        hidden: &[Vec<f32>],
        attention_mask: Option<&[Vec<bool>]>,
    ) -> Result<Encoded<'_>> {
        let (batch, hidden) = self.batch(
            &self.weights.encoder,
            &[],
            Some(hidden),
            attention_mask,
            &mut Plan::default(),
        )?;
        self.gpu.wait()?;
        Ok(Encoded {
            model: self,
            batch,
            hidden,
        })
    }
}
