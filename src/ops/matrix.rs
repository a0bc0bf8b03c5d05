//! Weight matrices on the device: f32 or f16, rows padded, split where one binding cannot reach all of them.

use std::str::FromStr;

use half::slice::HalfFloatSliceExt;

use super::ALIGN;
use crate::gpu::{Buffer, Gpu};
use crate::{Error, Result};

/// How weights are kept on the GPU; arithmetic is f32 either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightDType {
    /// Four bytes a weight: the tokens of transformers in f32.
    #[default]
    F32,
    /// Two bytes a weight: half the memory, more speed, logits off by about 1e-2.
    F16,
}

impl WeightDType {
    /// Bytes a weight.
    pub fn size(self) -> usize {
        match self {
            WeightDType::F32 => 4,
            WeightDType::F16 => 2,
        }
    }

    /// The name that `--dtype` takes.
    pub fn name(self) -> &'static str {
        match self {
            WeightDType::F32 => "f32",
            WeightDType::F16 => "f16",
        }
    }

    /// The WGSL that reads weights of this type.
    pub(super) fn wgsl(self) -> &'static str {
        match self {
            WeightDType::F32 => include_str!("../../shaders/weights_f32.wgsl"),
            WeightDType::F16 => include_str!("../../shaders/weights_f16.wgsl"),
        }
    }
}

impl FromStr for WeightDType {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "f32" => Ok(WeightDType::F32),
            "f16" => Ok(WeightDType::F16),
            _ => Err(Error::Unsupported {
                what: "dtype",
                found: name.into(),
                supported: "f32, f16".into(),
            }),
        }
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
        let mut halves = vec![
            half::f16::ZERO;
            if dtype == WeightDType::F16 {
                block_rows * width
            } else {
                0
            }
        ];
        let mut parts = Vec::new();
        for first in (0..rows).step_by(rows_a_part) {
            let part_rows = rows_a_part.min(rows - first);
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
                            let halves = &mut halves[..block.len()];
                            halves.convert_from_f32_slice(block);
                            write(offset, bytemuck::cast_slice(halves));
                        }
                    }
                }
            })?;
            parts.push(Part {
                buffer,
                first,
                rows: part_rows,
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

    /// Padded width, that is inputs of the linear layer.
    pub fn width(&self) -> usize {
        self.width
    }
}
