//! The command line, run as a process.

#[path = "../common/overflow.rs"]
#[allow(dead_code)]
mod overflow;

mod bench;
mod dialogue;
mod embed;
mod encoder_alone;
mod errors;
mod eval;
mod everyday;
mod inside;
mod inspect;
mod jsonl;
mod languages;
mod lines;
mod not_finite;
mod random;
mod report;
mod translate;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// `t5-gpu` with these arguments.
fn t5_gpu<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_t5-gpu"));
    command.args(arguments);
    command
}

/// The same on a machine without any adapter.
fn without_adapter<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = t5_gpu(arguments);
    // The loader's two names for its list of drivers; neither names a driver here.
    command
        .env("VK_DRIVER_FILES", "/dev/null")
        .env("VK_ICD_FILENAMES", "/dev/null");
    command
}

/// What a command that succeeds prints.
fn stdout(command: &mut Command) -> String {
    let output = command.assert().success().get_output().stdout.clone();
    String::from_utf8(output).unwrap()
}

/// The one line that a command that fails says, and that it says nothing else.
fn error(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "no failure; stderr: {stderr}");
    assert!(output.status.code().is_some(), "killed; stderr: {stderr}");
    // What is told before (the device) is no error.
    let lines: Vec<&str> = stderr
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert_eq!(lines.len(), 1, "one error line in: {stderr}");
    assert_eq!(
        stderr.lines().last(),
        lines.first().copied(),
        "the error comes last: {stderr}"
    );
    assert!(
        !stderr.contains("panicked") && !stderr.contains("RUST_BACKTRACE"),
        "{stderr}"
    );
    lines[0].to_owned()
}

/// Every line as JSON.
fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(path)
}

/// The files of the embedded model.
fn embedded_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/t5-mini-en-de")
}

/// What transformers made of English sentences with the embedded model: English, greedy, with 4 beams.
fn translations() -> Vec<[String; 3]> {
    let table = fs::read_to_string(fixture("embedded_translations.json")).unwrap();
    let table: Value = serde_json::from_str(&table).unwrap();
    let rows = table["translations"].as_array().unwrap();
    rows.iter()
        .map(|row| {
            let english = row["text"].as_str().unwrap();
            let english = english.strip_prefix("translate English to German: ");
            let text = |how: &str| row[how]["text"].as_str().unwrap().to_owned();
            [english.unwrap().to_owned(), text("greedy"), text("beam_4")]
        })
        .collect()
}

/// The same of one sentence, with 4 beams, which `translate` takes where nothing else is asked for.
fn german(english: &str) -> String {
    let mut rows = translations().into_iter();
    let row = rows.find(|row| row[0] == english);
    let [.., german] = row.unwrap_or_else(|| panic!("no translation of {english:?}"));
    german
}

/// A sentence of which beams make something else than greedy decoding does: English, greedy, with 4 beams.
fn undecided() -> [String; 3] {
    let mut rows = translations().into_iter();
    rows.find(|row| row[1] != row[2])
        .expect("the two differ somewhere")
}

/// A copy of the embedded model's directory without these files.
fn model_without(files: &[&str]) -> TempDir {
    let directory = TempDir::new().unwrap();
    for entry in fs::read_dir(embedded_model()).unwrap() {
        let entry = entry.unwrap();
        if !files.iter().any(|file| entry.file_name() == *file) {
            fs::copy(entry.path(), directory.path().join(entry.file_name())).unwrap();
        }
    }
    directory
}

/// A copy of the embedded model's directory with one field of its config changed.
fn model_with(field: &str, value: Value) -> TempDir {
    let directory = model_without(&[]);
    let path = directory.path().join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    config[field] = value;
    fs::write(path, config.to_string()).unwrap();
    directory
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
