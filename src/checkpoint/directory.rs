//! A model directory's weights: one safetensors file, or several and an index.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde::Deserialize;

use super::safetensors::SafetensorsFile;
use super::{Tensor, TensorSource};
use crate::{Error, Result};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// The tensors of a model directory, memory-mapped: opening reads only headers.
pub struct Checkpoint {
    files: Vec<SafetensorsFile>,
    /// The file that holds each tensor.
    tensors: BTreeMap<String, usize>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Whether the directory holds weights that [`Checkpoint::open`] would open.
    pub fn is_in(dir: &Path) -> bool {
        dir.join(SINGLE).is_file() || dir.join(INDEX).is_file()
    }

    /// Opens `model.safetensors`, or the shards that `model.safetensors.index.json` names.
    ///
    /// # Errors
    /// [`Error::File`] and [`Error::Io`] name the file: none there, a missing shard, a truncated or corrupt file.
    pub fn open(dir: &Path) -> Result<Self> {
        let single = dir.join(SINGLE);
        let index = dir.join(INDEX);
        if single.is_file() {
            Ok(Self::from_single(SafetensorsFile::open(&single)?))
        } else if index.is_file() {
            Self::open_shards(dir, &index)
        } else {
            Err(Error::File {
                path: dir.to_owned(),
                message: format!("no weights here: looked for {SINGLE} and {INDEX}"),
            })
        }
    }

    /// Reads a safetensors file that is already in memory.
    ///
    /// # Errors
    /// [`Error::File`] where the bytes are not a whole safetensors file.
    pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self> {
        Ok(Self::from_single(SafetensorsFile::from_bytes(
            bytes.into(),
        )?))
    }

    fn from_single(file: SafetensorsFile) -> Self {
        let tensors = file.names().map(|name| (name.to_owned(), 0)).collect();
        Checkpoint {
            files: vec![file],
            tensors,
        }
    }

    fn open_shards(dir: &Path, index: &Path) -> Result<Self> {
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

        let mut files: Vec<SafetensorsFile> = Vec::new();
        let mut opened = BTreeMap::new();
        let mut tensors = BTreeMap::new();
        for (name, shard) in weight_map {
            let number = match opened.get(&shard) {
                Some(&number) => number,
                None => {
                    if !is_file_name(&shard) {
                        return Err(fault(format!(
                            "names {shard:?}, which is not a file beside it"
                        )));
                    }
                    let path = dir.join(&shard);
                    if !path.is_file() {
                        return Err(fault(format!("names the shard {shard}, which is missing")));
                    }
                    files.push(SafetensorsFile::open(&path)?);
                    opened.insert(shard, files.len() - 1);
                    files.len() - 1
                }
            };
            let file = &files[number];
            if !file.contains(&name) {
                return Err(fault(format!(
                    "says that {} holds {name}, but it does not",
                    file.path().display()
                )));
            }
            tensors.insert(name, number);
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

/// Whether this is a plain name, with no directory in it.
fn is_file_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!(
        (parts.next(), parts.next()),
        (Some(Component::Normal(_)), None)
    )
}
