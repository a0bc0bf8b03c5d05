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
