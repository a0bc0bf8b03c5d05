//! How much the rows of a decode step attend to their sources: `shaders/attention_cached.wgsl` in front of
//! `shaders/attention_alignment.wgsl`.

use super::attention_cached::{Params, constants};
use super::grid;
use crate::gpu::{Access, Binding, Buffer, Gpu, Kernel, Plan, Resource, Target, Texels};

/// rows, q, kv, no bias, table, alignment
const BINDINGS: &[Access] = &[
    Access::Read,
    Access::ReadTexels,
    Access::ReadTexels,
    Access::Read,
    Access::Read,
    Access::ReadWrite,
];

fn kernel(target: Target, head_width: usize, adds: bool) -> Kernel {
    let threads = match target {
        Target::Hardware { .. } => 64,
        Target::Software { lanes } => lanes,
    };
    Kernel {
        name: "attention_alignment",
        constants: constants(target, head_width, true)
            + &format!("const THREADS: u32 = {threads}u;\nconst ADDS: bool = {adds};\n"),
        parts: vec![
            include_str!("../../shaders/attention_cached.wgsl"),
            include_str!("../../shaders/attention_alignment.wgsl"),
        ],
        bindings: BINDINGS.to_vec(),
    }
}

pub(super) fn variants() -> Vec<Kernel> {
    let mut kernels = Vec::new();
    for target in Target::ALL {
        for width in [16, 64, 128, 256] {
            kernels.extend([false, true].map(|adds| kernel(target, width, adds)));
        }
    }
    kernels
}

/// What a step's alignment reads and writes. Head h lies at `h * head_width` of q and k.
pub struct AlignmentArgs<'a> {
    /// `[rows]` of `{token, position, slot, source}`, u32 each. Positions and sources are the caller's to check.
    pub rows: &'a Buffer,
    /// `[rows, q]`
    pub q: &'a Texels,
    /// Keys and values of sources, `[positions, 2 * inner]`.
    pub pool: &'a Texels,
    /// `[sources, stride]`: how many keys a source has, then where each lies in the pool; the caller's to check.
    pub sources: &'a Buffer,
    /// Entries a source.
    pub stride: usize,
    /// Heads side by side in a row.
    pub heads: usize,
    /// Padded width of a head, at most 256.
    pub head_width: usize,
    /// `[lines + 1, rows, stride - 1]` f32, of which a step of `n` rows fills `[lines, n, stride - 1]`: row i at position p
    /// its part of `[p % lines, i]`. What is behind that is to work in.
    pub log: &'a Buffer,
    /// Steps that there is room for.
    pub lines: usize,
    /// Whether the weights are added to those that are there.
    pub adds: bool,
}

/// The sum over heads of cross-attention's weights, a row's over the keys of its source.
pub struct AttentionAlignment {
    binding: Binding,
    kernel: Kernel,
    params: Params,
    max_rows: usize,
}

impl AttentionAlignment {
    /// Binds it to its buffers.
    pub fn new(gpu: &Gpu, args: &AlignmentArgs<'_>) -> AttentionAlignment {
        let inner = args.heads * args.head_width;
        assert!(args.head_width <= 256 && args.head_width.is_multiple_of(4) && args.stride > 0);
        let width = args.stride - 1;
        let resources: [Resource<'_>; 6] = [
            args.rows.into(),
            args.q.into(),
            args.pool.into(),
            args.sources.into(),
            args.sources.into(),
            args.log.into(),
        ];
        AttentionAlignment {
            binding: gpu.bind(BINDINGS, &resources),
            kernel: kernel(gpu.target(), args.head_width, args.adds),
            params: Params {
                q_row4: inner as u32 / 4,
                inner4: inner as u32 / 4,
                stride: args.stride as u32,
                heads: args.heads as u32,
                head4: args.head_width as u32 / 4,
                lines: args.lines as u32,
                width: width as u32,
                ..Params::default()
            },
            max_rows: (args.q.len() as usize * 4 / inner)
                .min(args.rows.size() as usize / 16)
                .min(args.log.size() as usize / ((args.lines + 1) * width * 4).max(1)),
        }
    }

    /// Aligns the first `rows` rows.
    pub fn record(&self, gpu: &Gpu, rows: usize, plan: &mut Plan) {
        assert!(
            rows <= self.max_rows,
            "alignment: {rows} rows, room for {}",
            self.max_rows
        );
        plan.push(
            gpu.pipeline(&self.kernel),
            &self.binding,
            Params {
                rows: rows as u32,
                ..self.params
            },
            grid(gpu, rows),
        );
    }
}
