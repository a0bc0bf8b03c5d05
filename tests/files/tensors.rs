//! Tensors of every type and all that `torch.save` writes beside them, against what PyTorch makes of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use t5_gpu::checkpoint::{Checkpoint, DType, Tensor, TensorSource};

#[derive(Deserialize)]
struct Expected {
    shape: Vec<usize>,
    /// Of the values as f32; -1: not a number.
    bits: Vec<i64>,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/weights")
}

fn json<T: for<'a> Deserialize<'a>>(name: &str) -> T {
    serde_json::from_slice(&std::fs::read(fixtures().join(name)).unwrap()).unwrap()
}

/// Opens a file of the fixtures as the only weights of a directory.
fn open(name: &str) -> t5_gpu::Result<Checkpoint> {
    let dir = tempfile::tempdir().unwrap();
    let single = match name.ends_with(".bin") {
        true => "pytorch_model.bin",
        false => "model.safetensors",
    };
    std::fs::copy(fixtures().join(name), dir.path().join(single)).unwrap();
    Checkpoint::open(dir.path())
}

fn bits(tensor: &Tensor<'_>) -> Vec<i64> {
    let bits = |x: f32| if x.is_nan() { -1 } else { x.to_bits().into() };
    tensor.to_f32().into_iter().map(bits).collect()
}

#[test]
fn every_type_reads_as_pytorch_converts_it() {
    let expected: BTreeMap<String, Expected> = json("types.json");
    assert_eq!(expected.len(), DType::ALL.len());
    for file in ["types.safetensors", "types.bin", "types_old.bin"] {
        let checkpoint = open(file).unwrap();
        let mut types = Vec::new();
        for (name, expected) in &expected {
            let tensor = checkpoint.tensor(name).unwrap().unwrap();
            assert_eq!(tensor.shape, expected.shape, "{file}: {name}");
            assert_eq!(bits(&tensor), expected.bits, "{file}: {name}");
            assert_eq!(tensor.data.len(), tensor.len() * tensor.dtype.size());
            assert!(!types.contains(&tensor.dtype), "{file}: {name}");
            types.push(tensor.dtype);
        }
    }
}

#[test]
fn what_nobody_uses_is_no_matter() {
    #[derive(Deserialize)]
    struct Entries {
        read: BTreeMap<String, Expected>,
        /// Tensors that are not of numbers.
        refused: Vec<String>,
    }
    let Entries { read, refused } = json("entries.json");
    for file in [
        "entries.bin",
        "entries_4.bin",
        "entries_5.bin",
        "entries_old.bin",
    ] {
        let checkpoint = open(file).unwrap_or_else(|error| panic!("{file}: {error}"));
        for (name, expected) in &read {
            let tensor = checkpoint.tensor(name).unwrap().unwrap();
            assert_eq!(tensor.shape, expected.shape, "{file}: {name}");
            assert_eq!(bits(&tensor), expected.bits, "{file}: {name}");
        }
        // Only who asks for one of these hears of it.
        for name in &refused {
            let error = checkpoint.tensor(name).unwrap_err().to_string();
            let found = format!("tensor \"{name} (");
            assert!(error.contains(&found) && error.contains("F32"), "{error}");
        }
        for name in ["size", "set", "numpy", "counter", "ordered"] {
            assert!(checkpoint.tensor(name).unwrap().is_none(), "{file}: {name}");
        }
    }
}

#[test]
fn tensors_one_level_down_are_found_for_the_message() {
    let error = open("nested.bin").err().unwrap().to_string();
    assert!(
        error.contains("\"model_state\"") && error.contains("state_dict"),
        "{error}"
    );
}
