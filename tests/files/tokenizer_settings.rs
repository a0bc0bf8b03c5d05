//! The small files beside a vocabulary in many combinations, against what transformers makes of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};
use t5_gpu::tokenizer::Tokenizer;

#[derive(Deserialize)]
struct Cases {
    texts: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    /// Where they are copied from.
    vocabulary: BTreeMap<String, String>,
    /// Texts of files; of tokenizer.json, what is changed in it.
    files: BTreeMap<String, Value>,
    /// How many there are.
    tokens: usize,
    /// For each text its ids, what they decode to without special tokens, and with them.
    answers: Vec<(Vec<u32>, String, String)>,
}

/// A tokenizer.json with further added tokens, and the padding and truncation of the run that saved it.
fn changed(text: &[u8], change: &Value) -> String {
    let mut file: Value = serde_json::from_slice(text).unwrap();
    let mut pieces = BTreeMap::new();
    match &file["model"]["vocab"] {
        Value::Array(list) => {
            let names = list
                .iter()
                .map(|piece| piece[0].as_str().unwrap().to_owned());
            pieces.extend(names.zip(0..));
        }
        ids => {
            let ids = ids.as_object().unwrap().iter();
            pieces.extend(ids.map(|(name, id)| (name.clone(), id.as_u64().unwrap())));
        }
    }
    let added = file["added_tokens"].as_array_mut().unwrap();
    let ids = added.iter().filter_map(|token| token["id"].as_u64());
    let mut last = ids.max().unwrap_or(0).max(pieces.len() as u64 - 1);
    for token in change["added"].as_array().unwrap() {
        if added
            .iter()
            .all(|known| known["content"] != token["content"])
        {
            let known = pieces.get(token["content"].as_str().unwrap());
            last += u64::from(known.is_none());
            let mut token = token.clone();
            token["id"] = json!(known.copied().unwrap_or(last));
            added.push(token);
        }
    }
    added.sort_by_key(|token| token["id"].as_u64());
    if change["padding"] == true {
        file["padding"] = json!({"strategy": {"Fixed": 9}, "direction": "Left", "pad_to_multiple_of": null,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "<mark>"});
        file["truncation"] =
            json!({"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0});
    }
    file.to_string()
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn write(case: &Case, directory: &Path) {
    let fixtures = fixtures();
    for (name, source) in &case.vocabulary {
        fs::copy(fixtures.join(source), directory.join(name)).unwrap();
    }
    for (name, content) in &case.files {
        let path = directory.join(name);
        let text = match content {
            Value::String(text) => text.clone(),
            change => changed(&fs::read(&path).unwrap(), change),
        };
        fs::write(path, text).unwrap();
    }
}

#[test]
fn settings_count_as_in_transformers() {
    let path = fixtures().join("tokenizer_settings/cases.json");
    let cases: Cases = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert!(cases.cases.len() > 100);
    let mut wrong = Vec::new();
    for (number, case) in cases.cases.iter().enumerate() {
        let directory = tempfile::tempdir().unwrap();
        write(case, directory.path());
        let said = format!("case {number}: {:?} {:#?}", case.vocabulary, case.files);
        let tokenizer = match Tokenizer::from_dir(directory.path()) {
            Ok(tokenizer) => tokenizer.expect("a tokenizer"),
            Err(error) => {
                wrong.push(format!("{said}: {error}"));
                continue;
            }
        };
        let mut found = Vec::new();
        for text in &cases.texts {
            let ids = tokenizer.encode(text).unwrap();
            found.push((ids, String::new(), String::new()));
        }
        for (found, (ids, ..)) in found.iter_mut().zip(&case.answers) {
            found.1 = tokenizer.decode(ids, true).unwrap();
            found.2 = tokenizer.decode(ids, false).unwrap();
        }
        if found != case.answers || tokenizer.vocab_size() != case.tokens {
            wrong.push(format!(
                "{said}: {found:?} of {}, not {:?} of {}",
                tokenizer.vocab_size(),
                case.answers,
                case.tokens
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.cases.len(),
        wrong.join("\n\n")
    );
}
