//! The end of a step whose tokens are chosen from a few candidates: `shaders/top_k.wgsl`.

use super::grid;
use crate::gpu::{Access, Binding, Buffer, Gpu, Kernel, Plan};

const BINDINGS: &[Access] = &[Access::Read, Access::ReadWrite];

fn kernel() -> Kernel {
    Kernel::single("top_k", include_str!("../../shaders/top_k.wgsl"), BINDINGS)
}

pub(super) fn variants() -> Vec<Kernel> {
    vec![kernel()]
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    rows: u32,
    width: u32,
    count: u32,
}

/// Each row's largest logits, and what makes log-probabilities of them.
pub struct TopK {
    binding: Binding,
    width: usize,
    /// Rows that there are logits of.
    max_rows: usize,
    /// Words that the rankings may take.
    room: usize,
}

impl TopK {
    /// `logits`: `[rows, width]`; `ranking`, u32 and the bits of f32: `[rows, 2 + 2 * count]` of the largest logit, the
    /// sum of exp(logit - largest) over the row or NaN where a logit is not finite, the `count` best tokens, the lowest first among equals, and their logits.
    pub fn new(gpu: &Gpu, logits: &Buffer, width: usize, ranking: &Buffer) -> TopK {
        TopK {
            binding: gpu.bind(BINDINGS, &[logits, ranking]),
            width,
            max_rows: logits.size() as usize / (width * 4),
            room: ranking.size() as usize / 4,
        }
    }

    /// Ranks the `count` best of the first `rows` rows.
    pub fn record(&self, gpu: &Gpu, rows: usize, count: usize, plan: &mut Plan) {
        assert!(
            rows <= self.max_rows && rows * (2 + 2 * count) <= self.room,
            "top_k: {count} of {rows} rows, room for {} rows and {} words",
            self.max_rows,
            self.room
        );
        assert!(
            (1..=self.width).contains(&count),
            "top_k: {count} of {} logits",
            self.width
        );
        let params = Params {
            rows: rows as u32,
            width: self.width as u32,
            count: count as u32,
        };
        plan.push(
            gpu.pipeline(&kernel()),
            &self.binding,
            params,
            grid(gpu, rows),
        );
    }
}
