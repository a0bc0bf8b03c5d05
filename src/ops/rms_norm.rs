//! T5LayerNorm on its own, for hidden states that leave the model: `shaders/rms_norm.wgsl`. Linear layers fuse theirs.

use super::{Norm, grid};
use crate::gpu::{Access, Binding, Gpu, Kernel, Plan, Target, Texels};

const BINDINGS: &[Access] = &[Access::ReadTexels, Access::ReadTexels, Access::WriteTexels];

fn kernel(target: Target) -> Kernel {
    Kernel {
        name: "rms_norm",
        constants: target.wgsl_to_read(0, "x")
            + &target.wgsl_to_read(1, "gain")
            + &target.wgsl_to_write(2, "out"),
        parts: vec![include_str!("../../shaders/rms_norm.wgsl")],
        bindings: BINDINGS.to_vec(),
    }
}

pub(super) fn variants() -> Vec<Kernel> {
    Target::ALL.map(kernel).to_vec()
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    rows: u32,
    width4: u32,
    width: f32,
    eps: f32,
}

/// `out = x * rsqrt(mean(x^2) + eps) * gain`, row by row.
pub struct RmsNorm {
    binding: Binding,
    params: Params,
    max_rows: usize,
}

impl RmsNorm {
    /// `x` and `out`: `[rows, padded width]`, the padded width being that of `norm.gain`.
    pub fn new(gpu: &Gpu, x: &Texels, norm: &Norm<'_>, out: &Texels) -> RmsNorm {
        let width = norm.gain.len() as usize * 4;
        assert!(norm.width <= width);
        RmsNorm {
            binding: gpu.bind(BINDINGS, &[x, norm.gain, out]),
            params: Params {
                rows: 0,
                width4: width as u32 / 4,
                width: norm.width as f32,
                eps: norm.eps,
            },
            max_rows: x.size().min(out.size()) as usize / (width * 4),
        }
    }

    /// Normalises the first `rows` rows.
    pub fn record(&self, gpu: &Gpu, rows: usize, plan: &mut Plan) {
        assert!(
            rows <= self.max_rows,
            "rms_norm: {rows} rows, room for {}",
            self.max_rows
        );
        let params = Params {
            rows: rows as u32,
            ..self.params
        };
        plan.push(
            gpu.pipeline(&kernel(gpu.target())),
            &self.binding,
            params,
            grid(gpu, rows),
        );
    }
}
