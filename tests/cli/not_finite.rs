//! What is not a number is told at the request that has it, and no command takes it for an answer.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use t5_gpu::checkpoint::write_safetensors;
use tempfile::TempDir;

use super::overflow::{self, Overflow, OverflowingWeights};
use super::{error, json_lines, stdout, t5_gpu, text};

/// A model in which texts with an x overflow.
fn model() -> TempDir {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name);
    let weights = OverflowingWeights::new(Overflow::Source);
    write_safetensors(&weights, &path("model.safetensors"), &mut |_, _| {}).unwrap();
    let config = overflow::config().to_json();
    fs::write(path("config.json"), Value::Object(config).to_string()).unwrap();
    let tokenizer = json!({"tokenizer_class": "ByT5Tokenizer", "extra_ids": 125});
    fs::write(path("tokenizer_config.json"), tokenizer.to_string()).unwrap();
    directory
}

fn answers(model: &TempDir, arguments: &[&str], lines: &[Value]) -> Vec<Value> {
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut command = t5_gpu(arguments.iter().copied());
    command
        .args(["--jsonl", "--model", text(model.path())])
        .write_stdin(input);
    json_lines(&String::from_utf8(command.output().unwrap().stdout).unwrap())
}

fn assert_not_finite(message: &str, what: &str) {
    for word in [what, "not finite", "f16", "use dtype f32"] {
        assert!(message.contains(word), "no \"{word}\" in: {message}");
    }
    assert!(!message.contains("GPU"), "{message}");
}

#[test]
fn the_request_that_overflows_is_told_and_its_neighbours_are_answered() {
    let model = model();
    let new_tokens = ["--max-new-tokens", "4"];
    let generate = |more: &[&'static str]| [&["generate"], &new_tokens[..], more].concat();
    let commands = [
        (generate(&[]), "the logits"),
        (generate(&["--num-beams", "3"]), "the logits"),
        (vec!["score", "--target", "abc"], "the logits"),
        (vec!["encode"], "the hidden states"),
        (
            vec!["encode", "--hidden-states", "--target", "ab"],
            "the hidden states",
        ),
        (
            vec!["align", "--no-prefix", "--max-new-tokens", "4"],
            "the logits",
        ),
    ];
    let line = |id: &str, text: &str| json!({"id": id, "text": text});
    let good = [line("a", "one"), line("c", "two, three"), line("d", "one")];
    let all = [&good[..1], &[line("b", "fix")], &good[1..]].concat();
    for (command, what) in commands {
        let mut found = answers(&model, &command, &all);
        let bad = found.remove(1);
        assert_eq!(bad["id"], "b");
        let message = bad["error"]
            .as_str()
            .unwrap_or_else(|| panic!("{command:?}: {bad}"));
        assert!(message.contains("line 2"), "{message}");
        assert_not_finite(message, what);
        assert_eq!(found, answers(&model, &command, &good), "{command:?}");
        assert!(
            found.iter().all(|answer| answer.get("error").is_none()),
            "{found:?}"
        );
    }
}

#[test]
fn without_jsonl_it_is_an_error_that_names_the_text() {
    let model = model();
    let model_args = ["--model", text(model.path())];
    for command in [&["generate"][..], &["generate", "--stream"], &["encode"]] {
        let mut command = t5_gpu(command.iter().copied());
        let message = error(command.args(model_args).args(["one", "fix"]));
        assert!(message.contains("text 2"), "{message}");
        assert_not_finite(&message, "the");
    }
    let sources = model.path().join("sources");
    fs::write(&sources, "one\nfix\n").unwrap();
    let mut command = t5_gpu(["eval", "--no-prefix", "--source", text(&sources)]);
    let message = error(
        command
            .args(["--reference", text(&sources)])
            .args(model_args),
    );
    assert!(message.contains("line 2"), "{message}");
    assert_not_finite(&message, "the logits");
    let mut command = t5_gpu(["generate", "--max-new-tokens", "2", "one"]);
    assert!(!stdout(command.args(model_args)).is_empty());
}

/// Told when the model is loaded, before any text is read.
#[test]
fn a_weight_that_the_type_cannot_hold_is_named() {
    let model = TempDir::new().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints/t5");
    for file in ["config.json", "generation_config.json", "model.safetensors"] {
        fs::copy(fixture.join(file), model.path().join(file)).unwrap();
    }
    let path = model.path().join("model.safetensors");
    let name = "encoder.block.0.layer.1.DenseReluDense.wo.weight";
    let mut bytes = fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor(name).unwrap();
    assert_eq!(tensor.dtype(), safetensors::Dtype::F32);
    let at = tensor.data().as_ptr() as usize - bytes.as_ptr() as usize;
    bytes[at..at + 4].copy_from_slice(&3e38f32.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let command = |dtype| {
        let mut command = t5_gpu([
            "generate",
            "--jsonl",
            "--dtype",
            dtype,
            "--max-new-tokens",
            "2",
        ]);
        command.args(["--model", text(model.path())]);
        command.write_stdin("{\"input_ids\":[5,1]}\n");
        command
    };
    let message = error(&mut command("f16"));
    for word in [name, "holds 3e38 at [0, 0]", "f16", "--dtype f32"] {
        assert!(message.contains(word), "no \"{word}\" in: {message}");
    }
}
