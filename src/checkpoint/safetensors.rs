//! One safetensors file, mapped or in memory.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};

use super::bytes::Bytes;
use super::pytorch::PytorchFile;
use super::{DType, Tensor, TensorSource};
use crate::{Error, Result, foreign};

/// What a file that is no file goes by in messages.
pub(super) const MEMORY: &str = "(embedded model)";

/// An open safetensors file: its header read and checked, its data left where it lies.
pub(super) struct SafetensorsFile {
    bytes: Bytes,
    entries: BTreeMap<String, Entry>,
}

struct Entry {
    dtype: Result<DType, Dtype>,
    shape: Vec<usize>,
    /// Within the whole file.
    range: Range<usize>,
}

impl SafetensorsFile {
    pub fn open(path: &Path) -> Result<Self> {
        Self::parse(path, Bytes::open(path)?)
    }

    pub fn from_bytes(bytes: Cow<'static, [u8]>) -> Result<Self> {
        Self::parse(Path::new(MEMORY), Bytes::Memory(bytes))
    }

    /// Whether these bytes begin as such a file does: with the length of the JSON that follows.
    pub fn is_one(bytes: &[u8]) -> bool {
        let header = || {
            let (length, rest) = bytes.split_first_chunk::<8>()?;
            rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)
        };
        header().is_some_and(|header| {
            header.starts_with(b"{") && header.trim_ascii_end().ends_with(b"}")
        })
    }

    fn parse(path: &Path, bytes: Bytes) -> Result<Self> {
        let (header, metadata) = match SafeTensors::read_metadata(&bytes) {
            Ok(parsed) => parsed,
            Err(error) => {
                let message = match foreign::instead_of_weights(&bytes) {
                    _ if PytorchFile::is_one(&bytes) => {
                        "no safetensors file but PyTorch's: call it pytorch_model.bin".into()
                    }
                    Some(what) => format!("no safetensors file, it is {what}"),
                    None => format!(
                        "not a whole safetensors file ({error}; {} bytes): truncated or corrupt, fetch it again",
                        bytes.len()
                    ),
                };
                return Err(Error::File {
                    path: path.to_owned(),
                    message,
                });
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
                    dtype: DType::from_name(&info.dtype.to_string()).ok_or(info.dtype),
                    shape: info.shape.clone(),
                    range: data + start..data + end,
                };
                (name, entry)
            })
            .collect();
        Ok(SafetensorsFile { bytes, entries })
    }
}

impl TensorSource for SafetensorsFile {
    fn names(&self) -> Vec<&str> {
        self.entries.keys().map(String::as_str).collect()
    }

    fn tensor(&self, name: &str) -> Result<Option<Tensor<'_>>> {
        let Some(entry) = self.entries.get(name) else {
            return Ok(None);
        };
        let dtype = entry
            .dtype
            .map_err(|other| DType::unsupported(other, name))?;
        Ok(Some(Tensor {
            name: name.to_owned(),
            dtype,
            shape: entry.shape.clone(),
            data: Cow::Borrowed(&self.bytes[entry.range.clone()]),
        }))
    }
}
