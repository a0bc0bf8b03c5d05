//! Tensors of a `torch.save`'s pickle: views of storages, which lie outside of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use super::DType;
use super::pickle::{Object, Pickle, Ref};

/// A tensor: a view of a storage.
pub(super) struct Entry {
    pub dtype: DType,
    pub shape: Vec<usize>,
    /// In elements.
    strides: Vec<usize>,
    /// Of the storage from the tensor's first element on, within the whole file.
    range: Range<usize>,
}

/// A storage that the pickle names.
pub(super) struct Storage {
    /// PyTorch's name for its type.
    kind: &'static str,
    element_size: usize,
    pub elements: usize,
}

impl Storage {
    /// Bytes of all elements.
    pub fn size(&self) -> Option<usize> {
        self.elements.checked_mul(self.element_size)
    }
}

/// Where each storage's bytes lie, by its key.
pub(super) type Layout = BTreeMap<String, Range<usize>>;

/// PyTorch's storage classes and the bytes of an element, and the type of tensors over them where they are numbers.
const STORAGES: [(&str, usize, Option<DType>); 18] = [
    ("DoubleStorage", 8, Some(DType::F64)),
    ("FloatStorage", 4, Some(DType::F32)),
    ("HalfStorage", 2, Some(DType::F16)),
    ("BFloat16Storage", 2, Some(DType::BF16)),
    ("LongStorage", 8, Some(DType::I64)),
    ("IntStorage", 4, Some(DType::I32)),
    ("ShortStorage", 2, Some(DType::I16)),
    ("CharStorage", 1, Some(DType::I8)),
    ("ByteStorage", 1, Some(DType::U8)),
    ("BoolStorage", 1, Some(DType::Bool)),
    ("ComplexFloatStorage", 8, None),
    ("ComplexDoubleStorage", 16, None),
    ("QInt8Storage", 1, None),
    ("QUInt8Storage", 1, None),
    ("QInt32Storage", 4, None),
    ("QUInt4x2Storage", 1, None),
    ("QUInt2x4Storage", 1, None),
    // Of the tensors that name their type themselves.
    ("UntypedStorage", 1, None),
];

/// PyTorch's names for the types of tensors over an untyped storage.
const UNTYPED: [(&str, DType); 7] = [
    ("float8_e4m3fn", DType::F8E4M3),
    ("float8_e5m2", DType::F8E5M2),
    ("float8_e4m3fnuz", DType::F8E4M3Fnuz),
    ("float8_e5m2fnuz", DType::F8E5M2Fnuz),
    ("uint64", DType::U64),
    ("uint32", DType::U32),
    ("uint16", DType::U16),
];

/// What a tensor with more elements than its storage, which repeats some, may take once it is written out.
const REPEATED_BYTES: usize = 1 << 26;

impl Entry {
    /// Elements in row-major order.
    pub fn data<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let size = self.dtype.size();
        let storage = &bytes[self.range.clone()];
        let elements: usize = self.shape.iter().product();
        if elements == 0 || self.is_contiguous() {
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

/// A tensor as the pickle describes it, or what it is instead of a dense one.
pub(super) enum View {
    Dense {
        storage: String,
        offset: i64,
        shape: Vec<i64>,
        strides: Vec<i64>,
        /// PyTorch's name for the type, where the storage does not say it.
        kind: Option<String>,
    },
    /// The function that would make it.
    Other(String),
}

impl View {
    /// `None` for what is no tensor.
    pub fn read(pickle: &Pickle, value: Ref) -> Option<Self> {
        let Object::Call {
            callable,
            arguments,
        } = pickle.get(value)
        else {
            return None;
        };
        let arguments = pickle.tuple(*arguments)?;
        let first = || Some(pickle.get(*arguments.first()?));
        match callable.strip_prefix("torch._utils ") {
            // A parameter's first argument is its tensor; a parameter of a parameter is none.
            Some("_rebuild_parameter" | "_rebuild_parameter_with_state") => match first()? {
                Object::Call {
                    callable,
                    arguments,
                } if !callable.contains("_parameter") => {
                    View::made_by(pickle, callable, pickle.tuple(*arguments)?)
                }
                _ => None,
            },
            _ if **callable == *"torch._tensor _rebuild_from_type_v2" => match first()? {
                Object::Global(function) => {
                    View::made_by(pickle, function, pickle.tuple(*arguments.get(2)?)?)
                }
                _ => None,
            },
            Some(_) => View::made_by(pickle, callable, arguments),
            None => None,
        }
    }

    fn made_by(pickle: &Pickle, function: &str, arguments: &[Ref]) -> Option<Self> {
        let function = function.strip_prefix("torch._utils _rebuild_")?;
        if !matches!(function, "tensor" | "tensor_v2" | "tensor_v3") {
            return Some(View::Other(function.to_owned()));
        }
        let [storage, offset, shape, strides, ref rest @ ..] = *arguments else {
            return None;
        };
        let (kind, metadata) = match (function, rest) {
            ("tensor_v3", [_, _, kind, metadata @ ..]) => match pickle.get(*kind) {
                Object::Global(kind) => (Some(kind.strip_prefix("torch ")?.to_owned()), metadata),
                _ => return None,
            },
            (_, [_, _, metadata @ ..]) => (None, metadata),
            _ => (None, &[][..]),
        };
        // Numbers of which the storage has the negative or the conjugate.
        let is_plain = |&facts: &Ref| match pickle.get(facts) {
            Object::None => true,
            Object::Dict(facts) => facts.is_empty(),
            _ => false,
        };
        if !metadata.iter().all(is_plain) {
            return Some(View::Other("tensor with metadata".into()));
        }
        let Object::Persistent(id) = *pickle.get(storage) else {
            return None;
        };
        let ints = |object| -> Option<Vec<i64>> {
            let items = pickle.tuple(object)?;
            items.iter().map(|&item| pickle.int(item)).collect()
        };
        Some(View::Dense {
            storage: pickle.str(*pickle.tuple(id)?.get(2)?)?.to_owned(),
            offset: pickle.int(offset)?,
            shape: ints(shape)?,
            strides: ints(strides)?,
            kind,
        })
    }

    /// The tensor with its place in the file, or what kind of tensor it is that is none of numbers.
    ///
    /// # Errors
    /// What is wrong with the file: not every element lies in the storage, or that in the file.
    pub fn locate(
        &self,
        storages: &BTreeMap<String, Storage>,
        layout: &Layout,
    ) -> Result<Result<Entry, String>, String> {
        const OUTSIDE: &str = "reaches outside of its storage: the file is corrupt, fetch it again";
        let (key, offset, shape, strides, kind) = match self {
            View::Dense {
                storage,
                offset,
                shape,
                strides,
                kind,
            } => (storage, *offset, shape, strides, kind),
            View::Other(function) => return Ok(Err(function.clone())),
        };
        let Some(storage) = storages.get(key) else {
            return Ok(Err("unknown storage".into()));
        };
        let range = layout.get(key);
        let range = range.ok_or("lies in a storage that is missing: fetch the file again")?;
        if storage.size() != Some(range.len()) {
            return Err("lies in a storage of another size: fetch the file again".into());
        }
        let dtype = match kind {
            Some(kind) => UNTYPED
                .iter()
                .find(|(name, _)| name == kind)
                .map(|&(_, dtype)| dtype),
            None => STORAGES
                .iter()
                .find(|(name, ..)| *name == storage.kind)
                .and_then(|s| s.2),
        };
        let Some(dtype) = dtype else {
            return Ok(Err(kind.clone().unwrap_or_else(|| storage.kind.into())));
        };
        let size = dtype.size();
        let sizes = |values: &[i64]| -> Option<Vec<usize>> {
            values.iter().map(|&v| usize::try_from(v).ok()).collect()
        };
        let checked = || {
            let (shape, strides) = (sizes(shape)?, sizes(strides)?);
            let offset = usize::try_from(offset).ok()?;
            let elements = shape.iter().try_fold(1, |n: usize, &d| n.checked_mul(d))?;
            // One past the last element.
            let mut end = offset.checked_add(usize::from(elements > 0))?;
            if elements > 0 {
                for (length, stride) in shape.iter().zip(&strides) {
                    end = end.checked_add((length - 1).checked_mul(*stride)?)?;
                }
            }
            let held = range.len() / size;
            let fits = shape.len() == strides.len() && end <= held;
            let repeats = elements > held && elements > REPEATED_BYTES / size;
            fits.then_some((shape, strides, offset, repeats))
        };
        let (shape, strides, offset, repeats) = checked().ok_or(OUTSIDE)?;
        if repeats {
            return Ok(Err("a few numbers repeated beyond measure".into()));
        }
        Ok(Ok(Entry {
            dtype,
            shape,
            strides,
            range: range.start + offset * size..range.end,
        }))
    }
}

/// Every storage of a known kind that the pickle names, by key. Its persistent ids are ("storage", class, key, device,
/// elements) and, in old files, what part of another storage it is.
pub(super) fn storages(pickle: &Pickle) -> BTreeMap<String, Storage> {
    let read = |object: &Object| {
        let Object::Persistent(id) = *object else {
            return None;
        };
        let [tag, class, key, _, elements, ref rest @ ..] = *pickle.tuple(id)? else {
            return None;
        };
        let whole = rest.iter().all(|&r| matches!(pickle.get(r), Object::None));
        let Object::Global(class) = pickle.get(class) else {
            return None;
        };
        let (_, class) = class.split_once(' ')?;
        let &(kind, element_size, _) = STORAGES.iter().find(|(name, ..)| *name == class)?;
        let storage = Storage {
            kind,
            element_size,
            elements: usize::try_from(pickle.int(elements)?).ok()?,
        };
        (whole && pickle.str(tag)? == "storage").then_some((pickle.str(key)?.to_owned(), storage))
    };
    pickle.objects().iter().filter_map(read).collect()
}
