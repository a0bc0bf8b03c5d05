//! The decoder fed whole targets in one pass: logits of every position, for scores and for looking inside.

use super::stack::{CrossInput, StackOptions};
use super::trace::{Trace, TraceOptions};
use super::{Encoded, Model};
use crate::gpu::Plan;
use crate::{Error, Result};

/// What the decoder may be told besides its token ids, a sequence each.
#[derive(Clone, Copy, Default)]
pub struct DecodeOptions<'a> {
    /// Embeddings to use in place of the ids', `[tokens, d_model]` each.
    pub inputs_embeds: Option<&'a [Vec<f32>]>,
    /// Whether each target token counts as a key.
    pub attention_mask: Option<&'a [Vec<bool>]>,
    /// A factor on each self-attention head's weights, `[num_decoder_layers, num_heads]`.
    pub head_mask: Option<&'a [f32]>,
    /// A factor on each cross-attention head's weights, `[num_decoder_layers, num_heads]`.
    pub cross_attn_head_mask: Option<&'a [f32]>,
    /// What is wanted besides the logits.
    pub trace: TraceOptions,
}

impl Model {
    /// Feeds target i (which begins with the start token) over source i, all at once, and gives `visit(target, position,
    /// logits)` the logits after each of its tokens, in order; they are not kept, as they would be large.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`], [`Error::Invalid`] for an empty target, too few targets or masks of the wrong size,
    /// [`Error::TooLarge`].
    pub fn decode_with(
        &self,
        encoded: &Encoded<'_>,
        targets: &[Vec<u32>],
        options: &DecodeOptions<'_>,
        mut visit: impl FnMut(usize, usize, &[f32]),
    ) -> Result<Trace> {
        let gpu = &self.gpu;
        let decoder = self.decoder_weights()?;
        let mut plan = Plan::default();
        let (batch, x) = self.batch(
            &decoder.stack,
            targets,
            options.inputs_embeds,
            options.attention_mask,
            &mut plan,
        )?;
        if batch.lengths.len() != encoded.len() {
            return Err(Error::Invalid(format!(
                "{} targets for {} sources: give one a source",
                batch.lengths.len(),
                encoded.len()
            )));
        }
        let keys_values = self.cross_keys_values(encoded)?;
        let cross = CrossInput {
            keys_values: &keys_values,
            source: &encoded.batch,
            head_mask: options.cross_attn_head_mask,
        };
        let stack_options = StackOptions {
            causal: true,
            head_mask: options.head_mask,
            cross: Some(cross),
            trace: options.trace,
        };
        let (hidden, trace) =
            self.record_stack(&decoder.stack, &batch, &x, &stack_options, &mut plan)?;
        gpu.run(&plan, None)?;

        let vocab_size = self.config.vocab_size;
        let row_bytes = vocab_size * 4;
        let window = (gpu.max_binding_bytes() as usize / row_bytes)
            .clamp(1, WINDOW)
            .min(batch.rows());
        let logits = gpu.buffer("logits", (window * row_bytes) as u64)?;
        let scratch = self.scratch(batch.rows())?;
        let head = self.head(decoder, &hidden, true, &logits, scratch.as_ref());
        let mut readback = gpu.readback(window * vocab_size)?;
        for (target, length) in batch.lengths.iter().enumerate() {
            for first in (0..*length).step_by(window) {
                let rows = window.min(length - first);
                plan.clear();
                head.record_window(gpu, target * batch.width + first, rows, &mut plan);
                gpu.run(&plan, Some((&logits, rows * vocab_size, &mut readback)))?;
                for (row, logits) in readback.floats().chunks_exact(vocab_size).enumerate() {
                    visit(target, first + row, logits);
                }
            }
        }
        self.read_trace(trace, &batch, &hidden, Some(&encoded.batch))
    }
}

/// Positions whose logits are kept at a time.
const WINDOW: usize = 64;
