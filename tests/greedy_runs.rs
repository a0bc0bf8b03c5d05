//! Greedy decoding that stays on the GPU, several steps a submit, against choosing from the logits on the CPU.

mod common;

use common::models::{greedy, load, tiny};
use common::token_ids;
use t5_gpu::checkpoint::DType;
use t5_gpu::generate::softmax::{Normalizer, argmax};
use t5_gpu::generate::{Output, Request, StepDecoder, StepRow, generate};
use t5_gpu::model::{DeviceSelection, Encoded, Model};
use t5_gpu::parameters;
use t5_gpu::reference::top_k;
use t5_gpu::{GenerationConfig, T5Config};

/// Steps at once.
const RUNS: [usize; 3] = [1, 3, 8];

fn config() -> T5Config {
    T5Config {
        num_decoder_layers: 2,
        ..tiny()
    }
}

fn model() -> Model {
    let config = config();
    let weights = parameters::random(&config, 11, DType::F32);
    load(&config, &weights).0
}

fn sources(count: usize) -> Vec<Vec<u32>> {
    (0..count)
        .map(|row| token_ids(row as u64 + 1, 1 + row * 5 % 17, config().vocab_size))
        .collect()
}

/// Greedy decoding up to `max_new_tokens`; one token in seven ends it.
fn options(max_new_tokens: usize) -> GenerationConfig {
    GenerationConfig {
        decoder_start_token_id: Some(0),
        eos_token_id: (0..257).step_by(7).collect(),
        max_new_tokens: Some(max_new_tokens),
        ..GenerationConfig::default()
    }
}

/// Decodes every source with its options.
fn run(
    model: &Model,
    encoded: &Encoded<'_>,
    options: &[GenerationConfig],
    selection: DeviceSelection,
) -> Vec<Vec<Output>> {
    let requests: Vec<Request> = (0..)
        .zip(options)
        .map(|(source, options)| Request::new(source, vec![1], options.clone()))
        .collect();
    let mut decoder = model
        .decoder_with(encoded, requests.len(), selection)
        .unwrap();
    generate(&mut decoder, &requests, &mut ()).unwrap()
}

/// Compares all numbers of steps at once with choosing on the CPU; the lengths of the outputs.
fn check(model: &Model, options: &[GenerationConfig]) -> Vec<usize> {
    let encoded = model.encode(&sources(options.len())).unwrap();
    let expected = run(model, &encoded, options, DeviceSelection::NONE);
    for steps in RUNS {
        let found = run(model, &encoded, options, greedy(steps));
        assert_eq!(found, expected, "{steps} steps at once, {options:?}");
    }
    let lengths = expected.iter().map(|outputs| outputs[0].token_ids.len());
    lengths.collect()
}

#[test]
fn rows_end_at_different_steps_and_at_any_length() {
    let model = model();
    for batch in [1, 2, 7, 17] {
        for max in [1, 2, 8, 13, 31] {
            let lengths = check(&model, &vec![options(max); batch]);
            if batch > 2 && max > 8 {
                assert!(
                    lengths.iter().any(|length| *length != lengths[0]),
                    "{lengths:?}"
                );
            }
        }
    }
}

#[test]
fn prompts_least_lengths_forced_ends_and_lengths_of_their_own() {
    let model = model();
    let prompt = GenerationConfig {
        decoder_input_ids: vec![0, 5, 6, 9],
        ..options(11)
    };
    let least = GenerationConfig {
        min_new_tokens: Some(10),
        ..options(20)
    };
    let forced = GenerationConfig {
        forced_eos_token_id: vec![1],
        eos_token_id: vec![1],
        ..options(9)
    };
    let endless = GenerationConfig {
        eos_token_id: vec![],
        ..options(29)
    };
    check(&model, &[prompt.clone(), endless.clone()]);
    check(&model, &[least.clone(), endless.clone(), options(13)]);
    check(&model, &[forced.clone(), endless.clone(), options(4)]);
    let all = [prompt, least, forced, endless, options(3)];
    let lengths = check(&model, &all);
    assert_eq!((lengths[2], lengths[3]), (9, 29));
    assert!(lengths[1] >= 10);
}

/// The cache starts with room for 64 positions and grows to 128 and 256, in the middle of runs of three.
#[test]
fn the_cache_grows_inside_a_run() {
    let model = model();
    let endless = GenerationConfig {
        eos_token_id: vec![],
        ..options(140)
    };
    assert_eq!(check(&model, std::slice::from_ref(&endless)), [140]);
    let some = [
        options(140),
        endless.clone(),
        endless,
        options(70),
        options(140),
    ];
    check(&model, &some);
}

/// Rows of one run may be at different positions, and go on as they would alone.
#[test]
fn rows_at_different_positions() {
    let model = model();
    let encoded = model.encode(&sources(3)).unwrap();
    let vocab_size = model.config().vocab_size;
    let row = |slot: u32, position: u32, token: u32| StepRow {
        source: slot,
        slot,
        parent: slot,
        position,
        token,
    };
    // One by one, from the logits.
    let mut plain = model.decoder(&encoded, 3).unwrap();
    let mut expected = [const { Vec::new() }; 3];
    for (slot, chosen) in (0..).zip(&mut expected) {
        let mut token = 0;
        for position in 0..20 {
            let logits = plain.step(&[row(slot, position, token)]).unwrap();
            token = argmax(&logits[..vocab_size]) as u32;
            chosen.push(token);
        }
    }
    // Slots 2 and 0 have a start of 5 and 2 tokens.
    let mut decoder = model.decoder_with(&encoded, 3, greedy(4)).unwrap();
    let mut tokens = Vec::new();
    for (slot, steps) in [(2, 4), (2, 1), (0, 2)] {
        let start = if steps == 1 {
            row(2, 4, expected[2][3])
        } else {
            row(slot, 0, 0)
        };
        decoder.start_greedy(&[start], steps).unwrap();
        decoder.finish_greedy(&mut tokens).unwrap();
    }
    let rows = [
        row(2, 5, expected[2][4]),
        row(1, 0, 0),
        row(0, 2, expected[0][1]),
    ];
    decoder.start_greedy(&rows, 3).unwrap();
    decoder.continue_greedy(4).unwrap();
    let mut found = Vec::new();
    for steps in [3, 4] {
        decoder.finish_greedy(&mut tokens).unwrap();
        assert_eq!(tokens.len(), steps * rows.len());
        found.extend_from_slice(&tokens);
    }
    for (column, (slot, start)) in [(2, 5), (1, 0), (0, 2)].into_iter().enumerate() {
        let of_row: Vec<u32> = found.iter().skip(column).step_by(3).copied().collect();
        assert_eq!(of_row, expected[slot][start..start + 7], "slot {slot}");
    }
}

/// Of a vocabulary smaller than what is asked for, too.
#[test]
fn candidates_are_the_best_of_the_logits() {
    for vocab_size in [20, 257] {
        let config = T5Config {
            vocab_size,
            ..config()
        };
        let weights = parameters::random(&config, 5, DType::F32);
        let model = load(&config, &weights).0;
        let encoded = model.encode(&[vec![5, 1], vec![7, 3, 1]]).unwrap();
        let selection = DeviceSelection {
            greedy_steps: 0,
            candidates: 32,
        };
        let mut decoder = model.decoder_with(&encoded, 2, selection).unwrap();
        let ranks = 32.min(vocab_size);
        assert_eq!(decoder.ranks(), ranks);
        let rows = [0, 1].map(|slot| StepRow {
            source: slot,
            slot,
            parent: slot,
            position: 0,
            token: 0,
        });
        let logits = decoder.step(&rows).unwrap().to_vec();
        for count in [1, 3, ranks] {
            let ranking = decoder.step_ranked(&rows, count).unwrap();
            assert_eq!(ranking.rows(), 2);
            for (row, logits) in logits.chunks_exact(vocab_size).enumerate() {
                let (best, _) = top_k(logits, count);
                let tokens = ranking.tokens(row).iter().copied();
                let found: Vec<_> = tokens.zip(ranking.logits(row).iter().copied()).collect();
                assert_eq!(found, best);
                let (found, expected) = (ranking.normalizer(row), Normalizer::of(logits));
                let error = found.log_probability(0.5) - expected.log_probability(0.5);
                assert!(error.abs() < 1e-5, "{error:e}");
            }
        }
        assert!(decoder.step_ranked(&rows, ranks + 1).is_err());
        assert!(decoder.step_ranked(&rows, 0).is_err());
    }
}

#[test]
fn runs_out_of_order_are_errors_and_given_up_runs_leave_no_trace() {
    let model = model();
    let encoded = model.encode(&sources(1)).unwrap();
    let row = StepRow {
        source: 0,
        slot: 0,
        parent: 0,
        position: 0,
        token: 0,
    };
    let (mut tokens, mut again) = (Vec::new(), Vec::new());
    let mut decoder = model.decoder_with(&encoded, 1, greedy(3)).unwrap();
    assert!(decoder.continue_greedy(1).is_err());
    assert!(decoder.finish_greedy(&mut tokens).is_err());
    assert!(decoder.start_greedy(&[row], 4).is_err());
    assert!(
        decoder
            .start_greedy(&[StepRow { slot: 1, ..row }], 1)
            .is_err()
    );
    decoder.start_greedy(&[row], 3).unwrap();
    decoder.continue_greedy(3).unwrap();
    assert!(decoder.continue_greedy(1).is_err());
    decoder.finish_greedy(&mut tokens).unwrap();

    // The second run is given up, by a step and by another run.
    let logits = decoder.step(&[row]).unwrap();
    assert_eq!(argmax(logits) as u32, tokens[0]);
    assert!(decoder.continue_greedy(1).is_err());
    assert!(decoder.finish_greedy(&mut again).is_err());
    decoder.start_greedy(&[row], 3).unwrap();
    decoder.start_greedy(&[row], 3).unwrap();
    decoder.continue_greedy(2).unwrap();
    decoder.start_greedy(&[row], 3).unwrap();
    decoder.finish_greedy(&mut again).unwrap();
    assert_eq!(again, tokens);
    decoder.continue_greedy(3).unwrap();
    drop(decoder);

    let mut by_logits = model
        .decoder_with(&encoded, 1, DeviceSelection::NONE)
        .unwrap();
    assert_eq!(by_logits.greedy_steps(), 0);
    assert!(by_logits.start_greedy(&[row], 1).is_err());
}
