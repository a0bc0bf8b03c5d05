//! The end of a greedy step: `shaders/argmax.wgsl`.

use super::grid;
use crate::gpu::{Access, Binding, Buffer, Gpu, Kernel, Plan, Target};

const BINDINGS: &[Access] = &[Access::Read, Access::ReadWrite, Access::ReadWrite];

fn kernel(target: Target) -> Kernel {
    let threads = match target {
        Target::Hardware { .. } => 256,
        // Where they run one after the other, more than a vector of them only wait for each other.
        Target::Software { lanes } => lanes,
    };
    Kernel {
        name: "argmax",
        constants: format!("const THREADS: u32 = {threads}u;\n"),
        parts: vec![include_str!("../../shaders/argmax.wgsl")],
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
    width: u32,
    stride: u32,
    log_steps: u32,
}

/// Each row's likeliest token, the lowest index among the largest logits, becomes what the row is fed next. Where logits
/// are not finite, `u32::MAX` is written down for it.
pub struct Argmax {
    binding: Binding,
    stride: usize,
    log_steps: usize,
    max_rows: usize,
}

impl Argmax {
    /// `best`: `[max_rows, out_width]`, as [`super::Epilogue::Best`] leaves the logits; `rows`: `[max_rows]` of
    /// `{token, position, slot, source}`, u32 each, of which the token is replaced and the position raised by one; `log`:
    /// `[log_steps, max_rows]` u32. In a step of `n` rows, row i at position p writes its token down at
    /// `[p % log_steps, i]` of `[log_steps, n]`.
    pub fn new(
        gpu: &Gpu,
        best: &Buffer,
        out_width: usize,
        rows: &Buffer,
        log: &Buffer,
        log_steps: usize,
    ) -> Argmax {
        let max_rows = (best.size() as usize / (out_width * 4))
            .min(rows.size() as usize / 16)
            .min(log.size() as usize / (log_steps * 4));
        Argmax {
            binding: gpu.bind(BINDINGS, &[best, rows, log]),
            stride: out_width / 2,
            log_steps,
            max_rows,
        }
    }

    /// Ends a step of the first `rows` rows, each with so many pairs.
    pub fn record(&self, gpu: &Gpu, rows: usize, pairs: usize, plan: &mut Plan) {
        assert!(
            rows <= self.max_rows && pairs <= self.stride,
            "argmax: {rows} rows of {pairs}, room for {} of {}",
            self.max_rows,
            self.stride
        );
        let params = Params {
            rows: rows as u32,
            width: pairs as u32,
            stride: self.stride as u32,
            log_steps: self.log_steps as u32,
        };
        plan.push(
            gpu.pipeline(&kernel(gpu.target())),
            &self.binding,
            params,
            grid(gpu, rows),
        );
    }
}
