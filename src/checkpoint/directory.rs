//! A model directory's weights: one file, or several and an index.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::index::{below, shards};
use super::pytorch::PytorchFile;
use super::safetensors::{MEMORY, SafetensorsFile};
use super::{Tensor, TensorSource};
use crate::{Error, Result, foreign};

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

type WeightFile = Box<dyn TensorSource + Send + Sync>;
type Open = fn(&Path) -> Result<WeightFile>;

/// The tensors of a model directory, memory-mapped: opening reads only headers.
pub struct Checkpoint {
    /// With their paths, for messages.
    files: Vec<(PathBuf, WeightFile)>,
    /// The file that holds each tensor.
    tensors: BTreeMap<String, usize>,
}

impl Checkpoint {
    /// Whether the directory holds weights that [`Checkpoint::open`] would open.
    pub fn is_in(dir: &Path) -> bool {
        FORMATS
            .iter()
            .any(|(single, index, _)| dir.join(single).is_file() || dir.join(index).is_file())
    }

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
                return Ok(Self::from_single(&single, open(&single)?));
            }
            if index.is_file() {
                return Self::open_shards(dir, &index, open);
            }
        }
        Err(no_weights(dir))
    }

    /// Opens the file that a config names as the weights of its model: safetensors, or an index of them.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn open_named(dir: &Path, name: &str) -> Result<Self> {
        let [(_, _, open), _] = FORMATS;
        let path = match below(name) {
            Some(name) => dir.join(name),
            None => {
                return Err(Error::File {
                    path: dir.to_owned(),
                    message: format!(
                        "its config names the weights \"{name}\", which is no file in it"
                    ),
                });
            }
        };
        if name.ends_with(".index.json") {
            Self::open_shards(dir, &path, open)
        } else {
            Ok(Self::from_single(&path, open(&path)?))
        }
    }

    /// Reads a safetensors file that is already in memory.
    ///
    /// # Errors
    /// [`Error::File`] where the bytes are not a whole safetensors file.
    pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self> {
        let file = SafetensorsFile::from_bytes(bytes.into())?;
        Ok(Self::from_single(Path::new(MEMORY), Box::new(file)))
    }

    fn from_single(path: &Path, file: WeightFile) -> Self {
        let tensors = file.names().into_iter().map(|name| (name.to_owned(), 0));
        Checkpoint {
            tensors: tensors.collect(),
            files: vec![(path.to_owned(), file)],
        }
    }

    fn open_shards(dir: &Path, index: &Path, open: Open) -> Result<Self> {
        let (mut files, mut tensors) = (Vec::new(), BTreeMap::new());
        for shard in shards(index)? {
            let path = dir.join(&shard);
            if !path.is_file() {
                return Err(Error::File {
                    path: index.to_owned(),
                    message: format!("names the shard {shard}, which is missing: fetch it"),
                });
            }
            let file = open(&path)?;
            for name in file.names() {
                tensors.insert(name.to_owned(), files.len());
            }
            files.push((path, file));
        }
        Ok(Checkpoint { files, tensors })
    }
}

impl TensorSource for Checkpoint {
    fn names(&self) -> Vec<&str> {
        self.tensors.keys().map(String::as_str).collect()
    }

    fn tensor(&self, name: &str) -> Result<Option<Tensor<'_>>> {
        let Some(&file) = self.tensors.get(name) else {
            return Ok(None);
        };
        let (path, file) = &self.files[file];
        file.tensor(name).map_err(|error| Error::File {
            path: path.clone(),
            message: error.to_string(),
        })
    }
}

/// Says what was looked for, and what is there instead.
fn no_weights(dir: &Path) -> Error {
    let supported: Vec<&str> = FORMATS
        .iter()
        .flat_map(|(single, index, _)| [*single, *index])
        .collect();
    Error::File {
        path: dir.to_owned(),
        message: format!(
            "no weights here: looked for {}; {}",
            supported.join(", "),
            foreign::holds(dir)
        ),
    }
}
