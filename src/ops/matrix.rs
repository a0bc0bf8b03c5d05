//! Weight matrices on the device: f32, f16 or int8, rows padded, split where one binding cannot reach all of them, and
//! laid out as the kernels of the adapter's kind read them.

use std::str::FromStr;

use half::slice::HalfFloatSliceExt;

use super::ALIGN;
use crate::gpu::{Buffer, Gpu, TEXEL_BYTES, Target, Texels};
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

    /// The largest magnitude of a weight: what is larger, this type does not keep as a number.
    pub(crate) fn largest(self) -> f32 {
        match self {
            WeightDType::F32 | WeightDType::Int8 => f32::MAX,
            // The next one lies as near to the first power of two that f16 lacks, and becomes infinity.
            WeightDType::F16 => 65520f32.next_down(),
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

    /// The WGSL that unpacks weights of this type.
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
    pub(super) weights: Texels,
    pub(super) first: usize,
    pub(super) rows: usize,
    /// What each row is multiplied by: int8 alone.
    pub(super) scales: Option<Buffer>,
}

/// The WGSL that says at which texel `k` of a row lies, by kind of adapter, and the constants that it is written in terms of.
pub(super) fn layout_wgsl(target: Target) -> (&'static str, String) {
    match target {
        Target::Hardware { .. } => (
            include_str!("../../shaders/layout_rows.wgsl"),
            String::new(),
        ),
        Target::Software { lanes } => (
            include_str!("../../shaders/layout_blocks.wgsl"),
            format!(
                "const LANES: u32 = {lanes}u;\nconst BLOCK: u32 = {}u;\nconst RUN: u32 = {RUN}u;\n",
                block_rows(lanes)
            ),
        ),
    }
}

/// Columns that a thread takes at most on software adapters.
pub(super) const LANE_COLUMNS: usize = 16;

/// Neighbouring rows that a thread takes on software adapters, one after the other: two texels of output, or one of a gate.
pub(super) const RUN: usize = 8;

/// Rows that are interleaved on software adapters: `shaders/layout_blocks.wgsl`.
fn block_rows(lanes: usize) -> usize {
    LANE_COLUMNS * lanes
}

/// The row of a block whose texel lies `position`th among those of the same k: of `lanes` threads each takes every
/// `lanes`th texel, and finds [`RUN`] rows next to each other.
fn row_at(position: usize, lanes: usize) -> usize {
    let (turn, lane) = (position / lanes, position % lanes);
    turn / RUN * (RUN * lanes) + RUN * lane + turn % RUN
}

/// Bytes of rows that are converted and copied at a time.
const CHUNK_BYTES: usize = 1 << 20;

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
        // Whole runs a part keep together what a thread writes at once, and the pairs of a gated feed-forward.
        let rows_a_binding = gpu.max_texels_bytes() as usize / row_bytes;
        let mut rows_a_part = (rows_a_binding - rows_a_binding % RUN).max(RUN);
        let mut chunk_rows = (CHUNK_BYTES / row_bytes).max(1);
        let lanes = match gpu.target() {
            Target::Hardware { .. } => None,
            Target::Software { lanes } => Some(lanes),
        };
        if let Some(lanes) = lanes {
            chunk_rows = block_rows(lanes);
            if rows_a_part > chunk_rows {
                rows_a_part -= rows_a_part % chunk_rows;
            }
        }
        let mut floats = vec![0.0f32; chunk_rows * width];
        let mut parts = Vec::new();
        for first in (0..rows).step_by(rows_a_part) {
            let part_rows = rows_a_part.min(rows - first);
            let stored_rows = match lanes {
                Some(lanes) => part_rows.next_multiple_of(block_rows(lanes)),
                None => part_rows,
            };
            let mut scales = Vec::new();
            let bytes = (stored_rows * row_bytes) as u64;
            let weights = gpu.texels_filled(label, bytes, |write| {
                for start in (0..part_rows).step_by(chunk_rows) {
                    let count = chunk_rows.min(part_rows - start);
                    let chunk = &mut floats[..count * width];
                    chunk.fill(0.0);
                    for (i, row) in chunk.chunks_exact_mut(width).enumerate() {
                        fill(first + start + i, row);
                    }
                    let mut packed = pack(dtype, chunk, width, &mut scales);
                    if let Some(lanes) = lanes {
                        packed = interleave(&packed, row_bytes, lanes);
                    }
                    write((start * row_bytes) as u64, &packed);
                }
            })?;
            let scales = match dtype {
                WeightDType::Int8 => Some(gpu.buffer_from(label, &scales)?),
                _ => None,
            };
            parts.push(Part {
                weights,
                first,
                rows: part_rows,
                scales,
            });
            gpu.wait()?;
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

/// Rows of floats as they are stored; int8 adds the scale of each row to `scales`.
fn pack(dtype: WeightDType, rows: &[f32], width: usize, scales: &mut Vec<f32>) -> Vec<u8> {
    match dtype {
        WeightDType::F32 => bytemuck::cast_slice(rows).to_vec(),
        WeightDType::F16 => {
            let mut halves = vec![half::f16::ZERO; rows.len()];
            halves.convert_from_f32_slice(rows);
            bytemuck::cast_slice(&halves).to_vec()
        }
        WeightDType::Int8 => {
            let mut bytes = Vec::with_capacity(rows.len());
            for row in rows.chunks_exact(width) {
                let (values, scale) = quantize(row);
                bytes.extend(values);
                scales.push(scale);
            }
            bytemuck::cast_slice(&bytes).to_vec()
        }
    }
}

/// A block of rows with the texels of the same k side by side; rows that are missing become zeros.
fn interleave(rows: &[u8], row_bytes: usize, lanes: usize) -> Vec<u8> {
    let texel = TEXEL_BYTES as usize;
    let block_rows = block_rows(lanes);
    let mut block = vec![0; block_rows * row_bytes];
    for (k, texels) in block.chunks_exact_mut(block_rows * texel).enumerate() {
        for (position, to) in texels.chunks_exact_mut(texel).enumerate() {
            let from = row_at(position, lanes) * row_bytes + k * texel;
            if let Some(from) = rows.get(from..from + texel) {
                to.copy_from_slice(from);
            }
        }
    }
    block
}
