//! Whether a model computes on this device what it should: against the CPU reference, stage by stage and token by token
//! ([`compare`]), and against what published checkpoints are known to give ([`answers`]).

pub mod answers;
mod run;
mod weights;

use std::ops::ControlFlow;

use crate::generate;
use crate::model::DeviceSelection;
use crate::pipeline::Request;
use crate::reference::Reference;
use crate::{GenerationConfig, ModelFiles, Parameters, Pipeline, Result, WeightDType};

use run::Run;
use weights::AsKept;

/// By which share embeddings are off where it is measured what int8 makes of small differences: what orders of summation
/// differ by.
const NUDGE: f32 = 1.0 / 65_536.0;
/// How many times what that changes a device may be off: it rounds otherwise in every layer.
const NUDGES: f32 = 2.0;

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
    /// Inputs whose tokens part where the reference has two tokens as near as its arithmetic's bound: int8 alone.
    pub near_ties: usize,
    /// Where the tokens part, if they do.
    pub first_difference: Option<Difference>,
}

impl Tokens {
    /// Whether all tokens are equal, but for near ties.
    pub fn is_ok(&self) -> bool {
        self.equal + self.near_ties == self.inputs
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
/// As [`ModelFiles::weights`] and [`Parameters::load`].
pub fn reference(files: &ModelFiles, dtype: WeightDType) -> Result<Reference> {
    let config = files.config()?;
    let weights = files.weights()?;
    let weights = AsKept::new(&weights, dtype);
    let parameters = Parameters::load(&weights, &config)?;
    Ok(match dtype {
        WeightDType::Int8 => Reference::int8(&config, &parameters),
        WeightDType::F32 | WeightDType::F16 => Reference::new(&config, &parameters),
    })
}

/// Runs the inputs through the model on its device, as one batch, and through the reference, one by one, and decodes up
/// to `new_tokens` tokens after each, unless the model is an encoder alone.
///
/// In int8 an input of a product that lies between two integers goes to one or the other as the last bit of an f32 falls,
/// which then shows far above f32's own bounds. How far is measured: the reference runs a second time from embeddings that
/// are a little off, and bounds grow by a multiple of what that changes. Greedy tokens may part where two are as near,
/// and beams are compared with the same device's logits searched on the CPU.
///
/// # Errors
/// Token ids out of range, and whatever the device reports.
pub fn compare(
    pipeline: &Pipeline,
    reference: &Reference,
    inputs: &[Vec<u32>],
    new_tokens: usize,
) -> Result<Comparison> {
    if !pipeline.model().has_decoder() {
        let (stages, _) = compare_stages(pipeline, reference, inputs, &[])?;
        return Ok(Comparison {
            stages,
            tokens: Vec::new(),
        });
    }
    let int8 = pipeline.model().dtype() == WeightDType::Int8;
    let greedy = options(pipeline.generation(), 1, new_tokens);
    let sources: Vec<Vec<f32>> = inputs
        .iter()
        .map(|input| reference.encode(input))
        .collect::<Result<_>>()?;
    let expected_greedy = reference_tokens(reference, &sources, inputs, &greedy)?;
    let prompt = greedy.decoder_prompt()?;
    let targets: Vec<Vec<u32>> = expected_greedy
        .iter()
        .map(|tokens| [&prompt[..], tokens].concat())
        .collect();

    let (stages, expected) = compare_stages(pipeline, reference, inputs, &targets)?;
    let found = device_tokens(pipeline, inputs, &greedy)?;
    let mut greedy_tokens = compare_tokens("greedy", &expected_greedy, &found);
    if int8 {
        let bound = stages.last().map_or(0.0, |stage| stage.bound);
        greedy_tokens.near_ties = differences(&expected_greedy, &found)
            .filter(|difference| expected.is_near_tie(prompt.len(), difference, 2.0 * bound))
            .count();
    }
    let beams = options(pipeline.generation(), 4, new_tokens);
    let expected_beams = match int8 {
        true => tokens_chosen_on_cpu(pipeline, inputs, &beams)?,
        false => reference_tokens(reference, &sources, inputs, &beams)?,
    };
    let beam_tokens = compare_tokens(
        "4 beams",
        &expected_beams,
        &device_tokens(pipeline, inputs, &beams)?,
    );
    Ok(Comparison {
        stages,
        tokens: vec![greedy_tokens, beam_tokens],
    })
}

/// Every stage of the computation, and the reference's run. Without targets, those of the encoder.
fn compare_stages(
    pipeline: &Pipeline,
    reference: &Reference,
    inputs: &[Vec<u32>],
    targets: &[Vec<u32>],
) -> Result<(Vec<Stage>, Run)> {
    let expected = Run::of_reference(reference, inputs, targets, 0.0)?;
    let mut stages = Run::of_device(pipeline, inputs, targets)?.compare(&expected);
    if pipeline.model().dtype() == WeightDType::Int8 {
        let nudged = Run::of_reference(reference, inputs, targets, NUDGE)?;
        for (stage, nudged) in stages.iter_mut().zip(nudged.compare(&expected)) {
            stage.bound += NUDGES * nudged.max_error;
        }
    }
    Ok((stages, expected))
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

fn reference_tokens(
    reference: &Reference,
    sources: &[Vec<f32>],
    inputs: &[Vec<u32>],
    options: &GenerationConfig,
) -> Result<Vec<Vec<u32>>> {
    let requests = requests(inputs, options);
    let outputs = generate::generate(&mut reference.decoder(sources)?, &requests, &mut ())?;
    Ok(first_outputs(outputs))
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

/// All logits read back, beams ranked on the CPU.
fn tokens_chosen_on_cpu(
    pipeline: &Pipeline,
    inputs: &[Vec<u32>],
    options: &GenerationConfig,
) -> Result<Vec<Vec<u32>>> {
    let requests = requests(inputs, options);
    let model = pipeline.model();
    let slots = requests.iter().map(generate::Request::slots).sum();
    let encoded = model.encode(inputs)?;
    let mut decoder = model.decoder_with(&encoded, slots, DeviceSelection::NONE)?;
    let outputs = generate::generate(&mut decoder, &requests, &mut ())?;
    Ok(first_outputs(outputs))
}

fn requests(inputs: &[Vec<u32>], options: &GenerationConfig) -> Vec<generate::Request> {
    (0..)
        .zip(inputs)
        .map(|(source, input)| generate::Request::new(source, input.clone(), options.clone()))
        .collect()
}

fn first_outputs(outputs: Vec<Vec<generate::Output>>) -> Vec<Vec<u32>> {
    outputs
        .into_iter()
        .map(|mut outputs| outputs.swap_remove(0).token_ids)
        .collect()
}

/// Where tokens part, input by input.
fn differences<'a>(
    expected: &'a [Vec<u32>],
    found: &'a [Vec<u32>],
) -> impl Iterator<Item = Difference> + 'a {
    let pairs = expected.iter().zip(found).enumerate();
    pairs.filter_map(|(input, (expected, found))| {
        let position = (0..expected.len().max(found.len()))
            .find(|&position| expected.get(position) != found.get(position))?;
        Some(Difference {
            input,
            position,
            expected: expected.get(position).copied(),
            found: found.get(position).copied(),
        })
    })
}

fn compare_tokens(strategy: &'static str, expected: &[Vec<u32>], found: &[Vec<u32>]) -> Tokens {
    let mut differences = differences(expected, found);
    let first_difference = differences.next();
    let different = usize::from(first_difference.is_some()) + differences.count();
    Tokens {
        strategy,
        inputs: expected.len(),
        equal: expected.len() - different,
        near_ties: 0,
        first_difference,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
