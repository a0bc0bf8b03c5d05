//! The likeliest token of each row of logits: `shaders/argmax.wgsl`.

use super::grid;
use crate::gpu::{Access, Binding, Buffer, Gpu, Kernel, Plan};

const BINDINGS: &[Access] = &[Access::Read, Access::ReadWrite];

fn kernel() -> Kernel {
    Kernel {
        name: "argmax",
        constants: String::new(),
        parts: vec![include_str!("../../shaders/argmax.wgsl")],
        bindings: BINDINGS,
    }
}

pub(super) fn variants() -> Vec<Kernel> {
    vec![kernel()]
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    rows: u32,
    width: u32,
}

/// `tokens[i]` is the lowest index among the largest of row i.
pub struct Argmax {
    binding: Binding,
    width: usize,
    max_rows: usize,
}

impl Argmax {
    /// `logits`: `[rows, width]`; `tokens`: `[rows]` u32.
    pub fn new(gpu: &Gpu, logits: &Buffer, width: usize, tokens: &Buffer) -> Argmax {
        let max_rows = (logits.size() as usize / (width * 4)).min(tokens.size() as usize / 4);
        Argmax {
            binding: gpu.bind(BINDINGS, &[logits, tokens]),
            width,
            max_rows,
        }
    }

    /// Looks through the first `rows` rows.
    pub fn record(&self, gpu: &Gpu, rows: usize, plan: &mut Plan) {
        assert!(
            rows <= self.max_rows,
            "argmax: {rows} rows, room for {}",
            self.max_rows
        );
        let params = Params {
            rows: rows as u32,
            width: self.width as u32,
        };
        plan.push(
            gpu.pipeline(&kernel()),
            &self.binding,
            params,
            grid(gpu, rows),
        );
    }
}
