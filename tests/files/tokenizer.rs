//! Tokenizer files: what they are read as, and what is wrong with them.

use std::path::Path;

use t5_gpu::tokenizer::Tokenizer;

/// A unigram tokenizer of a few pieces, set up as T5's, as an older run might have saved it: truncated and padded.
const TINY: &str = r#"{
    "version": "1.0",
    "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
    "padding": {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
        "pad_type_id": 0, "pad_token": "<pad>"},
    "added_tokens": [
        {"id": 0, "content": "<pad>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},
        {"id": 1, "content": "</s>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},
        {"id": 2, "content": "<unk>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}
    ],
    "normalizer": null,
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "WhitespaceSplit"},
        {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}]},
    "post_processor": {"type": "TemplateProcessing",
        "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
    "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
    "model": {"type": "Unigram", "unk_id": 2, "byte_fallback": false, "vocab": [
        ["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0], ["▁", -2.0], ["▁no", -3.0], [".", -2.5], ["no", -4.0]]}
}"#;

/// With no sentinels; T5's tokenizer else has a hundred.
fn tiny(clean_up_spaces: bool) -> Tokenizer {
    let config =
        format!(r#"{{"extra_ids": 0, "clean_up_tokenization_spaces": {clean_up_spaces}}}"#);
    Tokenizer::from_bytes(TINY.as_bytes(), Some(config.as_bytes())).unwrap()
}

#[test]
fn text_is_neither_truncated_nor_padded() {
    let tokenizer = tiny(false);
    let ids = tokenizer.encode("no no  nono . x").unwrap();
    assert_eq!(ids, [4, 4, 4, 6, 3, 5, 3, 2, 1]);
    assert_eq!(tokenizer.encode("no").unwrap(), [4, 1]);
    assert_eq!(tokenizer.encode("").unwrap(), [1]);
    assert_eq!(tokenizer.vocab_size(), 7);
    assert_eq!(
        tokenizer.tokens(&[4, 6, 1, 7]),
        ["▁no", "no", "</s>", "[7]"]
    );
}

#[test]
fn spaces_are_cleaned_up_where_the_config_says_so() {
    let ids = [4, 6, 3, 5, 2, 1, 0, 7];
    let (plain, clean) = (tiny(false), tiny(true));
    assert_eq!(plain.decode(&ids, true).unwrap(), "nono .");
    assert_eq!(clean.decode(&ids, true).unwrap(), "nono.");
    assert_eq!(plain.decode(&ids, false).unwrap(), "nono .<unk></s><pad>");
    assert_eq!(clean.decode(&[], true).unwrap(), "");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Tokenizer::from_dir(dir.path());
    let error = || {
        let text = open().err().expect("an error").to_string();
        assert!(!text.contains('\n'), "{text}");
        text
    };
    assert!(open().unwrap().is_none());
    let missing = Tokenizer::missing(Path::new("/models/mine")).to_string();
    assert!(
        missing.contains("/models/mine") && missing.contains("tokenizer.json"),
        "{missing}"
    );

    let file = dir.path().join("tokenizer.json");
    for broken in [
        "",
        "{",
        "[]",
        "{\"model\": {\"type\": \"Telepathy\"}}",
        &TINY[..TINY.len() / 2],
    ] {
        std::fs::write(&file, broken).unwrap();
        assert!(error().contains("tokenizer.json"), "{}", error());
    }
    std::fs::write(&file, TINY).unwrap();
    assert!(open().unwrap().is_some());
    std::fs::write(dir.path().join("tokenizer_config.json"), "{").unwrap();
    assert!(error().contains("tokenizer_config.json"), "{}", error());
}

/// A few hundred hard strings, as transformers' fast tokenizer encodes and decodes them.
fn agrees_with_transformers(name: &str, dir: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tokenizer = Tokenizer::from_dir(&root.join(dir))
        .unwrap()
        .expect("a tokenizer");
    let strings = std::fs::read(root.join("tests/fixtures/tokenizer_strings.json")).unwrap();
    let strings: Vec<serde_json::Value> = serde_json::from_slice(&strings).unwrap();
    assert!(strings.len() > 200);
    for string in strings {
        let text = string["text"].as_str().unwrap();
        let expected = &string[name];
        let ids = tokenizer.encode(text).unwrap();
        assert_eq!(serde_json::json!(ids), expected["input_ids"], "{text:?}");
        let decoded = tokenizer.decode(&ids, true).unwrap();
        assert_eq!(decoded, expected["decoded"].as_str().unwrap(), "{text:?}");
    }
}

#[test]
fn t5_small_agrees_with_transformers() {
    agrees_with_transformers("t5-small", "tests/fixtures/t5-small");
}

#[test]
fn the_embedded_models_tokenizer_agrees_with_transformers() {
    agrees_with_transformers("embedded", "models/t5-mini-en-de");
}

#[test]
fn what_would_fail_at_the_first_text_is_told_when_the_file_is_read() {
    let other = r#"{"tokenizer_class": "PreTrainedTokenizerFast"}"#;
    let refused = |json: &str| {
        let read = Tokenizer::from_bytes(json.as_bytes(), Some(other.as_bytes()));
        read.err().expect("an error").to_string()
    };
    Tokenizer::from_bytes(TINY.as_bytes(), Some(other.as_bytes())).unwrap();
    let error = refused(&TINY.replace(
        r#"{"id": "</s>", "type_id": 0}"#,
        r#"{"id": "<s>", "type_id": 0}"#,
    ));
    assert!(error.contains("its template for a text has <s>"), "{error}");
    let two = r#""single": [{"Sequence": {"id": "B", "type_id": 0}}, "#;
    let error = refused(&TINY.replace(r#""single": ["#, two));
    assert!(error.contains("its template for a text has two"), "{error}");
    // A map of one step, which leads out of it.
    let map = r#""normalizer": {"type": "Precompiled", "precompiled_charsmap": "BAAAAAEAAAA="}"#;
    let error = refused(&TINY.replace(r#""normalizer": null"#, map));
    assert!(
        error.contains("its character map is truncated or corrupt"),
        "{error}"
    );
    // No character: the second half of it is missing.
    let half = r#""decoder": {"type": "Metaspace", "replacement": "\ud800"#;
    let error = refused(&TINY.replace(
        r#""decoder": {"type": "Metaspace", "replacement": "▁"#,
        half,
    ));
    assert!(
        error.contains("not a tokenizer that can be read"),
        "{error}"
    );
}
