//! Models that are an encoder alone.

use std::fs;

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::json;
use tempfile::TempDir;

use super::{embedded_model, error, json_lines, model_with, stdout, t5_gpu, text};

/// The embedded model without its decoder's tensors, its config as it was.
fn halved() -> TempDir {
    let directory = model_with("architectures", json!(["T5ForConditionalGeneration"]));
    let path = directory.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let kept: Vec<(String, TensorView)> = file
        .tensors()
        .into_iter()
        .filter(|(name, _)| !name.starts_with("decoder."))
        .collect();
    assert!(kept.len() > 20 && kept.len() < file.len());
    fs::write(&path, safetensors::serialize(kept, None).unwrap()).unwrap();
    directory
}

#[test]
fn an_encoder_alone_encodes_and_nothing_else() {
    let corpus = TempDir::new().unwrap();
    let corpus = corpus.path().join("corpus.tsv");
    fs::create_dir_all(corpus.parent().unwrap()).unwrap();
    fs::write(&corpus, "I love you.\tIch liebe dich.\n").unwrap();
    let states = |model: &str| {
        let mut command = t5_gpu(["encode", "--jsonl", "--model", model, "I love you."]);
        stdout(&mut command)
    };
    let whole = states(text(&embedded_model()));
    for (directory, reason) in [
        // With all tensors there, as transformers' T5EncoderModel leaves the decoder's aside.
        (
            model_with("architectures", json!(["T5EncoderModel"])),
            "so its config says",
        ),
        (halved(), "no tensor of one was found"),
    ] {
        let model = text(directory.path());
        assert_eq!(states(model), whole);
        for command in [
            &["translate", "I love you."][..],
            &["generate", "I love you."],
            &["generate", "--stream", "I love you."],
            &["summarize", "I love you."],
            &["align", "I love you."],
            &["score", "--target", "Hallo", "Hello"],
            &["eval", "--tsv", text(&corpus)],
            &[
                "encode",
                "--hidden-states",
                "--jsonl",
                "--target",
                "Hallo",
                "Hello",
            ],
            &["encode", "--attentions", "--jsonl", "--generate", "Hello"],
            &["bench", "--batch-size", "1"],
        ] {
            let message = error(t5_gpu(command.iter().copied()).args(["--model", model]));
            for part in [reason, "encoder alone", "encode gives its states"] {
                assert!(message.contains(part), "{command:?}: {message}");
            }
        }
        let inspected = stdout(&mut t5_gpu(["inspect", "--model", model]));
        assert!(
            inspected.contains("T5EncoderModel(\n  (shared)"),
            "{inspected}"
        );
        assert!(!inspected.contains("decoder): "), "{inspected}");
        let tokens = stdout(&mut t5_gpu(["tokenize", "--model", model, "I love you."]));
        assert!(tokens.trim_end().ends_with(" 1"), "{tokens}");

        // Only a line that has a target needs a decoder.
        let mut command = t5_gpu(["encode", "--hidden-states", "--jsonl", "--model", model]);
        let lines = "{\"input_ids\":[5,1]}\n{\"input_ids\":[5,1],\"labels\":[6,1]}\n";
        let output = command.write_stdin(lines).output().unwrap();
        let lines = json_lines(&String::from_utf8(output.stdout).unwrap());
        assert!(lines[0]["hidden_states"].is_array());
        let message = lines[1]["error"].as_str().unwrap();
        assert!(message.contains("encoder alone"), "{message}");
    }
}

#[test]
fn verify_compares_what_an_encoder_has() {
    let directory = halved();
    for dtype in ["f32", "int8"] {
        let mut command = t5_gpu(["verify", "--json", "--dtype", dtype]);
        command.args(["--model", text(directory.path()), "I love you."]);
        let report = json_lines(&stdout(&mut command)).remove(0);
        assert_eq!(report["ok"], true, "{report}");
        assert_eq!(report["tokens"], json!([]));
        let stages = report["stages"].as_array().unwrap();
        let names = stages.iter().map(|stage| stage["stage"].as_str().unwrap());
        let names: Vec<&str> = names.collect();
        assert!(names.iter().all(|name| name.starts_with("encoder ")));
        assert!(names.ends_with(&["encoder output", "encoder attention"]));
    }
}
