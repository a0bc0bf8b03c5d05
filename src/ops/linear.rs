//! Linear layers, with the norm in front and what follows fused in: `shaders/matvec.wgsl` for few rows,
//! `shaders/matmul.wgsl` for many, `shaders/matmul_direct.wgsl` on software adapters.

use super::linear_kernel::{Epilogue, Input, PREPARED_TEXELS, Variant, kernel, prepared_room};
use super::matrix::RUN;
use super::stage::{Stage, values_a_texel};
use super::tiling::{Shape, Tiling};
use super::{Matrix, Staged, WeightDType};
use crate::gpu::{Binding, Buffer, Gpu, Plan, Resource, Target, Texels};

/// The most outputs for which it pays that each workgroup makes its input ready for itself.
const PREPARED_OUTPUTS: usize = 4096;

/// Whether each workgroup of a layer that takes staged inputs makes a single row of so many texels ready for itself.
pub(super) fn prepares(outputs: usize, texels: usize) -> bool {
    outputs <= PREPARED_OUTPUTS && texels <= PREPARED_TEXELS
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
    pub x: &'a Texels,
    /// Applied to each row of `x` before the product.
    pub norm: Option<Norm<'a>>,
    /// `[outputs, x's width]`
    pub weights: &'a Matrix,
    /// `[rows, out_width]`; texels only in multiples of eight outputs, and never for [`Epilogue::Best`].
    pub out: Resource<'a>,
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
    /// Of kernels over several rows.
    several: Variant,
    /// Of kernels over one row, where they do not stage it.
    single: Option<Variant>,
    stage: Option<Stage>,
    shape: Shape,
    width: usize,
    x_rows: usize,
    out_rows: usize,
}

/// The layer's weights in one binding.
struct Part {
    several: Binding,
    single: Option<Binding>,
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
    row_groups: u32,
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
        let target = gpu.target();
        let out_texels = out.is_texels(target);
        assert!(
            !out_texels
                || epilogue.takes_texels()
                    && weights.rows.is_multiple_of(RUN)
                    && out_width.is_multiple_of(4),
            "linear: {} outputs to rows of {out_width} in texels, {epilogue:?}",
            weights.rows
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
            row_groups: 1,
        };
        let several = Variant {
            dtype: weights.dtype,
            input: Input::of_rows(target, weights.dtype, norm.is_some(), epilogue),
            epilogue,
            out_texels,
        };
        let scratch = (several.input == Input::Staged)
            .then(|| scratch.expect("linear: no room for staged inputs"));
        let texels = weights.width / values_a_texel(weights.dtype);
        let prepares = scratch.is_some() && prepares(weights.rows, texels);
        let single = prepares.then_some(Variant {
            input: Input::Prepared {
                norm: norm.is_some(),
                room: prepared_room(target, texels),
            },
            ..several
        });
        let parts = weights
            .parts
            .iter()
            .map(|part| {
                // Without a norm the gain is never read; any texels will do.
                let gain = norm.map_or(&part.weights, |norm| norm.gain);
                let offset = if gated { part.first / 2 } else { part.first };
                let bind = |variant: Variant, x: &Texels, scales: Option<&Buffer>| {
                    let mut resources = vec![x.into(), (&part.weights).into(), gain.into(), out];
                    resources.extend(scales.into_iter().chain(&part.scales).map(Resource::from));
                    gpu.bind(&variant.bindings(), &resources)
                };
                Part {
                    several: match scratch {
                        Some(scratch) => bind(several, &scratch.values, Some(&scratch.scales)),
                        None => bind(several, x, None),
                    },
                    single: single.map(|single| bind(single, x, None)),
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
            several,
            single,
            stage: scratch.map(|scratch| Stage::new(gpu, x, norm, weights, scratch)),
            shape: shape(weights, epilogue),
            width: weights.width,
            x_rows: x.size() as usize / (weights.width * 4),
            out_rows: out.bytes() as usize / (out_width * 4),
        }
    }

    /// Begins to compile what layers of so many inputs and outputs over several rows, so many, that end so need, with output to
    /// texels where it can be, for whoever knows that early.
    pub fn compile(
        gpu: &Gpu,
        dtype: WeightDType,
        rows: usize,
        [inputs, outputs]: [usize; 2],
        epilogues: &[Epilogue],
    ) {
        let target = gpu.target();
        for &epilogue in epilogues {
            let shape = Shape {
                dtype,
                epilogue,
                outputs,
                loads: inputs / dtype.a_load(),
            };
            let tiling = Tiling::choose(target, rows, shape);
            for norm in [false, epilogue != Epilogue::Add] {
                let variant = Variant {
                    dtype,
                    input: Input::of_rows(target, dtype, norm, epilogue),
                    epilogue,
                    out_texels: matches!(target, Target::Software { .. })
                        && epilogue.takes_texels(),
                };
                gpu.pipeline(&kernel(target, tiling, variant));
            }
        }
    }

    /// Floats a row of output that [`Epilogue::Best`] has at most, over any number of rows.
    pub fn best_width(gpu: &Gpu, weights: &Matrix) -> usize {
        let shape = shape(weights, Epilogue::Best);
        let parts = weights.parts.iter();
        2 * parts
            .map(|part| Tiling::most_shares(gpu.target(), shape, part.rows))
            .sum::<usize>()
    }

    /// Pairs a row of output that [`Epilogue::Best`] has for so many rows.
    pub fn shares(&self, gpu: &Gpu, rows: usize) -> usize {
        let tiling = Tiling::choose(gpu.target(), rows, self.shape);
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
        let tiling = Tiling::choose(target, rows, self.shape);
        let single = self.single.filter(|_| rows == 1);
        if let (None, Some(stage)) = (single, &self.stage) {
            stage.record(gpu, first, rows, plan);
        }
        let variant = single.unwrap_or(self.several);
        let pipeline = gpu.pipeline(&kernel(target, tiling, variant));
        let mut shares = 0;
        for part in &self.parts {
            let params = Params {
                m: rows as u32,
                first: first as u32,
                share: shares as u32,
                row_groups: tiling.row_groups(rows) as u32,
                ..part.params
            };
            let columns = params.n as usize;
            shares += tiling.shares(target, columns);
            let workgroups = tiling.workgroups(target, rows, columns);
            let binding = match &part.single {
                Some(binding) if single.is_some() => binding,
                _ => &part.several,
            };
            plan.push(pipeline.clone(), binding, params, workgroups);
        }
        plan.add_work(rows as u64 * self.shape.outputs as u64 * self.width as u64);
    }
}

fn shape(weights: &Matrix, epilogue: Epilogue) -> Shape {
    Shape {
        dtype: weights.dtype,
        epilogue,
        outputs: weights.rows,
        loads: weights.width / weights.dtype.a_load(),
    }
}
