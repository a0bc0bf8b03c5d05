use serde::Deserialize;
use serde_json::{Map, Value, json};
use t5_gpu::GenerationConfig;
use t5_gpu::config::LengthLimits;
use t5_gpu::generate::processors::ProcessorList;

#[derive(Deserialize)]
struct ProcessorCase {
    option: String,
    value: Value,
    input_ids: Vec<u32>,
    #[serde(default)]
    encoder_input_ids: Vec<u32>,
    #[serde(default)]
    eos_token_id: Vec<u32>,
    prompt_length: Option<usize>,
    begin_index: Option<usize>,
    max_length: Option<usize>,
    scores: Vec<Option<f32>>,
    processed: Vec<Option<f32>>,
}

#[derive(Deserialize)]
struct WarperCase {
    options: Map<String, Value>,
    min_tokens_to_keep: usize,
    scores: Vec<Option<f32>>,
    processed: Vec<Option<f32>>,
}

/// JSON has no infinities: null is minus infinity.
fn scores(values: &[Option<f32>]) -> Vec<f32> {
    values
        .iter()
        .map(|value| value.unwrap_or(f32::NEG_INFINITY))
        .collect()
}

fn config(options: &Map<String, Value>) -> GenerationConfig {
    let mut config = GenerationConfig::default();
    let unknown = config.apply_json(options).unwrap();
    assert!(unknown.is_empty(), "{unknown:?}");
    config
}

#[test]
fn processors_do_what_transformers_does() {
    let cases: Vec<ProcessorCase> =
        serde_json::from_str(include_str!("../fixtures/processor_cases.json")).unwrap();
    assert!(cases.len() >= 80);
    for case in cases {
        let options = json!({&case.option: case.value, "eos_token_id": case.eos_token_id});
        let config = config(options.as_object().unwrap());
        let prompt_length = case.prompt_length.or(case.begin_index).unwrap_or(1);
        let limits = LengthLimits {
            max_length: case.max_length.unwrap_or(1000),
            ..config.length_limits(prompt_length).unwrap()
        };
        let vocab_size = case.scores.len();
        let mut list = ProcessorList::new(
            &config,
            limits,
            prompt_length,
            &case.encoder_input_ids,
            vocab_size,
        )
        .unwrap();
        let mut found = scores(&case.scores);
        list.process(&case.input_ids, &mut found);
        assert_eq!(
            found,
            scores(&case.processed),
            "{} {} after {:?}",
            case.option,
            case.value,
            case.input_ids
        );
    }
}

#[test]
fn sampling_filters_do_what_transformers_does() {
    let cases: Vec<WarperCase> =
        serde_json::from_str(include_str!("../fixtures/warper_cases.json")).unwrap();
    assert!(cases.len() >= 200);
    for case in cases {
        let mut list = ProcessorList::default();
        list.push_filters(&config(&case.options), case.min_tokens_to_keep);
        // transformers' own filters have no default, generate's top_k has: 50, more than these have.
        assert!(case.scores.len() < 50);
        let mut found = scores(&case.scores);
        list.process(&[0], &mut found);
        assert_eq!(
            found,
            scores(&case.processed),
            "{:?}, keep {}",
            case.options,
            case.min_tokens_to_keep
        );
    }
}
