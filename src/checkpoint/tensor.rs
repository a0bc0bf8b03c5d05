//! One named tensor, its bytes as they lie in the file.

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::Range;

use super::float8;
use crate::Error;

/// Element types a checkpoint may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DType {
    /// Eight bytes, IEEE double precision.
    F64,
    /// Four bytes, IEEE single precision.
    F32,
    /// Two bytes, IEEE half precision.
    F16,
    /// Two bytes, the upper half of an f32.
    BF16,
    /// One byte: four bits of exponent, three of mantissa, NaN but no infinity (PyTorch's `float8_e4m3fn`).
    F8E4M3,
    /// One byte: five bits of exponent, two of mantissa, as the upper half of an f16 (PyTorch's `float8_e5m2`).
    F8E5M2,
    /// As [`DType::F8E4M3`], its exponent off by one, with one NaN and no negative zero (PyTorch's `float8_e4m3fnuz`).
    F8E4M3Fnuz,
    /// As [`DType::F8E5M2`], its exponent off by one, with one NaN, no infinity and no negative zero (PyTorch's
    /// `float8_e5m2fnuz`).
    F8E5M2Fnuz,
    /// Eight bytes, an integer.
    I64,
    /// Four bytes, an integer.
    I32,
    /// Two bytes, an integer.
    I16,
    /// One byte, an integer.
    I8,
    /// Eight bytes, an integer without a sign.
    U64,
    /// Four bytes, an integer without a sign.
    U32,
    /// Two bytes, an integer without a sign.
    U16,
    /// One byte, an integer without a sign.
    U8,
    /// One byte, 0 or 1.
    Bool,
}

impl DType {
    /// Every type.
    pub const ALL: [DType; 17] = [
        DType::F64,
        DType::F32,
        DType::F16,
        DType::BF16,
        DType::F8E4M3,
        DType::F8E5M2,
        DType::F8E4M3Fnuz,
        DType::F8E5M2Fnuz,
        DType::I64,
        DType::I32,
        DType::I16,
        DType::I8,
        DType::U64,
        DType::U32,
        DType::U16,
        DType::U8,
        DType::Bool,
    ];

    /// The name that safetensors' headers have for it.
    pub fn name(self) -> &'static str {
        match self {
            DType::F64 => "F64",
            DType::F32 => "F32",
            DType::F16 => "F16",
            DType::BF16 => "BF16",
            DType::F8E4M3 => "F8_E4M3",
            DType::F8E5M2 => "F8_E5M2",
            DType::F8E4M3Fnuz => "F8_E4M3FNUZ",
            DType::F8E5M2Fnuz => "F8_E5M2FNUZ",
            DType::I64 => "I64",
            DType::I32 => "I32",
            DType::I16 => "I16",
            DType::I8 => "I8",
            DType::U64 => "U64",
            DType::U32 => "U32",
            DType::U16 => "U16",
            DType::U8 => "U8",
            DType::Bool => "BOOL",
        }
    }

    /// The error for tensor `of`, whose elements are `found`, which no type here is.
    pub(super) fn unsupported(found: impl Display, of: &str) -> Error {
        Error::Unsupported {
            what: "tensor",
            found: format!("{of} ({found})"),
            supported: format!("those of {}", DType::ALL.map(DType::name).join(", ")),
        }
    }

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<DType> {
        DType::ALL.into_iter().find(|dtype| dtype.name() == name)
    }

    /// Bytes an element.
    pub fn size(self) -> usize {
        match self {
            DType::F64 | DType::I64 | DType::U64 => 8,
            DType::F32 | DType::I32 | DType::U32 => 4,
            DType::F16 | DType::BF16 | DType::I16 | DType::U16 => 2,
            DType::F8E4M3 | DType::F8E5M2 | DType::F8E4M3Fnuz | DType::F8E5M2Fnuz => 1,
            DType::I8 | DType::U8 | DType::Bool => 1,
        }
    }
}

/// A tensor in row-major order; its bytes are borrowed from the mapped file where they can be.
#[derive(Clone, Debug)]
pub struct Tensor<'a> {
    /// Its name in the checkpoint.
    pub name: String,
    /// The type of its elements.
    pub dtype: DType,
    /// Its dimensions; the last varies fastest.
    pub shape: Vec<usize>,
    /// Little-endian elements, `shape.product() * dtype.size()` bytes, of no particular alignment.
    pub data: Cow<'a, [u8]>,
}

impl Tensor<'_> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the tensor has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Elements `range`, in row-major order, as f32, into `out`, which must have the range's length. What f32 cannot hold
    /// becomes the nearest number that it can, or infinity, as in PyTorch.
    pub fn read_f32(&self, range: Range<usize>, out: &mut [f32]) {
        assert_eq!(range.len(), out.len());
        let size = self.dtype.size();
        let bytes = &self.data[range.start * size..range.end * size];
        match self.dtype {
            DType::F64 => convert(bytes, out, |b| f64::from_le_bytes(b) as f32),
            DType::F32 => convert(bytes, out, f32::from_le_bytes),
            DType::F16 => convert(bytes, out, |b| half::f16::from_le_bytes(b).to_f32()),
            DType::BF16 => convert(bytes, out, |b| half::bf16::from_le_bytes(b).to_f32()),
            DType::F8E4M3 => convert(bytes, out, |[b]| float8::E4M3[usize::from(b)]),
            DType::F8E5M2 => convert(bytes, out, |[b]| float8::E5M2[usize::from(b)]),
            DType::F8E4M3Fnuz => convert(bytes, out, |[b]| float8::E4M3_FNUZ[usize::from(b)]),
            DType::F8E5M2Fnuz => convert(bytes, out, |[b]| float8::E5M2_FNUZ[usize::from(b)]),
            DType::I64 => convert(bytes, out, |b| i64::from_le_bytes(b) as f32),
            DType::I32 => convert(bytes, out, |b| i32::from_le_bytes(b) as f32),
            DType::I16 => convert(bytes, out, |b| i16::from_le_bytes(b).into()),
            DType::I8 => convert(bytes, out, |b| i8::from_le_bytes(b).into()),
            DType::U64 => convert(bytes, out, |b| u64::from_le_bytes(b) as f32),
            DType::U32 => convert(bytes, out, |b| u32::from_le_bytes(b) as f32),
            DType::U16 => convert(bytes, out, |b| u16::from_le_bytes(b).into()),
            DType::U8 => convert(bytes, out, |[b]| b.into()),
            DType::Bool => convert(bytes, out, |[b]| (b != 0).into()),
        }
    }

    /// Element `at`, in row-major order: as f64, which holds what f32 does not.
    pub fn value(&self, at: usize) -> f64 {
        if self.dtype == DType::F64 {
            let (elements, _) = self.data.as_chunks();
            return f64::from_le_bytes(elements[at]);
        }
        let mut value = [0.0];
        self.read_f32(at..at + 1, &mut value);
        value[0].into()
    }

    /// All elements as f32.
    pub fn to_f32(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.len()];
        self.read_f32(0..self.len(), &mut out);
        out
    }
}

/// Elements of `N` bytes, one after the other.
fn convert<const N: usize>(bytes: &[u8], out: &mut [f32], read: impl Fn([u8; N]) -> f32) {
    let (elements, _) = bytes.as_chunks();
    for (out, element) in out.iter_mut().zip(elements) {
        *out = read(*element);
    }
}
