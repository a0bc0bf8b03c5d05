//! One safetensors file, mapped or in memory.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};

use super::{DType, Tensor};
use crate::{Error, Result};

/// An open safetensors file: its header read and checked, its data left where it lies.
pub(super) struct SafetensorsFile {
    /// For error messages.
    path: PathBuf,
    bytes: Bytes,
    entries: BTreeMap<String, Entry>,
}

enum Bytes {
    Mapped(Mmap),
    Memory(Cow<'static, [u8]>),
}

struct Entry {
    dtype: Dtype,
    shape: Vec<usize>,
    /// Within the whole file.
    range: Range<usize>,
}

impl SafetensorsFile {
    pub fn open(path: &Path) -> Result<Self> {
        let io = |source| Error::Io {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(io)?;
        // SAFETY: the map is only read. Whoever changes or truncates a model file while it is in use breaks every
        // program that maps it; that is the accepted price of not copying gigabytes.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        Self::parse(path.to_owned(), Bytes::Mapped(map))
    }

    pub fn from_bytes(bytes: Cow<'static, [u8]>) -> Result<Self> {
        Self::parse(PathBuf::from("(embedded model)"), Bytes::Memory(bytes))
    }

    fn parse(path: PathBuf, bytes: Bytes) -> Result<Self> {
        let (header, metadata) = match SafeTensors::read_metadata(bytes.as_slice()) {
            Ok(parsed) => parsed,
            Err(error) => {
                let found = bytes.as_slice().len();
                let message = format!(
                    "not a whole safetensors file ({error}; {found} bytes): truncated or corrupt, fetch it again"
                );
                return Err(Error::File { path, message });
            }
        };
        // The header follows its own length, eight bytes.
        let data = header + 8;
        let entries = metadata
            .tensors()
            .into_iter()
            .map(|(name, info)| {
                let (start, end) = info.data_offsets;
                let entry = Entry {
                    dtype: info.dtype,
                    shape: info.shape.clone(),
                    range: data + start..data + end,
                };
                (name, entry)
            })
            .collect();
        Ok(SafetensorsFile {
            path,
            bytes,
            entries,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    pub fn tensor(&self, name: &str) -> Result<Option<Tensor<'_>>> {
        let Some(entry) = self.entries.get(name) else {
            return Ok(None);
        };
        let dtype = match entry.dtype {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            other => {
                return Err(Error::Unsupported {
                    what: "tensor dtype",
                    found: format!("{other} of {name}"),
                    supported: "F32, F16 and BF16".into(),
                });
            }
        };
        Ok(Some(Tensor {
            name: name.to_owned(),
            dtype,
            shape: entry.shape.clone(),
            data: Cow::Borrowed(&self.bytes.as_slice()[entry.range.clone()]),
        }))
    }
}

impl Bytes {
    fn as_slice(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Memory(bytes) => bytes,
        }
    }
}
