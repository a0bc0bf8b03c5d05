//! Attention of a decode step, one query a row: `shaders/attention_cached.wgsl` in front of `shaders/attention.wgsl`, or on
//! software adapters of `shaders/attention_lanes.wgsl`.

use super::attention::attention_wgsl;
use crate::gpu::{Access, Binding, Buffer, Gpu, Kernel, Plan, Resource, Target, Texels};

/// rows, q, kv, bias, table, out
fn bindings(cross: bool) -> Vec<Access> {
    let kv = if cross {
        Access::ReadTexels
    } else {
        Access::ReadWriteTexels
    };
    vec![
        Access::Read,
        Access::ReadTexels,
        kv,
        Access::Read,
        Access::Read,
        Access::WriteTexels,
    ]
}

/// What attention_cached.wgsl asks of its host, but for what it writes.
pub(super) fn constants(target: Target, head_width: usize, cross: bool) -> String {
    let lanes = target.lanes();
    format!(
        "const TQ: u32 = 1u;\nconst D4: u32 = {}u;\nconst CROSS: bool = {cross};\n\
         const PER_LANE: bool = {};\nconst LANES: u32 = {lanes}u;\n{}{}",
        head_width / 4,
        lanes > 1,
        target.wgsl_to_read(1, "q"),
        if cross {
            // Never written.
            target.wgsl_to_read(2, "kv") + "fn write_kv(index: u32, texel: vec4<u32>) {}\n"
        } else {
            target.wgsl_to_update(2, "kv")
        }
    )
}

fn kernel(target: Target, head_width: usize, cross: bool) -> Kernel {
    Kernel {
        name: if cross {
            "attention_cross"
        } else {
            "attention_self"
        },
        constants: constants(target, head_width, cross) + &target.wgsl_to_write(5, "out"),
        parts: vec![
            include_str!("../../shaders/attention_cached.wgsl"),
            attention_wgsl(target),
        ],
        bindings: bindings(cross),
    }
}

pub(super) fn variants() -> Vec<Kernel> {
    let mut kernels = Vec::new();
    for target in Target::ALL {
        for width in [16, 64, 128, 256] {
            kernels.extend([false, true].map(|cross| kernel(target, width, cross)));
        }
    }
    kernels
}

/// What a step's attention reads and writes. Head h lies at `h * head_width` of q, k and v.
pub struct CachedAttentionArgs<'a> {
    /// `[rows]` of `{token, position, slot, source}`, u32 each. Positions, slots and sources are the caller's to check.
    pub rows: &'a Buffer,
    /// Self: `[rows, q k v]`; cross: `[rows, q]`.
    pub q: &'a Texels,
    /// What is attended to.
    pub kind: CachedKind<'a>,
    /// Heads side by side in a row.
    pub heads: usize,
    /// Padded width of a head, at most 256.
    pub head_width: usize,
    /// `[rows, heads * head_width]`
    pub out: &'a Texels,
}

/// Over the row's own history, or over its source. Keys and values lie in a pool, `[positions, 2 * inner]`, where tables
/// say, whose entries are the caller's to check.
#[derive(Clone, Copy)]
pub enum CachedKind<'a> {
    /// Self-attention; the row's key and value are put into the pool first.
    Own {
        /// Keys and values of hypotheses.
        pool: &'a Texels,
        /// `[slots, stride]`: where position t of this slot's hypothesis lies, the row's own position included.
        history: &'a Buffer,
        /// Entries a slot.
        stride: usize,
        /// `[heads, 2 * max_distance + 1]`
        bias: &'a Buffer,
        /// Farther keys get the bias of this distance.
        max_distance: usize,
    },
    /// Cross-attention.
    Source {
        /// Keys and values of sources.
        pool: &'a Texels,
        /// `[sources, stride]`: how many keys a source has, then where each lies.
        sources: &'a Buffer,
        /// Entries a source.
        stride: usize,
    },
}

#[repr(C)]
#[derive(Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Params {
    pub q_row4: u32,
    pub inner4: u32,
    pub stride: u32,
    pub max_distance: i32,
    pub rows: u32,
    pub heads: u32,
    pub head4: u32,
    pub lines: u32,
    pub width: u32,
}

/// A step's attention over fixed buffers.
pub struct CachedAttention {
    binding: Binding,
    kernel: Kernel,
    params: Params,
    heads: usize,
    max_rows: usize,
}

impl CachedAttention {
    /// Binds attention to its buffers.
    pub fn new(gpu: &Gpu, args: &CachedAttentionArgs<'_>) -> CachedAttention {
        let inner = args.heads * args.head_width;
        assert!(args.head_width <= 256 && args.head_width.is_multiple_of(4));
        let base = Params {
            q_row4: inner as u32 / 4,
            inner4: inner as u32 / 4,
            heads: args.heads as u32,
            head4: args.head_width as u32 / 4,
            ..Params::default()
        };
        let (params, pool, bias, table) = match args.kind {
            CachedKind::Own {
                pool,
                history,
                stride,
                bias,
                max_distance,
            } => {
                assert!(
                    bias.size() as usize >= args.heads * (2 * max_distance + 1) * 4,
                    "attention: short bias"
                );
                let params = Params {
                    q_row4: 3 * base.inner4,
                    stride: stride as u32,
                    max_distance: max_distance as i32,
                    ..base
                };
                (params, pool, bias, history)
            }
            CachedKind::Source {
                pool,
                sources,
                stride,
            } => {
                let params = Params {
                    stride: stride as u32,
                    ..base
                };
                (params, pool, sources, sources)
            }
        };
        let cross = matches!(args.kind, CachedKind::Source { .. });
        let resources: [Resource<'_>; 6] = [
            args.rows.into(),
            args.q.into(),
            pool.into(),
            bias.into(),
            table.into(),
            args.out.into(),
        ];
        CachedAttention {
            binding: gpu.bind(&bindings(cross), &resources),
            kernel: kernel(gpu.target(), args.head_width, cross),
            params,
            heads: args.heads,
            max_rows: (args.q.len() as usize / params.q_row4 as usize)
                .min(args.out.len() as usize * 4 / inner)
                .min(args.rows.size() as usize / 16),
        }
    }

    /// Attends for the first `rows` rows.
    pub fn record(&self, gpu: &Gpu, rows: usize, plan: &mut Plan) {
        assert!(
            rows <= self.max_rows,
            "attention: {rows} rows, room for {}",
            self.max_rows
        );
        let workgroups = match gpu.target() {
            Target::Hardware { .. } => [rows as u32, self.heads as u32, 1],
            Target::Software { lanes } => [(rows * self.heads).div_ceil(lanes) as u32, 1, 1],
        };
        plan.push(
            gpu.pipeline(&self.kernel),
            &self.binding,
            Params {
                rows: rows as u32,
                ..self.params
            },
            workgroups,
        );
    }
}
