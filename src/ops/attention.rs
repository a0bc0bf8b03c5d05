//! Attention of many queries over whole batches: `shaders/attention_dense.wgsl` in front of `shaders/attention.wgsl`, or on
//! software adapters of `shaders/attention_lanes.wgsl`.

use crate::gpu::{Access, Binding, Buffer, Gpu, Kernel, Plan, Resource, Target, Texels};

/// q, kv, bias, mask, head scale, out
const BINDINGS: &[Access] = &[
    Access::ReadTexels,
    Access::ReadTexels,
    Access::Read,
    Access::Read,
    Access::Read,
    Access::WriteTexels,
];

/// As [`BINDINGS`], and the weights.
fn weights_bindings() -> Vec<Access> {
    [BINDINGS, &[Access::ReadWrite]].concat()
}

/// Queries a workgroup; where each thread takes one, as many as threads. Wide heads take more workgroup memory and registers.
fn queries_a_workgroup(target: Target, head_width: usize) -> usize {
    match target {
        Target::Hardware { .. } if head_width > 64 => 4,
        Target::Hardware { .. } => 8,
        Target::Software { lanes } => lanes,
    }
}

/// The WGSL of attention proper, behind a part that says where things lie.
pub(super) fn attention_wgsl(target: Target) -> &'static str {
    match target {
        Target::Hardware { .. } => include_str!("../../shaders/attention.wgsl"),
        Target::Software { .. } => include_str!("../../shaders/attention_lanes.wgsl"),
    }
}

fn constants(
    target: Target,
    queries: usize,
    head_width: usize,
    causal: bool,
    biased: bool,
) -> String {
    format!(
        "const TQ: u32 = {queries}u;\nconst D4: u32 = {}u;\nconst CAUSAL: bool = {causal};\n\
         const BIASED: bool = {biased};\nconst LANES: u32 = {queries}u;\n{}{}{}",
        head_width / 4,
        target.wgsl_to_read(0, "q"),
        target.wgsl_to_read(1, "kv"),
        target.wgsl_to_write(5, "out")
    )
}

fn kernel(target: Target, head_width: usize, causal: bool, biased: bool) -> Kernel {
    Kernel {
        name: "attention",
        constants: constants(
            target,
            queries_a_workgroup(target, head_width),
            head_width,
            causal,
            biased,
        ),
        parts: vec![
            include_str!("../../shaders/attention_dense.wgsl"),
            attention_wgsl(target),
        ],
        bindings: BINDINGS.to_vec(),
    }
}

fn weights_kernel(target: Target, head_width: usize, causal: bool, biased: bool) -> Kernel {
    Kernel {
        name: "attention_weights",
        constants: constants(target, 1, head_width, causal, biased),
        parts: vec![
            include_str!("../../shaders/attention_dense.wgsl"),
            include_str!("../../shaders/attention_weights.wgsl"),
        ],
        bindings: weights_bindings(),
    }
}

pub(super) fn variants() -> Vec<Kernel> {
    let mut kernels = Vec::new();
    for head_width in [16, 64, 128, 256] {
        for (causal, biased) in [(false, true), (true, true), (false, false)] {
            for target in Target::ALL {
                kernels.push(kernel(target, head_width, causal, biased));
                kernels.push(weights_kernel(target, head_width, causal, biased));
            }
        }
    }
    kernels
}

/// What attention reads and writes; widths and offsets in floats, multiples of 4. Head h lies at `h * head_width`.
pub struct AttentionArgs<'a> {
    /// `[batch, queries, q_width]`
    pub q: &'a Texels,
    /// Floats from one query to the next.
    pub q_width: usize,
    /// `[batch, keys, kv_width]`
    pub kv: &'a Texels,
    /// Floats from one key to the next.
    pub kv_width: usize,
    /// Where a row's keys begin.
    pub k_offset: usize,
    /// Where a row's values begin.
    pub v_offset: usize,
    /// `[heads, 2 * max_distance + 1]`, added to scores by clamped key - query.
    pub bias: Option<&'a Buffer>,
    /// Farther keys get the bias of this distance.
    pub max_distance: usize,
    /// `[batch, keys]` u32, 0 hides a key.
    pub mask: &'a Buffer,
    /// Whether a query sees only keys up to its own position.
    pub causal: bool,
    /// Heads side by side in a row.
    pub heads: usize,
    /// Padded width of a head, at most 256.
    pub head_width: usize,
    /// `[heads]`, multiplies a head's weights after softmax: ones, or a head mask.
    pub head_scale: &'a Buffer,
    /// `[batch, queries, heads * head_width]`
    pub out: &'a Texels,
    /// `[batch, heads, queries, keys]`, where the weights themselves are wanted.
    pub weights: Option<&'a Buffer>,
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    queries: u32,
    keys: u32,
    q_row4: u32,
    kv_row4: u32,
    k_offset4: u32,
    v_offset4: u32,
    out_row4: u32,
    max_distance: i32,
    head4: u32,
}

/// Attention over fixed buffers.
pub struct Attention {
    binding: Binding,
    kernel: Kernel,
    /// That a workgroup takes.
    queries: usize,
    weights: Option<(Binding, Kernel, usize)>,
    params: Params,
    heads: usize,
    room: [usize; 3],
}

impl Attention {
    /// Binds attention to its buffers.
    pub fn new(gpu: &Gpu, args: &AttentionArgs<'_>) -> Attention {
        let inner = args.heads * args.head_width;
        assert!(args.head_width <= 256 && args.head_width.is_multiple_of(4));
        assert!(inner <= args.q_width && args.k_offset.max(args.v_offset) + inner <= args.kv_width);
        if let Some(bias) = args.bias {
            assert!(bias.size() as usize >= args.heads * (2 * args.max_distance + 1) * 4);
        }
        assert!(args.head_scale.size() as usize >= args.heads * 4);
        let biased = args.bias.is_some();
        let bias = args.bias.unwrap_or(args.mask);
        let floats = |buffer: &Buffer| buffer.size() as usize / 4;
        let texel_floats = |texels: &Texels| texels.len() as usize * 4;
        let resources: [Resource<'_>; 6] = [
            args.q.into(),
            args.kv.into(),
            bias.into(),
            args.mask.into(),
            args.head_scale.into(),
            args.out.into(),
        ];
        Attention {
            binding: gpu.bind(BINDINGS, &resources),
            kernel: kernel(gpu.target(), args.head_width, args.causal, biased),
            queries: queries_a_workgroup(gpu.target(), args.head_width),
            weights: args.weights.map(|weights| {
                let resources = [&resources[..], &[weights.into()]].concat();
                let binding = gpu.bind(&weights_bindings(), &resources);
                let kernel = weights_kernel(gpu.target(), args.head_width, args.causal, biased);
                (binding, kernel, floats(weights))
            }),
            params: Params {
                queries: 0,
                keys: 0,
                q_row4: args.q_width as u32 / 4,
                kv_row4: args.kv_width as u32 / 4,
                k_offset4: args.k_offset as u32 / 4,
                v_offset4: args.v_offset as u32 / 4,
                out_row4: inner as u32 / 4,
                max_distance: args.max_distance as i32,
                head4: args.head_width as u32 / 4,
            },
            heads: args.heads,
            room: [
                (texel_floats(args.q) / args.q_width).min(texel_floats(args.out) / inner),
                texel_floats(args.kv) / args.kv_width,
                floats(args.mask),
            ],
        }
    }

    /// Attends with `queries` queries over `keys` keys in each of `batch` rows.
    pub fn record(&self, gpu: &Gpu, batch: usize, queries: usize, keys: usize, plan: &mut Plan) {
        let [query_room, key_room, mask_room] = self.room;
        assert!(
            batch * queries <= query_room,
            "attention: {batch} x {queries} queries, room for {query_room}"
        );
        assert!(
            batch * keys <= key_room.min(mask_room),
            "attention: {batch} x {keys} keys, room for {key_room}"
        );
        let params = Params {
            queries: queries as u32,
            keys: keys as u32,
            ..self.params
        };
        let workgroups = [
            queries.div_ceil(self.queries) as u32,
            self.heads as u32,
            batch as u32,
        ];
        plan.push(
            gpu.pipeline(&self.kernel),
            &self.binding,
            params,
            workgroups,
        );
        if let Some((binding, kernel, room)) = &self.weights {
            assert!(
                batch * self.heads * queries * keys <= *room,
                "attention: no room for its weights"
            );
            let workgroups = [queries as u32, self.heads as u32, batch as u32];
            plan.push(gpu.pipeline(kernel), binding, params, workgroups);
        }
    }
}
