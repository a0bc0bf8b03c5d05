//! The host half of each kernel: typed arguments, checks of shapes, choice of variant, dispatch size.
//!
//! An op is made once over the buffers it reads and writes ([`Linear::new`] and its like make the bind groups), then
//! recorded into a [`Plan`](crate::gpu::Plan) as often as needed.

mod argmax;
mod attention;
mod attention_alignment;
mod attention_cached;
mod copy;
mod embed;
mod linear;
mod linear_kernel;
mod matrix;
mod rms_norm;
mod stage;
mod tiling;
mod top_k;
mod work;

pub use argmax::Argmax;
pub use attention::{Attention, AttentionArgs};
pub use attention_alignment::{AlignmentArgs, AttentionAlignment};
pub use attention_cached::{CachedAttention, CachedAttentionArgs, CachedKind};
pub use copy::CopyBuffer;
pub use embed::Embed;
pub use linear::{Linear, LinearArgs, Norm};
pub use linear_kernel::Epilogue;
pub use matrix::{Matrix, WeightDType};
pub use rms_norm::RmsNorm;
pub use stage::Staged;
pub use top_k::TopK;
pub(crate) use work::LinearShape;
pub use work::Work;

use crate::gpu::Kernel;

/// Widths are padded with zeros to multiples of this: whole vec4s in every kernel, whole K blocks in the matrix product.
pub const ALIGN: usize = 16;

/// Every variant of every kernel that can be dispatched, for tests that translate or compile them all.
pub fn kernels() -> Vec<Kernel> {
    let mut kernels = Vec::new();
    kernels.extend(embed::variants());
    kernels.extend(rms_norm::variants());
    kernels.extend(linear_kernel::variants());
    kernels.extend(stage::variants());
    kernels.extend(argmax::variants());
    kernels.extend(top_k::variants());
    kernels.extend(copy::variants());
    kernels.extend(attention::variants());
    kernels.extend(attention_cached::variants());
    kernels.extend(attention_alignment::variants());
    kernels
}

/// A grid of `count` workgroups folded into two dimensions; kernels number them `y * width + x` and drop the surplus.
fn grid(gpu: &crate::gpu::Gpu, count: usize) -> [u32; 3] {
    let count = count as u32;
    let height = count.div_ceil(gpu.max_workgroups()).max(1);
    [count.div_ceil(height), height, 1]
}
