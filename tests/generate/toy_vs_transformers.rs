use serde::Deserialize;
use serde_json::{Map, Value};
use t5_gpu::generate::{Request, generate};

use crate::toy::{self, Toy};

#[derive(Deserialize)]
struct Fixture {
    vocab_size: usize,
    tables: Vec<Vec<f32>>,
    places: Vec<Vec<f32>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    table: usize,
    source: Vec<u32>,
    options: Map<String, Value>,
    outputs: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    token_ids: Vec<u32>,
    score: Option<f32>,
}

/// Several hundred combinations of options, all cases of a table decoded in one batch.
#[test]
fn tokens_and_scores_are_those_of_transformers() {
    let fixture: Fixture =
        serde_json::from_str(include_str!("../fixtures/toy_decoder_cases.json")).unwrap();
    assert!(fixture.cases.len() >= 600);
    let vocab_size = fixture.vocab_size;
    for (index, (table, places)) in fixture.tables.iter().zip(&fixture.places).enumerate() {
        let cases: Vec<&Case> = fixture
            .cases
            .iter()
            .filter(|case| case.table == index)
            .collect();
        let requests: Vec<Request> = (0..)
            .zip(&cases)
            .map(|(source, case)| {
                let mut config = toy::config();
                let unknown = config.apply_json(&case.options).unwrap();
                assert!(unknown.is_empty(), "{unknown:?}");
                Request::new(source, case.source.clone(), config)
            })
            .collect();
        let mut decoder = Toy::new(vocab_size, |_, history, logits| {
            let last = history[history.len() - 1] as usize;
            let before = history.len().checked_sub(2).map_or(0, |i| history[i]) as usize;
            let table = &table[(before * vocab_size + last) * vocab_size..];
            let places = &places[history.len() * vocab_size..];
            for ((logit, table), place) in logits.iter_mut().zip(table).zip(places) {
                *logit = table + place;
            }
        });
        let found = generate(&mut decoder, &requests, &mut ()).unwrap();
        for (case, outputs) in cases.iter().zip(&found) {
            let tokens: Vec<_> = outputs.iter().map(|output| &output.token_ids).collect();
            let expected: Vec<_> = case
                .outputs
                .iter()
                .map(|output| &output.token_ids)
                .collect();
            assert_eq!(tokens, expected, "{:?} of {:?}", case.options, case.source);
            for (output, expected) in outputs.iter().zip(&case.outputs) {
                match (output.score, expected.score) {
                    (None, None) => {}
                    (Some(found), Some(expected)) => {
                        let error = (found - expected).abs() / expected.abs().max(1.0);
                        assert!(
                            error < 1e-5,
                            "score {found}, not {expected}: {:?}",
                            case.options
                        );
                    }
                    other => panic!("scores {other:?}: {:?}", case.options),
                }
            }
        }
    }
}
