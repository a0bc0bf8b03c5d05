//! Linear layers, with the norm in front and what follows fused in: `shaders/matvec.wgsl` for few rows,
//! `shaders/matmul.wgsl` for many, `shaders/matmul_direct.wgsl` on software adapters.

use super::matrix::layout_wgsl;
use super::stage::{Stage, row_constants};
use super::tiling::Tiling;
use super::{Matrix, Staged, WeightDType};
use crate::Activation;
use crate::gpu::{Access, Binding, Buffer, Gpu, Kernel, Plan, Resource, Target, Texels};

/// x, weights, gain, out
const PLAIN_BINDINGS: &[Access] = &[
    Access::Read,
    Access::ReadTexels,
    Access::ReadTexels,
    Access::ReadWrite,
];

/// As [`PLAIN_BINDINGS`], of staged x, and the scales of its rows
const STAGED_BINDINGS: &[Access] = &[
    Access::ReadTexels,
    Access::ReadTexels,
    Access::ReadTexels,
    Access::ReadWrite,
    Access::Read,
];

/// As [`STAGED_BINDINGS`], and the scales of the weights' rows
const STAGED_INT8_BINDINGS: &[Access] = &[
    Access::ReadTexels,
    Access::ReadTexels,
    Access::ReadTexels,
    Access::ReadWrite,
    Access::Read,
    Access::Read,
];

/// As [`PLAIN_BINDINGS`], and the scales of the weights' rows
const INT8_BINDINGS: &[Access] = &[
    Access::Read,
    Access::ReadTexels,
    Access::ReadTexels,
    Access::ReadWrite,
    Access::Read,
];

/// How the kernel gets its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    /// From the buffer, normalising it on the way where there is a norm.
    Plain { norm: bool },
    /// Staged, and normalised by that.
    Staged,
    /// A single row from the buffer, of which each workgroup makes int8 for itself, normalised where there is a norm.
    Quantised { norm: bool },
}

/// The most texels of a row that a workgroup has room for.
const QUANTISED_TEXELS: usize = 512;

/// The most outputs for which it pays that each workgroup makes its input ready for itself.
const QUANTISED_OUTPUTS: usize = 4096;

/// What becomes of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epilogue {
    /// `out = y`
    Store,
    /// `out += y`, the residual stream
    Add,
    /// `out = act(y)`
    Activate(Activation),
    /// `out[j] = act(y[2j]) * y[2j + 1]`: rows of wi_0 and wi_1 lie interleaved
    Gate(Activation),
    /// Of every few y the largest and its index, as a pair of floats; the lowest index among equals. How few and in which
    /// order depends on the kernel: [`Linear::shares`]. Exact for less than 2^24 outputs.
    Best,
}

/// T5LayerNorm: `x * rsqrt(mean(x^2) + eps) * gain`.
#[derive(Clone, Copy)]
pub struct Norm<'a> {
    /// f32, zero beyond `width` up to the padded width.
    pub gain: &'a Texels,
    /// The true width, which the mean is over.
    pub width: usize,
    /// Added to the mean square.
    pub eps: f32,
}

/// What a linear layer reads and writes.
pub struct LinearArgs<'a> {
    /// `[rows, weights.width()]`
    pub x: &'a Buffer,
    /// Applied to each row of `x` before the product.
    pub norm: Option<Norm<'a>>,
    /// `[outputs, x's width]`
    pub weights: &'a Matrix,
    /// `[rows, out_width]`
    pub out: &'a Buffer,
    /// Floats from one row of `out` to the next; for [`Epilogue::Best`] at least [`Linear::best_width`].
    pub out_width: usize,
    /// What becomes of the product.
    pub epilogue: Epilogue,
    /// Multiplies the product.
    pub scale: f32,
    /// Where inputs are staged, if [`Staged::needed`].
    pub scratch: Option<&'a Staged>,
}

/// A linear layer over fixed buffers, for any number of rows that fits them.
pub struct Linear {
    parts: Vec<Part>,
    dtype: WeightDType,
    norm: bool,
    stage: Option<Stage>,
    /// Whether kernels over a single row make it int8 themselves.
    quantises: bool,
    epilogue: Epilogue,
    /// Of the weights.
    columns: usize,
    width: usize,
    x_rows: usize,
    out_rows: usize,
}

/// The layer's weights in one binding.
struct Part {
    /// To `x` as it lies in its buffer.
    plain: Binding,
    staged: Option<Binding>,
    params: Params,
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    m: u32,
    n: u32,
    loads: u32,
    out_stride: u32,
    out_offset: u32,
    scale: f32,
    eps: f32,
    width: f32,
    first: u32,
    share: u32,
}

fn kernel(
    target: Target,
    tiling: Tiling,
    dtype: WeightDType,
    input: Input,
    epilogue: Epilogue,
) -> Kernel {
    let (epilogue, activation) = match epilogue {
        Epilogue::Store => ("STORE", Activation::Relu),
        Epilogue::Add => ("ADD", Activation::Relu),
        Epilogue::Activate(activation) => ("ACTIVATE", activation),
        Epilogue::Gate(activation) => ("GATE", activation),
        Epilogue::Best => ("BEST", Activation::Relu),
    };
    let activation = match activation {
        Activation::Relu => "RELU",
        Activation::Gelu => "GELU",
        Activation::GeluNew => "GELU_NEW",
        Activation::Silu => "SILU",
    };
    let norm = input == Input::Plain { norm: true };
    let (layout, layout_constants) = layout_wgsl(target);
    let mut constants = format!(
        "{layout_constants}{}const NORM: bool = {norm};\nconst EPILOGUE: u32 = {epilogue};\nconst ACTIVATION: u32 = {activation};\n{}{}",
        tiling.constants(),
        target.wgsl_to_read(1, "weights"),
        target.wgsl_to_read(2, "gain")
    );
    let mut parts = vec![
        dtype.wgsl(),
        layout,
        include_str!("../../shaders/linear_params.wgsl"),
    ];
    let input_rows = include_str!("../../shaders/input_rows.wgsl");
    match input {
        Input::Plain { .. } => {
            parts.push(input_rows);
            parts.push(include_str!("../../shaders/input_buffer.wgsl"));
        }
        Input::Staged => {
            constants.push_str(&target.wgsl_to_read(0, "x"));
            parts.push(input_rows);
            parts.push(include_str!("../../shaders/input_staged.wgsl"));
        }
        Input::Quantised { norm } => {
            constants.push_str(&row_constants(norm, true, tiling.threads(target)));
            constants.push_str(&format!("const ROOM: u32 = {QUANTISED_TEXELS}u;\n"));
            parts.push(include_str!("../../shaders/row_scale.wgsl"));
            parts.push(include_str!("../../shaders/input_quantised.wgsl"));
        }
    }
    let bindings = match (dtype, input) {
        (WeightDType::Int8, Input::Staged) => STAGED_INT8_BINDINGS,
        (WeightDType::Int8, _) => INT8_BINDINGS,
        (_, Input::Staged) => STAGED_BINDINGS,
        (_, _) => PLAIN_BINDINGS,
    };
    if dtype == WeightDType::Int8 {
        let last = bindings.len() - 1;
        constants.push_str(&format!(
            "@group(0) @binding({last}) var<storage, read> w_scales: array<f32>;\n"
        ));
        parts.push(include_str!("../../shaders/product_int8.wgsl"));
    } else {
        parts.push(include_str!("../../shaders/product_float.wgsl"));
    }
    parts.extend([
        include_str!("../../shaders/activation.wgsl"),
        include_str!("../../shaders/epilogue.wgsl"),
        tiling.wgsl(),
    ]);
    Kernel {
        name: tiling.name(),
        constants,
        parts,
        bindings,
    }
}

pub(super) fn variants() -> Vec<Kernel> {
    let activations = [
        Activation::Relu,
        Activation::Gelu,
        Activation::GeluNew,
        Activation::Silu,
    ];
    let mut epilogues = vec![Epilogue::Store, Epilogue::Add, Epilogue::Best];
    epilogues.extend(activations.map(Epilogue::Activate));
    epilogues.extend(activations.map(Epilogue::Gate));
    let plain = [false, true].map(|norm| Input::Plain { norm });
    let mut kernels = Vec::new();
    for target in Target::ALL {
        for tiling in Tiling::all(target) {
            for dtype in WeightDType::ALL {
                let mut inputs = match (dtype, target) {
                    (WeightDType::Int8, _) => vec![Input::Staged],
                    (_, Target::Hardware) => plain.to_vec(),
                    (_, Target::Software { .. }) => vec![Input::Staged],
                };
                if dtype == WeightDType::Int8 && tiling.block(target).0 == 1 {
                    inputs.extend([false, true].map(|norm| Input::Quantised { norm }));
                }
                for input in inputs {
                    kernels.extend(
                        epilogues
                            .iter()
                            .map(|epilogue| kernel(target, tiling, dtype, input, *epilogue)),
                    );
                }
            }
        }
    }
    kernels
}

impl Linear {
    /// Binds the layer to its buffers.
    pub fn new(gpu: &Gpu, args: &LinearArgs<'_>) -> Linear {
        let LinearArgs {
            x,
            norm,
            weights,
            out,
            out_width,
            epilogue,
            scale,
            scratch,
        } = *args;
        let scratch = Staged::needed(gpu.target(), weights.dtype)
            .then(|| scratch.expect("linear: no room for staged inputs"));
        let gated = matches!(epilogue, Epilogue::Gate(_));
        let columns = if gated {
            weights.rows / 2
        } else {
            weights.rows
        };
        let needed = match epilogue {
            Epilogue::Best => Linear::best_width(gpu, weights),
            _ => columns,
        };
        assert!(
            needed <= out_width,
            "linear: {needed} outputs, rows of {out_width}"
        );
        if let Some(norm) = norm {
            assert!(norm.width <= weights.width && norm.gain.len() as usize >= weights.width / 4);
        }
        let params = Params {
            m: 0,
            n: 0,
            loads: (weights.width / weights.dtype.a_load()) as u32,
            out_stride: out_width as u32,
            out_offset: 0,
            scale,
            eps: norm.map_or(0.0, |norm| norm.eps),
            width: norm.map_or(1.0, |norm| norm.width as f32),
            first: 0,
            share: 0,
        };
        let parts = weights
            .parts
            .iter()
            .map(|part| {
                // Without a norm the gain is never read; any texels will do.
                let gain = norm.map_or(&part.weights, |norm| norm.gain);
                let offset = if gated { part.first / 2 } else { part.first };
                let common: [Resource<'_>; 3] = [(&part.weights).into(), gain.into(), out.into()];
                let bind = |float, int8, resources: Vec<Resource<'_>>| match &part.scales {
                    Some(scales) => gpu.bind(int8, &[&resources[..], &[scales.into()]].concat()),
                    None => gpu.bind(float, &resources),
                };
                let plain = [&[x.into()], &common[..]].concat();
                let staged = scratch.map(|scratch| {
                    let resources = [
                        &[(&scratch.values).into()],
                        &common[..],
                        &[(&scratch.scales).into()],
                    ];
                    bind(STAGED_BINDINGS, STAGED_INT8_BINDINGS, resources.concat())
                });
                Part {
                    plain: bind(PLAIN_BINDINGS, INT8_BINDINGS, plain),
                    staged,
                    params: Params {
                        n: part.rows as u32,
                        out_offset: offset as u32,
                        ..params
                    },
                }
            })
            .collect();
        Linear {
            parts,
            dtype: weights.dtype,
            norm: norm.is_some(),
            stage: scratch.map(|scratch| Stage::new(gpu, x, norm, weights, scratch)),
            quantises: weights.dtype == WeightDType::Int8
                && weights.rows <= QUANTISED_OUTPUTS
                && params.loads as usize <= QUANTISED_TEXELS,
            epilogue,
            columns: weights.rows,
            width: weights.width,
            x_rows: x.size() as usize / (weights.width * 4),
            out_rows: out.size() as usize / (out_width * 4),
        }
    }

    /// Begins to compile what layers of so many outputs over several rows, so many, that end so need, for whoever knows
    /// that early.
    pub fn compile(
        gpu: &Gpu,
        dtype: WeightDType,
        rows: usize,
        outputs: usize,
        epilogues: &[Epilogue],
    ) {
        let target = gpu.target();
        let tiling = Tiling::choose(target, rows, outputs);
        let inputs: &[Input] = if Staged::needed(target, dtype) {
            &[Input::Staged]
        } else {
            &[false, true].map(|norm| Input::Plain { norm })
        };
        for epilogue in epilogues {
            for input in inputs {
                gpu.pipeline(&kernel(target, tiling, dtype, *input, *epilogue));
            }
        }
    }

    /// Floats a row of output that [`Epilogue::Best`] has at most, over any number of rows.
    pub fn best_width(gpu: &Gpu, weights: &Matrix) -> usize {
        let parts = || weights.parts.iter().map(|part| part.rows);
        Tiling::all(gpu.target())
            .map(|tiling| {
                2 * parts()
                    .map(|n| tiling.shares(gpu.target(), n))
                    .sum::<usize>()
            })
            .max()
            .expect("there are tilings for every kind of adapter")
    }

    /// Pairs a row of output that [`Epilogue::Best`] has for so many rows.
    pub fn shares(&self, gpu: &Gpu, rows: usize) -> usize {
        let tiling = Tiling::choose(gpu.target(), rows, self.columns);
        let parts = self.parts.iter().map(|part| part.params.n as usize);
        parts.map(|n| tiling.shares(gpu.target(), n)).sum()
    }

    /// Computes the first `rows` rows.
    pub fn record(&self, gpu: &Gpu, rows: usize, plan: &mut Plan) {
        self.record_window(gpu, 0, rows, plan);
    }

    /// Computes rows 0.. of `out` from rows `first..first + rows` of `x`: for outputs too wide to keep all at once.
    pub fn record_window(&self, gpu: &Gpu, first: usize, rows: usize, plan: &mut Plan) {
        assert!(
            first + rows <= self.x_rows && rows <= self.out_rows,
            "linear: rows {first} + {rows}, room for {} and {}",
            self.x_rows,
            self.out_rows
        );
        let target = gpu.target();
        let norm = self.norm;
        let input = match &self.stage {
            Some(_) if rows == 1 && self.quantises => Input::Quantised { norm },
            Some(stage) => {
                stage.record(gpu, first, rows, plan);
                Input::Staged
            }
            None => Input::Plain { norm },
        };
        let tiling = Tiling::choose(target, rows, self.columns);
        let pipeline = gpu.pipeline(&kernel(target, tiling, self.dtype, input, self.epilogue));
        let (block_m, block_n) = tiling.block(target);
        let mut shares = 0;
        for part in &self.parts {
            let params = Params {
                m: rows as u32,
                first: first as u32,
                share: shares as u32,
                ..part.params
            };
            shares += tiling.shares(target, params.n as usize);
            let columns = params.n.div_ceil(block_n as u32);
            let rows = params.m.div_ceil(block_m as u32);
            // Neighbours share weights, but where blocks of x are large, too.
            let workgroups = match tiling {
                Tiling::Matmul { .. } => [columns, rows, 1],
                Tiling::Matvec { .. } | Tiling::Direct { .. } => [rows, columns, 1],
            };
            let binding = match input {
                Input::Staged => part.staged.as_ref().expect("bound in Linear::new"),
                Input::Plain { .. } | Input::Quantised { .. } => &part.plain,
            };
            plan.push(pipeline.clone(), binding, params, workgroups);
        }
        plan.add_work(rows as u64 * self.columns as u64 * self.width as u64);
    }
}
