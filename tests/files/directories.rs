//! Model directories: what their config says of the weights, and directories that hold no model.

use std::path::{Path, PathBuf};

use t5_gpu::ModelFiles;
use t5_gpu::checkpoint::TensorSource;

use super::toy::line;

fn checkpoint(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/checkpoints")
        .join(name)
}

/// A directory with one of the fixtures' checkpoints, its config changed.
fn copy_of(name: &str, change: impl Fn(&mut serde_json::Value)) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(checkpoint(name)).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    let path = dir.path().join("config.json");
    let mut config = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut config);
    std::fs::write(&path, config.to_string()).unwrap();
    dir
}

#[test]
fn a_config_may_name_the_weights() {
    let weights = |dir: &Path| ModelFiles::open(dir).unwrap().weights();
    let named = |name: &'static str| {
        move |config: &mut serde_json::Value| config["transformers_weights"] = name.into()
    };
    let dir = copy_of("t5", named("./better.safetensors"));
    let file = dir.path().join("better.safetensors");
    std::fs::copy(checkpoint("prefixed").join("model.safetensors"), &file).unwrap();
    let names = weights(dir.path()).unwrap();
    assert!(
        names
            .names()
            .iter()
            .any(|name| name.starts_with("transformer."))
    );
    std::fs::remove_file(dir.path().join("model.safetensors")).unwrap();
    assert!(ModelFiles::open(dir.path()).unwrap().has_weights());

    let dir = copy_of("loose-index", named("parts.safetensors.index.json"));
    let index = dir.path().join("model.safetensors.index.json");
    std::fs::rename(&index, dir.path().join("parts.safetensors.index.json")).unwrap();
    assert!(!weights(dir.path()).unwrap().names().is_empty());

    for outside in [
        "../model.safetensors",
        "/model.safetensors",
        "missing.safetensors",
    ] {
        let dir = copy_of("t5", named(outside));
        let error = line(weights(dir.path()).err().unwrap());
        assert!(error.contains(outside), "{error}");
    }
}

#[test]
fn a_config_may_say_that_weights_are_quantised() {
    for (value, found) in [
        (
            serde_json::json!({"quant_method": "bitsandbytes"}),
            "bitsandbytes",
        ),
        (
            serde_json::json!({"load_in_8bit": true}),
            "quantization_config",
        ),
    ] {
        let dir = copy_of("t5", |config| config["quantization_config"] = value.clone());
        let error = line(
            ModelFiles::open(dir.path())
                .unwrap()
                .weights()
                .err()
                .unwrap(),
        );
        assert!(error.contains(found) && error.contains("int8"), "{error}");
    }
    let dir = copy_of("t5", |config| {
        config["quantization_config"] = serde_json::Value::Null
    });
    assert!(ModelFiles::open(dir.path()).unwrap().weights().is_ok());
}

/// A directory of these files, by name and content; a name that ends with a slash is a folder.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        if name.ends_with('/') {
            std::fs::create_dir_all(path).unwrap();
        } else {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
    }
    dir
}

const CONFIG: (&str, &str) = ("config.json", r#"{"model_type": "t5"}"#);

/// A file and what is in it.
type File<'a> = (&'a str, &'a str);

/// Directories that are no model, and what is said of them, with a config beside and without.
const NO_MODELS: [(&[File<'_>], &[&str]); 24] = [
    (
        &[
            (
                "adapter_config.json",
                r#"{"peft_type": "LORA", "base_model_name_or_path": "acme/base"}"#,
            ),
            ("adapter_model.safetensors", ""),
        ],
        &[
            "adapter (LORA) of acme/base",
            "merge_and_unload",
            "AutoPeftModelForSeq2SeqLM",
        ],
    ),
    (
        &[(
            "adapter_config.json",
            r#"{"peft_type": "PREFIX_TUNING", "base_model_name_or_path": "acme/base"}"#,
        )],
        &["adapter (PREFIX_TUNING) of acme/base", "cannot be merged"],
    ),
    (
        &[
            (
                "adapter_config.json",
                r#"{"model_name": "t5-base", "config": {}}"#,
            ),
            ("pytorch_adapter.bin", ""),
        ],
        &["adapter of t5-base", "merge"],
    ),
    (
        &[("adapter_config.json", "{"), ("adapter_model.bin", "")],
        &["holds an adapter"],
    ),
    (&[("tf_model.h5", "")], &["tf_model.h5", "TensorFlow"]),
    (
        &[("flax_model.msgpack", "")],
        &["flax_model.msgpack", "Flax"],
    ),
    (
        &[("t5-small-q8_0.gguf", ""), ("tokenizer.json", "{}")],
        &["t5-small-q8_0.gguf", "llama.cpp"],
    ),
    (
        &[("decoder_model.onnx", ""), ("encoder_model.onnx", "")],
        &["decoder_model.onnx", "ONNX"],
    ),
    (
        &[("model.bin", ""), ("shared_vocabulary.json", "")],
        &["CTranslate2"],
    ),
    (
        &[
            ("openvino_encoder_model.bin", ""),
            ("openvino_encoder_model.xml", ""),
        ],
        &["OpenVINO"],
    ),
    (
        &[
            ("optimizer.pt", ""),
            ("scheduler.pt", ""),
            ("trainer_state.json", "{}"),
        ],
        &["state of a training"],
    ),
    (
        &[("zero_to_fp32.py", ""), ("latest", "global_step100")],
        &["DeepSpeed", "zero_to_fp32.py"],
    ),
    (
        &[("__0_0.distcp", ""), (".metadata", "")],
        &["distributed", "merge-weights"],
    ),
    (
        &[("epoch=3.ckpt", "")],
        &["epoch=3.ckpt", "training's checkpoint"],
    ),
    (
        &[("optimizer.pt", ""), ("weights.pt", "")],
        &["weights.pt", "another name"],
    ),
    (
        &[("model-00001-of-00002.safetensors", "")],
        &[
            "model-00001-of-00002.safetensors",
            "model.safetensors.index.json is missing",
        ],
    ),
    (
        &[("pytorch_model-00001-of-00002.bin", "")],
        &["pytorch_model.bin.index.json is missing"],
    ),
    (
        &[("model.safetensors.incomplete", "")],
        &["model.safetensors.incomplete", "not fetched to its end"],
    ),
    (
        &[("t5xxl_fp16.safetensors", "")],
        &["t5xxl_fp16.safetensors", "call it model.safetensors"],
    ),
    (&[("t5.zip", "")], &["t5.zip", "unpack"]),
    (
        &[
            ("text_encoder/config.json", "{}"),
            ("text_encoder/model.safetensors", ""),
        ],
        &["text_encoder, name that"],
    ),
    (
        &[
            ("snapshots/0123/config.json", "{}"),
            ("snapshots/0123/model.safetensors", ""),
            ("refs/main", "0123"),
        ],
        &["snapshots/0123, name that"],
    ),
    (
        &[
            ("checkpoint-500/config.json", "{}"),
            ("checkpoint-500/model.safetensors", ""),
            ("checkpoint-1000/config.json", "{}"),
            ("checkpoint-1000/model.safetensors", ""),
        ],
        &["there are 2 below it, such as ", "checkpoint-1000"],
    ),
    (
        &[
            ("models--google-t5--t5-small/snapshots/", ""),
            ("version.txt", "1"),
        ],
        &["cache of the hub", "google-t5/t5-small"],
    ),
];

#[test]
fn directories_that_are_no_model_are_told_by_name() {
    for (files, words) in NO_MODELS {
        let dir = directory(files);
        let error = line(ModelFiles::open(dir.path()).unwrap().config().unwrap_err());
        for word in words.iter().chain(&["no config.json here"]) {
            assert!(error.contains(word), "{files:?}: {error}");
        }
        let dir = directory(&[files, &[CONFIG]].concat());
        let error = line(
            ModelFiles::open(dir.path())
                .unwrap()
                .weights()
                .err()
                .unwrap(),
        );
        for word in words.iter().chain(&["no weights here"]) {
            assert!(error.contains(word), "{files:?}: {error}");
        }
    }
    let dir = directory(&[]);
    let error = line(ModelFiles::open(dir.path()).unwrap().config().unwrap_err());
    assert!(error.contains("the directory is empty"), "{error}");
    let dir = directory(&[("tokenizer.json", "{}"), ("notes.txt", "")]);
    let error = line(ModelFiles::open(dir.path()).unwrap().config().unwrap_err());
    assert!(
        error.contains("it holds notes.txt, tokenizer.json"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_are_named() {
    let dir = directory(&[CONFIG]);
    std::os::unix::fs::symlink("../../blobs/0123", dir.path().join("model.safetensors")).unwrap();
    let error = line(
        ModelFiles::open(dir.path())
            .unwrap()
            .weights()
            .err()
            .unwrap(),
    );
    assert!(
        error.contains("model.safetensors is a link to a file that is not there"),
        "{error}"
    );
}

/// transformers would load such a directory with the adapter.
#[test]
fn an_adapter_beside_a_model_is_not_passed_over() {
    let dir = copy_of("t5", |_| ());
    std::fs::write(
        dir.path().join("adapter_config.json"),
        r#"{"peft_type": "LORA"}"#,
    )
    .unwrap();
    // A config alone is no adapter.
    assert!(ModelFiles::open(dir.path()).unwrap().weights().is_ok());
    std::fs::write(dir.path().join("adapter_model.safetensors"), "").unwrap();
    let error = line(
        ModelFiles::open(dir.path())
            .unwrap()
            .weights()
            .err()
            .unwrap(),
    );
    assert!(
        error.contains("adapter_model.safetensors") && error.contains("merge_and_unload"),
        "{error}"
    );
}
