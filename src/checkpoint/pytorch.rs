//! One file of `torch.save`: a zip archive of a pickle and raw storages, or, before PyTorch 1.6, pickles with the storages
//! behind them. Storages are mapped, never copied, unless a tensor lies in one out of order.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use rawzip::{CompressionMethod, ZipArchive};

use super::bytes::Bytes;
use super::pickle::{Object, Pickle, Ref};
use super::{DType, Tensor, TensorSource};
use crate::{Error, Result};

/// An open file of `torch.save`: its pickle read and checked, its storages left where they lie.
pub(super) struct PytorchFile {
    bytes: Bytes,
    tensors: BTreeMap<String, Entry>,
}

/// A tensor: a view of a storage.
struct Entry {
    element: Element,
    shape: Vec<usize>,
    /// In elements.
    strides: Vec<usize>,
    /// Of the storage from the tensor's first element on, within the whole file.
    range: Range<usize>,
}

/// A storage that the pickle names: how wide, and how many.
struct Storage {
    element: Element,
    elements: usize,
}

/// An element type of PyTorch's.
#[derive(Clone, Copy)]
struct Element {
    name: &'static str,
    size: usize,
    /// `None` for the types that no parameter of T5 has.
    dtype: Option<DType>,
}

const fn element(name: &'static str, size: usize, dtype: Option<DType>) -> Element {
    Element { name, size, dtype }
}

/// Storage classes as pickles name them.
const STORAGES: [(&str, Element); 10] = [
    ("torch FloatStorage", element("F32", 4, Some(DType::F32))),
    ("torch HalfStorage", element("F16", 2, Some(DType::F16))),
    (
        "torch BFloat16Storage",
        element("BF16", 2, Some(DType::BF16)),
    ),
    ("torch DoubleStorage", element("F64", 8, None)),
    ("torch LongStorage", element("I64", 8, None)),
    ("torch IntStorage", element("I32", 4, None)),
    ("torch ShortStorage", element("I16", 2, None)),
    ("torch CharStorage", element("I8", 1, None)),
    ("torch ByteStorage", element("U8", 1, None)),
    ("torch BoolStorage", element("BOOL", 1, None)),
];

const REBUILD_TENSOR: [&str; 2] = [
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_tensor",
];
const REBUILD_PARAMETER: [&str; 2] = [
    "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_parameter_with_state",
];

/// How files before PyTorch 1.6 begin: a pickle of their magic number.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// Where each storage's bytes lie, by its key.
type Layout = BTreeMap<String, Range<usize>>;

impl PytorchFile {
    pub fn open(path: &Path) -> Result<Self> {
        Self::parse(Bytes::open(path)?).map_err(|message| Error::File {
            path: path.to_owned(),
            message,
        })
    }

    fn parse(bytes: Bytes) -> Result<Self, String> {
        let (pickle, storages, layout) = if bytes.starts_with(MAGIC) {
            read_legacy(&bytes)?
        } else {
            read_zip(&bytes)?
        };
        let Object::Dict(items) = pickle.get(pickle.root) else {
            return Err("it holds no tensors by name: save the model's state_dict".into());
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
            return Err("it holds no tensors by name: save the model's state_dict".into());
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
        let Some(dtype) = entry.element.dtype else {
            return Err(Error::Unsupported {
                what: "tensor dtype",
                found: format!("{} of {name}", entry.element.name),
                supported: "F32, F16 and BF16".into(),
            });
        };
        Ok(Some(Tensor {
            name: name.to_owned(),
            dtype,
            shape: entry.shape.clone(),
            data: entry.data(&self.bytes),
        }))
    }
}

impl Entry {
    /// Elements in row-major order.
    fn data<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let size = self.element.size;
        let storage = &bytes[self.range.clone()];
        let elements: usize = self.shape.iter().product();
        if self.is_contiguous() {
            return Cow::Borrowed(&storage[..elements * size]);
        }
        let mut data = Vec::with_capacity(elements * size);
        let mut index = vec![0; self.shape.len()];
        for _ in 0..elements {
            let at: usize = index.iter().zip(&self.strides).map(|(i, s)| i * s).sum();
            data.extend_from_slice(&storage[at * size..(at + 1) * size]);
            // The last dimension runs fastest.
            for (i, &length) in index.iter_mut().zip(&self.shape).rev() {
                *i += 1;
                if *i < length {
                    break;
                }
                *i = 0;
            }
        }
        Cow::Owned(data)
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape
            .iter()
            .zip(&self.strides)
            .rev()
            .all(|(&length, &stride)| {
                let fits = length <= 1 || stride == expected;
                expected *= length;
                fits
            })
    }
}

/// The arguments of `_rebuild_tensor_v2` that matter.
struct View {
    storage: String,
    offset: i64,
    shape: Vec<i64>,
    strides: Vec<i64>,
}

impl View {
    /// `None` for what is no tensor.
    fn read(pickle: &Pickle, value: Ref) -> Option<Self> {
        let Object::Call {
            callable,
            arguments,
        } = *pickle.get(value)
        else {
            return None;
        };
        let arguments = pickle.tuple(arguments)?;
        if REBUILD_PARAMETER.contains(&callable) {
            // A parameter's first argument is its tensor; a parameter of a parameter is none.
            return match pickle.get(*arguments.first()?) {
                Object::Call { callable, .. } if REBUILD_TENSOR.contains(callable) => {
                    Self::read(pickle, arguments[0])
                }
                _ => None,
            };
        }
        let [storage, offset, shape, strides, ..] = *arguments else {
            return None;
        };
        let Object::Persistent(id) = *pickle.get(storage) else {
            return None;
        };
        let ints = |object| -> Option<Vec<i64>> {
            let items = pickle.tuple(object)?;
            items.iter().map(|&item| pickle.int(item)).collect()
        };
        Some(View {
            storage: pickle.str(*pickle.tuple(id)?.get(2)?)?.to_owned(),
            offset: pickle.int(offset)?,
            shape: ints(shape)?,
            strides: ints(strides)?,
        })
    }

    /// Checks that every element lies in the storage.
    fn locate(
        self,
        storages: &BTreeMap<String, Storage>,
        layout: &Layout,
    ) -> Result<Entry, String> {
        const OUTSIDE: &str = "reaches outside of its storage: the file is corrupt, fetch it again";
        let storage = &storages[&self.storage];
        let range = layout.get(&self.storage);
        let range = range.ok_or("lies in a storage that is missing: fetch the file again")?;
        let size = storage.element.size;
        if storage.elements.checked_mul(size) != Some(range.len()) {
            return Err("lies in a storage of another size: fetch the file again".into());
        }
        let sizes = |values: &[i64]| -> Option<Vec<usize>> {
            values.iter().map(|&v| usize::try_from(v).ok()).collect()
        };
        let checked = || {
            let (shape, strides) = (sizes(&self.shape)?, sizes(&self.strides)?);
            let offset = usize::try_from(self.offset).ok()?;
            let elements = shape.iter().try_fold(1, |n: usize, &d| n.checked_mul(d))?;
            // One past the last element; a tensor with more elements than its storage would repeat them.
            let mut end = offset.checked_add(usize::from(elements > 0))?;
            if elements > 0 {
                for (length, stride) in shape.iter().zip(&strides) {
                    end = end.checked_add((length - 1).checked_mul(*stride)?)?;
                }
            }
            let fits = shape.len() == strides.len()
                && end <= storage.elements
                && elements <= storage.elements;
            fits.then_some((shape, strides, offset))
        };
        let (shape, strides, offset) = checked().ok_or(OUTSIDE)?;
        Ok(Entry {
            element: storage.element,
            shape,
            strides,
            range: range.start + offset * size..range.end,
        })
    }
}

fn parse_pickle(bytes: &[u8]) -> Result<Pickle, String> {
    let mut allowed = vec!["collections OrderedDict"];
    allowed.extend(REBUILD_TENSOR);
    allowed.extend(REBUILD_PARAMETER);
    allowed.extend(STORAGES.map(|(name, _)| name));
    Pickle::parse(bytes, &allowed)
}

/// Every storage that the pickle names, by key. Its persistent ids are ("storage", class, key, device, elements) and, in
/// old files, what part of another storage it is.
fn storages(pickle: &Pickle) -> Result<BTreeMap<String, Storage>, String> {
    let mut found = BTreeMap::new();
    for object in pickle.objects() {
        let Object::Persistent(id) = *object else {
            continue;
        };
        let read = || {
            let [kind, class, key, _, elements, ref rest @ ..] = *pickle.tuple(id)? else {
                return None;
            };
            let whole = rest.iter().all(|&r| matches!(pickle.get(r), Object::None));
            let Object::Global(class) = *pickle.get(class) else {
                return None;
            };
            let (_, element) = STORAGES.into_iter().find(|(name, _)| *name == class)?;
            let elements = usize::try_from(pickle.int(elements)?).ok()?;
            let storage = Storage { element, elements };
            (whole && pickle.str(kind)? == "storage")
                .then_some((pickle.str(key)?.to_owned(), storage))
        };
        let (key, storage) =
            read().ok_or("its pickle has a storage of an unknown kind: save the model again")?;
        found.insert(key, storage);
    }
    Ok(found)
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
    let storages = storages(&pickle)?;
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
    let storages = storages(&pickle)?;
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
        let end = storage.elements.checked_mul(storage.element.size);
        let end = end.and_then(|length| start.checked_add(length));
        let end = end.filter(|&end| end <= bytes.len()).ok_or(TRUNCATED)?;
        layout.insert(key.clone(), start..end);
        at = end;
    }
    Ok((pickle, storages, layout))
}
