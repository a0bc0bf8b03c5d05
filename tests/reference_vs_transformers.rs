//! The CPU reference against what transformers computed for the checkpoints in `fixtures/checkpoints`.

mod common;

use common::fixtures::{Expected, TOLERANCE};
use t5_gpu::T5Config;
use t5_gpu::generate::{StepDecoder, StepRow};
use t5_gpu::parameters::Parameters;
use t5_gpu::reference::{DecodeOptions, EncodeOptions, Reference};

struct Fixture {
    name: String,
    config: T5Config,
    reference: Reference,
    expected: Expected,
}

fn fixtures() -> impl Iterator<Item = Fixture> {
    common::fixtures::fixtures().into_iter().map(|fixture| {
        let parameters = Parameters::load(&fixture.checkpoint, &fixture.config).unwrap();
        Fixture {
            reference: Reference::new(&fixture.config, &parameters),
            name: fixture.name,
            config: fixture.config,
            expected: fixture.expected,
        }
    })
}

#[test]
fn encoder_and_logits_agree() {
    for Fixture {
        name,
        reference,
        expected,
        ..
    } in fixtures()
    {
        for (i, case) in expected.cases.iter().enumerate() {
            let hidden = reference.encode(&case.input_ids).unwrap();
            case.encoder
                .assert_close(&hidden, &format!("{name} case {i} encoder"));
            let logits = reference.decode(&hidden, &case.decoder_input_ids).unwrap();
            case.logits
                .assert_close(&logits, &format!("{name} case {i} logits"));
        }
    }
}

#[test]
fn padded_rows_agree() {
    for Fixture {
        name,
        config,
        reference,
        expected,
    } in fixtures()
    {
        let width = expected
            .cases
            .iter()
            .map(|case| case.input_ids.len())
            .max()
            .unwrap();
        for (i, (case, row)) in expected.cases.iter().zip(&expected.batch).enumerate() {
            let length = case.input_ids.len();
            let mut ids = case.input_ids.clone();
            ids.resize(width, config.pad_token_id.unwrap());
            let mask: Vec<bool> = (0..width).map(|i| i < length).collect();
            let options = EncodeOptions {
                attention_mask: Some(&mask),
                ..Default::default()
            };
            let encoded = reference.encode_with(&ids, options).unwrap();
            let hidden = encoded.hidden_states.last().unwrap();
            let kept = &hidden[..length * config.d_model];
            row.encoder
                .assert_close(kept, &format!("{name} row {i} encoder"));
            let options = DecodeOptions {
                encoder_attention_mask: Some(&mask),
                ..Default::default()
            };
            let decoded = reference
                .decode_with(hidden, &case.decoder_input_ids, options)
                .unwrap();
            row.logits
                .assert_close(&decoded.logits, &format!("{name} row {i} logits"));
        }
    }
}

#[test]
fn losses_agree() {
    for Fixture {
        name,
        config,
        reference,
        expected,
    } in fixtures()
    {
        for (i, case) in expected.cases.iter().enumerate() {
            let hidden = reference.encode(&case.input_ids).unwrap();
            let mut shifted = vec![config.decoder_start_token_id.unwrap()];
            shifted.extend(&case.labels[..case.labels.len() - 1]);
            let logits = reference.decode(&hidden, &shifted).unwrap();
            let logprobs: Vec<f32> = logits
                .chunks_exact(config.vocab_size)
                .zip(&case.labels)
                .map(|(row, &label)| {
                    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    let sum: f32 = row.iter().map(|x| (x - max).exp()).sum();
                    row[label as usize] - max - sum.ln()
                })
                .collect();
            assert_eq!(logprobs.len(), case.token_logprobs.len());
            for (a, b) in logprobs.iter().zip(&case.token_logprobs) {
                assert!((a - b).abs() < TOLERANCE, "{name} case {i}: {a}, not {b}");
            }
            let loss = -logprobs.iter().sum::<f32>() / logprobs.len() as f32;
            assert!(
                (loss - case.loss).abs() < TOLERANCE,
                "{name} case {i}: loss {loss}"
            );
        }
    }
}

/// All cases of a checkpoint step by step as one batch, the highest logit winning.
#[test]
fn greedy_tokens_agree() {
    for Fixture {
        name,
        config,
        reference,
        expected,
    } in fixtures()
    {
        let sources: Vec<Vec<f32>> = expected
            .cases
            .iter()
            .map(|case| reference.encode(&case.input_ids).unwrap())
            .collect();
        let mut decoder = reference.decoder(&sources).unwrap();
        let mut rows: Vec<StepRow> = (0..sources.len() as u32)
            .map(|i| StepRow {
                source: i,
                slot: 10 + i,
                parent: 10 + i,
                position: 0,
                token: config.decoder_start_token_id.unwrap(),
            })
            .collect();
        let mut tokens = vec![Vec::new(); sources.len()];
        for _ in 0..20 {
            let logits = decoder.step(&rows).unwrap().to_vec();
            for (row, logits) in rows.iter_mut().zip(logits.chunks_exact(config.vocab_size)) {
                let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
                row.token = best.unwrap() as u32;
                row.position += 1;
                tokens[row.source as usize].push(row.token);
            }
            rows.retain(|row| !config.eos_token_id.contains(&row.token));
        }
        for (i, (case, tokens)) in expected.cases.iter().zip(&tokens).enumerate() {
            let plain = case
                .greedy
                .iter()
                .find(|greedy| greedy.options.len() == 1 && greedy.options["max_new_tokens"] == 20)
                .expect("every case has plain greedy tokens");
            assert_eq!(tokens, &plain.token_ids, "{name} case {i}");
        }
    }
}
