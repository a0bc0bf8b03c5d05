//! `verify`: the embedded model, a random one, and answers that are known from transformers.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{error, fixture, json_lines, stdout, t5_gpu, text};

/// Few tokens, where it is not the comparison with the CPU that is tested.
const SHORT: [&str; 4] = ["verify", "--quiet", "--new-tokens", "2"];

#[test]
fn the_embedded_model_is_computed_as_on_the_cpu() {
    let report = &json_lines(&stdout(&mut t5_gpu(["verify", "--json"])))[0];
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(report["dtype"], "f32");
    assert!(!report["driver"].as_str().unwrap().is_empty());
    let stages = report["stages"].as_array().unwrap();
    for name in [
        "encoder embeddings",
        "encoder layer 1",
        "encoder output",
        "encoder attention",
        "decoder layer 1",
        "decoder output",
        "decoder attention",
        "cross-attention",
        "logits",
        "logits, step by step",
    ] {
        let stage = stages.iter().find(|stage| stage["stage"] == name);
        let stage = stage.unwrap_or_else(|| panic!("no {name} in {report}"));
        assert_eq!(stage["ok"], true, "{stage}");
        let number = |field: &str| stage[field].as_f64().unwrap();
        assert!(number("mean_error") <= number("max_error"), "{stage}");
        assert!(number("max_error") <= number("bound"), "{stage}");
    }
    for tokens in report["tokens"].as_array().unwrap() {
        assert_eq!(tokens["inputs"], 4);
        assert_eq!(tokens["equal"], 4);
    }
}

#[test]
fn smaller_types_are_compared_with_the_same_weights() {
    for dtype in ["f16", "int8"] {
        let table = stdout(&mut t5_gpu([
            "verify",
            "--dtype",
            dtype,
            "--new-tokens",
            "4",
            "She reads.",
        ]));
        assert!(table.contains(&format!("weights {dtype}")), "{table}");
        assert!(table.contains("tokens, greedy"), "{table}");
        assert!(!table.contains("FAILED"), "{table}");
        let verdict = table.lines().last().unwrap();
        assert_eq!(verdict, "verdict: this device computes the model correctly");
    }
}

fn answers_file(answers: &[Value]) -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("answers.json");
    fs::write(&path, json!({"answers": answers}).to_string()).unwrap();
    (directory, path)
}

/// Runs with these answers; gives whether the command succeeded, and what it said of each.
fn check(answers: &[Value], extra: &[&str]) -> (bool, Vec<Value>) {
    let (_directory, path) = answers_file(answers);
    let mut command = t5_gpu(SHORT);
    command
        .args(extra)
        .args(["--json", "--answers", text(&path)]);
    let output = command.output().unwrap();
    let report = json_lines(&String::from_utf8(output.stdout).unwrap())[0].clone();
    assert_eq!(report["ok"], output.status.success(), "{report}");
    let checks = report["known_answers"].as_array().unwrap().clone();
    (output.status.success(), checks)
}

/// Every answer is met; each of the corrupted ones is missed, and nothing else is.
fn assert_told_apart(right: &[Value], wrong: &[Value], extra: &[&str]) {
    let (ok, checks) = check(right, extra);
    assert!(ok, "{checks:?}");
    assert_eq!(checks.len(), right.len());
    assert!(checks.iter().all(|check| check["ok"] == true), "{checks:?}");

    let both = [right, wrong].concat();
    let (ok, checks) = check(&both, extra);
    assert!(!ok, "{checks:?}");
    for (index, check) in checks.iter().enumerate() {
        assert_eq!(check["ok"], index < right.len(), "{check}");
    }
    let message = checks[right.len()]["message"].as_str().unwrap();
    assert!(message.contains("expected"), "{message}");
}

/// A line of what transformers gave for the embedded model.
fn transformers(command: &str, index: usize) -> (Value, Value) {
    let line = |kind| {
        let lines = fs::read_to_string(fixture(&format!("cli/{command}.{kind}.jsonl"))).unwrap();
        json_lines(&lines)[index].clone()
    };
    (line("requests"), line("answers"))
}

fn ends(row: &[Value]) -> Value {
    json!({"first": row[..3], "last": row[row.len() - 3..]})
}

fn sum(values: &Value) -> f64 {
    values
        .as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap())
        .sum()
}

#[test]
fn answers_known_for_texts_are_checked() {
    let (encode, encoded) = transformers("encode", 0);
    let (generate, generated) = transformers("generate", 1);
    let (score, scored) = transformers("score", 0);
    let rows = encoded["hidden"].as_array().unwrap();
    let shape = json!([1, encoded["shape"][0], encoded["shape"][1]]);
    let row = |index: usize| ends(rows[index].as_array().unwrap());
    let right = [
        json!({"kind": "input_ids", "text": encode["text"], "input_ids": encoded["input_ids"]}),
        json!({"kind": "encoder", "text": encode["text"], "shape": shape, "rows": {"0": row(0), "8": row(8)}}),
        json!({"kind": "generate", "text": generate["text"], "options": {"num_beams": 4},
               "output": generated["outputs"][0]["text"]}),
        json!({"kind": "generate", "text": "Where is the train station?", "task": "translation_en_to_de",
               "output": generated["outputs"][0]["text"]}),
        json!({"kind": "score", "text": score["text"], "target": score["target"],
               "score": sum(&scored["token_logprobs"])}),
    ];
    let mut wrong = right.clone();
    wrong[0]["input_ids"][2] = json!(7);
    wrong[1]["rows"]["8"]["last"][1] = json!(rows[8][254].as_f64().unwrap() + 0.001);
    wrong[2]["output"] = json!("Wo ist der Zug?");
    wrong[3]["task"] = json!("no_such_task");
    wrong[4]["score"] = json!(sum(&scored["token_logprobs"]) - 0.01);
    assert_told_apart(&right, &wrong, &["a"]);

    // What is known is known for f32.
    let (ok, checks) = check(&wrong[1..], &["--dtype", "f16", "a"]);
    assert!(ok);
    assert!(
        checks.iter().all(|check| check["ok"].is_null()),
        "{checks:?}"
    );
}

#[test]
fn a_random_checkpoint_has_answers_of_its_own() {
    let directory = fixture("checkpoints/t5");
    let expected: Value =
        serde_json::from_str(&fs::read_to_string(directory.join("expected.json")).unwrap())
            .unwrap();
    let case = &expected["cases"][1];
    assert_eq!(case["encoder"]["stride"], 1);
    let values = case["encoder"]["values"].as_array().unwrap();
    let id = "somebody/random";
    let greedy = &case["greedy"][1];
    let right = [
        json!({"model": id, "kind": "encoder", "input_ids": case["input_ids"], "shape": [1, 2, 24],
               "rows": {"0": ends(&values[..24]), "1": ends(&values[24..])}}),
        json!({"model": id, "kind": "generate", "input_ids": case["input_ids"], "options": greedy["options"],
               "token_ids": greedy["token_ids"]}),
        json!({"model": id, "kind": "score", "input_ids": case["input_ids"], "labels": case["labels"],
               "score": sum(&case["token_logprobs"])}),
    ];
    let mut wrong = right.clone();
    wrong[0]["shape"][1] = json!(3);
    wrong[1]["token_ids"][0] = json!(1);
    wrong[2]["labels"][0] = json!(2);
    assert_told_apart(&right, &wrong, &["--model", text(&directory), "--as", id]);

    // Those of another model are not asked for.
    let mut other = right[2].clone();
    other["model"] = json!("somebody/else");
    other["score"] = json!(0);
    let (ok, checks) = check(
        &[right[0].clone(), other],
        &["--model", text(&directory), "--as", id],
    );
    assert!(ok);
    assert_eq!(checks.len(), 1);
}

#[test]
fn a_missed_answer_is_told_in_the_table() {
    let (_directory, path) =
        answers_file(&[json!({"kind": "generate", "text": "She reads.", "output": "Nein."})]);
    let mut command = t5_gpu(SHORT);
    let output = command
        .args(["--answers", text(&path), "a"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("generate \"She reads.\""), "{table}");
    assert!(
        table.contains("FAILED: expected \"Nein.\", found \""),
        "{table}"
    );
    assert!(
        table.contains("verdict: FAILED: 1 check is out of bounds"),
        "{table}"
    );
}

#[test]
fn answers_that_cannot_be_used_say_why() {
    let failure = |arguments: &[&str]| error(t5_gpu(SHORT).args(arguments));
    let message = failure(&["--as", "somebody/unknown"]);
    assert!(
        message.contains("somebody/unknown") && message.contains("--answers"),
        "{message}"
    );
    let (_directory, path) =
        answers_file(&[json!({"model": "a/b", "kind": "input_ids", "text": "", "input_ids": []})]);
    assert!(failure(&["--answers", text(&path)]).contains("--as"));
    let broken = path.with_file_name("broken.json");
    fs::write(&broken, r#"{"answers": [{"kind": "guess"}]}"#).unwrap();
    assert!(failure(&["--answers", text(&broken)]).contains("broken.json"));
    assert!(
        failure(&["--answers", text(Path::new("/nowhere/x.json"))]).contains("/nowhere/x.json")
    );
}
