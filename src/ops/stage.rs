//! Inputs of linear layers made ready, row by row: `shaders/stage.wgsl`.

use super::tiling::Tiling;
use super::{Matrix, Norm, WeightDType, grid};
use crate::Result;
use crate::gpu::{
    Access, Binding, Buffer, Gpu, Kernel, Plan, Resource, TEXEL_BYTES, Target, Texels,
};

/// x, gain, staged, scales
const BINDINGS: &[Access] = &[
    Access::ReadTexels,
    Access::ReadTexels,
    Access::WriteTexels,
    Access::ReadWrite,
];

fn kernel(target: Target, int8: bool, norm: bool) -> Kernel {
    Kernel {
        name: "stage",
        constants: format!(
            "{}{}{}{}{}",
            row_constants(norm, int8),
            threads_constant(target),
            target.wgsl_to_read(0, "raw"),
            target.wgsl_to_read(1, "gain"),
            target.wgsl_to_write(2, "staged")
        ),
        parts: vec![
            include_str!("../../shaders/row_scale.wgsl"),
            include_str!("../../shaders/stage.wgsl"),
        ],
        bindings: BINDINGS.to_vec(),
    }
}

/// What `shaders/row_scale.wgsl` is written in terms of, besides [`threads_constant`].
pub(super) fn row_constants(normalise: bool, int8: bool) -> String {
    format!("const NORMALISE: bool = {normalise};\nconst INT8: bool = {int8};\n")
}

/// Threads that make a row ready: its sum of squares depends on how many there are.
pub(super) fn threads_constant(target: Target) -> String {
    format!("const THREADS: u32 = {}u;\n", Tiling::row_threads(target))
}

pub(super) fn variants() -> Vec<Kernel> {
    let mut kernels = Vec::new();
    for target in Target::ALL {
        for int8 in [false, true] {
            for norm in [false, true] {
                kernels.push(kernel(target, int8, norm));
            }
        }
    }
    kernels
}

/// Room for staged rows; linear layers that run one after the other share it.
pub struct Staged {
    /// `[rows, width]`, f32 or int8
    pub(super) values: Texels,
    /// `[rows]` f32: what the sums of a row are still to be multiplied by.
    pub(super) scales: Buffer,
}

impl Staged {
    /// Whether layers of this weight type take staged inputs: int8 weights do, and on software adapters, where each thread
    /// reads all of a row, floats are read faster so.
    pub fn needed(target: Target, dtype: WeightDType) -> bool {
        dtype == WeightDType::Int8 || matches!(target, Target::Software { .. })
    }

    /// Room for `rows` rows of at most `width`, as layers of this weight type read them.
    ///
    /// # Errors
    /// Those of [`Gpu::buffer`].
    pub fn new(gpu: &Gpu, rows: usize, width: usize, dtype: WeightDType) -> Result<Staged> {
        let bytes = rows * width / values_a_texel(dtype) * TEXEL_BYTES as usize;
        Ok(Staged {
            values: gpu.texels("staged inputs", bytes as u64)?,
            scales: gpu.buffer("staged inputs' scales", (rows * 4) as u64)?,
        })
    }
}

/// How many of a row's values a texel holds once they are ready for a product.
pub(super) fn values_a_texel(dtype: WeightDType) -> usize {
    match dtype {
        WeightDType::Int8 => 16,
        WeightDType::F32 | WeightDType::F16 => 4,
    }
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    rows: u32,
    texels: u32,
    width: f32,
    eps: f32,
    first: u32,
}

/// Stages rows of `x`, normalised first where there is a norm.
pub(super) struct Stage {
    binding: Binding,
    params: Params,
    int8: bool,
    norm: bool,
    max_rows: usize,
}

impl Stage {
    /// `x`: `[rows, width]` f32 for these weights, padded width.
    pub fn new(
        gpu: &Gpu,
        x: &Texels,
        norm: Option<Norm<'_>>,
        weights: &Matrix,
        out: &Staged,
    ) -> Stage {
        let Matrix { width, dtype, .. } = *weights;
        let texels_a_row = width / values_a_texel(dtype);
        let rows = [
            x.size() as usize / (width * 4),
            out.values.len() as usize / texels_a_row,
            out.scales.size() as usize / 4,
        ];
        // Without a norm the gain is never read; any texels will do.
        let gain = norm.map_or(&weights.parts[0].weights, |norm| norm.gain);
        let resources: [Resource<'_>; 4] = [
            x.into(),
            gain.into(),
            (&out.values).into(),
            (&out.scales).into(),
        ];
        Stage {
            binding: gpu.bind(BINDINGS, &resources),
            params: Params {
                rows: 0,
                texels: texels_a_row as u32,
                width: norm.map_or(1.0, |norm| norm.width as f32),
                eps: norm.map_or(0.0, |norm| norm.eps),
                first: 0,
            },
            int8: dtype == WeightDType::Int8,
            norm: norm.is_some(),
            max_rows: rows.into_iter().min().unwrap_or(0),
        }
    }

    /// Stages rows `first..first + rows`.
    pub fn record(&self, gpu: &Gpu, first: usize, rows: usize, plan: &mut Plan) {
        assert!(
            first + rows <= self.max_rows,
            "stage: {first} + {rows} rows, room for {}",
            self.max_rows
        );
        let params = Params {
            rows: rows as u32,
            first: first as u32,
            ..self.params
        };
        plan.push(
            gpu.pipeline(&kernel(gpu.target(), self.int8, self.norm)),
            &self.binding,
            params,
            grid(gpu, rows),
        );
    }
}
