//! The engine on a real model: many at once, each as alone; those who are gone, late, too large or too many; a device that is
//! lost.

mod common;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use common::token_ids;
use t5_gpu::alignment::Alignment;
use t5_gpu::generate::{Event, Output, Request};
use t5_gpu::model::DeviceSelection;
use t5_gpu::pipeline::{self, AlignRequest};
use t5_gpu::{Engine, Error, GenerationConfig, LoadOptions, ModelFiles, Pipeline, Result};

fn checkpoint() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints/t5")
}

fn engine(options: LoadOptions) -> Engine {
    let files = ModelFiles::open(checkpoint()).unwrap();
    Engine::load(&files, &options, &mut |_, _| ()).unwrap()
}

fn defaults() -> GenerationConfig {
    ModelFiles::open(checkpoint())
        .unwrap()
        .generation()
        .unwrap()
}

fn vocab_size() -> usize {
    ModelFiles::open(checkpoint())
        .unwrap()
        .config()
        .unwrap()
        .vocab_size
}

/// Endless but for its length.
fn long(new_tokens: usize) -> Request {
    let config = GenerationConfig {
        eos_token_id: vec![],
        max_new_tokens: Some(new_tokens),
        ..defaults()
    };
    Request::new(0, vec![5, 6, 7, 1], config)
}

/// Sources of 1 to 90 tokens; greedy decoding, beams, sampling and processors.
fn mixed(count: usize) -> Vec<Request> {
    let vocab_size = vocab_size();
    (0..count)
        .map(|index| {
            let length = if index % 17 == 3 {
                90
            } else {
                1 + index * 7 % 23
            };
            let kinds = index % 5;
            let config = GenerationConfig {
                num_beams: [1, 4, 1, 2, 1][kinds],
                num_return_sequences: [1, 2, 3, 1, 1][kinds],
                do_sample: kinds == 2,
                seed: Some(index as u64),
                no_repeat_ngram_size: if kinds == 3 { 2 } else { 0 },
                min_new_tokens: (kinds == 4).then_some(3),
                max_new_tokens: Some(1 + index * 5 % 21),
                ..defaults()
            };
            Request {
                token_logprobs: index % 3 == 0,
                ..Request::new(0, token_ids(index as u64, length, vocab_size), config)
            }
        })
        .collect()
}

fn alone(engine: &Engine, request: &Request) -> Vec<Output> {
    engine
        .submit(request.clone(), None)
        .unwrap()
        .outputs()
        .unwrap()
}

#[test]
fn two_hundred_at_once_get_what_each_gets_alone() {
    let requests = mixed(200);
    // Room for a few, and for many: in memory, in places and in the queue.
    let page = 16 * 2 * 64 * 4 * 8;
    let narrow = LoadOptions {
        batch_size: Some(5),
        kv_memory: Some(60 * page),
        queue_tokens: Some(100),
        ..LoadOptions::default()
    };
    let wide = LoadOptions {
        batch_size: Some(40),
        ..LoadOptions::default()
    };
    let single = engine(LoadOptions::default());
    let expected: Vec<Vec<Output>> = requests.iter().map(|one| alone(&single, one)).collect();
    drop(single);
    for options in [narrow, wide] {
        let engine = engine(options);
        thread::scope(|scope| {
            for client in 0..8 {
                let (engine, requests, expected) = (&engine, &requests, &expected);
                scope.spawn(move || {
                    let own = requests.iter().zip(expected).skip(client).step_by(8);
                    for (index, (request, expected)) in own.enumerate() {
                        // Some are gone before they are done.
                        if (index + client) % 5 == 0 {
                            let handle = engine.submit(long(500), None).unwrap();
                            drop(handle.into_iter().nth(index % 3));
                        }
                        let mut tokens = vec![Vec::new(); expected.len()];
                        let mut outputs = None;
                        for event in engine.submit(request.clone(), None).unwrap() {
                            match event {
                                Event::Entered => {}
                                Event::Token { sequence, token } => tokens[sequence].push(token),
                                Event::Finished(found) => outputs = Some(found),
                                Event::Failed(error) => panic!("{error}"),
                            }
                        }
                        let outputs = outputs.unwrap();
                        assert_eq!(outputs, *expected);
                        if request.config.num_beams == 1 {
                            for (tokens, output) in tokens.iter().zip(&outputs) {
                                assert_eq!(*tokens, output.token_ids);
                            }
                        }
                    }
                });
            }
        });
    }
}

#[test]
fn a_deadline_ends_a_request_and_nobody_elses() {
    let engine = engine(LoadOptions::default());
    let soon = Instant::now() + Duration::from_millis(50);
    let late = engine.submit(long(5000), Some(soon)).unwrap();
    let other = engine.submit(long(30), None).unwrap();
    assert!(matches!(late.outputs(), Err(Error::TimedOut)));
    assert_eq!(other.outputs().unwrap()[0].token_ids.len(), 30);
    // One that is past when it comes.
    let handle = engine.submit(long(30), Some(Instant::now())).unwrap();
    assert!(matches!(handle.outputs(), Err(Error::TimedOut)));
}

#[test]
fn what_never_fits_is_refused_at_once_with_both_numbers() {
    let engine = engine(LoadOptions {
        kv_memory: Some(1 << 20),
        ..LoadOptions::default()
    });
    for request in [
        Request::new(0, vec![5; 100_000], defaults()),
        long(1_000_000),
        long(usize::MAX / 2),
        Request::new(
            0,
            vec![5, 1],
            GenerationConfig {
                num_beams: 4096,
                ..defaults()
            },
        ),
    ] {
        match engine.submit(request, None) {
            Err(Error::TooLarge {
                needed, available, ..
            }) => assert!(available <= 1 << 20 && needed > available),
            other => panic!("{:?}", other.map(|_| ())),
        }
    }
    assert_eq!(alone(&engine, &long(7))[0].token_ids.len(), 7);
}

#[test]
fn bad_requests_are_refused_and_harm_nobody() {
    let engine = engine(LoadOptions::default());
    let beside = engine.submit(long(40), None).unwrap();
    let bad = GenerationConfig {
        num_beams: 0,
        ..defaults()
    };
    let refused = [
        Request::new(0, vec![], defaults()),
        Request::new(0, vec![u32::MAX], defaults()),
        Request::new(0, vec![1], bad),
    ];
    for request in refused {
        assert!(engine.submit(request, None).is_err());
    }
    assert_eq!(beside.outputs().unwrap()[0].token_ids.len(), 40);
}

#[test]
fn a_full_queue_says_so_and_lets_the_patient_wait() {
    let engine = engine(LoadOptions {
        batch_size: Some(1),
        queue_tokens: Some(8),
        ..LoadOptions::default()
    });
    let mut first = engine.submit(long(400), None).unwrap();
    assert!(matches!(first.next(), Some(Event::Entered)));
    let waiting: Vec<_> = (0..2)
        .map(|_| engine.submit(long(2), None).unwrap())
        .collect();
    match engine.try_submit(long(2), None) {
        Err(Error::QueueFull {
            tokens: 4,
            waiting: 8,
            limit: 8,
        }) => {}
        other => panic!("{:?}", other.map(|_| ())),
    }
    let soon = Instant::now() + Duration::from_millis(20);
    assert!(matches!(
        engine.submit(long(2), Some(soon)),
        Err(Error::TimedOut)
    ));
    thread::scope(|scope| {
        let patient = scope.spawn(|| engine.submit(long(3), None).unwrap().outputs().unwrap());
        drop(first);
        assert_eq!(patient.join().unwrap()[0].token_ids.len(), 3);
    });
    for handle in waiting {
        assert_eq!(handle.outputs().unwrap()[0].token_ids.len(), 2);
    }
}

/// Handles, and those who wait to submit, end when the engine does.
#[test]
fn nobody_waits_for_an_engine_that_has_stopped() {
    let mut engine = engine(LoadOptions {
        batch_size: Some(1),
        queue_tokens: Some(4),
        ..LoadOptions::default()
    });
    let mut running = engine.submit(long(5000), None).unwrap();
    assert!(matches!(running.next(), Some(Event::Entered)));
    let waiting = engine.submit(long(5000), None).unwrap();
    engine.stop();
    assert!(matches!(running.outputs(), Err(Error::Stopped)));
    assert!(matches!(waiting.outputs(), Err(Error::Stopped)));
    assert!(matches!(engine.submit(long(1), None), Err(Error::Stopped)));
}

/// What was running runs again on the device opened anew; no token is told twice.
#[test]
fn a_lost_device_is_opened_again() {
    let engine = engine(LoadOptions::default());
    let expected: Vec<Vec<Output>> = [long(60), long(90)]
        .iter()
        .map(|request| alone(&engine, request))
        .collect();
    for _ in 0..2 {
        let (sender, told) = mpsc::channel();
        thread::scope(|scope| {
            for (request, expected) in [long(60), long(90)].into_iter().zip(&expected) {
                let (engine, sender) = (&engine, sender.clone());
                scope.spawn(move || {
                    let mut tokens = Vec::new();
                    for event in engine.submit(request, None).unwrap() {
                        match event {
                            Event::Entered => {}
                            Event::Token { token, .. } => {
                                tokens.push(token);
                                let _ = sender.send(tokens.len());
                            }
                            Event::Finished(outputs) => assert_eq!(outputs, *expected),
                            Event::Failed(error) => panic!("{error}"),
                        }
                    }
                    assert_eq!(tokens, expected[0].token_ids);
                });
            }
            while told.recv().unwrap() < 10 {}
            engine.model().gpu().lose();
        });
        assert!(!engine.model().gpu().is_lost());
    }
    // Other work on the device finds it again too.
    engine.model().gpu().lose();
    let states = engine
        .on_device(|model| model.encode(&[vec![5, 1]])?.hidden_states())
        .unwrap();
    assert_eq!(states.len(), 1);
}

fn align(pipeline: &Pipeline, whole: &AlignRequest, layer: Option<usize>) -> Result<Alignment> {
    let mut found = Err(Error::Stopped);
    let whole = std::slice::from_ref(whole);
    pipeline.align_each(whole, layer, &mut |index, aligned| {
        assert_eq!(index, 0);
        found = aligned;
        ControlFlow::Continue(())
    });
    found
}

/// What is wrong with one target, or with the layer, is told in its place.
#[test]
fn targets_are_aligned_by_one_layer_or_all() {
    let files = ModelFiles::open(checkpoint()).unwrap();
    let pipeline = Pipeline::load(&files, &LoadOptions::default(), &mut |_, _| ()).unwrap();
    let whole = AlignRequest {
        input_ids: vec![5, 9, 4, 1],
        labels: vec![8, 2, 6, 7, 1],
    };
    let rows = |layer| -> Vec<f32> {
        let aligned = align(&pipeline, &whole, layer).unwrap();
        let rows: Vec<&[f32]> = aligned.rows().collect();
        assert_eq!((rows.len(), rows[0].len()), (5, 4));
        rows.concat()
    };
    let layers = pipeline.config().num_decoder_layers;
    assert!(layers > 1);
    let each: Vec<Vec<f32>> = (0..layers).map(|layer| rows(Some(layer))).collect();
    assert_ne!(each[0], each[1]);
    let mean: Vec<f32> = (0..each[0].len())
        .map(|at| each.iter().map(|layer| layer[at]).sum::<f32>() / layers as f32)
        .collect();
    assert!(common::max_error(&mean, &rows(None)) < 1e-6);
    let refused = align(&pipeline, &whole, Some(layers)).unwrap_err();
    assert!(refused.to_string().contains("no such layer"), "{refused}");

    // A target that is none stands between two that are.
    let empty = AlignRequest {
        labels: Vec::new(),
        ..whole.clone()
    };
    let mut told = [None; 3];
    let requests = [whole.clone(), empty, whole.clone()];
    pipeline.align_each(&requests, None, &mut |index, aligned| {
        told[index] = Some(aligned.is_ok());
        ControlFlow::Continue(())
    });
    assert_eq!(told, [Some(true), Some(false), Some(true)]);
}

/// A request's alignment is what cross-attention weighs in a pass over source and output at once; those beside it, some of
/// which ask for none, do not matter, and what is chosen does not depend on it.
#[test]
fn alignment_is_that_of_a_pass_over_the_output() {
    let load = || {
        let files = ModelFiles::open(checkpoint()).unwrap();
        Pipeline::load(&files, &LoadOptions::default(), &mut |_, _| ()).unwrap()
    };
    let on_gpu = DeviceSelection {
        greedy_steps: 4,
        candidates: 32,
    };
    for (name, selection) in [("host", DeviceSelection::NONE), ("device", on_gpu)] {
        let pipeline = load();
        pipeline.engine().select(selection);
        let mut requests: Vec<_> = mixed(30)
            .into_iter()
            .map(|request| pipeline::Request::new(request.encoder_input_ids, request.config))
            .collect();
        // Sampling without a seed draws otherwise the second time.
        requests.retain(|request| !request.options.do_sample || request.options.seed.is_some());
        for request in requests.iter_mut().step_by(4) {
            request.options.decoder_input_ids = vec![7, 3];
        }
        let answers = |requests: &[pipeline::Request]| {
            let mut answers = vec![Vec::new(); requests.len()];
            pipeline.generate_each(requests, &mut |index, outputs| {
                answers[index] = outputs.unwrap();
                ControlFlow::Continue(())
            });
            answers
        };
        let plain = answers(&requests);
        for (index, request) in requests.iter_mut().enumerate() {
            request.alignment = index % 3 != 0;
        }
        let aligned = answers(&requests);
        let mut compared = 0;
        for ((request, plain), aligned) in requests.iter().zip(plain).zip(aligned) {
            for (plain, output) in plain.iter().zip(&aligned) {
                assert_eq!(plain.token_ids, output.token_ids, "{name}");
                assert_eq!(output.alignment.is_some(), request.alignment);
                let Some(alignment) = &output.alignment else {
                    continue;
                };
                let prefix = &request.options.decoder_input_ids;
                let whole = AlignRequest {
                    input_ids: request.input_ids.clone(),
                    labels: [prefix.as_slice(), &output.token_ids].concat(),
                };
                let expected = align(&pipeline, &whole, None).unwrap().skip(prefix.len());
                let targets = output.token_ids.len();
                assert_eq!(alignment.rows().count(), targets);
                for (found, expected) in alignment.rows().zip(expected.rows()) {
                    let error = common::max_error(found, expected);
                    assert!(error < 1e-5, "{name}: off by {error:e}");
                    assert!((found.iter().sum::<f32>() - 1.0).abs() < 1e-4);
                    compared += 1;
                }
            }
        }
        assert!(compared > 100, "{name}: {compared} tokens");
    }
}
