//! Whether a model computes on this device what it should: against the CPU reference, stage by stage and token by token
//! ([`compare`]), and against what published checkpoints are known to give ([`answers`]).

pub mod answers;
mod weights;

use std::ops::ControlFlow;

use crate::generate::{self, StepDecoder, StepRow};
use crate::model::{DecodeOptions, EncodeOptions, TraceOptions};
use crate::pipeline::Request;
use crate::reference::{self, Reference};
use crate::{GenerationConfig, ModelFiles, Parameters, Pipeline, Result, WeightDType};

use weights::AsKept;

/// How far values computed in another order may be apart, where the largest is about 10.
const BOUND: f32 = 1e-4;

/// One step of the computation on the device beside the reference's.
#[derive(Clone, Debug)]
pub struct Stage {
    /// What is compared.
    pub name: String,
    /// The largest absolute difference; infinite where the device gave what is no number.
    pub max_error: f32,
    /// The mean of all differences.
    pub mean_error: f32,
    /// What `max_error` must not exceed: 1e-4, and as much more as the stage's largest value exceeds 10.
    pub bound: f32,
}

impl Stage {
    /// Whether the largest difference is within the bound.
    pub fn is_ok(&self) -> bool {
        self.max_error <= self.bound
    }
}

/// The tokens that one way of decoding gave on the device beside the reference's.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// "greedy" or "4 beams".
    pub strategy: &'static str,
    /// Inputs that were decoded.
    pub inputs: usize,
    /// Inputs whose tokens are all equal.
    pub equal: usize,
    /// Where the tokens part, if they do.
    pub first_difference: Option<Difference>,
}

impl Tokens {
    /// Whether all tokens are equal.
    pub fn is_ok(&self) -> bool {
        self.equal == self.inputs
    }
}

/// Where outputs part; `None` for a token is the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which input.
    pub input: usize,
    /// Which token.
    pub position: usize,
    /// The reference's token; `None` where it has ended.
    pub expected: Option<u32>,
    /// The device's token; `None` where it has ended.
    pub found: Option<u32>,
}

/// What [`compare`] found.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Every stage of the model.
    pub stages: Vec<Stage>,
    /// Every way of decoding.
    pub tokens: Vec<Tokens>,
}

/// The CPU reference of a model, its weights rounded as `dtype` keeps them on the device: what remains to differ is the
/// arithmetic.
///
/// # Errors
/// As [`ModelFiles::weights`] and [`Parameters::load`]; [`crate::Error::Unsupported`] for int8, whose quantised inputs no bound
/// on f32 arithmetic fits.
pub fn reference(files: &ModelFiles, dtype: WeightDType) -> Result<Reference> {
    if dtype == WeightDType::Int8 {
        return Err(crate::Error::Unsupported {
            what: "dtype to verify",
            found: dtype.name().into(),
            supported: "f32 and f16; `t5-gpu score` and a test set show what int8 costs".into(),
        });
    }
    let config = files.config()?;
    let weights = files.weights()?;
    let weights = AsKept::new(&weights, dtype);
    let parameters = Parameters::load(&weights, &config)?;
    Ok(Reference::new(&config, &parameters))
}

/// Runs the inputs through the model on its device, as one batch, and through the reference, one by one, and decodes up
/// to `new_tokens` tokens after each.
///
/// # Errors
/// Token ids out of range, and whatever the device reports.
pub fn compare(
    pipeline: &Pipeline,
    reference: &Reference,
    inputs: &[Vec<u32>],
    new_tokens: usize,
) -> Result<Comparison> {
    let greedy = options(pipeline.generation(), 1, new_tokens);
    let encoded: Vec<reference::Encoded> = inputs
        .iter()
        .map(|input| reference.encode_with(input, reference::EncodeOptions::default()))
        .collect::<Result<_>>()?;
    let sources: Vec<Vec<f32>> = encoded
        .iter()
        .map(|encoded| encoded.hidden_states[encoded.hidden_states.len() - 1].clone())
        .collect();
    let expected = reference_tokens(reference, &sources, inputs, &greedy)?;

    let mut stages = encoder_stages(pipeline, inputs, &encoded)?;
    let prompt = greedy.decoder_prompt()?;
    let targets: Vec<Vec<u32>> = expected
        .iter()
        .map(|tokens| [&prompt[..], tokens].concat())
        .collect();
    stages.extend(decoder_stages(
        pipeline, reference, inputs, &sources, &targets,
    )?);

    let beams = options(pipeline.generation(), 4, new_tokens);
    let expected_beams = reference_tokens(reference, &sources, inputs, &beams)?;
    let tokens = vec![
        compare_tokens(
            "greedy",
            &expected,
            &device_tokens(pipeline, inputs, &greedy)?,
        ),
        compare_tokens(
            "4 beams",
            &expected_beams,
            &device_tokens(pipeline, inputs, &beams)?,
        ),
    ];
    Ok(Comparison { stages, tokens })
}

/// The model's special tokens and nothing else of its defaults: every model is searched the same way.
fn options(own: &GenerationConfig, num_beams: usize, new_tokens: usize) -> GenerationConfig {
    GenerationConfig {
        num_beams,
        max_new_tokens: Some(new_tokens),
        eos_token_id: own.eos_token_id.clone(),
        pad_token_id: own.pad_token_id,
        bos_token_id: own.bos_token_id,
        decoder_start_token_id: own.decoder_start_token_id,
        ..GenerationConfig::default()
    }
}

const EVERYTHING: TraceOptions = TraceOptions {
    hidden_states: true,
    attentions: true,
};

fn encoder_stages(
    pipeline: &Pipeline,
    inputs: &[Vec<u32>],
    expected: &[reference::Encoded],
) -> Result<Vec<Stage>> {
    let trace_options = EncodeOptions {
        trace: EVERYTHING,
        ..EncodeOptions::default()
    };
    let (_, trace) = pipeline.model().encode_with(inputs, &trace_options)?;
    let states: Vec<_> = expected.iter().map(|one| &one.hidden_states).collect();
    let attentions: Vec<_> = expected.iter().map(|one| &one.attentions).collect();
    let mut stages = layers("encoder", &trace.hidden_states, &states);
    stages.push(whole("encoder attention", &trace.attentions, &attentions));
    Ok(stages)
}

/// Whole targets at once, then the same targets step by step through the key/value cache.
fn decoder_stages(
    pipeline: &Pipeline,
    reference: &Reference,
    inputs: &[Vec<u32>],
    sources: &[Vec<f32>],
    targets: &[Vec<u32>],
) -> Result<Vec<Stage>> {
    let expected: Vec<reference::Decoded> = sources
        .iter()
        .zip(targets)
        .map(|(source, target)| {
            reference.decode_with(source, target, reference::DecodeOptions::default())
        })
        .collect::<Result<_>>()?;
    let vocab_size = pipeline.config().vocab_size;
    let row = |target: usize, position: usize| {
        &expected[target].logits[position * vocab_size..][..vocab_size]
    };

    let model = pipeline.model();
    let encoded = model.encode(inputs)?;
    let trace_options = DecodeOptions {
        trace: EVERYTHING,
        ..DecodeOptions::default()
    };
    let mut logits = Measure::default();
    let trace = model.decode_with(
        &encoded,
        targets,
        &trace_options,
        |target, position, found| logits.add(found, row(target, position)),
    )?;
    let states: Vec<_> = expected.iter().map(|one| &one.hidden_states).collect();
    let attentions: Vec<_> = expected.iter().map(|one| &one.attentions).collect();
    let cross: Vec<_> = expected.iter().map(|one| &one.cross_attentions).collect();
    let mut stages = layers("decoder", &trace.hidden_states, &states);
    stages.push(whole("decoder attention", &trace.attentions, &attentions));
    stages.push(whole("cross-attention", &trace.cross_attentions, &cross));
    stages.push(logits.stage("logits"));

    let mut steps = Measure::default();
    let mut decoder = model.decoder(&encoded, targets.len())?;
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
        let found = decoder.step(&rows)?;
        for (found, step) in found.chunks_exact(vocab_size).zip(&rows) {
            steps.add(found, row(step.source as usize, position));
        }
    }
    stages.push(steps.stage("logits, step by step"));
    Ok(stages)
}

/// A stage a layer: found `[layer][input]`, expected `[input][layer]`.
fn layers(stack: &str, found: &[Vec<Vec<f32>>], expected: &[&Vec<Vec<f32>>]) -> Vec<Stage> {
    let last = found.len() - 1;
    let stage = |(layer, found): (usize, &Vec<Vec<f32>>)| {
        let mut measure = Measure::default();
        for (found, expected) in found.iter().zip(expected) {
            measure.add(found, &expected[layer]);
        }
        measure.stage(&match layer {
            0 => format!("{stack} embeddings"),
            _ if layer == last => format!("{stack} output"),
            _ => format!("{stack} layer {layer}"),
        })
    };
    found.iter().enumerate().map(stage).collect()
}

/// One stage for all layers.
fn whole(name: &str, found: &[Vec<Vec<f32>>], expected: &[&Vec<Vec<f32>>]) -> Stage {
    let mut measure = Measure::default();
    for (layer, found) in found.iter().enumerate() {
        for (found, expected) in found.iter().zip(expected) {
            measure.add(found, &expected[layer]);
        }
    }
    measure.stage(name)
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

fn reference_tokens(
    reference: &Reference,
    sources: &[Vec<f32>],
    inputs: &[Vec<u32>],
    options: &GenerationConfig,
) -> Result<Vec<Vec<u32>>> {
    let requests: Vec<generate::Request> = (0..)
        .zip(inputs)
        .map(|(source, input)| generate::Request::new(source, input.clone(), options.clone()))
        .collect();
    let outputs = generate::generate(&mut reference.decoder(sources), &requests, &mut ())?;
    Ok(outputs
        .into_iter()
        .map(|mut outputs| outputs.swap_remove(0).token_ids)
        .collect())
}

/// Through the pipeline, as a user's requests go.
fn device_tokens(
    pipeline: &Pipeline,
    inputs: &[Vec<u32>],
    options: &GenerationConfig,
) -> Result<Vec<Vec<u32>>> {
    let requests: Vec<Request> = inputs
        .iter()
        .map(|input| Request::new(input.clone(), options.clone()))
        .collect();
    let mut tokens = vec![Vec::new(); inputs.len()];
    let mut failure = None;
    pipeline.generate_each(&requests, &mut |index, outputs| match outputs {
        Ok(mut outputs) => {
            tokens[index] = outputs.swap_remove(0).token_ids;
            ControlFlow::Continue(())
        }
        Err(error) => {
            failure = Some(error);
            ControlFlow::Break(())
        }
    });
    failure.map_or(Ok(tokens), Err)
}

fn compare_tokens(strategy: &'static str, expected: &[Vec<u32>], found: &[Vec<u32>]) -> Tokens {
    let differences: Vec<Difference> = expected
        .iter()
        .zip(found)
        .enumerate()
        .filter_map(|(input, (expected, found))| {
            let position = (0..expected.len().max(found.len()))
                .find(|&position| expected.get(position) != found.get(position))?;
            Some(Difference {
                input,
                position,
                expected: expected.get(position).copied(),
                found: found.get(position).copied(),
            })
        })
        .collect();
    Tokens {
        strategy,
        inputs: expected.len(),
        equal: expected.len() - differences.len(),
        first_difference: differences.first().copied(),
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

    #[test]
    fn the_first_difference_is_told() {
        let expected = [vec![5, 6, 1], vec![7, 1], vec![8]];
        let tokens = compare_tokens("greedy", &expected, &[vec![5, 6, 1], vec![7], vec![9]]);
        assert_eq!((tokens.inputs, tokens.equal), (3, 1));
        let difference = Difference {
            input: 1,
            position: 1,
            expected: Some(1),
            found: None,
        };
        assert_eq!(tokens.first_difference, Some(difference));
        assert!(!tokens.is_ok());
        assert!(compare_tokens("greedy", &expected, &expected).is_ok());
    }
}
