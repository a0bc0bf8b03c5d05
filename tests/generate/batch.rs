//! The scheduler: many requests together, streaming, stopping.

use std::ops::ControlFlow;

use proptest::prelude::*;
use t5_gpu::generate::{
    Observer, Output, Request, StepDecoder, StepRow, generate, generate_in_turn,
};
use t5_gpu::{EarlyStopping, Error, GenerationConfig, Result};

use crate::greedy::greedy_requests;
use crate::toy::{self, Toy, noisy};

fn configs() -> impl Strategy<Value = GenerationConfig> {
    let search = (
        1_usize..5,
        1_usize..4,
        any::<bool>(),
        any::<u64>(),
        any::<bool>(),
    );
    let lengths = (
        1_usize..10,
        0_usize..5,
        prop::collection::vec(2_u32..11, 0..4),
    );
    let penalties = (0_usize..4, prop::sample::select(vec![0.8, 1.0, 1.4]));
    let sampling = (prop::sample::select(vec![0.5, 0.9, 1.0]), 0_usize..6);
    (search, lengths, penalties, sampling).prop_map(|(search, lengths, penalties, sampling)| {
        let (num_beams, sequences, do_sample, seed, early) = search;
        let (max, min, decoder_input_ids) = lengths;
        let (ngram_size, penalty) = penalties;
        let (top_p, top_k) = match num_beams {
            1 => sampling,
            // Beams need enough ways to go on, or they take what is ruled out.
            _ => (1.0, 0),
        };
        let most = if num_beams == 1 && do_sample {
            sequences
        } else {
            num_beams
        };
        GenerationConfig {
            num_beams,
            num_return_sequences: sequences.min(most),
            do_sample,
            seed: Some(seed),
            temperature: penalty,
            top_p,
            top_k,
            max_new_tokens: Some(max),
            min_new_tokens: Some(min),
            no_repeat_ngram_size: ngram_size,
            repetition_penalty: penalty,
            encoder_no_repeat_ngram_size: ngram_size / 2,
            early_stopping: match early {
                true => EarlyStopping::Yes,
                false => EarlyStopping::Never,
            },
            decoder_input_ids,
            ..toy::config()
        }
    })
}

pub fn requests() -> impl Strategy<Value = Vec<Request>> {
    prop::collection::vec((configs(), any::<bool>()), 1..12).prop_map(|all| {
        (0..)
            .zip(all)
            .map(|(source, (config, token_logprobs))| Request {
                token_logprobs,
                ..Request::new(source, vec![3, 4, source % 9, 1], config)
            })
            .collect()
    })
}

/// Without the options that look at more than the best tokens.
fn plainly(request: Request) -> Request {
    let config = GenerationConfig {
        do_sample: false,
        num_return_sequences: request
            .config
            .num_return_sequences
            .min(request.config.num_beams),
        min_new_tokens: None,
        no_repeat_ngram_size: 0,
        repetition_penalty: 1.0,
        encoder_no_repeat_ngram_size: 0,
        ..request.config
    };
    Request { config, ..request }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_mixed_batch_gives_what_its_requests_give_alone(requests in requests()) {
        let together = generate(&mut noisy(64, 5.0), &requests, &mut ()).unwrap();
        for (request, outputs) in requests.iter().zip(&together) {
            let alone = generate(&mut noisy(64, 5.0), std::slice::from_ref(request), &mut ()).unwrap();
            prop_assert_eq!(&alone[0], outputs);
            prop_assert_eq!(outputs.len(), request.config.num_return_sequences);
        }
    }

    /// However few there is room for.
    #[test]
    fn in_turn_requests_give_what_they_give_together(
        requests in prop_oneof![requests(), greedy_requests()],
        places in 1_usize..6,
        steps in 0_usize..4,
    ) {
        let requests: Vec<Request> = requests
            .into_iter()
            .map(|request| Request { encoder_input_ids: vec![request.source, 1], ..request })
            .collect();
        let expected = generate(&mut noisy(24, 5.0), &requests, &mut ()).unwrap();
        let mut decoder = noisy(24, 5.0).greedy(steps);
        let found = generate_in_turn(&mut decoder, &requests, places, &mut ()).unwrap();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(decoder.entered.iter().sum::<usize>(), requests.len());
    }

    /// The best tokens of each row do where nothing but log-probabilities counts.
    #[test]
    fn rankings_give_what_logits_give(requests in requests(), plain in 0_usize..4, ranks in 1_usize..24) {
        let requests: Vec<Request> = requests
            .into_iter()
            .enumerate()
            .map(|(index, request)| if index % 4 < plain { plainly(request) } else { request })
            .collect();
        let expected = generate(&mut noisy(64, 5.0), &requests, &mut ()).unwrap();
        let mut decoder = noisy(64, 5.0).ranking(ranks);
        let found = generate(&mut decoder, &requests, &mut ()).unwrap();
        for (expected, found) in expected.iter().flatten().zip(found.iter().flatten()) {
            prop_assert_eq!(&expected.token_ids, &found.token_ids);
            let numbers = |output: &Output| -> Vec<f32> {
                let logprobs = output.token_logprobs.iter().flatten();
                output.score.iter().chain(logprobs).copied().collect()
            };
            let (expected, found) = (numbers(expected), numbers(found));
            prop_assert_eq!(expected.len(), found.len());
            for (expected, found) in expected.iter().zip(&found) {
                prop_assert!((expected - found).abs() < 1e-5 * expected.abs().max(1.0), "{} {}", expected, found);
            }
        }
        if plain == 3 && requests.len() < 4 && ranks >= 10 {
            prop_assert_eq!(decoder.ranked, decoder.steps.len());
        }
    }

    #[test]
    fn outputs_keep_their_limits_and_end_where_they_should(requests in requests()) {
        for (request, outputs) in requests.iter().zip(generate(&mut noisy(64, 5.0), &requests, &mut ()).unwrap()) {
            let (max, min) = (request.config.max_new_tokens.unwrap(), request.config.min_new_tokens.unwrap());
            for Output { token_ids, .. } in outputs {
                let (last, before) = token_ids.split_last().unwrap();
                prop_assert!(!before.contains(&1));
                prop_assert!(token_ids.len() <= max);
                if *last == 1 {
                    prop_assert!(token_ids.len() > min);
                } else {
                    prop_assert_eq!(token_ids.len(), max);
                }
            }
        }
    }
}

/// Source n ends after n tokens; what has ended leaves the step.
#[test]
fn finished_rows_leave_the_step() {
    let mut decoder = Toy::new(5, |source, history, logits| {
        logits.fill(0.0);
        logits[if history.len() >= source as usize {
            1
        } else {
            3
        }] = 1.0;
    });
    let requests: Vec<_> = [2, 5, 1]
        .map(|source| Request::new(source, vec![1], toy::config()))
        .into();
    let outputs = generate(&mut decoder, &requests, &mut ()).unwrap();
    let tokens: Vec<_> = outputs
        .iter()
        .map(|outputs| outputs[0].token_ids.as_slice())
        .collect();
    assert_eq!(tokens, [&[3, 1][..], &[3, 3, 3, 3, 1], &[1]]);
    assert_eq!(decoder.steps, [3, 2, 1, 1, 1]);
}

/// Four places and outputs of these lengths: one enters as soon as one leaves, for that is a quarter of them.
#[test]
fn waiting_requests_enter_as_others_leave() {
    let mut decoder = Toy::new(5, |source, history, logits| {
        logits.fill(0.0);
        logits[if history.len() >= source as usize {
            1
        } else {
            3
        }] = 1.0;
    });
    let lengths = [5, 2, 4, 4, 1, 2, 1];
    let requests: Vec<_> = lengths
        .map(|length| Request::new(9, vec![length], toy::config()))
        .into();
    let mut listener = Listener::default();
    let outputs = generate_in_turn(&mut decoder, &requests, 4, &mut listener).unwrap();
    for (length, outputs) in lengths.iter().zip(&outputs) {
        assert_eq!(outputs[0].token_ids.len(), *length as usize);
    }
    assert_eq!(decoder.entered, [4, 1, 1, 1]);
    assert_eq!(decoder.steps, [4, 4, 4, 4, 3]);
    assert_eq!(listener.finished, [1, 4, 2, 3, 0, 5, 6]);

    // Eight places: of two that are free, both are taken, and one alone is not.
    let mut decoder = Toy::new(5, |_, history, logits| {
        logits.fill(0.0);
        logits[if history.len() > 3 { 1 } else { 3 }] = 1.0;
    });
    let requests: Vec<_> = (0..20)
        .map(|source| Request {
            config: GenerationConfig {
                max_new_tokens: Some(1 + source as usize % 3),
                ..toy::config()
            },
            ..Request::new(0, vec![source], toy::config())
        })
        .collect();
    let outputs = generate_in_turn(&mut decoder, &requests, 8, &mut ()).unwrap();
    assert!(outputs.iter().all(|outputs| outputs.len() == 1));
    let (last, before) = decoder.entered.split_last().unwrap();
    assert!(before.iter().all(|count| *count >= 2), "{before:?}, {last}");
}

#[derive(Default)]
struct Listener {
    tokens: std::collections::BTreeMap<(usize, usize), Vec<u32>>,
    finished: Vec<usize>,
    stop_after: Option<usize>,
    /// Requests after which there are enough.
    wanted: Option<usize>,
}

impl Observer for Listener {
    fn token(&mut self, request: usize, sequence: usize, token: u32) -> Result<()> {
        self.tokens
            .entry((request, sequence))
            .or_default()
            .push(token);
        match &mut self.stop_after {
            Some(0) => Err(Error::Invalid("enough".into())),
            left => {
                *left = left.map(|left| left - 1);
                Ok(())
            }
        }
    }

    fn finished(&mut self, request: usize, outputs: &[Output]) -> Result<ControlFlow<()>> {
        self.finished.push(request);
        for (sequence, output) in outputs.iter().enumerate() {
            if let Some(heard) = self.tokens.get(&(request, sequence)) {
                assert_eq!(heard, &output.token_ids);
            }
        }
        Ok(match self.wanted {
            Some(wanted) if self.finished.len() >= wanted => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
    }
}

#[test]
fn an_observer_that_has_enough_ends_the_generation() {
    // Two of three are finished by the same step.
    let requests: Vec<_> = [2, 2, 9]
        .map(|max_new_tokens| GenerationConfig {
            max_new_tokens: Some(max_new_tokens),
            eos_token_id: Vec::new(),
            ..toy::config()
        })
        .into_iter()
        .zip(0..)
        .map(|(config, source)| Request::new(source, vec![1], config))
        .collect();
    let mut listener = Listener {
        wanted: Some(1),
        ..Listener::default()
    };
    let outputs = generate(&mut noisy(30, 4.0), &requests, &mut listener).unwrap();
    assert_eq!(listener.finished, [0]);
    assert_eq!(outputs[0][0].token_ids.len(), 2);
    assert!(outputs[2][0].token_ids.is_empty());
}

#[test]
fn an_observer_hears_every_token_once_it_is_decided() {
    let sampling = GenerationConfig {
        do_sample: true,
        num_return_sequences: 3,
        seed: Some(4),
        decoder_input_ids: vec![0, 5, 6],
        ..toy::config()
    };
    let beams = GenerationConfig {
        num_beams: 2,
        ..toy::config()
    };
    let requests: Vec<_> = (0..)
        .zip([toy::config(), sampling, beams])
        .map(|(i, c)| Request::new(i, vec![1], c))
        .collect();
    let mut listener = Listener::default();
    let outputs = generate(&mut noisy(30, 4.0), &requests, &mut listener).unwrap();
    let heard: Vec<_> = listener.tokens.keys().copied().collect();
    assert_eq!(heard, [(0, 0), (1, 0), (1, 1), (1, 2)]);
    listener.finished.sort_unstable();
    assert_eq!(listener.finished, [0, 1, 2]);
    assert_ne!(outputs[1][0], outputs[1][1]);

    let mut impatient = Listener {
        stop_after: Some(5),
        ..Default::default()
    };
    let error = generate(&mut noisy(30, 4.0), &requests, &mut impatient).unwrap_err();
    assert_eq!(error.to_string(), "enough");
}

#[test]
fn greedy_logprobs_are_the_models_own() {
    let config = GenerationConfig {
        repetition_penalty: 5.0,
        suppress_tokens: vec![2],
        ..toy::config()
    };
    let request = Request {
        token_logprobs: true,
        ..Request::new(3, vec![1], config)
    };
    let output = generate(&mut noisy(20, 4.0), &[request], &mut ())
        .unwrap()
        .remove(0)
        .remove(0);
    let logprobs = output.token_logprobs.unwrap();
    assert_eq!(logprobs.len(), output.token_ids.len());
    for (length, (logprob, &chosen)) in logprobs.iter().zip(&output.token_ids).enumerate() {
        let history = [&[0], &output.token_ids[..length]].concat();
        let weight = |token| f64::from(toy::noise(3, &history, token, 4.0)).exp();
        let sum: f64 = (0..20).map(weight).sum();
        assert!((f64::from(*logprob) - (weight(chosen as usize) / sum).ln()).abs() < 1e-5);
    }
}

#[test]
fn no_requests_no_steps() {
    let mut decoder = noisy(4, 1.0);
    assert!(generate(&mut decoder, &[], &mut ()).unwrap().is_empty());
    assert!(decoder.steps.is_empty());
}

#[test]
fn bad_requests_are_told_before_anything_runs() {
    let cases = [
        (
            GenerationConfig {
                num_beams: 0,
                ..toy::config()
            },
            "num_beams is 0",
        ),
        (
            GenerationConfig {
                num_return_sequences: 0,
                ..toy::config()
            },
            "num_return_sequences is 0",
        ),
        (
            GenerationConfig {
                decoder_start_token_id: None,
                ..toy::config()
            },
            "decoder_start_token_id is not set",
        ),
        (
            GenerationConfig {
                decoder_input_ids: vec![7],
                ..toy::config()
            },
            "token id 7 is out of range",
        ),
        (
            GenerationConfig {
                forced_bos_token_id: Some(7),
                ..toy::config()
            },
            "token id 7 is out of range",
        ),
        (
            GenerationConfig {
                forced_eos_token_id: vec![7],
                ..toy::config()
            },
            "token id 7 is out of range",
        ),
        (
            GenerationConfig {
                bad_words_ids: vec![vec![2, 7]],
                ..toy::config()
            },
            "token id 7 is out of range",
        ),
        (
            GenerationConfig {
                max_length: Some(1),
                ..toy::config()
            },
            "max_length is 1",
        ),
        (
            GenerationConfig {
                num_beams: 2,
                eos_token_id: (0..7).collect(),
                ..toy::config()
            },
            "needs a larger vocabulary",
        ),
    ];
    for (config, message) in cases {
        let mut decoder = noisy(7, 1.0);
        let requests = [
            Request::new(0, vec![1], toy::config()),
            Request::new(1, vec![1], config),
        ];
        let error = generate(&mut decoder, &requests, &mut ())
            .unwrap_err()
            .to_string();
        assert!(error.contains(message), "{error}");
        assert!(decoder.steps.is_empty());
    }
}

/// What a decoder gives wrongly is an error, not a panic or an endless output.
#[test]
fn a_broken_decoder_is_an_error() {
    struct Broken(Vec<f32>);
    impl StepDecoder for Broken {
        fn vocab_size(&self) -> usize {
            3
        }
        fn step(&mut self, _rows: &[StepRow]) -> Result<&[f32]> {
            Ok(&self.0)
        }
    }
    let request = [Request::new(0, vec![1], toy::config())];
    let error = generate(&mut Broken(vec![0.0; 4]), &request, &mut ())
        .unwrap_err()
        .to_string();
    assert!(error.contains("gave 4 logits for 1 rows of 3"), "{error}");
    let error = generate(&mut Broken(vec![f32::NAN; 3]), &request, &mut ())
        .unwrap_err()
        .to_string();
    assert!(error.contains("the logits are not finite"), "{error}");
}

/// Steps with many logits are shared out among threads.
#[test]
fn large_steps_give_what_small_ones_give() {
    let requests: Vec<_> = (0..20)
        .map(|source| {
            let config = GenerationConfig {
                num_beams: 1 + source as usize % 3,
                do_sample: source % 4 == 0,
                seed: Some(u64::from(source)),
                max_new_tokens: Some(3),
                ..toy::config()
            };
            Request::new(source, vec![1], config)
        })
        .collect();
    let together = generate(&mut noisy(33_000, 9.0), &requests, &mut ()).unwrap();
    for (request, outputs) in requests.iter().zip(&together) {
        let request = std::slice::from_ref(request);
        assert_eq!(
            generate(&mut noisy(33_000, 9.0), request, &mut ()).unwrap()[0],
            *outputs
        );
    }
}
