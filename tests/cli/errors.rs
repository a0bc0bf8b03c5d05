//! Every failure a user can cause: one line that says what was wrong, where, and what to do.

use std::fs;

use serde_json::json;

use super::{
    embedded_model, error, json_lines, model_with, model_without, stdout, t5_gpu, text,
    without_adapter,
};

/// Fails with a line that has all these words.
fn assert_error(command: &mut assert_cmd::Command, words: &[&str]) {
    let message = error(command);
    for word in words {
        assert!(message.contains(word), "no \"{word}\" in: {message}");
    }
}

#[test]
fn no_adapter_names_the_driver_package() {
    let commands: [&[&str]; 5] = [
        &["devices"],
        &["translate", "I love you."],
        &["generate", "--jsonl", "I love you."],
        &["encode", "I love you."],
        &["bench"],
    ];
    for command in commands {
        let words = [
            "no GPU adapter",
            "mesa-vulkan-drivers",
            "Fedora",
            "Arch",
            "Windows",
        ];
        assert_error(&mut without_adapter(command.iter().copied()), &words);
    }
}

#[test]
fn unknown_device_lists_the_devices() {
    let words = ["no device matches \"quantum\"", "0: "];
    assert_error(
        &mut t5_gpu(["translate", "--device", "quantum", "I love you."]),
        &words,
    );
    assert_error(&mut t5_gpu(["bench", "--device", "99"]), &["99", "0: "]);
}

/// Digits are an index, however often they occur in names.
#[test]
fn a_device_that_is_not_there_is_none() {
    let devices = json_lines(&stdout(&mut t5_gpu(["devices", "--jsonl"])));
    let after_the_last = devices.len().to_string();
    for wanted in ["", "12", "15", after_the_last.as_str()] {
        let words = [&format!("no device matches \"{wanted}\"") as &str, "0: "];
        let mut command = t5_gpu(["translate", "--device", wanted, "I love you."]);
        assert_error(&mut command, &words);
    }
}

#[test]
fn variables_that_mean_nothing_are_named() {
    for (name, value) in [
        ("T5_GPU_MEMORY_LIMIT", "abc"),
        ("T5_GPU_MEMORY_LIMIT", "0"),
        ("T5_GPU_MEMORY_LIMIT", "-1"),
        ("T5_GPU_CHECKED_SHADERS", "maybe"),
    ] {
        let mut command = t5_gpu(["translate", "I love you."]);
        assert_error(command.env(name, value), &[name, value, "must be"]);
    }
    for limit in ["1MB", "1e6", "512KiB"] {
        let mut command = t5_gpu(["translate", "I love you."]);
        command.env("T5_GPU_MEMORY_LIMIT", limit);
        assert_error(&mut command, &["needs", "bytes"]);
    }
}

#[test]
fn a_missing_directory_is_named() {
    for command in ["translate", "tokenize", "inspect", "bench"] {
        let words = ["no/such/model", "no such directory", "google-t5/t5-small"];
        assert_error(&mut t5_gpu([command, "--model", "no/such/model"]), &words);
    }
}

#[test]
fn a_model_that_is_not_in_the_cache_says_what_is_missing_and_where_it_would_go() {
    let cache = tempfile::TempDir::new().unwrap();
    for command in [&["translate", "a", "--model"][..], &["pull"]] {
        let arguments = command.iter().copied().chain(["t5-small"]);
        let mut command = t5_gpu(arguments);
        command
            .env("HF_HUB_OFFLINE", "1")
            .env("HF_HUB_CACHE", cache.path());
        let words = [
            "google-t5/t5-small",
            "config.json",
            text(cache.path()),
            "HF_HUB_OFFLINE",
        ];
        assert_error(&mut command, &words);
    }
}

#[test]
fn missing_files_are_named() {
    let directory = model_without(&["config.json"]);
    assert_error(
        &mut t5_gpu(["translate", "--model", text(directory.path()), "a"]),
        &["config.json"],
    );
    let directory = model_without(&["model.safetensors"]);
    assert_error(
        &mut t5_gpu(["translate", "--model", text(directory.path()), "a"]),
        &["model.safetensors"],
    );
    let directory = model_without(&["tokenizer.json", "spiece.model", "tokenizer_config.json"]);
    for command in ["translate", "tokenize"] {
        assert_error(
            &mut t5_gpu([command, "--model", text(directory.path()), "a"]),
            &["tokenizer.json"],
        );
    }
}

#[test]
fn a_truncated_file_is_named() {
    let directory = model_without(&["model.safetensors"]);
    let whole = fs::read(embedded_model().join("model.safetensors")).unwrap();
    for length in [0, 7, 1000, whole.len() - 1] {
        fs::write(directory.path().join("model.safetensors"), &whole[..length]).unwrap();
        let words = ["model.safetensors", "truncated"];
        assert_error(
            &mut t5_gpu(["translate", "--model", text(directory.path()), "a"]),
            &words,
        );
    }
    let directory = model_without(&["tokenizer.json"]);
    fs::write(directory.path().join("tokenizer.json"), "{\"version\":").unwrap();
    assert_error(
        &mut t5_gpu(["tokenize", "--model", text(directory.path()), "a"]),
        &["tokenizer.json"],
    );
    fs::write(directory.path().join("config.json"), "{\"model_type\":").unwrap();
    assert_error(
        &mut t5_gpu(["inspect", "--model", text(directory.path())]),
        &["config.json", "JSON"],
    );
}

#[test]
fn a_missing_tensor_is_named_with_its_shape() {
    let directory = model_with("num_decoder_layers", json!(3));
    let words = [
        "decoder.block.2.layer.0.SelfAttention.q.weight",
        "missing",
        "[256, 256]",
    ];
    assert_error(
        &mut t5_gpu(["translate", "--model", text(directory.path()), "a"]),
        &words,
    );
}

#[test]
fn a_wrong_shape_is_named_with_both_shapes() {
    let directory = model_with("d_ff", json!(999));
    let words = ["DenseReluDense.wi.weight", "[1024, 256]", "[999, 256]"];
    assert_error(
        &mut t5_gpu(["translate", "--model", text(directory.path()), "a"]),
        &words,
    );
    assert_error(
        &mut t5_gpu(["inspect", "--model", text(directory.path())]),
        &words,
    );
}

#[test]
fn an_unsupported_architecture_is_named() {
    let directory = model_with("model_type", json!("bart"));
    let words = ["bart", "t5", "mt5", "umt5"];
    assert_error(
        &mut t5_gpu(["translate", "--model", text(directory.path()), "a"]),
        &words,
    );
    assert_error(
        &mut t5_gpu(["bench", "--arch", "bert-base"]),
        &["bert-base", "t5-small", "t5-base"],
    );
}

#[test]
fn a_model_too_large_says_needed_and_available() {
    let mut command = t5_gpu(["translate", "I love you."]);
    assert_error(
        command.env("T5_GPU_MEMORY_LIMIT", "1000000"),
        &["bytes", "1000000"],
    );
}

#[test]
fn a_language_the_config_does_not_list_names_those_it_has() {
    let words = ["English to French", "English to German", "--to de"];
    assert_error(
        &mut t5_gpu(["translate", "--to", "fr", "I love you."]),
        &words,
    );
    assert_error(
        &mut t5_gpu(["translate", "--from", "German", "--to", "en", "a"]),
        &["German to English"],
    );
    assert_error(
        &mut t5_gpu(["translate", "--to", "xx", "I love you."]),
        &["\"xx\"", "de"],
    );
}

#[test]
fn bad_options_are_named() {
    assert_error(
        &mut t5_gpu(["translate", "--dtype", "int4", "a"]),
        &["int4", "f32", "f16", "int8"],
    );
    assert_error(
        &mut t5_gpu(["translate", "--num-beans", "4", "a"]),
        &["--num-beans", "--num-beams"],
    );
    assert_error(
        &mut t5_gpu(["translate", "--num-beams", "0", "a"]),
        &["num_beams"],
    );
    assert_error(
        &mut t5_gpu(["translate", "--batch-size", "0", "a"]),
        &["0", "--batch-size"],
    );
    assert_error(
        &mut t5_gpu(["translate", "--temperature", "nan", "a"]),
        &["nan", "--temperature"],
    );
    for beams in ["100000000", "9223372036854775807"] {
        assert_error(
            &mut t5_gpu(["translate", "--num-beams", beams, "a"]),
            &["num_beams", beams, "4096"],
        );
    }
    for (flag, value) in [("--early-stopping", "never"), ("--do-sample", "false")] {
        assert_error(
            &mut t5_gpu(["translate", "a", flag, value]),
            &[&format!("{flag}={value}")],
        );
    }
    assert_error(&mut t5_gpu(["bench", "--repeat", "0"]), &["--repeat"]);
    assert_error(
        &mut t5_gpu(["bench", "--new-tokens", "1000000000000000000"]),
        &["--new-tokens", "a million"],
    );
    assert_error(&mut t5_gpu(["transalte", "a"]), &["transalte", "translate"]);
    assert_error(&mut t5_gpu(["score", "no target"]), &["text 1", "target"]);
}

/// `eval` is told of its files, and which line of them, before any model is loaded.
#[test]
fn references_that_do_not_fit_are_named() {
    let directory = tempfile::TempDir::new().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        text(&path).to_owned()
    };
    let three = file("three.en", b"One.\nTwo.\nThree.\n");
    let two = file("two.de", b"Eins.\nZwei.\n");
    let empty = file("empty.de", b"");
    let blank = file("blank.en", b"\n \n");
    let latin = file("latin.de", b"Eins.\nZw\xf6lf.\nDrei.\n");
    let tsv = file("pairs.tsv", b"One.\tEins.\nTwo. Zwei.\n");
    let missing = text(&directory.path().join("no.such")).to_owned();
    let pairs: [(&str, &str, &[&str]); 8] = [
        (&three, &two, &["two.de", "are 2", "three.en", "are 3"]),
        (&two, &three, &["three.en", "are 3", "two.de", "are 2"]),
        (&three, &empty, &["empty.de", "are 0", "are 3"]),
        (&empty, &empty, &["empty.de", "no text"]),
        (&blank, &two, &["blank.en", "no text"]),
        (&three, &latin, &["latin.de", "line 2", "UTF-8", "byte 3"]),
        (&missing, &two, &["no.such", "cannot read"]),
        (&two, &missing, &["no.such", "cannot read"]),
    ];
    for (source, reference, words) in pairs {
        let command = ["eval", "--source", source, "--reference", reference];
        assert_error(&mut without_adapter(command), words);
    }
    let eval = |arguments: &[&str], words: &[&str]| {
        let arguments = ["eval"].iter().chain(arguments).copied();
        assert_error(&mut without_adapter(arguments), words);
    };
    eval(&["--tsv", &tsv], &["pairs.tsv", "line 2", "a tab"]);
    eval(&["--tsv", &empty], &["empty.de", "no text"]);
    eval(&["--tsv", &missing], &["no.such", "cannot read"]);
    eval(&[], &["--source"]);
    eval(&["--source", &three], &["--reference"]);
    eval(&["--reference", &three], &["--source"]);
    eval(&["--tsv", &tsv, "--source", &three], &["--tsv", "--source"]);
    let nowhere = text(&directory.path().join("no/such")).to_owned();
    let both = ["--source", &two, "--reference", &two];
    let beside = |more: &[&str], words: &[&str]| eval(&[&both, more].concat(), words);
    beside(&["--output", &nowhere], &["no/such", "cannot be written"]);
    beside(&["--to", "xx"], &["\"xx\""]);
    beside(&["--task", "no_such_task"], &["no_such_task"]);
    beside(&["--num-beams", "0"], &["num_beams"]);
    beside(&[], &["no GPU adapter"]);
}
