//! `random`

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use t5_gpu::T5Config;
use tempfile::TempDir;

use super::{error, json_lines, stdout, t5_gpu, text};

/// `random` into this directory, with these arguments too.
fn random(directory: &TempDir, more: &[&str]) -> assert_cmd::Command {
    let arguments = [
        "random",
        "--arch",
        "byt5-small",
        "--output",
        text(directory.path()),
    ];
    t5_gpu(arguments.into_iter().chain(more.iter().copied()))
}

#[test]
fn writes_a_model_that_runs() {
    let parent = TempDir::new().unwrap();
    let directory = parent.path().join("new/model");
    let arguments = [
        "random",
        "--arch",
        "t5-small",
        "--dtype",
        "f16",
        "--output",
        text(&directory),
    ];
    assert_eq!(stdout(&mut t5_gpu(arguments)), "");
    let mut files: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(
        files,
        ["config.json", "generation_config.json", "model.safetensors"]
    );

    let inspected = stdout(&mut t5_gpu([
        "inspect",
        "--jsonl",
        "--model",
        text(&directory),
    ]));
    let inspected = &json_lines(&inspected)[0];
    // T5-small's published number of parameters.
    assert_eq!(inspected["parameters"], 60_506_624);
    assert_eq!(inspected["bytes"], 2 * 60_506_624);
    assert_eq!(inspected["dtypes"].as_object().unwrap().len(), 1);
    assert!(inspected["dtypes"]["F16"].is_u64(), "{inspected}");

    let options = json!({"max_new_tokens": 8, "min_new_tokens": 8});
    let requests: String = [[37, 629, 19, 1], [8, 1100, 4, 1]]
        .map(|input_ids| {
            let mut request = options.clone();
            request["input_ids"] = json!(input_ids);
            format!("{request}\n")
        })
        .concat();
    let mut generate = t5_gpu([
        "generate",
        "--jsonl",
        "--dtype",
        "f16",
        "--model",
        text(&directory),
    ]);
    let answers = json_lines(&stdout(generate.write_stdin(requests)));
    let outputs: Vec<Vec<u64>> = answers
        .iter()
        .map(|answer| serde_json::from_value(answer["outputs"][0]["token_ids"].clone()).unwrap())
        .collect();
    // A model that repeats the token it is fed, whatever the source, would make comparisons of tokens worthless.
    let different = |tokens: &[u64]| tokens.iter().collect::<BTreeSet<_>>().len();
    assert!(
        outputs
            .iter()
            .all(|tokens| tokens.len() == 8 && different(tokens) > 3),
        "{outputs:?}"
    );
    assert_ne!(outputs[0], outputs[1]);
}

#[test]
fn the_seed_decides_the_weights() {
    let weights = |seed: &str| {
        let directory = TempDir::new().unwrap();
        stdout(&mut random(
            &directory,
            &["--dtype", "bf16", "--seed", seed],
        ));
        fs::read(directory.path().join("model.safetensors")).unwrap()
    };
    let first = weights("1");
    assert!(first == weights("1"));
    let other = weights("2");
    assert!(first.len() == other.len() && first != other);
}

#[test]
fn keeps_what_is_there_unless_forced() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("config.json");
    fs::write(&path, "mine").unwrap();
    let message = error(&mut random(&directory, &[]));
    assert!(
        message.contains("config.json") && message.contains("--force"),
        "{message}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    assert!(!directory.path().join("model.safetensors").exists());

    stdout(&mut random(&directory, &["--dtype", "f16", "--force"]));
    let config = T5Config::from_file(&path).unwrap();
    assert_eq!(Some(config), T5Config::preset("byt5-small"));
    let text = fs::read_to_string(directory.path().join("generation_config.json")).unwrap();
    let generation: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        generation,
        json!({"decoder_start_token_id": 0, "eos_token_id": [1], "pad_token_id": 0})
    );
}

#[test]
fn names_shapes_and_places_that_cannot_be() {
    let directory = TempDir::new().unwrap();
    let output = text(directory.path());
    let message = error(&mut t5_gpu([
        "random", "--arch", "t6-small", "--output", output,
    ]));
    assert!(
        message.contains("t6-small") && message.contains("t5-small"),
        "{message}"
    );
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let message = error(&mut t5_gpu([
        "random",
        "--arch",
        "byt5-small",
        "--output",
        text(&file),
    ]));
    assert!(
        message.contains("file") && message.contains("cannot be written"),
        "{message}"
    );
}
