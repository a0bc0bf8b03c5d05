//! The end of a greedy step: `shaders/argmax.wgsl`.

use super::grid;
use crate::gpu::{Access, Binding, Buffer, Gpu, Kernel, Plan, Target};

const BINDINGS: &[Access] = &[Access::Read, Access::ReadWrite, Access::ReadWrite];

fn kernel(target: Target) -> Kernel {
    let threads = match target {
        Target::Hardware => 256,
        // Where they run one after the other, more than a vector of them only wait for each other.
        Target::Software { lanes } => lanes,
    };
    Kernel {
        name: "argmax",
        constants: format!("const THREADS: u32 = {threads}u;\n"),
        parts: vec![include_str!("../../shaders/argmax.wgsl")],
        bindings: BINDINGS,
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
    log_steps: u32,
}

/// Each row's likeliest token, the lowest index among the largest logits, becomes what the row is fed next.
pub struct Argmax {
    binding: Binding,
    width: usize,
    log_steps: usize,
    max_rows: usize,
}

impl Argmax {
    /// `logits`: `[max_rows, width]`; `rows`: `[max_rows]` of `{token, position, slot, source}`, u32 each, of which the
    /// token is replaced and the position raised by one; `log`: `[log_steps, max_rows]` u32. In a step of `n` rows, row i
    /// at position p writes its token down at `[p % log_steps, i]` of `[log_steps, n]`.
    pub fn new(
        gpu: &Gpu,
        logits: &Buffer,
        width: usize,
        rows: &Buffer,
        log: &Buffer,
        log_steps: usize,
    ) -> Argmax {
        let max_rows = (logits.size() as usize / (width * 4))
            .min(rows.size() as usize / 16)
            .min(log.size() as usize / (log_steps * 4));
        Argmax {
            binding: gpu.bind(BINDINGS, &[logits, rows, log]),
            width,
            log_steps,
            max_rows,
        }
    }

    /// Ends a step of the first `rows` rows.
    pub fn record(&self, gpu: &Gpu, rows: usize, plan: &mut Plan) {
        assert!(
            rows <= self.max_rows,
            "argmax: {rows} rows, room for {}",
            self.max_rows
        );
        let params = Params {
            rows: rows as u32,
            width: self.width as u32,
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
