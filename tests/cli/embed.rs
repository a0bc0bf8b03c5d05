//! `encode` as one vector a text.

use std::fs;
use std::path::PathBuf;

use safetensors::SafeTensors;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{error, fixture, json_lines, stdout, t5_gpu, text};

fn model(name: &str) -> PathBuf {
    fixture("embeddings").join(name)
}

/// What sentence-transformers gives with a model.
fn expected(name: &str) -> Value {
    let text = fs::read_to_string(model(name).join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A `--jsonl` line a text.
fn requests(texts: &Value) -> String {
    let texts = texts.as_array().unwrap().iter().enumerate();
    texts
        .map(|(id, text)| format!("{}\n", json!({"id": id, "text": text})))
        .collect()
}

#[track_caller]
fn assert_close(found: &Value, expected: &Value) {
    let floats = |value: &Value| -> Vec<f64> {
        let values = value.as_array().unwrap_or_else(|| panic!("{value}"));
        values.iter().map(|x| x.as_f64().unwrap()).collect()
    };
    let (found, expected) = (floats(found), floats(expected));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
    }
}

#[test]
fn a_line_in_a_vector_out() {
    for name in ["sentence-t5", "prompts"] {
        let expected = expected(name);
        for (arguments, embeddings) in [
            (&["--batch-size", "3"][..], &expected["embeddings"]),
            (&["--normalize"], &expected["normalized"]),
            (&["--prompt", "look: "], &expected["prompt"]),
        ] {
            let mut command = t5_gpu(["encode", "--jsonl", "--model", text(&model(name))]);
            command
                .args(arguments)
                .write_stdin(requests(&expected["texts"]));
            let lines = json_lines(&stdout(&mut command));
            assert_eq!(lines.len(), expected["texts"].as_array().unwrap().len());
            for (index, line) in lines.iter().enumerate() {
                let fields: Vec<&String> = line.as_object().unwrap().keys().collect();
                assert_eq!(fields, ["embedding", "id"], "{line}");
                assert_eq!(line["id"], index);
                assert_close(&line["embedding"], &embeddings[index]);
            }
        }
    }
}

#[test]
fn a_text_that_is_cut_is_told_of() {
    let expected = expected("sentence-t5");
    let mut command = t5_gpu(["encode", "--jsonl", "--model", text(&model("sentence-t5"))]);
    command.write_stdin(requests(&expected["texts"]));
    let output = command.output().unwrap();
    let notes = String::from_utf8(output.stderr).unwrap();
    let cut: Vec<&str> = notes
        .lines()
        .filter(|line| line.contains("cut to"))
        .collect();
    // The others have no more than 24 tokens.
    assert_eq!(cut.len(), 3, "{notes}");
    assert!(
        cut[1].starts_with("text 5: cut to 24 tokens of 100"),
        "{notes}"
    );
    assert!(
        notes.contains("embedding: mean pooling, dense 20 to 14 (Identity), normalized"),
        "{notes}"
    );

    command.arg("--quiet");
    let notes = String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert!(!notes.contains("cut"), "{notes}");
}

#[test]
fn plain_lines_are_numbers_and_blank_stays_blank() {
    let expected = expected("nested");
    let mut command = t5_gpu(["encode", "--model", text(&model("nested"))]);
    let texts = &expected["texts"];
    let input = [&texts[0], &texts[1], &texts[2]].map(|text| text.as_str().unwrap());
    let output = stdout(command.write_stdin(input.join("\n")));
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), 3, "{output}");
    assert_eq!(lines[1], "");
    for index in [0, 2] {
        let numbers = lines[index].split(' ').map(|x| x.parse::<f64>().unwrap());
        let found = json!(numbers.collect::<Vec<f64>>());
        assert_close(&found, &expected["embeddings"][index]);
    }
}

#[test]
fn pooling_takes_the_place_of_what_the_directory_says() {
    let expected = expected("bytes");
    let run = |arguments: &[&str]| {
        let model = model("bytes");
        let mut command = t5_gpu(["encode", "--jsonl", "--model", text(&model)]);
        // The third text is not cut.
        let text = expected["texts"][2].as_str().unwrap();
        json_lines(&stdout(command.args(arguments).arg(text))).remove(0)
    };
    assert_close(
        &run(&["--pooling", "mean"])["embedding"],
        &expected["mean"][2],
    );
    assert_close(
        &run(&["--pooling", "first"])["embedding"],
        &expected["cls"][2],
    );
    let one = run(&["--pooling", "mean", "--normalize"])["embedding"].clone();
    let squares = one
        .as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_f64().unwrap().powi(2));
    assert!((squares.sum::<f64>() - 1.0).abs() < 1e-6);

    let states = run(&["--pooling", "none"]);
    assert!(states["embedding"].is_null());
    assert_eq!(states["shape"], json!([4, 20]));
    assert_close(&states["hidden"][0], &expected["cls"][2]);
    // Every token's states are asked for.
    assert_eq!(run(&["--hidden-states"])["hidden"], states["hidden"]);

    // A directory that says nothing of embeddings gives them where they are asked for.
    let mut command = t5_gpu(["encode", "--jsonl", "--pooling", "first", "I love you."]);
    let first = json_lines(&stdout(&mut command)).remove(0);
    let mut command = t5_gpu(["encode", "--jsonl", "I love you."]);
    let states = json_lines(&stdout(&mut command)).remove(0);
    assert_eq!(first["embedding"], states["hidden"][0]);
}

#[test]
fn a_line_may_name_its_prompt_and_bad_lines_leave_the_rest() {
    let expected = expected("prompts");
    let line = |fields: Value| format!("{fields}\n");
    let first = &expected["texts"][0];
    let input = [
        line(json!({"id": "q", "text": first})),
        line(json!({"id": "d", "text": first, "prompt_name": "document"})),
        line(json!({"id": "l", "text": first, "prompt": "look: "})),
        line(json!({"id": "x", "text": first, "prompt_name": "passage"})),
        line(json!({"id": "y", "input_ids": [5, 1], "prompt": "look: "})),
        line(json!({"id": "z", "input_ids": [5, 999_999]})),
        line(json!({"id": "i", "input_ids": expected["input_ids"][0]})),
    ];
    let mut command = t5_gpu(["encode", "--jsonl", "--model", text(&model("prompts"))]);
    let output = command.write_stdin(input.concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let lines = json_lines(&String::from_utf8(output.stdout).unwrap());
    assert_close(&lines[0]["embedding"], &expected["embeddings"][0]);
    assert_close(&lines[1]["embedding"], &expected["prompt_name"][0]);
    assert_close(&lines[2]["embedding"], &expected["prompt"][0]);
    let wrong = |index: usize, part: &str| {
        let message = lines[index]["error"].as_str().unwrap();
        assert!(message.contains(part), "{message}");
    };
    wrong(3, "no prompt \"passage\", but document, none, query");
    wrong(4, "a prompt goes in front of a text");
    wrong(5, "999999");
    // Token ids are taken as they are: the prompt's own are not known.
    assert!(lines[6]["embedding"].is_array());
}

#[test]
fn vectors_go_into_a_file_too() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("vectors.safetensors");
    let expected = expected("sentence-t5");
    let model = model("sentence-t5");
    let mut command = t5_gpu([
        "encode",
        "--jsonl",
        "--model",
        text(&model),
        "--output",
        text(&path),
    ]);
    command.write_stdin(requests(&expected["texts"]));
    let printed = json_lines(&stdout(&mut command));
    let bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for (id, line) in printed.iter().enumerate() {
        let tensor = file.tensor(&format!("{id}.embedding")).unwrap();
        assert_eq!(tensor.shape(), [14]);
        let values = tensor.data().chunks_exact(4);
        let values = values.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
        assert_close(&json!(values.collect::<Vec<f32>>()), &line["embedding"]);
        let ids = file.tensor(&format!("{id}.input_ids")).unwrap();
        assert_eq!(
            ids.shape(),
            [expected["input_ids"][id].as_array().unwrap().len()]
        );
    }
}

#[test]
fn options_that_contradict_each_other_are_told() {
    for (arguments, part) in [
        (
            &["--pooling", "mean", "--hidden-states", "--jsonl"][..],
            "leave --pooling out",
        ),
        (&["--normalize"], "add --pooling mean"),
        (&["--prompt", "query: "], "add --pooling mean"),
        (&["--pooling", "none", "--normalize"], "add --pooling mean"),
        (
            &["--pooling", "mean", "--prompt-name", "query"],
            "no prompt \"query\", but none",
        ),
        (&["--pooling", "median"], "median"),
    ] {
        let mut command = t5_gpu(["encode"]);
        let message = error(command.args(arguments).arg("I love you."));
        assert!(message.contains(part), "{arguments:?}: {message}");
    }
}
