//! `--jsonl`: an object a line in, an object a line out.

use std::fs;

use serde_json::{Value, json};

use super::{
    fixture, german, json_lines, model_without, stdout, t5_gpu, text, undecided, without_adapter,
};

/// The lines of one of the files in tests/fixtures/cli.
fn recorded(command: &str, kind: &str) -> String {
    fs::read_to_string(fixture(&format!("cli/{command}.{kind}.jsonl"))).unwrap()
}

/// Runs a command over the requests of tests/fixtures/cli; gives its answers beside those of transformers.
fn answers(command: &str, extra: &[&str]) -> Vec<(Value, Value)> {
    let mut process = t5_gpu(
        [command, "--jsonl"]
            .into_iter()
            .chain(extra.iter().copied()),
    );
    let output = json_lines(&stdout(process.write_stdin(recorded(command, "requests"))));
    let expected = json_lines(&recorded(command, "answers"));
    assert_eq!(output.len(), expected.len());
    output.into_iter().zip(expected).collect()
}

/// The first that transformers gives for ids 17, 23, 5, 1: three, or all where they are fewer.
fn three_tokens() -> Value {
    let requests = json_lines(&recorded("generate", "requests"));
    let place = requests
        .iter()
        .position(|request| request["input_ids"] == json!([17, 23, 5, 1]));
    let answer = &json_lines(&recorded("generate", "answers"))[place.unwrap()];
    let tokens = answer["outputs"][0]["token_ids"].as_array().unwrap();
    json!(tokens[..tokens.len().min(3)])
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

fn assert_close(found: &Value, expected: &Value, tolerance: f64) {
    let (found, expected) = (numbers(found), numbers(expected));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert!(
            (found - expected).abs() <= tolerance,
            "{found} is not {expected}"
        );
    }
}

fn assert_generates_as_transformers(extra: &[&str]) {
    for (found, expected) in answers("generate", extra) {
        assert_eq!(found["id"], expected["id"]);
        let (found, expected) = (
            found["outputs"].as_array().unwrap(),
            expected["outputs"].as_array().unwrap(),
        );
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found["text"], expected["text"]);
            assert_eq!(found["token_ids"], expected["token_ids"]);
            match expected.get("score") {
                Some(score) => assert_close(&found["score"], score, 1e-4),
                None => assert_eq!(found.get("score"), None),
            }
        }
    }
}

#[test]
fn generate_gives_the_tokens_and_scores_of_transformers() {
    assert_generates_as_transformers(&[]);
}

#[test]
fn generate_does_not_depend_on_the_batch() {
    assert_generates_as_transformers(&["--batch-size", "1"]);
    assert_generates_as_transformers(&["--batch-size", "3"]);
}

#[test]
fn encode_gives_the_hidden_states_of_transformers() {
    for (found, expected) in answers("encode", &[]) {
        for field in ["id", "input_ids", "shape"] {
            assert_eq!(found[field], expected[field]);
        }
        assert_close(&found["hidden"], &expected["hidden"], 1e-4);
    }
}

#[test]
fn score_gives_the_loss_of_transformers() {
    for (found, expected) in answers("score", &[]) {
        for field in ["id", "labels"] {
            assert_eq!(found[field], expected[field]);
        }
        assert_close(&found["loss"], &expected["loss"], 1e-4);
        assert_close(&found["token_logprobs"], &expected["token_logprobs"], 1e-4);
    }
}

#[test]
fn tokenize_gives_ids_and_tokens() {
    let mut command = without_adapter(["tokenize", "--jsonl"]);
    let output =
        stdout(command.write_stdin("{\"id\":1,\"text\":\"I love you.\"}\n{\"text\":\"\"}\n"));
    let lines = json_lines(&output);
    assert_eq!(lines[0]["id"], 1);
    assert_eq!(
        lines[0]["tokens"],
        json!(["▁I", "▁love", "▁you", ".", "</s>"])
    );
    assert_eq!(lines[0]["input_ids"].as_array().unwrap().len(), 5);
    assert_eq!(
        lines[1],
        json!({"id": null, "input_ids": [1], "tokens": ["</s>"]})
    );
}

#[test]
fn translate_adds_the_prefix_and_the_tasks_options() {
    let mut command = t5_gpu(["translate", "--jsonl"]);
    let [english, greedy, beams] = undecided();
    command.write_stdin(format!(
        "{}\n\n{}\n",
        json!({"id": "a", "text": english}),
        json!({"id": [2], "text": english, "num_beams": 1})
    ));
    let output = stdout(&mut command);
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), 3, "{output}");
    assert_eq!(lines[1], "");
    let first: Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!(first["id"], "a");
    assert_eq!(first["outputs"][0]["text"], beams);
    let second: Value = serde_json::from_str(lines[2]).unwrap();
    assert_eq!(second["id"], json!([2]));
    assert_eq!(second["outputs"][0]["text"], greedy);
}

#[test]
fn arguments_are_numbered() {
    let lines = json_lines(&stdout(&mut t5_gpu([
        "translate",
        "--jsonl",
        "I love you.",
        "She reads.",
    ])));
    assert_eq!(lines[0]["id"], 0);
    assert_eq!(lines[1]["id"], 1);
    assert_eq!(lines[1]["outputs"][0]["text"], german("She reads."));
}

#[test]
fn a_bad_line_is_told_in_its_place() {
    let requests: &[(&[u8], &[&str])] = &[
        (
            b"{\"id\":0,\"input_ids\":[17,23,5,1],\"max_new_tokens\":3}",
            &[],
        ),
        (b"{\"id\":1,", &["line 2", "JSON"]),
        (b"[1]", &["line 3", "object"]),
        (b"{\"id\":3}", &["line 4", "text", "input_ids"]),
        (
            b"{\"id\":4,\"text\":\"a\",\"input_ids\":[1]}",
            &["line 5", "both"],
        ),
        (b"{\"id\":5,\"text\":7}", &["line 6", "string"]),
        (b"{\"id\":6,\"input_ids\":[]}", &["line 7", "empty"]),
        (
            b"{\"id\":7,\"input_ids\":[5,999999]}",
            &["line 8", "999999", "out of range"],
        ),
        (b"{\"id\":8,\"input_ids\":[-1]}", &["line 9", "token ids"]),
        (
            b"{\"id\":9,\"text\":\"a\",\"num_beam\":2}",
            &["line 10", "num_beam"],
        ),
        (
            b"{\"id\":10,\"text\":\"a\",\"num_beams\":\"two\"}",
            &["line 11", "num_beams"],
        ),
        (
            b"{\"id\":11,\"text\":\"a\",\"num_beams\":0}",
            &["line 12", "num_beams"],
        ),
        (
            b"{\"id\":12,\"text\":\"a\",\"num_return_sequences\":2}",
            &["line 13", "num_return_sequences"],
        ),
        (b"{\"id\":13,\"text\":\"\xff\"}", &["line 14", "UTF-8"]),
        (
            b"{\"id\":14,\"input_ids\":[17,23,5,1],\"max_new_tokens\":3}",
            &[],
        ),
    ];
    let input: Vec<u8> = requests
        .iter()
        .flat_map(|(line, _)| [*line, b"\n"].concat())
        .collect();
    let output = t5_gpu(["generate", "--jsonl", "--quiet"])
        .write_stdin(input)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let lines = json_lines(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(lines.len(), requests.len());
    for (index, (answer, (_, words))) in lines.iter().zip(requests).enumerate() {
        if words.is_empty() {
            assert_eq!(
                answer["outputs"][0]["token_ids"],
                three_tokens(),
                "{answer}"
            );
            continue;
        }
        let has_id = !matches!(index, 1 | 2 | 13);
        assert_eq!(
            answer["id"],
            if has_id { json!(index) } else { Value::Null }
        );
        let message = answer["error"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"));
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    }
}

#[test]
fn a_directory_without_tokenizer_serves_ids() {
    let directory = model_without(&["tokenizer.json", "spiece.model", "tokenizer_config.json"]);
    let mut command = t5_gpu(["generate", "--jsonl", "--model", text(directory.path())]);
    command.write_stdin(
        "{\"id\":1,\"input_ids\":[17,23,5,1],\"max_new_tokens\":3}\n{\"id\":2,\"text\":\"a\"}\n",
    );
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let lines = json_lines(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(
        lines[0],
        json!({"id": 1, "outputs": [{"token_ids": three_tokens()}]})
    );
    assert!(lines[1]["error"].as_str().unwrap().contains("tokenizer"));
}

/// 64 requests, no two alike: all in one batch give what each gives alone.
#[test]
fn a_batch_of_mixed_requests_equals_one_by_one() {
    let options = [
        json!({}),
        json!({"num_beams": 4, "length_penalty": 0.6}),
        json!({"num_beams": 3, "num_return_sequences": 2, "early_stopping": true}),
        json!({"do_sample": true, "seed": 7, "top_k": 20, "temperature": 0.8}),
        json!({"repetition_penalty": 1.3, "min_new_tokens": 6}),
        json!({"num_beams": 2, "no_repeat_ngram_size": 2, "early_stopping": "never"}),
        json!({"do_sample": true, "seed": 1, "top_p": 0.9, "num_return_sequences": 3}),
        json!({"suppress_tokens": [3], "max_length": 9}),
    ];
    let texts = [
        "I love you.",
        "Where is the train station?",
        "He reads.",
        "We have no time for that today.",
    ];
    let requests: String = (0..64)
        .map(|id| {
            let mut request = options[id % options.len()].clone();
            request["id"] = json!(id);
            request["text"] = json!(format!(
                "translate English to German: {}",
                texts[id / 2 % texts.len()]
            ));
            if request.get("max_length").is_none() {
                request["max_new_tokens"] = json!(6 + id % 9);
            }
            format!("{request}\n")
        })
        .collect();
    let run = |batch_size| {
        let mut process = t5_gpu(["generate", "--jsonl", "--batch-size", batch_size]);
        json_lines(&stdout(process.write_stdin(requests.clone())))
    };
    let alone = run("1");
    assert_eq!(alone.len(), 64);
    for batch_size in ["64", "5"] {
        let together = run(batch_size);
        assert_eq!(together.len(), 64);
        for (together, alone) in together.iter().zip(&alone) {
            let outputs = |answer: &Value| answer["outputs"].as_array().unwrap().clone();
            assert_eq!(together["id"], alone["id"]);
            assert_eq!(outputs(together).len(), outputs(alone).len());
            for (together, alone) in outputs(together).iter().zip(&outputs(alone)) {
                assert_eq!(together["token_ids"], alone["token_ids"]);
                assert_eq!(together["text"], alone["text"]);
                if let Some(score) = alone.get("score") {
                    assert_close(&together["score"], score, 1e-4);
                }
            }
        }
    }
}
