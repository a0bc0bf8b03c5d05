//! Linear layers, with the norm in front and what follows fused in: `shaders/matvec.wgsl` for few rows,
//! `shaders/matmul.wgsl` for many.

use super::quantize::Quantize;
use super::{Matrix, Quantized, WeightDType};
use crate::Activation;
use crate::gpu::{Access, Binding, Buffer, Gpu, Kernel, Plan, Target};

const FLOAT_BINDINGS: &[Access] = &[Access::Read, Access::Read, Access::Read, Access::ReadWrite];

/// As [`FLOAT_BINDINGS`], and the scales of x and of the weights.
const INT8_BINDINGS: &[Access] = &[
    Access::Read,
    Access::Read,
    Access::Read,
    Access::ReadWrite,
    Access::Read,
    Access::Read,
];

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
}

/// T5LayerNorm: `x * rsqrt(mean(x^2) + eps) * gain`.
#[derive(Clone, Copy)]
pub struct Norm<'a> {
    /// f32, zero beyond `width` up to the padded width.
    pub gain: &'a Buffer,
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
    /// Floats from one row of `out` to the next.
    pub out_width: usize,
    /// What becomes of the product.
    pub epilogue: Epilogue,
    /// Multiplies the product.
    pub scale: f32,
    /// Where inputs are quantised to: int8 weights need it.
    pub scratch: Option<&'a Quantized>,
}

/// A linear layer over fixed buffers, for any number of rows that fits them.
pub struct Linear {
    parts: Vec<(Binding, Params)>,
    dtype: WeightDType,
    /// Int8: comes first, and takes the norm upon itself.
    quantize: Option<Quantize>,
    norm: bool,
    epilogue: Epilogue,
    x_rows: usize,
    out_rows: usize,
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
}

/// How a linear layer is laid over workgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tiling {
    /// `lanes` threads split K for [`N_TILE`] outputs of `m_tile` rows; `groups` such groups a workgroup.
    Matvec {
        m_tile: usize,
        lanes: usize,
        groups: usize,
    },
    /// Blocks in workgroup memory.
    Matmul {
        tm: usize,
        tn: usize,
        threads_m: usize,
        threads_n: usize,
    },
    /// Blocks in registers alone.
    Direct {
        tm: usize,
        tn: usize,
        threads_n: usize,
    },
}

const N_TILE: usize = 4;

/// Layouts by the most rows that each takes; the last takes any number.
type Tilings = &'static [(usize, Tiling)];

const HARDWARE: Tilings = &[
    (
        1,
        Tiling::Matvec {
            m_tile: 1,
            lanes: 32,
            groups: 4,
        },
    ),
    (
        2,
        Tiling::Matvec {
            m_tile: 2,
            lanes: 32,
            groups: 4,
        },
    ),
    (
        8,
        Tiling::Matvec {
            m_tile: 4,
            lanes: 32,
            groups: 4,
        },
    ),
    (
        16,
        Tiling::Matmul {
            tm: 4,
            tn: 4,
            threads_m: 4,
            threads_n: 16,
        },
    ),
    (
        32,
        Tiling::Matmul {
            tm: 4,
            tn: 8,
            threads_m: 8,
            threads_n: 8,
        },
    ),
    (
        usize::MAX,
        Tiling::Matmul {
            tm: 8,
            tn: 8,
            threads_m: 8,
            threads_n: 8,
        },
    ),
];

/// Software adapters run the threads of a workgroup eight at a time, one after the other: a reduction over more lanes than
/// that, like every trip through workgroup memory, costs without gaining anything.
const SOFTWARE: Tilings = &[
    (
        1,
        Tiling::Matvec {
            m_tile: 1,
            lanes: 8,
            groups: 4,
        },
    ),
    (
        2,
        Tiling::Matvec {
            m_tile: 2,
            lanes: 8,
            groups: 4,
        },
    ),
    (
        4,
        Tiling::Matvec {
            m_tile: 4,
            lanes: 8,
            groups: 4,
        },
    ),
    (
        usize::MAX,
        Tiling::Direct {
            tm: 8,
            tn: 8,
            threads_n: 8,
        },
    ),
];

impl Tiling {
    fn choose(tilings: Tilings, rows: usize) -> Tiling {
        tilings
            .iter()
            .find(|(most, _)| rows <= *most)
            .expect("the last takes any number")
            .1
    }

    /// Input rows and weight rows a workgroup covers.
    fn block(self) -> (usize, usize) {
        match self {
            Tiling::Matvec { m_tile, groups, .. } => (m_tile, N_TILE * groups),
            Tiling::Matmul {
                tm,
                tn,
                threads_m,
                threads_n,
            } => (tm * threads_m, tn * threads_n),
            Tiling::Direct { tm, tn, threads_n } => (tm, tn * threads_n),
        }
    }

    /// The constants that the WGSL is written in terms of.
    fn constants(self) -> String {
        let declare = |constants: &[(&str, usize)]| {
            constants
                .iter()
                .map(|(name, value)| format!("const {name}: u32 = {value}u;\n"))
                .collect()
        };
        match self {
            Tiling::Matvec {
                m_tile,
                lanes,
                groups,
            } => declare(&[
                ("M_TILE", m_tile),
                ("N_TILE", N_TILE),
                ("LANES", lanes),
                ("GROUPS", groups),
                ("THREADS_N", 1),
            ]),
            Tiling::Matmul {
                tm,
                tn,
                threads_m,
                threads_n,
            } => declare(&[
                ("TM", tm),
                ("TN", tn),
                ("THREADS_M", threads_m),
                ("THREADS_N", threads_n),
            ]),
            Tiling::Direct { tm, tn, threads_n } => {
                declare(&[("TM", tm), ("TN", tn), ("THREADS_N", threads_n)])
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Tiling::Matvec { .. } => "matvec",
            Tiling::Matmul { .. } => "matmul",
            Tiling::Direct { .. } => "matmul_direct",
        }
    }

    fn wgsl(self) -> &'static str {
        match self {
            Tiling::Matvec { .. } => include_str!("../../shaders/matvec.wgsl"),
            Tiling::Matmul { .. } => include_str!("../../shaders/matmul.wgsl"),
            Tiling::Direct { .. } => include_str!("../../shaders/matmul_direct.wgsl"),
        }
    }
}

fn kernel(tiling: Tiling, dtype: WeightDType, norm: bool, epilogue: Epilogue) -> Kernel {
    let (epilogue, activation) = match epilogue {
        Epilogue::Store => ("STORE", Activation::Relu),
        Epilogue::Add => ("ADD", Activation::Relu),
        Epilogue::Activate(activation) => ("ACTIVATE", activation),
        Epilogue::Gate(activation) => ("GATE", activation),
    };
    let activation = match activation {
        Activation::Relu => "RELU",
        Activation::Gelu => "GELU",
        Activation::GeluNew => "GELU_NEW",
        Activation::Silu => "SILU",
    };
    Kernel {
        name: tiling.name(),
        constants: format!(
            "{}const NORM: bool = {norm};\nconst EPILOGUE: u32 = {epilogue};\nconst ACTIVATION: u32 = {activation};\n",
            tiling.constants()
        ),
        parts: vec![
            dtype.wgsl(),
            include_str!("../../shaders/linear_params.wgsl"),
            match dtype {
                WeightDType::Int8 => include_str!("../../shaders/product_int8.wgsl"),
                _ => include_str!("../../shaders/product_float.wgsl"),
            },
            include_str!("../../shaders/activation.wgsl"),
            include_str!("../../shaders/epilogue.wgsl"),
            tiling.wgsl(),
        ],
        bindings: match dtype {
            WeightDType::Int8 => INT8_BINDINGS,
            _ => FLOAT_BINDINGS,
        },
    }
}

pub(super) fn variants() -> Vec<Kernel> {
    let activations = [
        Activation::Relu,
        Activation::Gelu,
        Activation::GeluNew,
        Activation::Silu,
    ];
    let mut epilogues = vec![Epilogue::Store, Epilogue::Add];
    epilogues.extend(activations.map(Epilogue::Activate));
    epilogues.extend(activations.map(Epilogue::Gate));
    let mut kernels = Vec::new();
    for (_, tiling) in HARDWARE.iter().chain(SOFTWARE) {
        for dtype in WeightDType::ALL {
            for norm in [false, true] {
                if !(norm && dtype == WeightDType::Int8) {
                    kernels.extend(
                        epilogues
                            .iter()
                            .map(|epilogue| kernel(*tiling, dtype, norm, *epilogue)),
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
        let gated = matches!(epilogue, Epilogue::Gate(_));
        let columns = if gated {
            weights.rows / 2
        } else {
            weights.rows
        };
        assert!(
            columns <= out_width,
            "linear: {columns} outputs, rows of {out_width}"
        );
        if let Some(norm) = norm {
            assert!(norm.width <= weights.width && norm.gain.size() as usize >= weights.width * 4);
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
        };
        let parts = weights
            .parts
            .iter()
            .map(|part| {
                // Without a norm the gain is never read; any buffer will do.
                let gain = norm.map_or(x, |norm| norm.gain);
                let offset = if gated { part.first / 2 } else { part.first };
                let params = Params {
                    n: part.rows as u32,
                    out_offset: offset as u32,
                    ..params
                };
                let binding = match (&part.scales, scratch) {
                    (Some(scales), Some(x)) => gpu.bind(
                        INT8_BINDINGS,
                        &[&x.values, &part.buffer, gain, out, &x.scales, scales],
                    ),
                    _ => gpu.bind(FLOAT_BINDINGS, &[x, &part.buffer, gain, out]),
                };
                (binding, params)
            })
            .collect();
        let quantize = (weights.dtype == WeightDType::Int8).then(|| {
            let scratch = scratch.expect("int8 weights come with room for quantised inputs");
            Quantize::new(gpu, x, weights.width, norm, scratch)
        });
        Linear {
            parts,
            dtype: weights.dtype,
            norm: norm.is_some() && quantize.is_none(),
            quantize,
            epilogue,
            x_rows: x.size() as usize / (weights.width * 4),
            out_rows: out.size() as usize / (out_width * 4),
        }
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
        if let Some(quantize) = &self.quantize {
            quantize.record(gpu, first, rows, plan);
        }
        let tilings = match gpu.target() {
            Target::Hardware => HARDWARE,
            Target::Software => SOFTWARE,
        };
        let tiling = Tiling::choose(tilings, rows);
        let pipeline = gpu.pipeline(&kernel(tiling, self.dtype, self.norm, self.epilogue));
        let (block_m, block_n) = tiling.block();
        for (binding, params) in &self.parts {
            let params = Params {
                m: rows as u32,
                first: first as u32,
                ..*params
            };
            let workgroups = [
                params.n.div_ceil(block_n as u32),
                params.m.div_ceil(block_m as u32),
                1,
            ];
            plan.push(pipeline.clone(), binding, params, workgroups);
        }
    }
}
