//! The GPU model against what transformers computed for the checkpoints in `fixtures/checkpoints`.

mod common;

use common::fixtures::{Fixture, TOLERANCE, fixtures};
use common::models::load;
use t5_gpu::GenerationConfig;
use t5_gpu::generate::{Request, generate};
use t5_gpu::model::{DecodeOptions, Encoded, Model};

fn model(fixture: &Fixture) -> Model {
    load(&fixture.config, &fixture.checkpoint).0
}

/// Teacher-forced logits of every target, `[tokens, vocab_size]` each.
fn logits(model: &Model, encoded: &Encoded<'_>, targets: &[Vec<u32>]) -> Vec<Vec<f32>> {
    let mut logits = vec![Vec::new(); targets.len()];
    let options = DecodeOptions::default();
    model
        .decode_with(encoded, targets, &options, |target, position, row| {
            assert_eq!(logits[target].len(), position * row.len());
            logits[target].extend_from_slice(row);
        })
        .unwrap();
    logits
}

#[test]
fn hidden_states_logits_and_losses_agree_alone_and_padded() {
    for fixture in fixtures() {
        let (name, config) = (&fixture.name, &fixture.config);
        let model = model(&fixture);
        let cases = &fixture.expected.cases;
        let sources: Vec<Vec<u32>> = cases.iter().map(|case| case.input_ids.clone()).collect();
        let targets: Vec<Vec<u32>> = cases
            .iter()
            .map(|case| case.decoder_input_ids.clone())
            .collect();

        for (i, case) in cases.iter().enumerate() {
            let encoded = model.encode(&sources[i..=i]).unwrap();
            case.encoder.assert_close(
                &encoded.hidden(0).unwrap(),
                &format!("{name} case {i} encoder"),
            );
            let found = logits(&model, &encoded, &targets[i..=i]);
            case.logits
                .assert_close(&found[0], &format!("{name} case {i} logits"));

            let mut shifted = vec![config.decoder_start_token_id.unwrap()];
            shifted.extend(&case.labels[..case.labels.len() - 1]);
            let found = logits(&model, &encoded, &[shifted]);
            let rows = found[0].chunks_exact(config.vocab_size).zip(&case.labels);
            let logprobs: Vec<f32> = rows.map(|(row, label)| log_softmax(row, *label)).collect();
            for (found, expected) in logprobs.iter().zip(&case.token_logprobs) {
                assert!(
                    (found - expected).abs() < TOLERANCE,
                    "{name} case {i}: {found}, not {expected}"
                );
            }
            let loss = -logprobs.iter().sum::<f32>() / logprobs.len() as f32;
            assert!(
                (loss - case.loss).abs() < TOLERANCE,
                "{name} case {i}: loss {loss}"
            );
        }

        let encoded = model.encode(&sources).unwrap();
        let hidden = encoded.hidden_states().unwrap();
        let found = logits(&model, &encoded, &targets);
        for (i, row) in fixture.expected.batch.iter().enumerate() {
            row.encoder
                .assert_close(&hidden[i], &format!("{name} row {i} encoder"));
            row.logits
                .assert_close(&found[i], &format!("{name} row {i} logits"));
        }
    }
}

fn log_softmax(logits: &[f32], label: u32) -> f32 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|x| (x - max).exp()).sum();
    logits[label as usize] - max - sum.ln()
}

/// Every case with every set of options, all in one batch, and each alone.
#[test]
fn greedy_tokens_agree_alone_and_in_a_batch() {
    for fixture in fixtures() {
        let model = model(&fixture);
        let mut sources = Vec::new();
        let mut requests = Vec::new();
        let mut expected = Vec::new();
        for case in &fixture.expected.cases {
            for greedy in &case.greedy {
                let mut config = GenerationConfig {
                    eos_token_id: fixture.config.eos_token_id.clone(),
                    pad_token_id: fixture.config.pad_token_id,
                    decoder_start_token_id: fixture.config.decoder_start_token_id,
                    ..GenerationConfig::default()
                };
                assert!(config.apply_json(&greedy.options).unwrap().is_empty());
                requests.push(Request::new(
                    requests.len() as u32,
                    case.input_ids.clone(),
                    config,
                ));
                sources.push(case.input_ids.clone());
                expected.push(&greedy.token_ids);
            }
        }
        let encoded = model.encode(&sources).unwrap();
        let mut decoder = model.decoder(&encoded, requests.len()).unwrap();
        let outputs = generate(&mut decoder, &requests, &mut ()).unwrap();
        for (i, (outputs, expected)) in outputs.iter().zip(&expected).enumerate() {
            assert_eq!(
                &outputs[0].token_ids, *expected,
                "{} request {i}",
                fixture.name
            );
        }
        for (i, request) in requests.iter().enumerate().step_by(3) {
            let encoded = model.encode(&sources[i..=i]).unwrap();
            let mut decoder = model.decoder(&encoded, 1).unwrap();
            let request = Request {
                source: 0,
                ..request.clone()
            };
            let outputs = generate(&mut decoder, &[request], &mut ()).unwrap();
            assert_eq!(
                &outputs[0][0].token_ids, expected[i],
                "{} request {i} alone",
                fixture.name
            );
        }
    }
}
