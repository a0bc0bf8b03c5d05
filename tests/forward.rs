//! `Model::forward` with every input that transformers' forward takes, against the CPU reference.

mod common;

use common::models::{load, tiny};
use common::{max_error, noise, token_ids};
use t5_gpu::checkpoint::DType;
use t5_gpu::model::{ForwardInputs, ForwardOutputs, Model};
use t5_gpu::parameters;
use t5_gpu::reference::{DecodeOptions, EncodeOptions, Reference};
use t5_gpu::{Error, T5Config};

const BOUND: f32 = 1e-4;

fn config() -> T5Config {
    T5Config {
        decoder_start_token_id: Some(0),
        ..tiny()
    }
}

struct Both {
    config: T5Config,
    model: Model,
    reference: Reference,
    sources: Vec<Vec<u32>>,
    targets: Vec<Vec<u32>>,
}

fn both() -> Both {
    let config = config();
    let weights = parameters::random(&config, 11, DType::F32);
    let (model, reference) = load(&config, &weights);
    let ids = |seed, length| token_ids(seed, length, config.vocab_size);
    Both {
        sources: vec![ids(1, 9), ids(2, 70), ids(3, 1)],
        targets: vec![ids(4, 5), ids(5, 1), ids(6, 66)],
        config,
        model,
        reference,
    }
}

/// A mask that leaves out every third token, never the first.
fn holes(sequences: &[Vec<u32>]) -> Vec<Vec<bool>> {
    sequences
        .iter()
        .map(|ids| (0..ids.len()).map(|i| i % 3 != 2).collect())
        .collect()
}

/// Compares all that both computed; `encode` and `decode` make the reference's options for a sequence.
fn compare<'a>(
    both: &Both,
    found: &ForwardOutputs,
    encode: impl Fn(usize) -> EncodeOptions<'a>,
    decode: impl Fn(usize) -> DecodeOptions<'a>,
) {
    for (row, (source, target)) in both.sources.iter().zip(&both.targets).enumerate() {
        let encoded = both.reference.encode_with(source, encode(row)).unwrap();
        let hidden = encoded.hidden_states.last().unwrap();
        let decoded = both
            .reference
            .decode_with(hidden, target, decode(row))
            .unwrap();
        let near = |what: &str, found: &[f32], expected: &[f32]| {
            let error = max_error(found, expected);
            assert!(error < BOUND, "sequence {row}, {what}: off by {error:e}");
        };
        near("encoder", &found.encoder_last_hidden_state[row], hidden);
        near("logits", &found.logits[row], &decoded.logits);
        let layers = [
            (
                "encoder state",
                &found.encoder.hidden_states,
                &encoded.hidden_states,
            ),
            (
                "encoder attention",
                &found.encoder.attentions,
                &encoded.attentions,
            ),
            (
                "decoder state",
                &found.decoder.hidden_states,
                &decoded.hidden_states,
            ),
            (
                "decoder attention",
                &found.decoder.attentions,
                &decoded.attentions,
            ),
            (
                "cross-attention",
                &found.decoder.cross_attentions,
                &decoded.cross_attentions,
            ),
        ];
        for (what, found, expected) in layers {
            assert_eq!(found.len(), expected.len(), "{what}");
            for (layer, (found, expected)) in found.iter().zip(expected).enumerate() {
                near(&format!("{what} {layer}"), &found[row], expected);
            }
        }
    }
}

#[test]
fn everything_that_the_layers_compute() {
    let both = both();
    let found = both.model.forward(&ForwardInputs {
        input_ids: &both.sources,
        decoder_input_ids: &both.targets,
        output_hidden_states: true,
        output_attentions: true,
        ..Default::default()
    });
    compare(
        &both,
        &found.unwrap(),
        |_| EncodeOptions::default(),
        |_| DecodeOptions::default(),
    );
}

#[test]
fn masks_over_tokens_and_heads() {
    let both = both();
    let (source_mask, target_mask) = (holes(&both.sources), holes(&both.targets));
    let heads = |seed: u64, layers: usize| noise(seed, layers * both.config.num_heads);
    let head_mask = heads(21, both.config.num_layers);
    let decoder_head_mask = heads(22, both.config.num_decoder_layers);
    let cross_attn_head_mask = heads(23, both.config.num_decoder_layers);
    let found = both.model.forward(&ForwardInputs {
        input_ids: &both.sources,
        attention_mask: Some(&source_mask),
        decoder_input_ids: &both.targets,
        decoder_attention_mask: Some(&target_mask),
        head_mask: Some(&head_mask),
        decoder_head_mask: Some(&decoder_head_mask),
        cross_attn_head_mask: Some(&cross_attn_head_mask),
        output_hidden_states: true,
        output_attentions: true,
        ..Default::default()
    });
    compare(
        &both,
        &found.unwrap(),
        |row| EncodeOptions {
            attention_mask: Some(&source_mask[row]),
            head_mask: Some(&head_mask),
            ..Default::default()
        },
        |row| DecodeOptions {
            encoder_attention_mask: Some(&source_mask[row]),
            attention_mask: Some(&target_mask[row]),
            head_mask: Some(&decoder_head_mask),
            cross_attn_head_mask: Some(&cross_attn_head_mask),
            ..Default::default()
        },
    );
}

#[test]
fn embeddings_in_place_of_ids() {
    let both = both();
    let embeds = |seed: u64, sequences: &[Vec<u32>]| -> Vec<Vec<f32>> {
        (seed..)
            .zip(sequences)
            .map(|(seed, ids)| noise(seed, ids.len() * both.config.d_model))
            .collect()
    };
    let (source, target) = (embeds(31, &both.sources), embeds(41, &both.targets));
    let found = both.model.forward(&ForwardInputs {
        inputs_embeds: Some(&source),
        decoder_inputs_embeds: Some(&target),
        output_hidden_states: true,
        output_attentions: true,
        ..Default::default()
    });
    compare(
        &both,
        &found.unwrap(),
        |row| EncodeOptions {
            inputs_embeds: Some(&source[row]),
            ..Default::default()
        },
        |row| DecodeOptions {
            inputs_embeds: Some(&target[row]),
            ..Default::default()
        },
    );
}

#[test]
fn encoder_outputs_given_back_give_the_same_logits() {
    let both = both();
    let inputs = ForwardInputs {
        input_ids: &both.sources,
        decoder_input_ids: &both.targets,
        ..Default::default()
    };
    let first = both.model.forward(&inputs).unwrap();
    let again = both
        .model
        .forward(&ForwardInputs {
            input_ids: &[],
            encoder_outputs: Some(&first.encoder_last_hidden_state),
            ..inputs
        })
        .unwrap();
    assert_eq!(first.logits, again.logits);
}

#[test]
fn labels_are_shifted_right_and_scored() {
    let both = both();
    let found = both
        .model
        .forward(&ForwardInputs {
            input_ids: &both.sources,
            labels: Some(&both.targets),
            ..Default::default()
        })
        .unwrap();
    let (mut sum, mut count) = (0.0, 0);
    for (source, labels) in both.sources.iter().zip(&both.targets) {
        let mut fed = vec![0];
        fed.extend(&labels[..labels.len() - 1]);
        let logits = both
            .reference
            .decode(&both.reference.encode(source).unwrap(), &fed)
            .unwrap();
        for (row, label) in logits.chunks_exact(both.config.vocab_size).zip(labels) {
            let total: f64 = row.iter().map(|x| f64::from(*x).exp()).sum();
            sum += total.ln() - f64::from(row[*label as usize]);
            count += 1;
        }
    }
    let expected = (sum / f64::from(count)) as f32;
    assert!((found.loss.unwrap() - expected).abs() < BOUND);
}

#[test]
fn what_does_not_fit_is_told() {
    let both = both();
    let short = vec![vec![true]; 3];
    let ragged = vec![vec![0.5; both.config.d_model + 1]; 3];
    let inputs = ForwardInputs {
        input_ids: &both.sources,
        decoder_input_ids: &both.targets,
        ..Default::default()
    };
    let wrong = [
        ForwardInputs {
            attention_mask: Some(&short),
            ..inputs
        },
        ForwardInputs {
            head_mask: Some(&[1.0, 1.0]),
            ..inputs
        },
        ForwardInputs {
            decoder_input_ids: &both.targets[..1],
            ..inputs
        },
        ForwardInputs {
            labels: Some(&both.sources),
            ..inputs
        },
        ForwardInputs {
            inputs_embeds: Some(&ragged),
            ..inputs
        },
    ];
    for wrong in &wrong {
        assert!(matches!(both.model.forward(wrong), Err(Error::Invalid(_))));
    }
}
