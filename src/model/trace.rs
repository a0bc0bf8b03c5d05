//! What a stack computes on its way, brought back for looking inside.

use super::Model;
use super::batch::Batch;
use crate::Result;
use crate::gpu::{Buffer, Texels};

/// What a stack computes besides its last hidden state, read back: by layer, then by sequence, padding cut off.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The embeddings, then every block's output, the last one after the final norm: each `[tokens, d_model]`.
    pub hidden_states: Vec<Vec<Vec<f32>>>,
    /// `[num_heads, tokens, tokens]` each.
    pub attentions: Vec<Vec<Vec<f32>>>,
    /// `[num_heads, tokens, source tokens]` each; empty for the encoder.
    pub cross_attentions: Vec<Vec<Vec<f32>>>,
}

/// Which parts of a [`Trace`] are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceOptions {
    /// Every layer's hidden states.
    pub hidden_states: bool,
    /// Every layer's attention weights.
    pub attentions: bool,
}

/// A [`Trace`] before it is read back.
#[derive(Default)]
pub(super) struct TraceBuffers {
    pub hidden_states: Vec<Texels>,
    pub attentions: Vec<Buffer>,
    pub cross_attentions: Vec<Buffer>,
}

impl Model {
    /// Reads a trace back and cuts off its padding. `last` is the stack's output, `keys` the batch that cross-attention
    /// attended to.
    pub(super) fn read_trace(
        &self,
        buffers: TraceBuffers,
        batch: &Batch,
        last: &Texels,
        source: Option<&Batch>,
    ) -> Result<Trace> {
        let mut trace = Trace::default();
        if !buffers.hidden_states.is_empty() {
            for states in buffers.hidden_states.iter().chain([last]) {
                trace.hidden_states.push(self.read_states(states, batch)?);
            }
        }
        for buffer in &buffers.attentions {
            trace
                .attentions
                .push(self.read_attention(buffer, batch, batch)?);
        }
        for buffer in &buffers.cross_attentions {
            trace.cross_attentions.push(self.read_attention(
                buffer,
                batch,
                source.unwrap_or(batch),
            )?);
        }
        Ok(trace)
    }

    /// `[batch, width, d_model]` without its padding, by sequence.
    pub(super) fn read_states(&self, states: &Texels, batch: &Batch) -> Result<Vec<Vec<f32>>> {
        let padded = self.dims.d_model;
        let all = self.gpu.read_texels(states, batch.rows() * padded)?;
        let sequences = all.chunks_exact(batch.width * padded).zip(&batch.lengths);
        Ok(sequences
            .map(|(states, length)| {
                let states = states.chunks_exact(padded).take(*length);
                states
                    .flat_map(|state| &state[..self.config.d_model])
                    .copied()
                    .collect()
            })
            .collect())
    }

    /// `[batch, heads, queries, keys]` without its padding, by sequence.
    fn read_attention(
        &self,
        buffer: &Buffer,
        queries: &Batch,
        keys: &Batch,
    ) -> Result<Vec<Vec<f32>>> {
        let heads = self.config.num_heads;
        let all = self.gpu.read(buffer, queries.rows() * heads * keys.width)?;
        let sequences = all.chunks_exact(heads * queries.width * keys.width);
        Ok(sequences
            .zip(queries.lengths.iter().zip(&keys.lengths))
            .map(|(weights, (queries_length, keys_length))| {
                let heads = weights.chunks_exact(queries.width * keys.width);
                heads
                    .flat_map(|head| head.chunks_exact(keys.width).take(*queries_length))
                    .flat_map(|row| &row[..*keys_length])
                    .copied()
                    .collect()
            })
            .collect())
    }
}
