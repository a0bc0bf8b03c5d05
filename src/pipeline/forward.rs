//! All that a model computes on the way: hidden states and attention weights.

use std::ops::ControlFlow;

use super::Pipeline;
use super::each::{Limits, in_batches};
use crate::generate::softmax::is_finite;
use crate::model::{DecodeOptions, EncodeOptions, Model, TraceOptions};
use crate::{Error, Result};

/// A source, and the target that the decoder is fed where its side is wanted too.
#[derive(Clone, Debug)]
pub struct ForwardRequest {
    /// Token ids with `</s>`.
    pub input_ids: Vec<u32>,
    /// Token ids with `</s>`, without the start token.
    pub labels: Option<Vec<u32>>,
}

/// What the model makes of one request; states are row-major, and empty where they were not asked for.
#[derive(Clone, Debug, Default)]
pub struct Forward {
    /// The encoder's, `[tokens, d_model]`
    pub last_hidden_state: Vec<f32>,
    /// The embeddings, then every encoder block's output, the last one after the final norm: `[tokens, d_model]` each.
    pub hidden_states: Vec<Vec<f32>>,
    /// An encoder layer's `[num_heads, tokens, tokens]`.
    pub attentions: Vec<Vec<f32>>,
    /// Where there are labels.
    pub decoder: Option<DecoderForward>,
}

/// The decoder's side of a [`Forward`].
#[derive(Clone, Debug, Default)]
pub struct DecoderForward {
    /// What it was fed: the labels, one place later, behind the start token. Position i is the one that predicts label i.
    pub input_ids: Vec<u32>,
    /// As the encoder's.
    pub hidden_states: Vec<Vec<f32>>,
    /// A layer's `[num_heads, labels, labels]`.
    pub attentions: Vec<Vec<f32>>,
    /// A layer's `[num_heads, labels, tokens]`.
    pub cross_attentions: Vec<Vec<f32>>,
}

impl Forward {
    /// Refuses numbers that are NaN or infinite.
    fn check(&self) -> Result<()> {
        check_states(std::slice::from_ref(&self.last_hidden_state))?;
        check_states(&self.hidden_states)?;
        check_weights(&self.attentions)?;
        let Some(decoder) = &self.decoder else {
            return Ok(());
        };
        check_states(&decoder.hidden_states)?;
        check_weights(&decoder.attentions)?;
        check_weights(&decoder.cross_attentions)
    }
}

/// Refuses hidden states that are NaN or infinite.
pub(super) fn check_states(layers: &[Vec<f32>]) -> Result<()> {
    check("the hidden states", layers)
}

fn check_weights(layers: &[Vec<f32>]) -> Result<()> {
    check("the attention weights", layers)
}

fn check(what: &'static str, layers: &[Vec<f32>]) -> Result<()> {
    match layers.iter().all(|layer| is_finite(layer)) {
        true => Ok(()),
        false => Err(Error::NotFinite { what }),
    }
}

impl Pipeline {
    /// Runs each source, and each target that there is, through the model in one pass; told as by
    /// [`Pipeline::generate_each`].
    pub fn forward_each(
        &self,
        requests: &[ForwardRequest],
        trace: TraceOptions,
        done: &mut dyn FnMut(usize, Result<Forward>) -> ControlFlow<()>,
    ) {
        let check = |request: &ForwardRequest| {
            self.check_source(&request.input_ids)?;
            if let Some(labels) = &request.labels {
                self.check_labels(labels)?;
            }
            let labels = request.labels.as_ref().map_or(0, Vec::len);
            Ok(request.input_ids.len().max(labels))
        };
        let limits = Limits {
            // Attention weights of all layers are kept, which takes the square of what all else does.
            items: if trace.attentions {
                1
            } else {
                self.limits.items
            },
            ..self.limits
        };
        let run = |batch: &[&ForwardRequest]| {
            self.engine
                .on_device(|model| self.forward_batch(model, batch, trace))
        };
        in_batches(requests, limits, check, run, done);
    }

    fn forward_batch(
        &self,
        model: &Model,
        batch: &[&ForwardRequest],
        trace: TraceOptions,
    ) -> Result<Vec<Forward>> {
        let sources: Vec<Vec<u32>> = batch.iter().map(|one| one.input_ids.clone()).collect();
        let options = EncodeOptions {
            trace,
            ..EncodeOptions::default()
        };
        let (encoded, traced) = model.encode_with(&sources, &options)?;
        let last = encoded.hidden_states()?;
        let mut hidden_states = by_sequence(traced.hidden_states, batch.len());
        let mut attentions = by_sequence(traced.attentions, batch.len());
        let mut answers: Vec<Forward> = last
            .into_iter()
            .enumerate()
            .map(|(index, last_hidden_state)| Forward {
                last_hidden_state,
                hidden_states: std::mem::take(&mut hidden_states[index]),
                attentions: std::mem::take(&mut attentions[index]),
                decoder: None,
            })
            .collect();

        // The decoder takes a target a source: those without one are left out by encoding the others again.
        let with_labels: Vec<usize> = (0..batch.len())
            .filter(|&index| batch[index].labels.is_some())
            .collect();
        if with_labels.is_empty() {
            answers.iter().try_for_each(Forward::check)?;
            return Ok(answers);
        }
        let encoded = if with_labels.len() == batch.len() {
            encoded
        } else {
            let picked: Vec<_> = with_labels
                .iter()
                .map(|&index| sources[index].clone())
                .collect();
            model.encode(&picked)?
        };
        let targets: Vec<Vec<u32>> = with_labels
            .iter()
            .filter_map(|&index| batch[index].labels.as_deref())
            .map(|labels| self.decoder_input(labels))
            .collect::<Result<_>>()?;
        let options = DecodeOptions {
            trace,
            ..DecodeOptions::default()
        };
        let traced = model.decode_with(&encoded, &targets, &options, |_, _, _| ())?;
        let mut hidden_states = by_sequence(traced.hidden_states, targets.len());
        let mut attentions = by_sequence(traced.attentions, targets.len());
        let mut cross_attentions = by_sequence(traced.cross_attentions, targets.len());
        for (row, (index, input_ids)) in with_labels.into_iter().zip(targets).enumerate() {
            answers[index].decoder = Some(DecoderForward {
                input_ids,
                hidden_states: std::mem::take(&mut hidden_states[row]),
                attentions: std::mem::take(&mut attentions[row]),
                cross_attentions: std::mem::take(&mut cross_attentions[row]),
            });
        }
        answers.iter().try_for_each(Forward::check)?;
        Ok(answers)
    }

    /// What the decoder is fed to predict the labels: these, one place later, behind the start token.
    pub(super) fn decoder_input(&self, labels: &[u32]) -> Result<Vec<u32>> {
        let start = self.generation.decoder_prompt()?[0];
        Ok([&[start], &labels[..labels.len() - 1]].concat())
    }

    pub(super) fn check_labels(&self, labels: &[u32]) -> Result<()> {
        if labels.is_empty() {
            return Err(Error::Invalid(
                "a target needs at least one token id".into(),
            ));
        }
        self.check_tokens(labels)
    }
}

/// From `[layer][sequence]` to `[sequence][layer]`.
fn by_sequence(layers: Vec<Vec<Vec<f32>>>, sequences: usize) -> Vec<Vec<Vec<f32>>> {
    let mut all = vec![Vec::new(); sequences];
    for layer in layers {
        for (sequence, states) in all.iter_mut().zip(layer) {
            sequence.push(states);
        }
    }
    all
}
