//! All that a model computes on the way to its logits, on the device or in the reference, and how far two such runs are
//! apart.

use super::{Difference, Stage};
use crate::generate::softmax::is_finite;
use crate::generate::{StepDecoder, StepRow};
use crate::model::{DecodeOptions, EncodeOptions, TraceOptions};
use crate::reference::{self, Reference};
use crate::{Error, Pipeline, Result};

/// How far values computed in another order may be apart, where the largest is about 10.
const BOUND: f32 = 1e-4;

/// `[layer][input]` each.
type Layers = Vec<Vec<Vec<f32>>>;

/// What a run computed of every input and its target; of an encoder alone there are no targets, and nothing of a decoder.
#[derive(Default)]
pub(super) struct Run {
    encoder: Layers,
    encoder_attentions: Layers,
    decoder: Layers,
    decoder_attentions: Layers,
    cross_attentions: Layers,
    /// Of whole targets at once: `[input]` of `[positions, vocab_size]`.
    logits: Vec<Vec<f32>>,
    /// The same, step by step through the key/value cache.
    steps: Vec<Vec<f32>>,
    vocab_size: usize,
}

impl Run {
    /// All inputs as one batch.
    pub fn of_device(
        pipeline: &Pipeline,
        inputs: &[Vec<u32>],
        targets: &[Vec<u32>],
    ) -> Result<Run> {
        let trace = TraceOptions {
            hidden_states: true,
            attentions: true,
        };
        let model = pipeline.model();
        let options = EncodeOptions {
            trace,
            ..EncodeOptions::default()
        };
        let (encoded, encoder) = model.encode_with(inputs, &options)?;
        if targets.is_empty() {
            return Ok(Run {
                encoder: encoder.hidden_states,
                encoder_attentions: encoder.attentions,
                ..Run::default()
            });
        }
        let options = DecodeOptions {
            trace,
            ..DecodeOptions::default()
        };
        let mut logits = vec![Vec::new(); targets.len()];
        let decoder = model.decode_with(&encoded, targets, &options, |target, _, found| {
            logits[target].extend_from_slice(found);
        })?;
        let vocab_size = pipeline.config().vocab_size;
        let mut steps = vec![Vec::new(); targets.len()];
        let mut step_decoder = model.decoder(&encoded, targets.len())?;
        for position in 0..targets.iter().map(Vec::len).max().unwrap_or(0) {
            let rows: Vec<StepRow> = (0..)
                .zip(targets)
                .filter_map(|(source, target)| {
                    Some(StepRow {
                        source,
                        slot: source,
                        parent: source,
                        position: position as u32,
                        token: *target.get(position)?,
                    })
                })
                .collect();
            let found = step_decoder.step(&rows)?;
            if !is_finite(found) {
                return Err(Error::NotFinite { what: "the logits" });
            }
            for (found, row) in found.chunks_exact(vocab_size).zip(&rows) {
                steps[row.source as usize].extend_from_slice(found);
            }
        }
        Ok(Run {
            encoder: encoder.hidden_states,
            encoder_attentions: encoder.attentions,
            decoder: decoder.hidden_states,
            decoder_attentions: decoder.attentions,
            cross_attentions: decoder.cross_attentions,
            logits,
            steps,
            vocab_size,
        })
    }

    /// Input by input, each embedding off by up to `nudge` times its value.
    pub fn of_reference(
        reference: &Reference,
        inputs: &[Vec<u32>],
        targets: &[Vec<u32>],
        nudge: f32,
    ) -> Result<Run> {
        let nudged = |mut embeddings: Vec<f32>| {
            for (index, value) in embeddings.iter_mut().enumerate() {
                *value *= 1.0 + nudge * ((index * 7919 % 2003) as f32 / 1001.0 - 1.0);
            }
            embeddings
        };
        let mut encoded = Vec::new();
        for input in inputs {
            let options = reference::EncodeOptions {
                inputs_embeds: Some(&nudged(reference.embed_source(input)?)),
                ..Default::default()
            };
            encoded.push(reference.encode_with(input, options)?);
        }
        let mut decoded = Vec::new();
        for (source, target) in encoded.iter().zip(targets) {
            let options = reference::DecodeOptions {
                inputs_embeds: Some(&nudged(reference.embed_target(target)?)),
                ..Default::default()
            };
            let last = &source.hidden_states[source.hidden_states.len() - 1];
            decoded.push(reference.decode_with(last, target, options)?);
        }
        let vocab_size = reference.vocab_size();
        let logits: Vec<_> = decoded.iter().map(|one| one.logits.clone()).collect();
        Ok(Run {
            encoder: by_layer(&encoded, |one| &one.hidden_states),
            encoder_attentions: by_layer(&encoded, |one| &one.attentions),
            decoder: by_layer(&decoded, |one| &one.hidden_states),
            decoder_attentions: by_layer(&decoded, |one| &one.attentions),
            cross_attentions: by_layer(&decoded, |one| &one.cross_attentions),
            steps: logits.clone(),
            logits,
            vocab_size,
        })
    }

    /// How far this is from what was expected, stage by stage.
    pub fn compare(&self, expected: &Run) -> Vec<Stage> {
        let whole = |name: &str, found: &Layers, expected: &Layers| {
            Measure::of(found.iter().flatten(), expected.iter().flatten()).stage(name)
        };
        let mut stages = layers("encoder", &self.encoder, &expected.encoder);
        stages.push(whole(
            "encoder attention",
            &self.encoder_attentions,
            &expected.encoder_attentions,
        ));
        if expected.decoder.is_empty() {
            return stages;
        }
        stages.extend(layers("decoder", &self.decoder, &expected.decoder));
        stages.push(whole(
            "decoder attention",
            &self.decoder_attentions,
            &expected.decoder_attentions,
        ));
        stages.push(whole(
            "cross-attention",
            &self.cross_attentions,
            &expected.cross_attentions,
        ));
        stages.push(Measure::of(&self.logits, &expected.logits).stage("logits"));
        stages.push(Measure::of(&self.steps, &expected.steps).stage("logits, step by step"));
        stages
    }

    /// Whether the logits of both tokens are as near as `bound` where outputs part; targets begin with `prompt` tokens.
    pub fn is_near_tie(&self, prompt: usize, difference: &Difference, bound: f32) -> bool {
        let (Some(expected), Some(found)) = (difference.expected, difference.found) else {
            return false;
        };
        let row = (prompt - 1 + difference.position) * self.vocab_size;
        let logits = &self.logits[difference.input][row..][..self.vocab_size];
        (logits[expected as usize] - logits[found as usize]).abs() <= bound
    }
}

/// From `[input][layer]` to `[layer][input]`.
fn by_layer<T>(inputs: &[T], layers: impl Fn(&T) -> &Vec<Vec<f32>>) -> Layers {
    let count = inputs.first().map_or(0, |input| layers(input).len());
    (0..count)
        .map(|layer| {
            let of_input = |input| layers(input)[layer].clone();
            inputs.iter().map(of_input).collect()
        })
        .collect()
}

/// A stage a layer.
fn layers(stack: &str, found: &Layers, expected: &Layers) -> Vec<Stage> {
    let last = found.len() - 1;
    let name = |layer| match layer {
        0 => format!("{stack} embeddings"),
        _ if layer == last => format!("{stack} output"),
        _ => format!("{stack} layer {layer}"),
    };
    let pairs = found.iter().zip(expected).enumerate();
    pairs
        .map(|(layer, (found, expected))| Measure::of(found, expected).stage(&name(layer)))
        .collect()
}

/// Differences as they come in.
#[derive(Default)]
struct Measure {
    max_error: f32,
    error_sum: f64,
    count: usize,
    /// The largest value expected.
    magnitude: f32,
}

impl Measure {
    fn of<'a>(
        found: impl IntoIterator<Item = &'a Vec<f32>>,
        expected: impl IntoIterator<Item = &'a Vec<f32>>,
    ) -> Measure {
        let mut measure = Measure::default();
        for (found, expected) in found.into_iter().zip(expected) {
            measure.add(found, expected);
        }
        measure
    }

    fn add(&mut self, found: &[f32], expected: &[f32]) {
        if found.len() != expected.len() {
            self.max_error = f32::INFINITY;
        }
        for (found, expected) in found.iter().zip(expected) {
            let error = (found - expected).abs();
            let error = if error.is_nan() { f32::INFINITY } else { error };
            self.max_error = self.max_error.max(error);
            self.error_sum += f64::from(error);
            self.magnitude = self.magnitude.max(expected.abs());
        }
        self.count += expected.len();
    }

    fn stage(&self, name: &str) -> Stage {
        Stage {
            name: name.to_owned(),
            max_error: self.max_error,
            mean_error: (self.error_sum / self.count.max(1) as f64) as f32,
            bound: BOUND * (self.magnitude / 10.0).max(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(found: &[f32], expected: &[f32]) -> Stage {
        let mut measure = Measure::default();
        measure.add(found, expected);
        measure.stage("a stage")
    }

    #[test]
    fn errors_are_bounded_by_magnitude() {
        let close = stage(&[1.0, 2.00005], &[1.0, 2.0]);
        assert!(close.is_ok(), "{close:?}");
        assert!((close.mean_error - 2.5e-5).abs() < 1e-6, "{close:?}");
        assert!(!stage(&[1.0, 2.0002], &[1.0, 2.0]).is_ok());
        // 1e-4 at 10 is 1e-1 at 10,000.
        assert!(stage(&[10_000.05], &[10_000.0]).is_ok());
        assert!(!stage(&[10_000.25], &[10_000.0]).is_ok());
    }

    #[test]
    fn what_is_no_number_is_out_of_bounds() {
        assert!(!stage(&[f32::NAN, 1.0], &[1.0, 1.0]).is_ok());
        assert!(!stage(&[f32::INFINITY], &[1.0]).is_ok());
        assert!(!stage(&[1.0], &[1.0, 1.0]).is_ok());
    }
}
