//! Linear layers, with the norm in front and what follows fused in: `shaders/matvec.wgsl` for few rows,
//! `shaders/matmul.wgsl` for many.

use super::{Matrix, WeightDType};
use crate::Activation;
use crate::gpu::{Access, Binding, Buffer, Gpu, Kernel, Plan};

const BINDINGS: &[Access] = &[Access::Read, Access::Read, Access::Read, Access::ReadWrite];

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
    pub eps: f32,
}

/// What a linear layer reads and writes.
pub struct LinearArgs<'a> {
    /// `[rows, weights.width()]`
    pub x: &'a Buffer,
    /// Applied to each row of `x` before the product.
    pub norm: Option<Norm<'a>>,
    pub weights: &'a Matrix,
    /// `[rows, out_width]`
    pub out: &'a Buffer,
    pub out_width: usize,
    pub epilogue: Epilogue,
    /// Multiplies the product.
    pub scale: f32,
}

/// A linear layer over fixed buffers, for any number of rows that fits them.
pub struct Linear {
    parts: Vec<(Binding, Params)>,
    dtype: WeightDType,
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
    k4: u32,
    x_stride4: u32,
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
    Matvec {
        m_tile: usize,
        groups: usize,
    },
    Matmul {
        tm: usize,
        tn: usize,
        threads_m: usize,
        threads_n: usize,
    },
}

const N_TILE: usize = 4;

/// Few rows first; the last takes any number.
const TILINGS: [(usize, Tiling); 6] = [
    (
        1,
        Tiling::Matvec {
            m_tile: 1,
            groups: 4,
        },
    ),
    (
        2,
        Tiling::Matvec {
            m_tile: 2,
            groups: 4,
        },
    ),
    (
        8,
        Tiling::Matvec {
            m_tile: 4,
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

impl Tiling {
    fn for_rows(rows: usize) -> Tiling {
        TILINGS
            .iter()
            .find(|(most, _)| rows <= *most)
            .expect("the last takes any number")
            .1
    }

    /// Input rows and weight rows a workgroup covers.
    fn block(self) -> (usize, usize) {
        match self {
            Tiling::Matvec { m_tile, groups } => (m_tile, N_TILE * groups),
            Tiling::Matmul {
                tm,
                tn,
                threads_m,
                threads_n,
            } => (tm * threads_m, tn * threads_n),
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
    let tiles = match tiling {
        Tiling::Matvec { m_tile, groups } => {
            format!(
                "const M_TILE: u32 = {m_tile}u; const N_TILE: u32 = {N_TILE}u; const LANES: u32 = 32u; const GROUPS: u32 = {groups}u;"
            )
        }
        Tiling::Matmul {
            tm,
            tn,
            threads_m,
            threads_n,
        } => {
            format!(
                "const TM: u32 = {tm}u; const TN: u32 = {tn}u; const THREADS_M: u32 = {threads_m}u; const THREADS_N: u32 = {threads_n}u;"
            )
        }
    };
    let (name, parts): (_, &'static [&'static str]) = match tiling {
        Tiling::Matvec { .. } => (
            "matvec",
            &[
                include_str!("../../shaders/linear_params.wgsl"),
                include_str!("../../shaders/activation.wgsl"),
                include_str!("../../shaders/epilogue.wgsl"),
                include_str!("../../shaders/matvec.wgsl"),
            ],
        ),
        Tiling::Matmul { .. } => (
            "matmul",
            &[
                include_str!("../../shaders/linear_params.wgsl"),
                include_str!("../../shaders/activation.wgsl"),
                include_str!("../../shaders/epilogue.wgsl"),
                include_str!("../../shaders/matmul.wgsl"),
            ],
        ),
    };
    Kernel {
        name,
        constants: format!(
            "{tiles}\nconst NORM: bool = {norm};\nconst EPILOGUE: u32 = {epilogue};\nconst ACTIVATION: u32 = {activation};\n{}",
            dtype.wgsl()
        ),
        parts,
        bindings: BINDINGS,
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
    for (_, tiling) in TILINGS {
        for dtype in [WeightDType::F32, WeightDType::F16] {
            for norm in [false, true] {
                kernels.extend(
                    epilogues
                        .iter()
                        .map(|epilogue| kernel(tiling, dtype, norm, *epilogue)),
                );
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
            k4: weights.width as u32 / 4,
            x_stride4: weights.width as u32 / 4,
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
                (gpu.bind(BINDINGS, &[x, &part.buffer, gain, out]), params)
            })
            .collect();
        Linear {
            parts,
            dtype: weights.dtype,
            norm: norm.is_some(),
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
        let tiling = Tiling::for_rows(rows);
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
