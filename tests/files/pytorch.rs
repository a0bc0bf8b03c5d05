//! Files of `torch.save` against what PyTorch says they hold; files that lie; what is not read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use t5_gpu::T5Config;
use t5_gpu::checkpoint::{Checkpoint, TensorSource};
use t5_gpu::parameters::Parameters;
use t5_gpu::reference::Reference;

use super::toy::line;

#[derive(Deserialize)]
struct Expected {
    shape: Vec<usize>,
    values: Vec<f32>,
}

fn pickles() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pickles")
}

fn pickle(name: &str) -> Vec<u8> {
    std::fs::read(pickles().join(name)).unwrap()
}

/// Opens these bytes as a model directory's `pytorch_model.bin`.
fn open(bytes: &[u8]) -> Result<Checkpoint, String> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pytorch_model.bin"), bytes).unwrap();
    Checkpoint::open(dir.path()).map_err(line)
}

fn refused(name: &str) -> String {
    let error = open(&pickle(name)).err().expect("an error");
    assert!(error.contains("pytorch_model.bin"), "{error}");
    error
}

#[test]
fn tensors_are_read_wherever_they_lie() {
    let expected: BTreeMap<String, Expected> =
        serde_json::from_slice(&pickle("expected.json")).unwrap();
    assert_eq!(expected.len(), 9);
    for file in ["views.bin", "protocol_4.bin", "old.bin"] {
        let checkpoint = open(&pickle(file)).unwrap();
        // Two besides are of other types; what is no tensor is not among them.
        assert_eq!(checkpoint.names().len(), expected.len() + 2, "{file}");
        for (name, expected) in &expected {
            let tensor = checkpoint.tensor(name).unwrap().unwrap();
            assert_eq!(tensor.shape, expected.shape, "{file}: {name}");
            assert_eq!(tensor.to_f32(), expected.values, "{file}: {name}");
        }
        assert!(checkpoint.tensor("epoch").unwrap().is_none());
        for (name, value) in [("steps", 7.0), ("double", 1.5)] {
            let tensor = checkpoint.tensor(name).unwrap().unwrap();
            assert_eq!(tensor.to_f32(), [value], "{file}: {name}");
        }
    }
}

#[test]
fn nothing_in_a_pickle_is_run() {
    for file in ["harmful.bin", "old_harmful.bin"] {
        let error = refused(file);
        assert!(error.contains(".system"), "{error}");
    }
    assert!(refused("module.bin").contains("torch.nn.modules.linear.Linear"));
}

#[test]
fn files_that_cannot_be_read_say_why() {
    for (file, why) in [
        ("list.bin", "state_dict"),
        ("compressed.bin", "compressed"),
        ("big_endian.bin", "big-endian"),
        ("lacking.bin", "storage that is missing"),
    ] {
        let error = refused(file);
        assert!(error.contains(why), "{file}: {error}");
    }
    for bytes in [&b""[..], b"\x80\x02}."] {
        let error = open(bytes).err().expect("an error");
        assert!(error.contains("fetch it again"), "{error}");
    }
}

/// Whatever a damaged file claims, the answer is tensors or an error.
#[test]
fn damaged_files_are_no_danger() {
    let try_all = |bytes: &[u8]| {
        if let Ok(checkpoint) = open(bytes) {
            for name in checkpoint.names() {
                if let Ok(Some(tensor)) = checkpoint.tensor(name) {
                    assert_eq!(tensor.data.len(), tensor.len() * tensor.dtype.size());
                }
            }
        }
    };
    for file in ["views.bin", "old.bin"] {
        let whole = pickle(file);
        for length in 0..whole.len() {
            let error = open(&whole[..length]).err();
            // The last byte of an old file may be one of a tensor, of a new one part of its list of contents.
            let error = error.unwrap_or_else(|| panic!("{file}: {length} bytes are accepted"));
            assert!(error.contains("again"), "{error}");
        }
        for at in 0..whole.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] ^= flip;
                try_all(&damaged);
            }
        }
    }
}

#[test]
fn safetensors_come_first() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pytorch_model.bin"), pickle("harmful.bin")).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints/t5");
    std::fs::copy(
        fixture.join("model.safetensors"),
        dir.path().join("model.safetensors"),
    )
    .unwrap();
    assert!(!Checkpoint::open(dir.path()).unwrap().names().is_empty());
}

#[test]
fn other_formats_are_named() {
    for (file, whose) in [
        ("tf_model.h5", "TensorFlow"),
        ("flax_model.msgpack", "Flax"),
        ("t5-small-q8_0.gguf", "llama.cpp"),
        ("decoder_model.onnx", "ONNX"),
        ("adapter_model.safetensors", "adapter"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(file), "").unwrap();
        let error = line(Checkpoint::open(dir.path()).err().unwrap());
        for part in [file, whose, "model.safetensors", "pytorch_model.bin"] {
            assert!(error.contains(part), "{error}");
        }
    }
}

#[test]
fn other_models_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    for config in [
        r#"{"model_type": "bart"}"#,
        r#"{"model_type": "longt5"}"#,
        r#"{"model_type": "switch_transformers"}"#,
        r#"{"architectures": ["PegasusForConditionalGeneration"]}"#,
    ] {
        std::fs::write(&path, config).unwrap();
        let error = line(T5Config::from_file(&path).unwrap_err());
        let found = config.split('"').nth(3).unwrap();
        for part in [found, "config.json", "umt5"] {
            assert!(error.contains(part), "{error}");
        }
    }
}

/// The whole way: files as published before safetensors, to the logits that transformers computes from them.
#[test]
fn models_run_from_pytorch_files() {
    for name in ["pytorch-bin", "pytorch-bin-sharded", "pytorch-bin-old"] {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/checkpoints")
            .join(name);
        let config = T5Config::from_file(&dir.join("config.json")).unwrap();
        let checkpoint = Checkpoint::open(&dir).unwrap();
        let parameters = Parameters::load(&checkpoint, &config).unwrap();
        let reference = Reference::new(&config, &parameters);
        let expected = std::fs::read(dir.join("expected.json")).unwrap();
        let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
        let cases = expected["cases"].as_array().unwrap();
        assert!(cases.len() >= 6);
        for case in cases {
            let ids = |name: &str| Vec::<u32>::deserialize(&case[name]).unwrap();
            let hidden = reference.encode(&ids("input_ids")).unwrap();
            let logits = reference
                .decode(&hidden, &ids("decoder_input_ids"))
                .unwrap();
            let stride = case["logits"]["stride"].as_u64().unwrap() as usize;
            let values = Vec::<f32>::deserialize(&case["logits"]["values"]).unwrap();
            assert_eq!(logits.iter().step_by(stride).len(), values.len());
            for (a, b) in logits.iter().step_by(stride).zip(&values) {
                assert!((a - b).abs() < 1e-4, "{name}: {a}, not {b}");
            }
        }
    }
}
