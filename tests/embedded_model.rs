//! The embedded model: 50 sentences against what transformers gave, on the GPU and at several batch sizes, and its states
//! and logits against transformers and the CPU reference.

mod common;

use common::fixtures::{Sample, TOLERANCE};
use common::max_error;
use common::models::{self, greedy};
use serde::Deserialize;
use serde_json::{Map, Value};
use t5_gpu::GenerationConfig;
use t5_gpu::generate::{Entry, Request, StepDecoder, StepRow, generate, generate_in_turn};
use t5_gpu::model::{DeviceSelection, Model};
use t5_gpu::model_files::ModelFiles;
use t5_gpu::reference::Reference;

#[derive(Deserialize)]
struct Fixture {
    options: Options,
    translations: Vec<Translation>,
}

#[derive(Deserialize)]
struct Options {
    greedy: Map<String, Value>,
    beam_4: Map<String, Value>,
}

#[derive(Deserialize)]
struct Translation {
    text: String,
    input_ids: Vec<u32>,
    greedy: Expected,
    beam_4: Expected,
    encoder: Option<Sample>,
    first_step_logits: Option<Sample>,
}

#[derive(Deserialize)]
struct Expected {
    token_ids: Vec<u32>,
    text: String,
    sequences_score: Option<f32>,
}

fn fixture() -> Fixture {
    let fixture: Fixture =
        serde_json::from_str(include_str!("fixtures/embedded_translations.json")).unwrap();
    assert_eq!(fixture.translations.len(), 50);
    fixture
}

fn load() -> (ModelFiles, Model, Reference) {
    let files = ModelFiles::embedded().unwrap();
    let config = files.config().unwrap();
    let weights = files.weights().unwrap();
    let (model, reference) = models::load(&config, &weights);
    (files, model, reference)
}

#[test]
fn fifty_sentences_greedy_and_with_beams_are_those_of_transformers() {
    let Fixture {
        options,
        translations,
    } = fixture();
    let (files, model, _) = load();
    let tokenizer = files.tokenizer().unwrap().unwrap();
    let defaults = files.generation().unwrap();
    let config_with = |options: &Map<String, Value>| -> GenerationConfig {
        let mut config = defaults.clone();
        assert!(config.apply_json(options).unwrap().is_empty());
        config
    };
    let (greedy_options, beams) = (config_with(&options.greedy), config_with(&options.beam_4));
    for batch_size in [1, 7, 50] {
        for batch in translations.chunks(batch_size) {
            let sources: Vec<Vec<u32>> = batch
                .iter()
                .map(|of| tokenizer.encode(&of.text).unwrap())
                .collect();
            let mut requests = Vec::new();
            for (source, ids) in (0..).zip(&sources) {
                assert_eq!(*ids, batch[source as usize].input_ids);
                requests.push(Request::new(source, ids.clone(), greedy_options.clone()));
                requests.push(Request::new(source, ids.clone(), beams.clone()));
            }
            let encoded = model.encode(&sources).unwrap();
            let slots = requests.iter().map(Request::slots).sum();
            let mut decoder = model.decoder(&encoded, slots).unwrap();
            let outputs = generate(&mut decoder, &requests, &mut ()).unwrap();
            for (of, outputs) in batch.iter().zip(outputs.chunks_exact(2)) {
                for (expected, found) in [&of.greedy, &of.beam_4].into_iter().zip(outputs) {
                    assert_eq!(found[0].token_ids, expected.token_ids, "{}", of.text);
                    let text = tokenizer.decode(&found[0].token_ids, true).unwrap();
                    assert_eq!(text, expected.text);
                    if let Some(score) = expected.sequences_score {
                        let error = (found[0].score.unwrap() - score).abs();
                        assert!(error < TOLERANCE, "{}: score off by {error}", of.text);
                    }
                }
            }
        }
    }
}

/// Without logits being read back, several steps at once.
#[test]
fn fifty_sentences_in_greedy_runs_are_those_of_transformers() {
    let Fixture {
        options,
        translations,
    } = fixture();
    let (files, model, _) = load();
    let mut greedy_options = files.generation().unwrap();
    assert!(
        greedy_options
            .apply_json(&options.greedy)
            .unwrap()
            .is_empty()
    );
    for (batch_size, steps) in [(1, 4), (7, 3)] {
        for batch in translations.chunks(batch_size) {
            let sources: Vec<Vec<u32>> = batch.iter().map(|of| of.input_ids.clone()).collect();
            let requests: Vec<Request> = (0..)
                .zip(&sources)
                .map(|(source, ids)| Request::new(source, ids.clone(), greedy_options.clone()))
                .collect();
            let encoded = model.encode(&sources).unwrap();
            let mut decoder = model
                .decoder_with(&encoded, batch.len(), greedy(steps))
                .unwrap();
            let outputs = generate(&mut decoder, &requests, &mut ()).unwrap();
            for (of, outputs) in batch.iter().zip(&outputs) {
                assert_eq!(outputs[0].token_ids, of.greedy.token_ids, "{}", of.text);
            }
        }
    }
}

/// Sentences of all lengths, greedy and with beams, that enter as others leave; and greedy ones alone.
#[test]
fn fifty_sentences_in_turn_are_those_of_transformers() {
    let Fixture {
        options,
        translations,
    } = fixture();
    let (files, model, _) = load();
    let config_with = |options: &Map<String, Value>| -> GenerationConfig {
        let mut config = files.generation().unwrap();
        assert!(config.apply_json(options).unwrap().is_empty());
        config
    };
    let (greedy_options, beams) = (config_with(&options.greedy), config_with(&options.beam_4));
    // Places, steps at once, candidates, and of how many one has beams.
    for (places, greedy_steps, candidates, every) in [(5, 3, 0, 100), (4, 1, 0, 3), (4, 4, 8, 3)] {
        let selection = DeviceSelection {
            greedy_steps,
            candidates,
        };
        let mut requests = Vec::new();
        let mut expected = Vec::new();
        for (index, of) in translations.iter().enumerate() {
            let (config, tokens) = if index % every == every - 1 {
                (&beams, &of.beam_4.token_ids)
            } else {
                (&greedy_options, &of.greedy.token_ids)
            };
            requests.push(Request::new(0, of.input_ids.clone(), config.clone()));
            expected.push(tokens);
        }
        let mut decoder = model.shared_decoder(None, selection).unwrap();
        let outputs = generate_in_turn(&mut decoder, &requests, places, &mut ()).unwrap();
        for ((outputs, expected), of) in outputs.iter().zip(expected).zip(&translations) {
            assert_eq!(outputs[0].token_ids, *expected, "{places}: {}", of.text);
        }
    }
    // Nobody enters for whom no room is kept.
    let mut decoder = model.shared_decoder(None, greedy(1)).unwrap();
    let entry = |place, source| Entry {
        place,
        source,
        slots: place..place + 1,
        positions: 4,
    };
    assert!(decoder.enter(&[entry(0, &[5, 1])]).is_err());
    assert!(decoder.admit(&entry(0, &[5, 1])).unwrap());
    assert!(decoder.enter(&[entry(0, &[5; 40])]).is_err());
    decoder.enter(&[entry(0, &[5, 1])]).unwrap();
}

#[test]
fn states_and_logits_are_those_of_transformers_and_of_the_reference() {
    let (_, model, reference) = load();
    let mut sampled = 0;
    for of in &fixture().translations {
        let (Some(encoder), Some(logits)) = (&of.encoder, &of.first_step_logits) else {
            continue;
        };
        sampled += 1;
        let encoded = model.encode(std::slice::from_ref(&of.input_ids)).unwrap();
        let hidden = encoded.hidden(0).unwrap();
        encoder.assert_close(&hidden, &of.text);
        let states = reference.encode(&of.input_ids).unwrap();
        assert!(max_error(&hidden, &states) < TOLERANCE, "{}", of.text);

        let mut fed = vec![0];
        fed.extend(&of.greedy.token_ids[..of.greedy.token_ids.len() - 1]);
        let expected = reference.decode(&states, &fed).unwrap();
        let mut decoder = model.decoder(&encoded, 1).unwrap();
        let vocab_size = decoder.vocab_size();
        for (position, (token, expected)) in
            (0..).zip(fed.iter().zip(expected.chunks_exact(vocab_size)))
        {
            let row = StepRow {
                source: 0,
                slot: 0,
                parent: 0,
                position,
                token: *token,
            };
            let found = decoder.step(&[row]).unwrap();
            if position == 0 {
                logits.assert_close(found, &of.text);
            }
            let error = max_error(found, expected);
            assert!(
                error < TOLERANCE,
                "{} step {position}: off by {error:e}",
                of.text
            );
        }
    }
    assert!(sampled >= 5, "{sampled} sentences with samples");
}
