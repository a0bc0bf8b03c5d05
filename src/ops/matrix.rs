//! Weight matrices on the device: f32, f16 or int8, rows padded, split where one binding cannot reach all of them.

use std::str::FromStr;

use half::slice::HalfFloatSliceExt;

use super::ALIGN;
use crate::gpu::{Buffer, Gpu};
use crate::reference::quantize;
use crate::{Error, Result};

/// How weights are kept on the GPU. Sums, norms, softmax and the residual stream are f32 with all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightDType {
    /// Four bytes a weight: the tokens of transformers in f32.
    #[default]
    F32,
    /// Two bytes a weight: half the memory, more speed, logits off by about 1e-2.
    F16,
    /// One byte a weight and a scale a row; the inputs of linear layers are quantised too, row by row. A quarter of the
    /// memory and the most speed, at some cost in quality.
    Int8,
}

impl WeightDType {
    /// Every type.
    pub const ALL: [WeightDType; 3] = [WeightDType::F32, WeightDType::F16, WeightDType::Int8];

    /// Bytes a weight.
    pub fn size(self) -> usize {
        match self {
            WeightDType::F32 => 4,
            WeightDType::F16 => 2,
            WeightDType::Int8 => 1,
        }
    }

    /// The name that `--dtype` takes.
    pub fn name(self) -> &'static str {
        match self {
            WeightDType::F32 => "f32",
            WeightDType::F16 => "f16",
            WeightDType::Int8 => "int8",
        }
    }

    /// Weights a 16-byte load brings.
    pub(super) fn a_load(self) -> usize {
        16 / self.size()
    }

    /// The WGSL that reads weights of this type.
    pub(super) fn wgsl(self) -> &'static str {
        match self {
            WeightDType::F32 => include_str!("../../shaders/weights_f32.wgsl"),
            WeightDType::F16 => include_str!("../../shaders/weights_f16.wgsl"),
            WeightDType::Int8 => include_str!("../../shaders/weights_int8.wgsl"),
        }
    }
}

impl FromStr for WeightDType {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        WeightDType::ALL
            .into_iter()
            .find(|dtype| dtype.name() == name)
            .ok_or_else(|| Error::Unsupported {
                what: "dtype",
                found: name.into(),
                supported: WeightDType::ALL.map(WeightDType::name).join(", "),
            })
    }
}

/// A matrix `[rows, width]` on the device, `width` a multiple of [`ALIGN`].
pub struct Matrix {
    pub(super) parts: Vec<Part>,
    pub(super) rows: usize,
    pub(super) width: usize,
    pub(super) dtype: WeightDType,
}

/// Consecutive rows of a matrix that one binding reaches.
pub(super) struct Part {
    pub(super) buffer: Buffer,
    pub(super) first: usize,
    pub(super) rows: usize,
    /// What each row is multiplied by: int8 alone.
    pub(super) scales: Option<Buffer>,
}

/// Rows that are converted and copied at a time.
const BLOCK_BYTES: usize = 1 << 20;

impl Matrix {
    /// Uploads a matrix whose rows `fill(row, out)` gives; `out` is zeroed and `width` long, of which `fill` writes what
    /// is not padding.
    ///
    /// # Errors
    /// Those of [`Gpu::buffer`].
    pub fn upload(
        gpu: &Gpu,
        label: &str,
        dtype: WeightDType,
        rows: usize,
        width: usize,
        mut fill: impl FnMut(usize, &mut [f32]),
    ) -> Result<Matrix> {
        assert!(
            rows > 0 && width > 0 && width.is_multiple_of(ALIGN),
            "{label}: {rows} x {width}"
        );
        let row_bytes = width * dtype.size();
        // An even number of rows a part keeps the interleaved pairs of a gated feed-forward together.
        let rows_a_part = ((gpu.max_binding_bytes() as usize / row_bytes) & !1).max(2);
        let block_rows = (BLOCK_BYTES / row_bytes).max(1);
        let mut floats = vec![0.0f32; block_rows * width];
        let mut parts = Vec::new();
        for first in (0..rows).step_by(rows_a_part) {
            let part_rows = rows_a_part.min(rows - first);
            let mut scales = Vec::new();
            let buffer = gpu.buffer_filled(label, (part_rows * row_bytes) as u64, |write| {
                for start in (0..part_rows).step_by(block_rows) {
                    let count = block_rows.min(part_rows - start);
                    let block = &mut floats[..count * width];
                    block.fill(0.0);
                    for (i, row) in block.chunks_exact_mut(width).enumerate() {
                        fill(first + start + i, row);
                    }
                    let offset = (start * row_bytes) as u64;
                    match dtype {
                        WeightDType::F32 => write(offset, bytemuck::cast_slice(block)),
                        WeightDType::F16 => {
                            let mut halves = vec![half::f16::ZERO; block.len()];
                            halves.convert_from_f32_slice(block);
                            write(offset, bytemuck::cast_slice(&halves));
                        }
                        WeightDType::Int8 => {
                            let mut bytes = Vec::with_capacity(block.len());
                            for row in block.chunks_exact(width) {
                                let (values, scale) = quantize(row);
                                bytes.extend(values);
                                scales.push(scale);
                            }
                            write(offset, bytemuck::cast_slice(&bytes));
                        }
                    }
                }
            })?;
            let scales = match dtype {
                WeightDType::Int8 => Some(gpu.buffer_from(label, &scales)?),
                _ => None,
            };
            parts.push(Part {
                buffer,
                first,
                rows: part_rows,
                scales,
            });
            gpu.flush()?;
        }
        Ok(Matrix {
            parts,
            rows,
            width,
            dtype,
        })
    }

    /// Rows, that is outputs of the linear layer.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How the weights are kept.
    pub fn dtype(&self) -> WeightDType {
        self.dtype
    }

    /// Padded width, that is inputs of the linear layer.
    pub fn width(&self) -> usize {
        self.width
    }
}
