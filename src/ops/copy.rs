//! Copying by a kernel, to measure with: `shaders/copy.wgsl`.

use super::grid;
use crate::gpu::{Access, Binding, Buffer, Gpu, Kernel, Plan};

const BINDINGS: &[Access] = &[Access::Read, Access::ReadWrite];
const THREADS: usize = 256;

fn kernel() -> Kernel {
    Kernel::single("copy", include_str!("../../shaders/copy.wgsl"), BINDINGS)
}

pub(super) fn variants() -> Vec<Kernel> {
    vec![kernel()]
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    words: u32,
}

/// One buffer's bytes into another.
pub struct CopyBuffer {
    binding: Binding,
    words: usize,
}

impl CopyBuffer {
    /// All of `x` to the start of `out`.
    pub fn new(gpu: &Gpu, x: &Buffer, out: &Buffer) -> CopyBuffer {
        assert!(
            x.size() <= out.size(),
            "copy: {} bytes, room for {}",
            x.size(),
            out.size()
        );
        CopyBuffer {
            binding: gpu.bind(BINDINGS, &[x, out]),
            words: x.size() as usize / 16,
        }
    }

    /// Copies once.
    pub fn record(&self, gpu: &Gpu, plan: &mut Plan) {
        let params = Params {
            words: self.words as u32,
        };
        plan.push(
            gpu.pipeline(&kernel()),
            &self.binding,
            params,
            grid(gpu, self.words.div_ceil(THREADS)),
        );
    }
}
