//! `eval`: whatever the embedded model says, it is what `translate` says, and its scores are those of the library.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use t5_gpu::metrics::{corpus_bleu, corpus_chrf};
use tempfile::TempDir;

use super::{json_lines, stdout, t5_gpu, text};

const SOURCES: &str = "The house is wonderful.\nI love you.\n\nShe reads a book & \"laughs\".\nWhere is the train station?\nYes.\n";
const REFERENCES: &str = "Das Haus ist wunderbar.\nIch liebe dich.\n\nSie liest ein Buch und „lacht“.\nWo ist der Bahnhof?\nJa.\n";

/// A directory with these files.
fn files<const N: usize>(contents: [(&str, &str); N]) -> (TempDir, [PathBuf; N]) {
    let directory = TempDir::new().unwrap();
    let paths = contents.map(|(name, content)| {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        path
    });
    (directory, paths)
}

/// A line each.
fn lines(content: &str) -> Vec<String> {
    content.lines().map(str::to_owned).collect()
}

fn number(result: &Value, pointer: &str) -> f64 {
    let value = result.pointer(pointer).and_then(Value::as_f64);
    value.unwrap_or_else(|| panic!("no {pointer} in {result}"))
}

fn assert_close(found: f64, expected: f64) {
    let difference = (found - expected).abs();
    assert!(difference <= 1e-12 * expected, "{found}, not {expected}");
}

#[test]
fn scores_are_those_of_what_translate_says() {
    let (directory, [source, reference]) = files([("en", SOURCES), ("de", REFERENCES)]);
    let output = directory.path().join("out");
    let mut command = t5_gpu(["eval", "--json", "--num-beams", "2", "--batch-size", "3"]);
    command.args(["--source", text(&source), "--reference", text(&reference)]);
    let printed = stdout(command.args(["--output", text(&output)]));
    let result: Value = serde_json::from_str(&printed).unwrap();

    let written = fs::read_to_string(&output).unwrap();
    let translated = stdout(t5_gpu(["translate", "--num-beams", "2"]).write_stdin(SOURCES));
    assert_eq!(written, translated);

    let hypotheses = lines(&written);
    let references: Vec<Vec<String>> = lines(REFERENCES)
        .into_iter()
        .map(|line| vec![line])
        .collect();
    let bleu = corpus_bleu(&hypotheses, &references).unwrap();
    let chrf = corpus_chrf(&hypotheses, &references).unwrap();
    // A model that translates at all.
    assert!(chrf.score > 20.0, "{written}");
    assert_close(number(&result, "/chrf/score"), chrf.score);
    assert_close(number(&result, "/bleu/score"), bleu.score);
    assert_close(
        number(&result, "/bleu/brevity_penalty"),
        bleu.brevity_penalty,
    );
    for (index, precision) in bleu.precisions.iter().enumerate() {
        assert_close(
            number(&result, &format!("/bleu/precisions/{index}")),
            *precision,
        );
    }
    assert_eq!(result["bleu"]["hypothesis_length"], bleu.hypothesis_length);
    assert_eq!(result["bleu"]["reference_length"], bleu.reference_length);
    assert_eq!(result["bleu"]["signature"], bleu.signature);
    assert_eq!(result["chrf"]["signature"], chrf.signature);

    let tokens: usize = json_lines(&stdout(
        t5_gpu(["translate", "--num-beams", "2", "--jsonl"])
            .args(SOURCES.lines().filter(|line| !line.is_empty())),
    ))
    .iter()
    .map(|answer| answer["outputs"][0]["token_ids"].as_array().unwrap().len())
    .sum();
    assert_eq!(result["tokens"], tokens);
    assert_eq!(result["lines"], 6);
    assert_eq!(result["sentences"], 5);
    let seconds = number(&result, "/seconds");
    assert!(seconds > 0.0);
    assert_close(
        number(&result, "/tokens_per_second"),
        tokens as f64 / seconds,
    );
    assert_close(number(&result, "/sentences_per_second"), 5.0 / seconds);
    assert_eq!(result["dtype"], "f32");
    for field in ["model", "device", "driver", "version"] {
        assert!(!result[field].as_str().unwrap().is_empty(), "{result}");
    }
}

#[test]
fn a_line_may_have_several_references() {
    let tsv = "The house is wonderful.\tDas Haus ist wunderbar.\tDas Haus ist wundervoll.\r\nI love you.\tIch liebe dich.\r\n\t\r\n";
    let (directory, [tsv]) = files([("pairs.tsv", tsv)]);
    let output = directory.path().join("out");
    let printed = stdout(&mut t5_gpu([
        "eval",
        "--tsv",
        text(&tsv),
        "--output",
        text(&output),
        "--max-new-tokens=5",
        "--dtype=f16",
        "--quiet",
    ]));
    let hypotheses = lines(&fs::read_to_string(&output).unwrap());
    let references = [
        vec!["Das Haus ist wunderbar.", "Das Haus ist wundervoll."],
        vec!["Ich liebe dich."],
        vec![""],
    ];
    let printed: Vec<&str> = printed.lines().collect();
    let bleu = corpus_bleu(&hypotheses, &references).unwrap();
    let chrf = corpus_chrf(&hypotheses, &references).unwrap();
    assert!(
        bleu.signature.starts_with("nrefs:var|"),
        "{}",
        bleu.signature
    );
    assert_eq!(printed[..2], [chrf.to_string(), bleu.to_string()]);
    assert!(
        printed[2].starts_with("2 sentences, ") && printed[2].ends_with(" tokens/s"),
        "{printed:?}"
    );
    assert_eq!(printed.len(), 3);
}

#[test]
fn several_reference_files_give_several_references() {
    let other =
        "Das Haus ist wundervoll.\nIch hab dich lieb.\n\nSie liest.\nWo ist die Station?\nJa\n";
    let (directory, [source, one, two]) =
        files([("en", SOURCES), ("de", REFERENCES), ("more.de", other)]);
    let output = directory.path().join("out");
    let mut command = t5_gpu(["eval", "--no-prefix", "--max-new-tokens=3", "--quiet"]);
    command.args(["--source", text(&source), "--output", text(&output)]);
    command.args(["--reference", text(&one), "--reference", text(&two)]);
    let printed = stdout(&mut command);
    let hypotheses = fs::read_to_string(&output).unwrap();
    let generated = stdout(t5_gpu(["generate", "--max-new-tokens=3"]).write_stdin(SOURCES));
    assert_eq!(hypotheses, generated);
    let references: Vec<Vec<String>> = lines(REFERENCES)
        .into_iter()
        .zip(lines(other))
        .map(|(one, two)| vec![one, two])
        .collect();
    let chrf = corpus_chrf(&lines(&hypotheses), &references).unwrap();
    assert_eq!(printed.lines().next(), Some(chrf.to_string().as_str()));
}

/// Files of editors that put a byte order mark in front are the same corpus.
#[test]
fn a_byte_order_mark_is_no_part_of_a_file() {
    let (directory, [source, reference, tsv]) = files([
        ("en", "\u{feff}She reads.\r\nYes.\r\n"),
        ("de", "\u{feff}Sie liest.\r\nJa.\r\n"),
        ("tsv", "\u{feff}She reads.\tSie liest.\nYes.\tJa.\n"),
    ]);
    let plain = directory.path().join("plain");
    fs::write(&plain, "She reads.\tSie liest.\nYes.\tJa.\n").unwrap();
    let scores = |arguments: &[&str]| {
        let mut command = t5_gpu(["eval", "--json", "--quiet", "--num-beams", "1"]);
        let printed = stdout(command.args(arguments));
        let result: Value = serde_json::from_str(&printed).unwrap();
        (
            number(&result, "/chrf/score"),
            number(&result, "/bleu/score"),
        )
    };
    let expected = scores(&["--tsv", text(&plain)]);
    assert_eq!(scores(&["--tsv", text(&tsv)]), expected);
    let side_by_side = ["--source", text(&source), "--reference", text(&reference)];
    assert_eq!(scores(&side_by_side), expected);
}
