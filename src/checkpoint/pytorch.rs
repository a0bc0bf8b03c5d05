//! One file of `torch.save`: a zip archive of a pickle and raw storages, or, before PyTorch 1.6, pickles with the storages
//! behind them. Storages are mapped, never copied, unless a tensor lies in one out of order.

use std::collections::BTreeMap;
use std::path::Path;

use rawzip::{CompressionMethod, ZipArchive};

use super::bytes::Bytes;
use super::pickle::{Object, Pickle, Ref};
use super::pytorch_tensor::{Entry, Layout, Storage, View, storages};
use super::safetensors::SafetensorsFile;
use super::{DType, Tensor, TensorSource};
use crate::{Error, Result, foreign};

/// An open file of `torch.save`: its pickle read and checked, its storages left where they lie.
pub(super) struct PytorchFile {
    bytes: Bytes,
    /// Tensors of numbers, and what the others are.
    tensors: BTreeMap<String, Result<Entry, String>>,
}

/// How files since PyTorch 1.6 begin: as zip archives do.
const ZIP: &[u8] = b"PK\x03\x04";

/// How files before PyTorch 1.6 begin: a pickle of their magic number.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

impl PytorchFile {
    pub fn open(path: &Path) -> Result<Self> {
        Self::parse(Bytes::open(path)?).map_err(|message| Error::File {
            path: path.to_owned(),
            message,
        })
    }

    /// Whether these bytes begin as such a file does: its zip with the pickle.
    pub fn is_one(bytes: &[u8]) -> bool {
        let start = &bytes[..bytes.len().min(128)];
        let pickle = b"/data.pkl";
        bytes.starts_with(MAGIC)
            || bytes.starts_with(ZIP) && start.windows(pickle.len()).any(|part| part == pickle)
    }

    fn parse(bytes: Bytes) -> Result<Self, String> {
        let (pickle, storages, layout) = if bytes.starts_with(MAGIC) {
            read_legacy(&bytes)?
        } else if bytes.starts_with(ZIP) {
            read_zip(&bytes)?
        } else if SafetensorsFile::is_one(&bytes) {
            return Err("no PyTorch file but safetensors: call it model.safetensors".into());
        } else {
            return Err(match foreign::instead_of_weights(&bytes) {
                Some(what) => format!("no PyTorch file, it is {what}"),
                None => format!(
                    "no PyTorch file ({} bytes): truncated or corrupt, fetch it again",
                    bytes.len()
                ),
            });
        };
        let Object::Dict(items) = pickle.get(pickle.root) else {
            return Err(format!("{NO_TENSORS}: save the model's state_dict"));
        };
        let mut tensors = BTreeMap::new();
        for &(name, value) in items {
            if let Some(name) = pickle.str(name)
                && let Some(view) = View::read(&pickle, value)
            {
                let entry = view
                    .locate(&storages, &layout)
                    .map_err(|what| format!("tensor {name} {what}"))?;
                tensors.insert(name.to_owned(), entry);
            }
        }
        if tensors.is_empty() {
            return Err(no_tensors(&pickle, items));
        }
        Ok(PytorchFile { bytes, tensors })
    }
}

impl TensorSource for PytorchFile {
    fn names(&self) -> Vec<&str> {
        self.tensors.keys().map(String::as_str).collect()
    }

    fn tensor(&self, name: &str) -> Result<Option<Tensor<'_>>> {
        let Some(entry) = self.tensors.get(name) else {
            return Ok(None);
        };
        let entry = entry
            .as_ref()
            .map_err(|kind| DType::unsupported(kind, name))?;
        Ok(Some(Tensor {
            name: name.to_owned(),
            dtype: entry.dtype,
            shape: entry.shape.clone(),
            data: entry.data(&self.bytes),
        }))
    }
}

const NO_TENSORS: &str = "it holds no tensors by name";

/// What to say of a dict without tensors: training frameworks put them one level deeper.
fn no_tensors(pickle: &Pickle, items: &[(Ref, Ref)]) -> String {
    let holds_tensors = |value: Ref| match pickle.get(value) {
        Object::Dict(items) => items
            .iter()
            .any(|&(_, value)| View::read(pickle, value).is_some()),
        _ => false,
    };
    let inner = items.iter().find(|&&(_, value)| holds_tensors(value));
    match inner.and_then(|&(name, _)| pickle.str(name)) {
        Some(name) => format!(
            "{NO_TENSORS}, they are in its entry \"{name}\": save what that holds, the model's state_dict"
        ),
        None => format!("{NO_TENSORS}: save the model's state_dict"),
    }
}

fn parse_pickle(bytes: &[u8]) -> Result<Pickle, String> {
    Pickle::parse(bytes, is_data)
}

/// Names that stand for data, by module; none listed: all of its names. They are what PyTorch itself reads with
/// `weights_only`, and values of NumPy and of Python's library. Files of weights may hold such things beside their tensors.
const DATA: [(&str, &[&str]); 17] = [
    ("torch", &[]),
    ("torch.storage", &[]),
    ("torch._utils", &[]),
    ("torch._tensor", &["_rebuild_from_type_v2"]),
    ("torch.nn.parameter", &[]),
    ("torch.serialization", &["_get_layout"]),
    ("collections", &[]),
    ("datetime", &[]),
    ("argparse", &["Namespace"]),
    ("_codecs", &["encode"]),
    ("builtins", PYTHON),
    ("__builtin__", PYTHON),
    ("numpy", &["dtype", "ndarray"]),
    ("numpy.dtypes", &[]),
    ("numpy.core.multiarray", &["scalar", "_reconstruct"]),
    ("numpy._core.multiarray", &["scalar", "_reconstruct"]),
    ("numpy._core.numeric", &["_frombuffer"]),
];

const PYTHON: &[&str] = &[
    "bytearray",
    "bytes",
    "complex",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "range",
    "set",
    "slice",
    "xrange",
];

fn is_data(module: &str, name: &str) -> bool {
    let known = DATA.iter().find(|(known, _)| *known == module);
    known.is_some_and(|(_, names)| names.is_empty() || names.contains(&name))
}

/// `NAME/data.pkl`, and a storage in each `NAME/data/KEY`.
fn read_zip(bytes: &[u8]) -> Result<(Pickle, BTreeMap<String, Storage>, Layout), String> {
    let broken = |error: rawzip::Error| {
        let found = bytes.len();
        format!(
            "not a whole PyTorch file ({error}; {found} bytes): truncated or corrupt, fetch it again"
        )
    };
    let archive = ZipArchive::from_slice(bytes).map_err(broken)?;
    let mut ranges = BTreeMap::new();
    let mut entries = archive.entries();
    while let Some(entry) = entries.next_entry().map_err(broken)? {
        let path = entry.file_path();
        let Ok(path) = std::str::from_utf8(path.as_bytes()) else {
            continue;
        };
        if entry.compression_method() != CompressionMethod::STORE {
            return Err(format!(
                "its part {path} is compressed, which PyTorch's files are not: save the model again"
            ));
        }
        let stored = archive.get_entry(entry.wayfinder()).map_err(broken)?;
        let (start, end) = stored.compressed_data_range();
        // The folder's name is the file's at the time of saving.
        let name = path.split_once('/').map_or(path, |(_, name)| name);
        ranges.insert(name.to_owned(), start as usize..end as usize);
    }
    let part = |name: &str| ranges.get(name).map(|range| &bytes[range.clone()]);
    if part("byteorder").is_some_and(|order| order != b"little") {
        return Err("its numbers are big-endian: save the model again on another machine".into());
    }
    let pickle = part("data.pkl").ok_or("a zip archive, but not one of PyTorch's")?;
    let pickle = parse_pickle(pickle)?;
    let storages = storages(&pickle);
    let layout = ranges
        .into_iter()
        .filter_map(|(name, range)| Some((name.strip_prefix("data/")?.to_owned(), range)))
        .collect();
    Ok((pickle, storages, layout))
}

/// Pickles of the magic number, the version, the machine, the tensors and the storages' keys; then, a storage after the
/// other, the number of its elements and these.
fn read_legacy(bytes: &[u8]) -> Result<(Pickle, BTreeMap<String, Storage>, Layout), String> {
    const TRUNCATED: &str = "truncated: fetch it again";
    let mut at = MAGIC.len();
    let mut next = || {
        let pickle = parse_pickle(&bytes[at..])?;
        at += pickle.length;
        Ok::<_, String>(pickle)
    };
    let (_version, machine, pickle, keys) = (next()?, next()?, next()?, next()?);
    if let Object::Dict(facts) = machine.get(machine.root)
        && facts.iter().any(|&(name, value)| {
            machine.str(name) == Some("little_endian")
                && matches!(machine.get(value), Object::Bool(false))
        })
    {
        return Err("its numbers are big-endian: save the model again on another machine".into());
    }
    let Object::List(order) = keys.get(keys.root) else {
        return Err("its list of storages is corrupt: fetch it again".into());
    };
    let storages = storages(&pickle);
    let mut layout = Layout::new();
    for &key in order {
        let known = keys.str(key).and_then(|key| storages.get_key_value(key));
        let (key, storage) = known.ok_or("its list of storages is corrupt: fetch it again")?;
        let count = bytes.get(at..at + 8).ok_or(TRUNCATED)?;
        let count = u64::from_le_bytes(count.try_into().expect("eight bytes"));
        if usize::try_from(count) != Ok(storage.elements) {
            return Err(format!(
                "its storage {key} is of another size: fetch it again"
            ));
        }
        let start = at + 8;
        let end = storage.size().and_then(|size| start.checked_add(size));
        let end = end.filter(|&end| end <= bytes.len()).ok_or(TRUNCATED)?;
        layout.insert(key.clone(), start..end);
        at = end;
    }
    Ok((pickle, storages, layout))
}
