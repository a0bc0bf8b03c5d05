//! The whole model in one call, with everything that transformers' `T5ForConditionalGeneration.forward` takes and gives.

use super::{DecodeOptions, EncodeOptions, Model, Trace, TraceOptions};
use crate::generate::softmax::Normalizer;
use crate::{Error, Result};

/// What goes in, by transformers' names; a `Vec` a sequence, of any length each. Leave out what you do not need with
/// `..Default::default()`.
#[derive(Clone, Copy, Default)]
pub struct ForwardInputs<'a> {
    /// Source tokens.
    pub input_ids: &'a [Vec<u32>],
    /// Whether each source token counts as a key.
    pub attention_mask: Option<&'a [Vec<bool>]>,
    /// Embeddings in place of `input_ids`, `[tokens, d_model]` each.
    pub inputs_embeds: Option<&'a [Vec<f32>]>,
    /// The encoder's last hidden states given back in, `[tokens, d_model]` each: the encoder is not run.
    pub encoder_outputs: Option<&'a [Vec<f32>]>,
    /// Target tokens, beginning with the start token.
    pub decoder_input_ids: &'a [Vec<u32>],
    /// Whether each target token counts as a key.
    pub decoder_attention_mask: Option<&'a [Vec<bool>]>,
    /// Embeddings in place of `decoder_input_ids`, `[tokens, d_model]` each.
    pub decoder_inputs_embeds: Option<&'a [Vec<f32>]>,
    /// Targets with `</s>`: the loss is over these, and without `decoder_input_ids` they are fed, shifted right.
    pub labels: Option<&'a [Vec<u32>]>,
    /// A factor on each encoder head's attention weights, `[num_layers, num_heads]`.
    pub head_mask: Option<&'a [f32]>,
    /// A factor on each decoder self-attention head's weights, `[num_decoder_layers, num_heads]`.
    pub decoder_head_mask: Option<&'a [f32]>,
    /// A factor on each cross-attention head's weights, `[num_decoder_layers, num_heads]`.
    pub cross_attn_head_mask: Option<&'a [f32]>,
    /// Whether the traces hold hidden states.
    pub output_hidden_states: bool,
    /// Whether the traces hold attention weights.
    pub output_attentions: bool,
}

/// What comes out.
#[derive(Clone, Debug, Default)]
pub struct ForwardOutputs {
    /// With labels: the mean of their negative log-probabilities.
    pub loss: Option<f32>,
    /// `[target tokens, vocab_size]` a sequence.
    pub logits: Vec<Vec<f32>>,
    /// `[source tokens, d_model]` a sequence.
    pub encoder_last_hidden_state: Vec<Vec<f32>>,
    /// The encoder's hidden states and attentions, where asked for.
    pub encoder: Trace,
    /// The decoder's hidden states, attentions and cross-attentions, where asked for.
    pub decoder: Trace,
}

impl Model {
    /// Runs encoder and decoder once over whole sequences. All logits are kept, which for many long targets is a lot of
    /// memory: [`Model::decode_with`] hands them out piece by piece.
    ///
    /// # Errors
    /// Those of [`Model::encode_with`] and [`Model::decode_with`], and [`Error::Invalid`] for labels that do not fit the
    /// targets.
    pub fn forward(&self, inputs: &ForwardInputs<'_>) -> Result<ForwardOutputs> {
        let trace = TraceOptions {
            hidden_states: inputs.output_hidden_states,
            attentions: inputs.output_attentions,
        };
        let (encoded, encoder) = match inputs.encoder_outputs {
            Some(hidden) => (
                self.encoded_from(hidden, inputs.attention_mask)?,
                Trace::default(),
            ),
            None => self.encode_with(
                inputs.input_ids,
                &EncodeOptions {
                    inputs_embeds: inputs.inputs_embeds,
                    attention_mask: inputs.attention_mask,
                    head_mask: inputs.head_mask,
                    trace,
                },
            )?,
        };
        let shifted;
        let targets = match inputs.labels {
            Some(labels) if inputs.decoder_input_ids.is_empty() => {
                shifted = self.shift_right(labels)?;
                &shifted
            }
            _ => inputs.decoder_input_ids,
        };
        let options = DecodeOptions {
            inputs_embeds: inputs.decoder_inputs_embeds,
            attention_mask: inputs.decoder_attention_mask,
            head_mask: inputs.decoder_head_mask,
            cross_attn_head_mask: inputs.cross_attn_head_mask,
            trace,
        };
        let mut logits = vec![Vec::new(); encoded.len()];
        let decoder = self.decode_with(&encoded, targets, &options, |target, _, row| {
            logits[target].extend_from_slice(row);
        })?;
        Ok(ForwardOutputs {
            loss: inputs
                .labels
                .map(|labels| self.loss(&logits, labels))
                .transpose()?,
            logits,
            encoder_last_hidden_state: encoded.hidden_states()?,
            encoder,
            decoder,
        })
    }

    /// Labels as the decoder is fed them: the start token in front, the last label left out.
    fn shift_right(&self, labels: &[Vec<u32>]) -> Result<Vec<Vec<u32>>> {
        let start = self.config.decoder_start_token_id.ok_or_else(|| {
            Error::Invalid(
                "the config has no decoder_start_token_id: give decoder_input_ids".into(),
            )
        })?;
        let shift = |labels: &Vec<u32>| {
            let kept = &labels[..labels.len().saturating_sub(1)];
            std::iter::once(start).chain(kept.iter().copied()).collect()
        };
        Ok(labels.iter().map(shift).collect())
    }

    fn loss(&self, logits: &[Vec<f32>], labels: &[Vec<u32>]) -> Result<f32> {
        self.check_tokens(labels.iter().flatten().copied())?;
        let vocab_size = self.config.vocab_size;
        let fits =
            |(logits, labels): (&Vec<f32>, &Vec<u32>)| logits.len() == labels.len() * vocab_size;
        if logits.len() != labels.len() || !logits.iter().zip(labels).all(fits) {
            return Err(Error::Invalid(
                "labels must be as many as the decoder's tokens".into(),
            ));
        }
        let rows = logits
            .iter()
            .flat_map(|logits| logits.chunks_exact(vocab_size));
        let losses: Vec<f32> = rows
            .zip(labels.iter().flatten())
            .map(|(row, label)| -Normalizer::of(row).log_probability(row[*label as usize]))
            .collect();
        Ok(losses.iter().sum::<f32>() / losses.len() as f32)
    }
}
