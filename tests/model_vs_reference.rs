//! The whole model on the GPU against the CPU reference: encoder hidden states and the logits of every decode step.

mod common;

use common::models::{load, tiny};
use common::{gpu, max_error, token_ids};
use t5_gpu::checkpoint::{DType, TensorSource};
use t5_gpu::generate::softmax::argmax;
use t5_gpu::generate::{StepDecoder, StepRow};
use t5_gpu::gpu::{Gpu, GpuOptions};
use t5_gpu::model::Model;
use t5_gpu::ops::WeightDType;
use t5_gpu::parameters::{self, Parameters};
use t5_gpu::reference::Reference;
use t5_gpu::{Activation, ModelType, T5Config};

/// Steps that every source is decoded for.
const STEPS: usize = 6;

fn row(source: usize, position: usize, token: u32) -> StepRow {
    StepRow {
        source: source as u32,
        slot: source as u32,
        parent: source as u32,
        position: position as u32,
        token,
    }
}

/// Encodes and decodes sources of the given lengths as one batch; returns the worst error of hidden states and of logits.
fn errors(
    gpu: &std::sync::Arc<Gpu>,
    config: &T5Config,
    weights: &dyn TensorSource,
    dtype: WeightDType,
    lengths: &[usize],
) -> (f32, f32) {
    let parameters = Parameters::load(weights, config).unwrap();
    let model = Model::load(gpu, config, &parameters, dtype, &mut |_, _| {}).unwrap();
    let reference = Reference::new(config, &parameters);
    let sources: Vec<_> = (0..)
        .zip(lengths)
        .map(|(seed, length)| token_ids(seed + 1, *length, config.vocab_size))
        .collect();
    let targets: Vec<_> = (0..)
        .zip(lengths)
        .map(|(seed, _)| token_ids(seed + 100, STEPS, config.vocab_size))
        .collect();
    let encoded = model.encode(&sources).unwrap();
    let mut hidden_error = 0f32;
    let mut expected = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let states = reference.encode(source).unwrap();
        hidden_error = hidden_error.max(max_error(&encoded.hidden(index).unwrap(), &states));
        expected.push(reference.decode(&states, &targets[index]).unwrap());
    }
    let mut decoder = model.decoder(&encoded, sources.len()).unwrap();
    let mut logits_error = 0f32;
    for step in 0..STEPS {
        let rows: Vec<_> = (0..sources.len())
            .map(|source| row(source, step, targets[source][step]))
            .collect();
        let logits = decoder.step(&rows).unwrap();
        for (found, expected) in logits.chunks_exact(config.vocab_size).zip(&expected) {
            let expected = &expected[step * config.vocab_size..][..config.vocab_size];
            logits_error = logits_error.max(max_error(found, expected));
        }
    }
    (hidden_error, logits_error)
}

fn check(config: &T5Config, lengths: &[usize]) {
    let weights = parameters::random(config, 7, DType::F32);
    let (hidden, logits) = errors(&gpu(), config, &weights, WeightDType::F32, lengths);
    println!("f32: hidden states off by {hidden:e}, logits by {logits:e}");
    assert!(
        hidden < 1e-4 && logits < 1e-4,
        "hidden states off by {hidden:e}, logits by {logits:e}"
    );
    // f16 weights against a reference that has the same f16 weights: only the arithmetic differs.
    let weights = parameters::random(config, 7, DType::F16);
    let (hidden, logits) = errors(&gpu(), config, &weights, WeightDType::F16, lengths);
    println!("f16: hidden states off by {hidden:e}, logits by {logits:e}");
    assert!(
        hidden < 1e-4 && logits < 1e-4,
        "f16: hidden states off by {hidden:e}, logits by {logits:e}"
    );
}

/// int8 weights and inputs: close to f32, and as close on a batch as alone.
#[test]
fn int8_logits_are_near_those_of_f32() {
    for config in [
        tiny(),
        T5Config {
            gated: true,
            activation: Activation::GeluNew,
            ..tiny()
        },
    ] {
        let weights = parameters::random(&config, 7, DType::F32);
        for lengths in [&[9][..], &[1, 2, 30, 65, 7, 8, 20, 11, 40]] {
            let (hidden, logits) = errors(&gpu(), &config, &weights, WeightDType::Int8, lengths);
            println!("int8: hidden states off by {hidden:e}, logits by {logits:e}");
            // Hidden states are normalised to a size of 1 and quantised in steps of about 1/40 of that.
            assert!(
                hidden < 0.2 && logits < 0.2,
                "hidden states off by {hidden:e}, logits by {logits:e}"
            );
            assert!(hidden > 1e-4, "int8 cannot be this near: was it used?");
        }
    }
}

#[test]
fn t5_small_shape() {
    check(&T5Config::preset("t5-small").unwrap(), &[11, 3]);
}

#[test]
fn odd_widths_alone_and_padded() {
    check(&tiny(), &[1]);
    check(&tiny(), &[63, 64, 65, 1, 2, 127, 257]);
}

#[test]
fn every_activation_gated_and_plain() {
    for activation in [
        Activation::Relu,
        Activation::Gelu,
        Activation::GeluNew,
        Activation::Silu,
    ] {
        for gated in [false, true] {
            check(
                &T5Config {
                    activation,
                    gated,
                    ..tiny()
                },
                &[5, 70],
            );
        }
    }
}

#[test]
fn wide_heads_and_a_bias_table_a_layer() {
    check(
        &T5Config {
            model_type: ModelType::Umt5,
            d_kv: 128,
            ..tiny()
        },
        &[9, 80],
    );
}

/// With 50 KB a binding, the embedding, the head and the feed-forward are split.
#[test]
fn split_tensors_give_the_same_as_whole_ones() {
    let options = GpuOptions {
        max_binding_bytes: Some(50_000),
        ..GpuOptions::default()
    };
    let config = T5Config {
        gated: true,
        activation: Activation::GeluNew,
        d_ff: 200,
        vocab_size: 1000,
        ..tiny()
    };
    let weights = parameters::random(&config, 7, DType::F32);
    let (hidden, logits) = errors(
        &Gpu::open_with(options).unwrap(),
        &config,
        &weights,
        WeightDType::F32,
        &[5, 9],
    );
    assert!(
        hidden < 1e-4 && logits < 1e-4,
        "hidden states off by {hidden:e}, logits by {logits:e}"
    );
}

/// Far past the first capacity of the cache, hypotheses continuing one another as beam search lets them: the GPU's steps
/// against the reference's.
#[test]
fn long_decoding_with_reordered_hypotheses() {
    let config = tiny();
    let weights = parameters::random(&config, 3, DType::F32);
    let (model, reference) = load(&config, &weights);
    let sources = [
        token_ids(1, 9, config.vocab_size),
        token_ids(2, 4, config.vocab_size),
    ];
    let hidden: Vec<_> = sources
        .iter()
        .map(|source| reference.encode(source).unwrap())
        .collect();
    let encoded = model.encode(&sources).unwrap();
    let (beams, steps) = (3, 140);
    let mut decoder = model.decoder(&encoded, 2 * beams).unwrap();
    let mut twin = reference.decoder(&hidden).unwrap();
    let choices = token_ids(5, steps * 2 * beams * 2, config.vocab_size);
    let mut worst = 0f32;
    for (position, choices) in choices.chunks_exact(2 * beams * 2).enumerate() {
        // From the 100th step on, the second source is finished and its rows are gone.
        let rows: Vec<_> = (0..if position < 100 { 2 * beams } else { beams })
            .map(|slot| {
                let first = slot / beams * beams;
                let parent = if position % 3 == 1 {
                    first + choices[slot] as usize % beams
                } else {
                    slot
                };
                StepRow {
                    source: (slot / beams) as u32,
                    slot: slot as u32,
                    parent: parent as u32,
                    position: position as u32,
                    token: choices[2 * beams + slot],
                }
            })
            .collect();
        let expected = twin.step(&rows).unwrap().to_vec();
        if position % 2 == 0 {
            worst = worst.max(max_error(decoder.step(&rows).unwrap(), &expected));
        } else {
            let mut tokens = Vec::new();
            decoder.start_greedy(&rows, 1).unwrap();
            decoder.finish_greedy(&mut tokens).unwrap();
            let best = expected
                .chunks_exact(config.vocab_size)
                .map(|row| argmax(row) as u32);
            assert_eq!(tokens, best.collect::<Vec<_>>(), "step {position}");
        }
    }
    println!("worst error {worst:e}");
    assert!(worst < 1e-4, "off by {worst:e}");
}
