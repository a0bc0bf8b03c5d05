//! Tokenizer directories as the T5 family publishes them, against transformers' ids and texts.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use t5_gpu::tokenizer::Tokenizer;

/// What a tokenizer makes of the text in that row of `tokenizer_strings.json`.
#[derive(Deserialize)]
struct Row {
    row: usize,
    input_ids: Vec<u32>,
    /// Where it is not the text again.
    decoded: Option<String>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn texts() -> Vec<serde_json::Value> {
    let texts = std::fs::read(fixtures().join("tokenizer_strings.json")).unwrap();
    serde_json::from_slice(&texts).unwrap()
}

fn rows(path: &Path) -> Vec<Row> {
    let rows: Vec<Row> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(rows.len() > 200);
    rows
}

/// A directory with some of the files of another.
fn copy(from: &Path, names: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in names {
        std::fs::copy(from.join(name), dir.path().join(name)).unwrap();
    }
    dir
}

fn open(dir: &Path) -> Tokenizer {
    Tokenizer::from_dir(dir).unwrap().expect("a tokenizer")
}

fn agrees(name: &str) {
    let dir = fixtures().join("tokenizers").join(name);
    let tokenizer = open(&dir);
    let texts = texts();
    for Row {
        row,
        input_ids,
        decoded,
    } in rows(&dir.join("expected.json"))
    {
        let text = texts[row]["text"].as_str().unwrap();
        assert_eq!(tokenizer.encode(text).unwrap(), input_ids, "{text:?}");
        let expected = decoded.as_deref().unwrap_or(text);
        assert_eq!(
            tokenizer.decode(&input_ids, true).unwrap(),
            expected,
            "{text:?}"
        );
    }
}

/// transformers' values for t5-small, from its SentencePiece model alone.
#[test]
fn t5_small_needs_no_tokenizer_json() {
    let dir = copy(&fixtures().join("t5-small"), &["spiece.model"]);
    std::fs::write(
        dir.path().join("tokenizer_config.json"),
        r#"{"clean_up_tokenization_spaces": true}"#,
    )
    .unwrap();
    let tokenizer = open(dir.path());
    for text in texts() {
        let expected = &text["t5-small"];
        let text = text["text"].as_str().unwrap();
        let ids = tokenizer.encode(text).unwrap();
        assert_eq!(serde_json::json!(ids), expected["input_ids"], "{text:?}");
        let decoded = tokenizer.decode(&ids, true).unwrap();
        assert_eq!(decoded, expected["decoded"].as_str().unwrap(), "{text:?}");
    }
    assert_eq!(tokenizer.vocab_size(), 32100);
    assert_eq!(
        tokenizer.tokens(&[32099, 32000]),
        ["<extra_id_0>", "<extra_id_99>"]
    );
}

#[test]
fn mt5_has_no_sentinels() {
    agrees("mt5");
}

#[test]
fn tokens_added_by_fine_tuning_are_found() {
    agrees("t5-fine-tuned");
}

#[test]
fn t5s_class_overrules_its_file() {
    agrees("t5-old-json");
}

#[test]
fn madlad_has_special_tokens_of_its_own() {
    agrees("madlad");
}

#[test]
fn umt5s_file_stands() {
    agrees("umt5");
}

#[test]
fn byt5_has_bytes() {
    agrees("byt5");
}

#[test]
fn byt5_as_published() {
    agrees("byt5-published");
}

#[test]
fn codet5_has_byte_pairs() {
    agrees("codet5");
}

/// Against SentencePiece itself, where transformers has no answer.
#[test]
fn umt5_needs_no_tokenizer_json() {
    let umt5 = fixtures().join("tokenizers/umt5");
    let dir = copy(&umt5, &["spiece.model", "config.json"]);
    let tokenizer = open(dir.path());
    let texts = texts();
    let mut bytes = 0;
    for Row { row, input_ids, .. } in rows(&umt5.join("expected_pieces.json")) {
        let text = texts[row]["text"].as_str().unwrap();
        assert_eq!(tokenizer.encode(text).unwrap(), input_ids, "{text:?}");
        bytes += usize::from(
            tokenizer
                .tokens(&input_ids)
                .iter()
                .any(|token| token.starts_with("<0x")),
        );
    }
    assert!(bytes > 50, "only {bytes} texts fall back to bytes");
    assert_eq!(tokenizer.decode(&[3, 1, 0], true).unwrap(), "");
    let text = "Größe 🎶 ａ";
    let ids = tokenizer.encode(text).unwrap();
    assert_eq!(tokenizer.decode(&ids, true).unwrap(), text);
}

/// What is in the way of a tokenizer.
fn fault(dir: &Path) -> String {
    let error = Tokenizer::from_dir(dir)
        .err()
        .expect("an error")
        .to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

#[test]
fn files_of_other_classes_are_named() {
    let codet5 = fixtures().join("tokenizers/codet5");
    let dir = copy(&codet5, &["vocab.json", "merges.txt"]);
    let config = dir.path().join("tokenizer_config.json");
    for class in ["LlamaTokenizer", "T5Tokenizer"] {
        std::fs::write(&config, format!(r#"{{"tokenizer_class": "{class}"}}"#)).unwrap();
        let error = fault(dir.path());
        assert!(
            error.contains(class) && error.contains("vocab.json"),
            "{error}"
        );
    }
    // Neither file alone is a tokenizer.
    std::fs::remove_file(dir.path().join("merges.txt")).unwrap();
    assert!(Tokenizer::from_dir(dir.path()).unwrap().is_none());
}

#[test]
fn broken_files_are_named() {
    let whole = std::fs::read(fixtures().join("tokenizers/umt5/spiece.model")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spiece.model");
    for broken in [
        &b""[..],
        b"version https://git-lfs",
        &whole[..whole.len() / 2],
    ] {
        std::fs::write(&path, broken).unwrap();
        assert!(fault(dir.path()).contains("spiece.model"));
    }
    let dir = copy(
        &fixtures().join("tokenizers/codet5"),
        &["vocab.json", "merges.txt", "tokenizer_config.json"],
    );
    std::fs::write(dir.path().join("merges.txt"), "not merges at all\n").unwrap();
    assert!(fault(dir.path()).contains("merges.txt"));
    std::fs::write(dir.path().join("vocab.json"), "[]").unwrap();
    assert!(fault(dir.path()).contains("vocab.json"));
    let config = r#"{"tokenizer_class": "ByT5Tokenizer", "eos_token": 7}"#;
    std::fs::write(dir.path().join("tokenizer_config.json"), config).unwrap();
    assert!(fault(dir.path()).contains("special token"));
}

/// Ids that are no text, as a model may make them.
#[test]
fn bytes_that_are_no_utf8_are_left_out() {
    let tokenizer = open(&fixtures().join("tokenizers/byt5"));
    let text = "aé🎶";
    let ids = tokenizer.encode(text).unwrap();
    assert_eq!(tokenizer.decode(&ids, true).unwrap(), text);
    // Without the last byte of the last character, and with ids past the vocabulary.
    let broken = [&ids[..ids.len() - 2], &[101, 384, u32::MAX]].concat();
    assert_eq!(tokenizer.decode(&broken, true).unwrap(), "aéb");
    assert_eq!(
        tokenizer.tokens(&[1, 100, 259, 384]),
        ["</s>", "a", "<extra_id_0>", "[384]"]
    );
    assert_eq!(tokenizer.vocab_size(), 384);
}

/// Nothing is left out, or read as something else, because it cannot be read as what it is.
#[test]
fn files_that_are_there_count() {
    let t5 = fixtures().join("t5-small");
    let dir = copy(&t5, &["spiece.model"]);
    let path = |name| dir.path().join(name);
    assert_eq!(open(dir.path()).vocab_size(), 32100);
    #[cfg(unix)]
    {
        // A link to nothing is a tokenizer.json that is missing, not one that the model does not have.
        std::os::unix::fs::symlink("nowhere", path("tokenizer.json")).unwrap();
        assert!(fault(dir.path()).contains("tokenizer.json"));
        std::fs::remove_file(path("tokenizer.json")).unwrap();
    }
    std::fs::create_dir(path("tokenizer.json")).unwrap();
    assert!(fault(dir.path()).contains("tokenizer.json"));
    std::fs::remove_dir(path("tokenizer.json")).unwrap();

    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 791656\n";
    for name in ["tokenizer.json", "tokenizer_config.json", "spiece.model"] {
        let whole = std::fs::read(path(name)).ok();
        std::fs::write(path(name), pointer).unwrap();
        let error = fault(dir.path());
        assert!(error.contains(name) && error.contains("Git LFS"), "{error}");
        match whole {
            Some(whole) => std::fs::write(path(name), whole).unwrap(),
            None => std::fs::remove_file(path(name)).unwrap(),
        }
    }

    for name in [
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
    ] {
        for text in ["[]", "null", "7"] {
            std::fs::write(path(name), text).unwrap();
            assert!(fault(dir.path()).contains(name));
        }
        std::fs::remove_file(path(name)).unwrap();
    }
    for (setting, value) in [
        ("extra_ids", "\"5\""),
        ("extra_ids", "-1"),
        ("extra_ids", "null"),
        ("split_special_tokens", "\"true\""),
        ("clean_up_tokenization_spaces", "1"),
        ("added_tokens_decoder", "[]"),
        ("added_tokens_decoder", "{\"x\": {\"content\": \"<x>\"}}"),
        ("eos_token", "1"),
        ("pad_token", "{}"),
        ("extra_special_tokens", "\"<x>\""),
        ("extra_special_tokens", "[7]"),
        ("unk_token", "{\"content\": \"<unk>\", \"lstrip\": \"no\"}"),
    ] {
        let text = format!("{{\"{setting}\": {value}}}");
        std::fs::write(path("tokenizer_config.json"), &text).unwrap();
        let error = fault(dir.path());
        assert!(
            error.contains("save the tokenizer again"),
            "{text}: {error}"
        );
    }
}

/// A vocabulary's form does not make up for a class that would read it in another way.
#[test]
fn pieces_of_other_classes_are_not_guessed() {
    let dir = copy(&fixtures().join("t5-small"), &["spiece.model"]);
    let config = dir.path().join("tokenizer_config.json");
    for class in [
        "LlamaTokenizer",
        "NllbTokenizer",
        "XLMRobertaTokenizer",
        "PreTrainedTokenizerFast",
        "RobertaTokenizer",
        "GPT2Tokenizer",
    ] {
        std::fs::write(&config, format!(r#"{{"tokenizer_class": "{class}"}}"#)).unwrap();
        let error = fault(dir.path());
        let names = ["spiece.model", class, "tokenizer.json"];
        assert!(names.iter().all(|name| error.contains(name)), "{error}");
    }
    for class in ["T5Tokenizer", "T5TokenizerFast", "MT5Tokenizer"] {
        std::fs::write(&config, format!(r#"{{"tokenizer_class": "{class}"}}"#)).unwrap();
        assert_eq!(open(dir.path()).vocab_size(), 32100);
    }
    // The same file by another name.
    std::fs::rename(
        dir.path().join("spiece.model"),
        dir.path().join("tokenizer.model"),
    )
    .unwrap();
    assert_eq!(open(dir.path()).vocab_size(), 32100);
}

/// What MADLAD-400's vocabulary has is found; the tokens around it are not languages.
#[test]
fn vocabularies_name_languages_to_translate_into() {
    use t5_gpu::task::{Targets, Task};
    let madlad = fixtures().join("tokenizers/madlad");
    let tokenizer = open(&madlad);
    let text = serde_json::json!({"model_type": "t5", "decoder_start_token_id": 0}).to_string();
    let config = t5_gpu::T5Config::from_json(&text).unwrap();
    let into = |to| Task::translation(&config, || Ok(Targets::of(&tokenizer)), "en", to);
    let prefix = into("de").unwrap().prefix;
    // The token, and not the characters that it is written with.
    let ids = tokenizer.encode(&format!("{prefix}I love you.")).unwrap();
    assert_eq!(tokenizer.tokens(&ids[..1]), ["<2de>"]);
    let error = into("fr").unwrap_err().to_string();
    assert!(error.contains("de, en;"), "{error}");
    let small = open(&fixtures().join("t5-small"));
    assert_eq!(Targets::of(&small), Targets::default());
    assert_eq!(
        Targets::of(&open(&fixtures().join("tokenizers/byt5"))),
        Targets::default()
    );
}
