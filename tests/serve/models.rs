//! Several models in one service: each pair of languages by the one that has it.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::program::{Program, TEXTS, command};

fn fixture(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A small model with weights by chance, which says that it translates English to French and back, and to German as well.
fn other_model() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let checkpoint = fixture("tests/fixtures/checkpoints/byt5-like");
    let tokenizer = fixture("tests/fixtures/tokenizers/byt5");
    for (from, name) in [
        (&checkpoint, "model.safetensors"),
        (&checkpoint, "generation_config.json"),
        (&tokenizer, "tokenizer_config.json"),
    ] {
        std::fs::copy(from.join(name), directory.path().join(name)).unwrap();
    }
    let config = std::fs::read(checkpoint.join("config.json")).unwrap();
    let mut config: Value = serde_json::from_slice(&config).unwrap();
    config["task_specific_params"] = json!({
        "translation_en_to_fr": {"prefix": "to French: ", "max_length": 20},
        "translation_fr_to_en": {"prefix": "to English: ", "max_length": 20},
        "translation_en_to_de": {"prefix": "to German: ", "max_length": 20},
    });
    let path = directory.path().join("config.json");
    std::fs::write(path, config.to_string()).unwrap();
    directory
}

#[test]
fn a_pair_is_translated_by_the_model_that_has_it() {
    // The model in the binary, by its name.
    let first = "t5-mini-en-de";
    let other = other_model();
    let other = other.path().to_str().unwrap();
    let program = Program::start(&["--model", first, "--model", other], &[]);

    let languages: Value = serde_json::from_str(&program.get("/languages").1).unwrap();
    assert_eq!(
        languages,
        json!([
            {"code": "en", "name": "English", "targets": ["de", "en", "fr"]},
            {"code": "fr", "name": "French", "targets": ["en", "fr"]},
            {"code": "de", "name": "German", "targets": ["de"]},
        ])
    );

    // What both have is the first one's.
    assert_eq!(
        command(&["translate"], &TEXTS),
        command(&["translate", "--model", first], &TEXTS)
    );
    for (model, from, to) in [
        (first, "en", "de"),
        (other, "en", "fr"),
        (other, "fr", "en"),
    ] {
        let own = ["translate", "--model", model, "--from", from, "--to", to];
        let expected = command(&own, &TEXTS);
        let (status, text) = program.post(
            "/translate",
            &json!({"q": TEXTS, "source": from, "target": to}),
        );
        assert_eq!(status, 200, "{text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["translatedText"], json!(expected), "{from} {to}");
        let body = json!({"text": TEXTS, "source_lang": from, "target_lang": to});
        let (_, text) = program.post("/v2/translate", &body);
        let answer: Value = serde_json::from_str(&text).unwrap();
        let translations = answer["translations"].as_array().unwrap().iter();
        let texts: Value = translations.map(|one| one["text"].clone()).collect();
        assert_eq!(texts, json!(expected), "{from} {to}");
    }
    // One list, two models: each text by its language.
    let texts = [
        "The house is very old and nobody has lived there for many years.",
        "La maison est très vieille et personne n'y habite.",
    ];
    let body = json!({"q": texts, "source": "auto", "target": "fr"});
    let (_, text) = program.post("/translate", &body);
    let answer: Value = serde_json::from_str(&text).unwrap();
    let own = ["translate", "--model", other, "--from", "en", "--to", "fr"];
    let expected = command(&own, &texts[..1]);
    assert_eq!(answer["translatedText"], json!([expected[0], texts[1]]));
    assert_eq!(answer["detectedLanguage"][1]["language"], "fr");
    let greedy = ["--num-beams", "1"];
    for (model, from, to) in [(first, "en", "de"), (other, "fr", "en")] {
        let own = ["translate", "--model", model, "--from", from, "--to", to];
        let expected = command(&[&own[..], &greedy].concat(), &TEXTS[..1]);
        let body = json!({"text": TEXTS[0], "from": from, "to": to, "num_beams": 1});
        let (_, text) = program.post("/v1/generate", &body);
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["outputs"][0]["text"], json!(expected[0]));
    }

    let deepl = |kind: &str| {
        let (_, text) = program.get(&format!("/v2/languages?type={kind}"));
        let all: Vec<Value> = serde_json::from_str(&text).unwrap();
        let codes = all.iter().map(|one| one["language"].clone());
        codes.collect::<Value>()
    };
    assert_eq!(deepl("source"), json!(["EN", "FR"]));
    assert_eq!(deepl("target"), json!(["EN-GB", "EN-US", "FR", "DE"]));

    for (path, body, words) in [
        (
            "/translate",
            json!({"q": "a", "source": "de", "target": "fr"}),
            "French (fr) is not available as a target language from German (de)",
        ),
        (
            "/translate",
            json!({"q": "a", "source": "en", "target": "it"}),
            "it is not supported",
        ),
        (
            "/v2/translate",
            json!({"text": "a", "source_lang": "FR", "target_lang": "DE"}),
            "German (de) is not available as a target language from French (fr)",
        ),
        (
            "/v1/generate",
            json!({"text": "a", "from": "de", "to": "fr"}),
            "",
        ),
    ] {
        let (status, text) = program.post(path, &body);
        assert_eq!(status, 400, "{text}");
        assert!(text.contains(words), "{text}");
    }
}
