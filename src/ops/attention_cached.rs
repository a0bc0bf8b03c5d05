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

fn kernel(target: Target, head_width: usize, cross: bool) -> Kernel {
    let lanes = target.lanes();
    Kernel {
        name: if cross {
            "attention_cross"
        } else {
            "attention_self"
        },
        constants: format!(
            "const TQ: u32 = 1u;\nconst D4: u32 = {}u;\nconst CROSS: bool = {cross};\n\
             const PER_LANE: bool = {};\nconst LANES: u32 = {lanes}u;\n{}{}{}",
            head_width / 4,
            lanes > 1,
            target.wgsl_to_read(1, "q"),
            target.wgsl_to_write(5, "out"),
            if cross {
                // Never written.
                target.wgsl_to_read(2, "kv") + "fn write_kv(index: u32, texel: vec4<u32>) {}\n"
            } else {
                target.wgsl_to_update(2, "kv")
            }
        ),
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

/// Over the row's own history, or over its source.
#[derive(Clone, Copy)]
pub enum CachedKind<'a> {
    /// Self-attention; the row's key and value are appended to the cache first.
    Own {
        /// `[capacity, slots, 2 * inner]`
        cache: &'a Texels,
        /// `[slots, capacity]`: the slot that holds position t of this slot's hypothesis.
        history: &'a Buffer,
        /// Hypotheses that the cache has room for.
        slots: usize,
        /// Positions that the cache has room for.
        capacity: usize,
        /// `[heads, 2 * max_distance + 1]`
        bias: &'a Buffer,
        /// Farther keys get the bias of this distance.
        max_distance: usize,
    },
    /// Cross-attention.
    Source {
        /// `[sources, keys, 2 * inner]`
        kv: &'a Texels,
        /// `[sources, keys]`, 0 hides a key.
        mask: &'a Buffer,
        /// Encoded sources.
        sources: usize,
        /// Positions a source.
        keys: usize,
    },
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    q_row4: u32,
    inner4: u32,
    slots: u32,
    capacity: u32,
    keys: u32,
    max_distance: i32,
    rows: u32,
    heads: u32,
    head4: u32,
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
        let holds = |buffer: &Buffer, words: usize| {
            assert!(
                buffer.size() as usize >= words * 4,
                "attention: short buffer"
            )
        };
        let base = Params {
            q_row4: 0,
            inner4: inner as u32 / 4,
            slots: 0,
            capacity: 0,
            keys: 0,
            max_distance: 0,
            rows: 0,
            heads: args.heads as u32,
            head4: args.head_width as u32 / 4,
        };
        let (params, kv, bias, table) = match args.kind {
            CachedKind::Own {
                cache,
                history,
                slots,
                capacity,
                bias,
                max_distance,
            } => {
                assert!(cache.len() as usize * 4 >= capacity * slots * 2 * inner);
                holds(history, slots * capacity);
                holds(bias, args.heads * (2 * max_distance + 1));
                let params = Params {
                    q_row4: 3 * base.inner4,
                    slots: slots as u32,
                    capacity: capacity as u32,
                    max_distance: max_distance as i32,
                    ..base
                };
                (params, Resource::from(cache), bias, history)
            }
            CachedKind::Source {
                kv,
                mask,
                sources,
                keys,
            } => {
                assert!(kv.len() as usize * 4 >= sources * keys * 2 * inner);
                holds(mask, sources * keys);
                (
                    Params {
                        q_row4: base.inner4,
                        keys: keys as u32,
                        ..base
                    },
                    kv.into(),
                    mask,
                    mask,
                )
            }
        };
        let cross = matches!(args.kind, CachedKind::Source { .. });
        let resources = [
            args.rows.into(),
            args.q.into(),
            kv,
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
