//! Logits that are NaN or infinite are seen wherever tokens are chosen, and those of one request are no fault of others.

mod common;

use common::overflow::{BAD, Overflow, OverflowingWeights, config};
use common::{targets, token_ids};
use t5_gpu::generate::{Output, Request, generate_in_turn};
use t5_gpu::model::{DeviceSelection, Model};
use t5_gpu::ops::WeightDType;
use t5_gpu::parameters::Parameters;
use t5_gpu::{Error, GenerationConfig, Result};

/// All logits to the host, greedy runs on the device, candidates on the device.
const SELECTIONS: [DeviceSelection; 3] = [
    DeviceSelection::NONE,
    DeviceSelection {
        greedy_steps: 3,
        candidates: 0,
    },
    DeviceSelection {
        greedy_steps: 0,
        candidates: 32,
    },
];

fn options(num_beams: usize, do_sample: bool) -> GenerationConfig {
    GenerationConfig {
        decoder_start_token_id: Some(0),
        eos_token_id: vec![1],
        max_new_tokens: Some(6),
        num_beams,
        do_sample,
        top_k: 0,
        seed: Some(3),
        ..GenerationConfig::default()
    }
}

/// Greedy decoding, beam search, sampling and both.
fn all_options() -> [GenerationConfig; 4] {
    [(1, false), (4, false), (1, true), (3, true)].map(|(beams, sample)| options(beams, sample))
}

/// On each kind of device, in each type.
fn each_model(overflow: Overflow, dtypes: &[WeightDType], check: impl Fn(&Model)) {
    let (config, weights) = (config(), OverflowingWeights::new(overflow));
    let parameters = Parameters::load(&weights, &config).unwrap();
    for gpu in targets() {
        for &dtype in dtypes {
            check(&Model::load(&gpu, &config, &parameters, dtype, &mut |_, _| {}).unwrap());
        }
    }
}

/// One source after the other through the one place of one decoder.
fn run(
    model: &Model,
    selection: DeviceSelection,
    sources: &[Vec<u32>],
    options: &GenerationConfig,
) -> Vec<Result<Vec<Output>>> {
    let mut decoder = model.shared_decoder(None, selection).unwrap();
    sources
        .iter()
        .map(|source| {
            let request = Request::new(0, source.clone(), options.clone());
            let outputs = generate_in_turn(&mut decoder, &[request], 1, &mut ());
            outputs.map(|mut outputs| outputs.swap_remove(0))
        })
        .collect()
}

fn is_not_finite<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::NotFinite { what: "the logits" }))
}

#[test]
fn a_source_that_overflows_is_told_and_leaves_nothing_behind() {
    let bad = [token_ids(8, 9, 100), vec![BAD]].concat();
    let good = [token_ids(7, 3, 100), token_ids(6, 6, 100)];
    let sources = [good[0].clone(), bad, good[0].clone(), good[1].clone()];
    let dtypes = [WeightDType::F32, WeightDType::Int8];
    each_model(Overflow::Source, &dtypes, |model| {
        for selection in SELECTIONS {
            for options in all_options() {
                let case = format!("{:?} {selection:?} {options:?}", model.dtype());
                let answers = run(model, selection, &sources, &options);
                assert!(is_not_finite(&answers[1]), "{case}: {:?}", answers[1]);
                let fresh = good
                    .clone()
                    .map(|source| run(model, selection, &[source], &options).swap_remove(0));
                for (answer, expected) in [(0, 0), (2, 0), (3, 1)] {
                    let found = answers[answer].as_ref().unwrap();
                    assert_eq!(found, fresh[expected].as_ref().unwrap(), "{case}");
                }
            }
        }
    });
}

#[test]
fn wherever_numbers_overflow_no_token_is_chosen() {
    let prefixed = |mut options: GenerationConfig| {
        options.decoder_input_ids = vec![5, BAD];
        options
    };
    for overflow in [
        Overflow::Target,
        Overflow::Scores,
        Overflow::FeedForward,
        Overflow::Logit,
    ] {
        // int8 keeps no signs of what is far smaller than its row's largest: scores do not overflow both ways there.
        let dtypes: &[WeightDType] = match overflow {
            Overflow::Scores => &[WeightDType::F32],
            _ => &[WeightDType::F32, WeightDType::Int8],
        };
        each_model(overflow, dtypes, |model| {
            for selection in SELECTIONS {
                for options in [options(1, false), options(4, false)] {
                    let options = match overflow {
                        Overflow::Target => prefixed(options),
                        _ => options,
                    };
                    let case =
                        format!("{overflow:?} {:?} {selection:?} {options:?}", model.dtype());
                    let answers = run(model, selection, &[token_ids(1, 5, 100)], &options);
                    assert!(is_not_finite(&answers[0]), "{case}: {:?}", answers[0]);
                }
            }
        });
    }
}
