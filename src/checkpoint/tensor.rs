//! One named tensor, its bytes as they lie in the file.

use std::borrow::Cow;
use std::ops::Range;

/// Element types a checkpoint may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DType {
    /// Four bytes, IEEE single precision.
    F32,
    /// Two bytes, IEEE half precision.
    F16,
    /// Two bytes, the upper half of an f32.
    BF16,
}

impl DType {
    /// Bytes an element.
    pub fn size(self) -> usize {
        match self {
            DType::F32 => 4,
            DType::F16 | DType::BF16 => 2,
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

    /// Elements `range`, in row-major order, as f32, into `out`, which must have the range's length.
    pub fn read_f32(&self, range: Range<usize>, out: &mut [f32]) {
        assert_eq!(range.len(), out.len());
        let size = self.dtype.size();
        let bytes = &self.data[range.start * size..range.end * size];
        match self.dtype {
            DType::F32 => {
                for (o, b) in out.iter_mut().zip(bytes.chunks_exact(4)) {
                    *o = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
                }
            }
            DType::F16 => {
                for (o, b) in out.iter_mut().zip(bytes.chunks_exact(2)) {
                    *o = half::f16::from_le_bytes([b[0], b[1]]).to_f32();
                }
            }
            DType::BF16 => {
                for (o, b) in out.iter_mut().zip(bytes.chunks_exact(2)) {
                    *o = half::bf16::from_le_bytes([b[0], b[1]]).to_f32();
                }
            }
        }
    }

    /// All elements as f32.
    pub fn to_f32(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.len()];
        self.read_f32(0..self.len(), &mut out);
        out
    }
}
