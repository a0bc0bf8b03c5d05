//! Inputs of int8 linear layers, quantised row by row: `shaders/quantize.wgsl`.

use super::{Norm, grid};
use crate::Result;
use crate::gpu::{Access, Binding, Buffer, Gpu, Kernel, Plan};

const BINDINGS: &[Access] = &[
    Access::Read,
    Access::Read,
    Access::ReadWrite,
    Access::ReadWrite,
];

fn kernel(norm: bool) -> Kernel {
    Kernel {
        name: "quantize",
        constants: format!("const NORM: bool = {norm};\n"),
        parts: vec![include_str!("../../shaders/quantize.wgsl")],
        bindings: BINDINGS,
    }
}

pub(super) fn variants() -> Vec<Kernel> {
    vec![kernel(false), kernel(true)]
}

/// Room for quantised rows; linear layers that run one after the other share it.
pub struct Quantized {
    /// `[rows, width]` int8
    pub values: Buffer,
    /// `[rows]` f32: what a row's values are multiplied by.
    pub scales: Buffer,
}

impl Quantized {
    /// Room for `rows` rows of at most `width`.
    ///
    /// # Errors
    /// Those of [`Gpu::buffer`].
    pub fn new(gpu: &Gpu, rows: usize, width: usize) -> Result<Quantized> {
        Ok(Quantized {
            values: gpu.buffer("quantised inputs", (rows * width) as u64)?,
            scales: gpu.buffer("quantised inputs' scales", (rows * 4) as u64)?,
        })
    }
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    rows: u32,
    width4: u32,
    width: f32,
    eps: f32,
    first: u32,
}

/// Quantises rows of `x`, normalised first where there is a norm.
pub(super) struct Quantize {
    binding: Binding,
    params: Params,
    norm: bool,
    max_rows: usize,
}

impl Quantize {
    /// `x`: `[rows, width]` f32, padded width.
    pub fn new(
        gpu: &Gpu,
        x: &Buffer,
        width: usize,
        norm: Option<Norm<'_>>,
        out: &Quantized,
    ) -> Quantize {
        let rows = [
            x.size() as usize / (width * 4),
            out.values.size() as usize / width,
        ];
        // Without a norm the gain is never read; any buffer will do.
        let gain = norm.map_or(x, |norm| norm.gain);
        Quantize {
            binding: gpu.bind(BINDINGS, &[x, gain, &out.values, &out.scales]),
            params: Params {
                rows: 0,
                width4: width as u32 / 4,
                width: norm.map_or(1.0, |norm| norm.width as f32),
                eps: norm.map_or(0.0, |norm| norm.eps),
                first: 0,
            },
            norm: norm.is_some(),
            max_rows: rows[0].min(rows[1]).min(out.scales.size() as usize / 4),
        }
    }

    /// Quantises rows `first..first + rows`.
    pub fn record(&self, gpu: &Gpu, first: usize, rows: usize, plan: &mut Plan) {
        assert!(
            first + rows <= self.max_rows,
            "quantize: {first} + {rows} rows, room for {}",
            self.max_rows
        );
        let params = Params {
            rows: rows as u32,
            first: first as u32,
            ..self.params
        };
        plan.push(
            gpu.pipeline(&kernel(self.norm)),
            &self.binding,
            params,
            grid(gpu, rows),
        );
    }
}
