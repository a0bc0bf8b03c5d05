//! Decoding, with the CPU reference and with the GPU model, against what transformers' generate gave for the checkpoints
//! in `fixtures/checkpoints`.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::models::greedy;
use serde::Deserialize;
use serde_json::{Map, Value};
use t5_gpu::checkpoint::Checkpoint;
use t5_gpu::generate::{Output, Request, generate};
use t5_gpu::model::DeviceSelection;
use t5_gpu::reference::Reference;
use t5_gpu::{Engine, GenerationConfig, LoadOptions, ModelFiles, T5Config};

#[derive(Deserialize)]
struct Case {
    checkpoint: String,
    /// One or several sources, with the same options.
    input_ids: Vec<Vec<u32>>,
    options: Map<String, Value>,
    /// A list of outputs a source.
    outputs: Vec<Vec<Expected>>,
}

#[derive(Deserialize)]
struct Expected {
    token_ids: Vec<u32>,
    score: Option<f32>,
}

/// `expected.json` of a checkpoint, as far as it tells of decoding.
#[derive(Deserialize)]
struct OfCheckpoint {
    cases: Vec<OfSource>,
}

#[derive(Deserialize)]
struct OfSource {
    input_ids: Vec<u32>,
    greedy: Vec<Greedy>,
}

#[derive(Deserialize)]
struct Greedy {
    options: Map<String, Value>,
    token_ids: Vec<u32>,
}

/// A fixture checkpoint on the CPU and on the GPU.
struct Model {
    directory: PathBuf,
    reference: Reference,
    device: t5_gpu::model::Model,
    defaults: GenerationConfig,
}

/// Which of the two decodes.
#[derive(Clone, Copy, Debug)]
enum On {
    Cpu,
    /// With so much of choosing tokens left to the device.
    Gpu(DeviceSelection),
    /// The engine, so many at a time.
    Engine(usize),
}

impl Model {
    fn open(dir: &Path) -> Self {
        let config = T5Config::from_file(&dir.join("config.json")).unwrap();
        let checkpoint = Checkpoint::open(dir).unwrap();
        let defaults = GenerationConfig::from_model_dir(dir).unwrap();
        let (device, reference) = common::models::load(&config, &checkpoint);
        Self {
            directory: dir.to_owned(),
            reference,
            device,
            defaults,
        }
    }

    /// Decodes all sources, each with its options, in one batch.
    fn run(&self, requests: &[(&[u32], &Map<String, Value>)], on: On) -> Vec<Vec<Output>> {
        let sources: Vec<Vec<u32>> = requests.iter().map(|(ids, _)| ids.to_vec()).collect();
        let requests: Vec<Request> = (0..)
            .zip(requests)
            .map(|(source, (ids, options))| {
                let mut config = self.defaults.clone();
                let unknown = config.apply_json(options).unwrap();
                assert!(unknown.is_empty(), "{unknown:?}");
                Request::new(source, ids.to_vec(), config)
            })
            .collect();
        match on {
            On::Cpu => {
                let hidden: Vec<Vec<f32>> = sources
                    .iter()
                    .map(|ids| self.reference.encode(ids).unwrap())
                    .collect();
                generate(
                    &mut self.reference.decoder(&hidden).unwrap(),
                    &requests,
                    &mut (),
                )
                .unwrap()
            }
            On::Engine(batch_size) => {
                let files = ModelFiles::open(&self.directory).unwrap();
                let options = LoadOptions {
                    batch_size: Some(batch_size),
                    ..LoadOptions::default()
                };
                let engine = Engine::load(&files, &options, &mut |_, _| ()).unwrap();
                let handles: Vec<_> = requests
                    .into_iter()
                    .map(|request| engine.submit(request, None).unwrap())
                    .collect();
                handles
                    .into_iter()
                    .map(|handle| handle.outputs().unwrap())
                    .collect()
            }
            On::Gpu(selection) => {
                let encoded = self.device.encode(&sources).unwrap();
                let slots = requests.iter().map(Request::slots).sum();
                let mut decoder = self
                    .device
                    .decoder_with(&encoded, slots, selection)
                    .unwrap();
                generate(&mut decoder, &requests, &mut ()).unwrap()
            }
        }
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The tokens, with a last one that is any of several forced ends written as the first of them: these all get the score
/// 0, and among exact equals torch.topk, unlike argmax, leaves the order to chance.
fn settled(options: &Map<String, Value>, token_ids: &[u32]) -> Vec<u32> {
    let mut tokens = token_ids.to_vec();
    if options.contains_key("num_beams")
        && let Some(Value::Array(ends)) = options.get("forced_eos_token_id")
        && let Some(last) = tokens.last_mut()
        && ends.contains(&Value::from(*last))
    {
        *last = ends[0].as_u64().unwrap() as u32;
    }
    tokens
}

/// Every option, alone and with others: the same tokens, and scores within the design's bound.
fn check_every_option(on: On) {
    let cases: Vec<Case> = read(&fixtures().join("generation_cases.json"));
    assert!(cases.len() >= 300, "{} cases", cases.len());
    let mut by_checkpoint: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in &cases {
        by_checkpoint
            .entry(&case.checkpoint)
            .or_default()
            .push(case);
    }
    let mut worst = 0.0_f32;
    for (name, cases) in by_checkpoint {
        let model = Model::open(&fixtures().join("checkpoints").join(name));
        let flat: Vec<_> = cases
            .iter()
            .flat_map(|case| {
                case.input_ids
                    .iter()
                    .zip(&case.outputs)
                    .map(|(ids, expected)| (*case, ids, expected))
            })
            .collect();
        let requests: Vec<_> = flat
            .iter()
            .map(|(case, ids, _)| (ids.as_slice(), &case.options))
            .collect();
        for ((case, ids, expected), found) in flat.iter().zip(model.run(&requests, on)) {
            let what = format!(
                "{name}, {}, source {ids:?}",
                Value::from(case.options.clone())
            );
            let tokens = found
                .iter()
                .map(|output| settled(&case.options, &output.token_ids));
            let expected_tokens = expected
                .iter()
                .map(|output| settled(&case.options, &output.token_ids));
            assert_eq!(
                tokens.collect::<Vec<_>>(),
                expected_tokens.collect::<Vec<_>>(),
                "{what}"
            );
            for (output, expected) in found.iter().zip(*expected) {
                match (output.score, expected.score) {
                    (None, None) => {}
                    (Some(found), Some(expected)) => {
                        assert!(
                            (found - expected).abs() < 1e-4,
                            "{what}: score {found}, not {expected}"
                        );
                        worst = worst.max((found - expected).abs());
                    }
                    other => panic!("{what}: scores {other:?}"),
                }
            }
        }
    }
    println!("{} cases, scores at most {worst:e} off", cases.len());
}

#[test]
fn every_option_gives_transformers_tokens_and_scores_with_the_reference() {
    check_every_option(On::Cpu);
}

#[test]
fn every_option_gives_transformers_tokens_and_scores_on_the_gpu() {
    check_every_option(On::Gpu(greedy(3)));
}

#[test]
fn every_option_gives_transformers_tokens_and_scores_through_the_engine() {
    check_every_option(On::Engine(7));
}

/// Where options look at nothing but the best tokens of a row, these are what comes back.
#[test]
fn every_option_gives_transformers_tokens_and_scores_from_candidates() {
    check_every_option(On::Gpu(DeviceSelection {
        greedy_steps: 0,
        candidates: 32,
    }));
}

/// Greedy decoding with and without limits and penalties, on every kind of checkpoint.
#[test]
fn greedy_tokens_are_those_of_transformers_on_every_checkpoint() {
    let mut models = 0;
    for entry in std::fs::read_dir(fixtures().join("checkpoints")).unwrap() {
        let dir = entry.unwrap().path();
        let weights = ["model.safetensors", "model.safetensors.index.json"];
        if !weights.iter().any(|file| dir.join(file).is_file()) {
            continue;
        }
        models += 1;
        let expected: OfCheckpoint = read(&dir.join("expected.json"));
        let flat: Vec<_> = expected
            .cases
            .iter()
            .flat_map(|of| of.greedy.iter().map(|greedy| (&of.input_ids, greedy)))
            .collect();
        let requests: Vec<_> = flat
            .iter()
            .map(|(ids, greedy)| (ids.as_slice(), &greedy.options))
            .collect();
        let model = Model::open(&dir);
        let check = |(ids, greedy): &(&Vec<u32>, &Greedy), found: &[Output], on: On| {
            assert_eq!(
                found[0].token_ids,
                greedy.token_ids,
                "{}, {:?}, {ids:?}, {on:?}",
                dir.display(),
                greedy.options
            );
        };
        for (of, found) in flat.iter().zip(model.run(&requests, On::Cpu)) {
            check(of, &found, On::Cpu);
        }
        // One by one, so that only those whose options need logits have them.
        for (of, request) in flat.iter().zip(requests) {
            let on = On::Gpu(greedy(4));
            check(of, &model.run(&[request], on)[0], on);
        }
    }
    assert!(models >= 20, "{models} checkpoints");
}
