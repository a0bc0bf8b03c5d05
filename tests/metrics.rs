//! BLEU, chrF and the 13a tokenizer against sacreBLEU's own answers (`fixtures/make_metric_cases.py`).

use serde::Deserialize;
use t5_gpu::Error;
use t5_gpu::metrics::{corpus_bleu, corpus_chrf, tokenize_13a};

/// Sums of logarithms may differ in their last digits between mathematical libraries.
const TOLERANCE: f64 = 1e-9;

#[derive(Deserialize)]
struct Cases {
    corpora: Vec<Corpus>,
    tokens: Vec<Tokens>,
}

#[derive(Deserialize)]
struct Corpus {
    name: String,
    hypotheses: Vec<String>,
    references: Vec<Vec<String>>,
    bleu: Bleu,
    chrf: Chrf,
}

#[derive(Deserialize)]
struct Bleu {
    score: f64,
    signature: String,
    text: String,
    precisions: [f64; 4],
    brevity_penalty: f64,
    hypothesis_length: u64,
    reference_length: u64,
}

#[derive(Deserialize)]
struct Chrf {
    score: f64,
    signature: String,
    text: String,
}

#[derive(Deserialize)]
struct Tokens {
    line: String,
    tokens: Vec<String>,
}

fn cases() -> Cases {
    let cases: Cases = serde_json::from_str(include_str!("fixtures/metric_cases.json")).unwrap();
    assert!(cases.corpora.len() >= 90 && cases.tokens.len() >= 400);
    cases
}

fn assert_close(found: f64, expected: f64, what: &str) {
    assert!(
        (found - expected).abs() <= TOLERANCE * expected.abs(),
        "{what}: {found}, not {expected}"
    );
}

/// What sacreBLEU prints, under this crate's name.
fn signed(text: &str) -> String {
    let own = format!("version:t5-gpu-{}", env!("CARGO_PKG_VERSION"));
    assert!(text.contains("version:2.6.0"), "{text}");
    text.replace("version:2.6.0", &own)
}

#[test]
fn lines_fall_into_sacrebleus_tokens() {
    for Tokens { line, tokens } in cases().tokens {
        assert_eq!(tokenize_13a(&line), tokens, "{line:?}");
    }
}

#[test]
fn bleu_is_sacrebleus() {
    for corpus in cases().corpora {
        let name = &corpus.name;
        let found = corpus_bleu(&corpus.hypotheses, &corpus.references).unwrap();
        let expected = corpus.bleu;
        assert_close(found.score, expected.score, name);
        for (found, expected) in found.precisions.iter().zip(expected.precisions) {
            assert_close(*found, expected, name);
        }
        assert_close(found.brevity_penalty, expected.brevity_penalty, name);
        assert_eq!(
            found.hypothesis_length, expected.hypothesis_length,
            "{name}"
        );
        assert_eq!(found.reference_length, expected.reference_length, "{name}");
        assert_eq!(found.signature, signed(&expected.signature), "{name}");
        assert_eq!(found.to_string(), signed(&expected.text), "{name}");
    }
}

#[test]
fn chrf_is_sacrebleus() {
    for corpus in cases().corpora {
        let name = &corpus.name;
        let found = corpus_chrf(&corpus.hypotheses, &corpus.references).unwrap();
        assert_close(found.score, corpus.chrf.score, name);
        assert_eq!(found.signature, signed(&corpus.chrf.signature), "{name}");
        assert_eq!(found.to_string(), signed(&corpus.chrf.text), "{name}");
    }
}

#[test]
fn what_cannot_be_scored_is_told() {
    let assert_told = |hypotheses: &[&str], references: &[Vec<&str>], words: &str| {
        let errors = [
            corpus_bleu(hypotheses, references).unwrap_err(),
            corpus_chrf(hypotheses, references).unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, Error::Invalid(_)));
            assert!(error.to_string().contains(words), "{error}");
        }
    };
    assert_told(&[], &[], "no hypotheses");
    assert_told(&["a", "b"], &[vec!["a"]], "2 hypotheses");
    assert_told(&["a", "b"], &[vec!["a"], vec![]], "hypothesis 2");
}
