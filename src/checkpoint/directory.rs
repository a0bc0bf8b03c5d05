//! A model directory's weights: one file, or several and an index.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde::Deserialize;

use super::pytorch::PytorchFile;
use super::safetensors::SafetensorsFile;
use super::{Tensor, TensorSource};
use crate::{Error, Result};

/// Weight files by preference: the name of a single file and of an index of several.
const FORMATS: [(&str, &str, Open); 2] = [
    (
        "model.safetensors",
        "model.safetensors.index.json",
        |path| Ok(Box::new(SafetensorsFile::open(path)?)),
    ),
    (
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
        |path| Ok(Box::new(PytorchFile::open(path)?)),
    ),
];

/// Endings of weight files of other frameworks, and whose they are.
const FOREIGN: [(&str, &str); 6] = [
    (".h5", "TensorFlow's"),
    (".msgpack", "Flax's"),
    (".gguf", "llama.cpp's"),
    (".ot", "rust-bert's"),
    (".onnx", "ONNX Runtime's"),
    ("model.bin", "CTranslate2's"),
];

type WeightFile = Box<dyn TensorSource + Send + Sync>;
type Open = fn(&Path) -> Result<WeightFile>;

/// The tensors of a model directory, memory-mapped: opening reads only headers.
pub struct Checkpoint {
    files: Vec<WeightFile>,
    /// The file that holds each tensor.
    tensors: BTreeMap<String, usize>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Opens `model.safetensors`, or the shards that `model.safetensors.index.json` names; without these
    /// `pytorch_model.bin`, or the shards that `pytorch_model.bin.index.json` names.
    ///
    /// # Errors
    /// [`Error::File`] and [`Error::Io`] name the file: none there, one of a kind that is not read, a missing shard, a
    /// truncated or corrupt file.
    pub fn open(dir: &Path) -> Result<Self> {
        for (single, index, open) in FORMATS {
            let (single, index) = (dir.join(single), dir.join(index));
            if single.is_file() {
                return Ok(Self::from_single(open(&single)?));
            }
            if index.is_file() {
                return Self::open_shards(dir, &index, open);
            }
        }
        Err(no_weights(dir))
    }

    /// Reads a safetensors file that is already in memory.
    ///
    /// # Errors
    /// [`Error::File`] where the bytes are not a whole safetensors file.
    pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self> {
        let file = SafetensorsFile::from_bytes(bytes.into())?;
        Ok(Self::from_single(Box::new(file)))
    }

    fn from_single(file: WeightFile) -> Self {
        let tensors = file.names().into_iter().map(|name| (name.to_owned(), 0));
        Checkpoint {
            tensors: tensors.collect(),
            files: vec![file],
        }
    }

    fn open_shards(dir: &Path, index: &Path, open: Open) -> Result<Self> {
        let fault = |message: String| Error::File {
            path: index.to_owned(),
            message,
        };
        let text = std::fs::read_to_string(index).map_err(|source| Error::Io {
            path: index.to_owned(),
            source,
        })?;
        let weight_map = serde_json::from_str::<Index>(&text)
            .map_err(|e| fault(format!("not an index of shards: {e}")))?
            .weight_map;
        let mut shards: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, shard) in weight_map {
            shards.entry(shard).or_default().push(name);
        }

        let (mut files, mut tensors) = (Vec::new(), BTreeMap::new());
        for (shard, names) in shards {
            if !is_file_name(&shard) {
                return Err(fault(format!(
                    "names {shard:?}, which is not a file beside it"
                )));
            }
            let path = dir.join(&shard);
            if !path.is_file() {
                return Err(fault(format!("names the shard {shard}, which is missing")));
            }
            let file = open(&path)?;
            let held = file.names();
            for name in names {
                if held.binary_search(&name.as_str()).is_err() {
                    return Err(fault(format!(
                        "says that {} holds {name}, but it does not",
                        path.display()
                    )));
                }
                tensors.insert(name, files.len());
            }
            files.push(file);
        }
        Ok(Checkpoint { files, tensors })
    }
}

impl TensorSource for Checkpoint {
    fn names(&self) -> Vec<&str> {
        self.tensors.keys().map(String::as_str).collect()
    }

    fn tensor(&self, name: &str) -> Result<Option<Tensor<'_>>> {
        match self.tensors.get(name) {
            Some(&file) => self.files[file].tensor(name),
            None => Ok(None),
        }
    }
}

/// Says what was looked for, and what is there instead.
fn no_weights(dir: &Path) -> Error {
    let mut files: Vec<String> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    files.sort();
    let foreign = files.iter().find_map(|file| {
        let (_, whose) = FOREIGN.iter().find(|(ending, _)| file.ends_with(ending))?;
        Some((file, whose))
    });
    let found = match foreign {
        Some((file, whose)) => format!(
            "{file} is {whose} format, which is not read: load the model with transformers and save_pretrained it; "
        ),
        None => String::new(),
    };
    let supported: Vec<&str> = FORMATS
        .iter()
        .flat_map(|(single, index, _)| [*single, *index])
        .collect();
    Error::File {
        path: dir.to_owned(),
        message: format!(
            "no weights here: {found}looked for {}",
            supported.join(", ")
        ),
    }
}

/// Whether this is a plain name, with no directory in it.
fn is_file_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!(
        (parts.next(), parts.next()),
        (Some(Component::Normal(_)), None)
    )
}
