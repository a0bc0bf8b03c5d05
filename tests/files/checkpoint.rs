//! Checkpoint files: read, sharded, broken; random weights.

use std::borrow::Cow;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use t5_gpu::checkpoint::{Checkpoint, DType, Tensor, TensorSource, write_safetensors};
use t5_gpu::parameters::{Parameters, layout, random};
use t5_gpu::{Result, T5Config};

use super::toy::{config, line};

fn write(path: &Path, tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (
            *name,
            TensorView::new(*dtype, shape.clone(), bytes).unwrap(),
        )
    });
    safetensors::serialize_to_file(views, None, path).unwrap();
}

fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

#[test]
fn all_three_types_read_as_f32() {
    let dir = tempfile::tempdir().unwrap();
    let values = [0.0f32, -1.5, 1.0 / 3.0, 65504.0, 1e-3];
    let f16: Vec<u8> = values
        .iter()
        .flat_map(|&x| half::f16::from_f32(x).to_le_bytes())
        .collect();
    let bf16: Vec<u8> = values
        .iter()
        .flat_map(|&x| half::bf16::from_f32(x).to_le_bytes())
        .collect();
    let file = dir.path().join("model.safetensors");
    write(
        &file,
        &[
            ("a", Dtype::F32, vec![1, 5], f32s(&values)),
            ("b", Dtype::F16, vec![5], f16),
            ("c", Dtype::BF16, vec![5, 1], bf16),
            ("d", Dtype::C64, vec![1], vec![0; 8]),
        ],
    );
    let bytes = std::fs::read(&file).unwrap();
    for checkpoint in [Checkpoint::open(dir.path()), Checkpoint::from_bytes(bytes)] {
        let checkpoint = checkpoint.unwrap();
        assert_eq!(checkpoint.names(), ["a", "b", "c", "d"]);
        let read = |name| checkpoint.tensor(name).unwrap().unwrap();
        assert_eq!((read("a").shape, read("a").dtype), (vec![1, 5], DType::F32));
        assert_eq!(read("a").to_f32(), values);
        for (f16, x) in read("b").to_f32().iter().zip(values) {
            assert!((f16 - x).abs() <= x.abs() / 2048.0, "{f16} for {x}");
        }
        for (bf16, x) in read("c").to_f32().iter().zip(values) {
            assert!((bf16 - x).abs() <= x.abs() / 256.0, "{bf16} for {x}");
        }
        let mut part = [0.0; 2];
        read("a").read_f32(1..3, &mut part);
        assert_eq!(part, values[1..3]);
        assert!(checkpoint.tensor("e").unwrap().is_none());
        // Only who asks for a tensor of another type hears of it.
        let error = line(checkpoint.tensor("d").unwrap_err());
        assert!(error.contains("d (C64)"), "{error}");
    }
}

#[test]
fn broken_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = line(Checkpoint::open(dir.path()).err().unwrap());
    assert!(error.contains("model.safetensors"), "{error}");

    let file = dir.path().join("model.safetensors");
    write(&file, &[("a", Dtype::F32, vec![4], f32s(&[1.0; 4]))]);
    let whole = std::fs::read(&file).unwrap();
    for length in [0, 3, 8, 20, whole.len() - 1] {
        std::fs::write(&file, &whole[..length]).unwrap();
        let error = line(Checkpoint::open(dir.path()).err().unwrap());
        assert!(
            error.contains("model.safetensors"),
            "{length} bytes: {error}"
        );
    }
    let mut corrupt = whole.clone();
    corrupt[12] ^= 0xff;
    let mut huge = whole.clone();
    huge[..8].fill(0xff);
    let longer = [&whole[..], &[0]].concat();
    for bytes in [corrupt, huge, longer] {
        std::fs::write(&file, bytes).unwrap();
        let error = line(Checkpoint::open(dir.path()).err().unwrap());
        assert!(error.contains("model.safetensors"), "{error}");
    }
}

#[test]
fn shards_are_found_through_their_index() {
    let dir = tempfile::tempdir().unwrap();
    let index = |map: &str| {
        let text = format!(r#"{{"metadata": {{}}, "weight_map": {map}}}"#);
        std::fs::write(dir.path().join("model.safetensors.index.json"), text).unwrap();
    };
    write(
        &dir.path().join("one"),
        &[("a", Dtype::F32, vec![1], f32s(&[1.0]))],
    );
    write(
        &dir.path().join("two"),
        &[("b", Dtype::F32, vec![1], f32s(&[2.0]))],
    );
    index(r#"{"a": "one", "b": "two"}"#);
    let checkpoint = Checkpoint::open(dir.path()).unwrap();
    assert_eq!(checkpoint.names(), ["a", "b"]);
    assert_eq!(checkpoint.tensor("b").unwrap().unwrap().to_f32(), [2.0]);

    let error = || line(Checkpoint::open(dir.path()).err().unwrap());
    index(r#"{"a": "one", "b": "three"}"#);
    assert!(error().contains("three"), "{}", error());
    for outside in ["../one", "/one", "x/../../one", "C:one", "", "./"] {
        index(&format!(r#"{{"a": "{outside}"}}"#));
        assert!(error().contains(&format!("\"{outside}\"")), "{}", error());
    }
    for map in ["[]", "{}", r#"{"a": 1}"#] {
        index(map);
        assert!(error().contains("index.json"), "{}", error());
    }

    // What it says of tensors is no matter, nor how the files are written; folders may be below.
    std::fs::create_dir(dir.path().join("below")).unwrap();
    std::fs::rename(dir.path().join("two"), dir.path().join("below/two")).unwrap();
    index(r#"{"b": "./one", "c": ".//below/./two"}"#);
    let checkpoint = Checkpoint::open(dir.path()).unwrap();
    assert_eq!(checkpoint.names(), ["a", "b"]);
    assert_eq!(checkpoint.tensor("b").unwrap().unwrap().to_f32(), [2.0]);
}

#[test]
fn random_weights_depend_on_the_seed_alone() {
    let config = T5Config::preset("t5-small").unwrap();
    let weights = random(&config, 7, DType::F32);
    let again = random(&config, 7, DType::F32);
    let other = random(&config, 8, DType::F32);
    let name = "decoder.block.3.layer.2.DenseReluDense.wi.weight";
    let read = |weights: &dyn TensorSource, name| weights.tensor(name).unwrap().unwrap().to_f32();
    assert_eq!(read(&weights, name), read(&again, name));
    assert_ne!(read(&weights, name), read(&other, name));
    assert_ne!(
        read(&weights, name),
        read(&weights, "decoder.block.4.layer.2.DenseReluDense.wi.weight")
    );
    let wi = read(&weights, name);
    let mean = wi.iter().sum::<f32>() / wi.len() as f32;
    let variance = wi.iter().map(|x| x * x).sum::<f32>() / wi.len() as f32;
    assert!(mean.abs() < 1e-3, "{mean}");
    assert!((variance * 512.0 - 1.0).abs() < 0.01, "{variance}");
    assert!(weights.tensor("nothing").unwrap().is_none());
    assert_eq!(weights.names().len(), layout(&config).len());
}

#[test]
fn random_weights_come_in_every_type() {
    let config = config("");
    let exact = random(&config, 1, DType::F32);
    for (dtype, bits) in [(DType::F16, 11), (DType::BF16, 8)] {
        let rounded = random(&config, 1, dtype);
        Parameters::load(&rounded, &config).unwrap();
        let rounded = rounded.tensor("shared.weight").unwrap().unwrap();
        let exact = exact.tensor("shared.weight").unwrap().unwrap();
        assert_eq!(rounded.dtype, dtype);
        for (a, b) in rounded.to_f32().iter().zip(exact.to_f32()) {
            assert!(
                (a - b).abs() <= b.abs() / (1 << bits) as f32 + 1e-7,
                "{a} for {b}"
            );
        }
    }
}

/// Read back by the safetensors crate, tensors of an odd size and of two types.
#[test]
fn written_files_are_safetensors() {
    struct Two(Vec<u8>);
    impl TensorSource for Two {
        fn names(&self) -> Vec<&str> {
            vec!["a", "b"]
        }
        fn tensor(&self, name: &str) -> Result<Option<Tensor<'_>>> {
            let (dtype, shape, bytes) = match name {
                "a" => (DType::BF16, vec![3], 6),
                _ => (DType::F32, vec![1, 2], 8),
            };
            Ok(Some(Tensor {
                name: name.into(),
                dtype,
                shape,
                data: Cow::Borrowed(&self.0[..bytes]),
            }))
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let source = Two((1..9).collect());
    let mut told = Vec::new();
    write_safetensors(&source, &path, &mut |done, total| told.push((done, total))).unwrap();
    assert_eq!(told, [(8, 14), (14, 14)]);
    let bytes = std::fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.len(), 2);
    let (a, b) = (file.tensor("a").unwrap(), file.tensor("b").unwrap());
    assert_eq!(
        (a.dtype(), a.shape(), a.data()),
        (Dtype::BF16, &[3][..], &[1, 2, 3, 4, 5, 6][..])
    );
    assert_eq!(
        (b.dtype(), b.shape(), b.data()),
        (Dtype::F32, &[1, 2][..], &source.0[..])
    );
    let nowhere = dir.path().join("no/where");
    let error = line(write_safetensors(&source, &nowhere, &mut |_, _| ()).unwrap_err());
    assert!(
        error.contains("where") && error.contains("cannot be written"),
        "{error}"
    );
}
