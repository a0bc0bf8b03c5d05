//! The kernels of linear layers: which WGSL makes each.

use super::matrix::{RUN, layout_wgsl};
use super::stage::{row_constants, threads_constant};
use super::tiling::Tiling;
use super::{Staged, WeightDType};
use crate::Activation;
use crate::gpu::{Access, Kernel, Target};

/// How the kernel gets its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// As it lies there, normalised on the way where there is a norm.
    Plain { norm: bool },
    /// Staged, and normalised by that.
    Staged,
    /// A single row, which each workgroup makes ready for itself, normalised where there is a norm. `room`: texels of it.
    Prepared { norm: bool, room: usize },
}

impl Input {
    /// That of kernels over several rows. Floats that need no norm are read as they lie where they are to be added; other
    /// layers would need kernels of their own for that.
    pub fn of_rows(target: Target, dtype: WeightDType, norm: bool, epilogue: Epilogue) -> Input {
        let is_ready = dtype != WeightDType::Int8 && epilogue == Epilogue::Add && !norm;
        if Staged::needed(target, dtype) && !is_ready {
            Input::Staged
        } else {
            Input::Plain { norm }
        }
    }
}

/// The most texels of a row that a workgroup has room for.
pub(super) const PREPARED_TEXELS: usize = 512;

/// The room for a row of so many texels, at most [`PREPARED_TEXELS`]. On GPUs it is short; software adapters have it anyway, and
/// one kernel for all.
pub(super) fn prepared_room(target: Target, texels: usize) -> usize {
    match target {
        Target::Hardware { .. } => texels.next_power_of_two(),
        Target::Software { .. } => PREPARED_TEXELS,
    }
}

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
    /// order depends on the kernel: [`Linear::shares`]. Exact for less than 2^24 outputs. Where one is not finite, the pair is
    /// the largest float and -1.
    Best,
}

/// What sets apart the kernels of one tiling.
#[derive(Clone, Copy)]
pub(super) struct Variant {
    pub dtype: WeightDType,
    pub input: Input,
    pub epilogue: Epilogue,
    /// Whether the output goes to texels.
    pub out_texels: bool,
}

impl Variant {
    /// x, weights, gain, out; the scales of staged rows; the scales of int8 weights
    pub fn bindings(self) -> Vec<Access> {
        let out = if self.out_texels {
            Access::ReadWriteTexels
        } else {
            Access::ReadWrite
        };
        let mut bindings = [Access::ReadTexels; 3].to_vec();
        bindings.push(out);
        let scales =
            usize::from(self.input == Input::Staged) + usize::from(self.dtype == WeightDType::Int8);
        bindings.resize(bindings.len() + scales, Access::Read);
        bindings
    }
}

/// The kernel for so many rows and outputs as `tiling` is for.
pub(super) fn kernel(target: Target, tiling: Tiling, variant: Variant) -> Kernel {
    let Variant {
        dtype,
        input,
        epilogue,
        out_texels,
    } = variant;
    let (wgsl_epilogue, activation) = match epilogue {
        Epilogue::Store => ("STORE", Activation::Relu),
        Epilogue::Add => ("ADD", Activation::Relu),
        Epilogue::Activate(activation) => ("ACTIVATE", activation),
        Epilogue::Gate(activation) => ("GATE", activation),
        Epilogue::Best => ("BEST", Activation::Relu),
    };
    let norm = input == Input::Plain { norm: true };
    let (layout, layout_constants) = layout_wgsl(target);
    let mut constants = format!(
        "{layout_constants}{}const NORM: bool = {norm};\nconst EPILOGUE: u32 = {wgsl_epilogue};\n{}{}",
        tiling.constants(target, dtype),
        target.wgsl_to_read(1, "weights"),
        target.wgsl_to_read(2, "gain")
    );
    let mut parts = vec![
        dtype.wgsl(),
        layout,
        include_str!("../../shaders/linear_params.wgsl"),
    ];
    match input {
        Input::Plain { .. } | Input::Staged => {
            constants.push_str(&target.wgsl_to_read(0, "x"));
            parts.push(include_str!("../../shaders/input_rows.wgsl"));
            parts.push(match input {
                Input::Staged => include_str!("../../shaders/input_staged.wgsl"),
                _ => include_str!("../../shaders/input_plain.wgsl"),
            });
        }
        Input::Prepared { norm, room } => {
            constants.push_str(&target.wgsl_to_read(0, "raw"));
            constants.push_str(&row_constants(norm, dtype == WeightDType::Int8));
            constants.push_str(&format!("const ROOM: u32 = {room}u;\n"));
            if let Target::Software { .. } = target {
                constants.push_str(&threads_constant(target));
            }
            parts.push(include_str!("../../shaders/row_scale.wgsl"));
            parts.push(include_str!("../../shaders/input_prepared.wgsl"));
        }
    }
    let bindings = variant.bindings();
    if dtype == WeightDType::Int8 {
        let last = bindings.len() - 1;
        constants.push_str(&format!(
            "@group(0) @binding({last}) var<storage, read> w_scales: array<f32>;\n"
        ));
    }
    parts.extend(products(target, dtype));
    // Alternatives are parts of their own: drivers are slow to drop branches that every output would have.
    parts.push(match activation {
        Activation::Relu => include_str!("../../shaders/activation_relu.wgsl"),
        Activation::Gelu => include_str!("../../shaders/activation_gelu.wgsl"),
        Activation::GeluNew => include_str!("../../shaders/activation_gelu_new.wgsl"),
        Activation::Silu => include_str!("../../shaders/activation_silu.wgsl"),
    });
    if out_texels {
        constants.push_str(&target.wgsl_to_update(3, "out"));
        parts.push(include_str!("../../shaders/epilogue_texels.wgsl"));
    } else {
        parts.push(match epilogue {
            Epilogue::Best => include_str!("../../shaders/epilogue_best.wgsl"),
            _ => include_str!("../../shaders/epilogue.wgsl"),
        });
        if let Tiling::Direct { .. } = tiling {
            parts.push(include_str!("../../shaders/epilogue_runs.wgsl"));
        }
    }
    if let Tiling::Direct { tn, .. } = tiling {
        // Logits that are all wanted are many and written one by one: that takes too long to compile.
        let written_out = out_texels || epilogue == Epilogue::Best;
        constants.push_str(&format!(
            "const RUNS: u32 = {}u;\nconst WRITTEN_OUT: bool = {written_out};\n",
            tn / RUN
        ));
    }
    parts.extend(tiling.wgsl());
    Kernel {
        name: tiling.name(),
        constants,
        parts,
        bindings,
    }
}

/// The WGSL that multiplies.
fn products(target: Target, dtype: WeightDType) -> Vec<&'static str> {
    match (target, dtype) {
        (Target::Software { .. }, WeightDType::Int8) => {
            vec![include_str!("../../shaders/product_int8.wgsl")]
        }
        (Target::Software { .. }, _) => vec![include_str!("../../shaders/product_float.wgsl")],
        (Target::Hardware { int8_dot }, WeightDType::Int8) => vec![
            include_str!("../../shaders/terms_int8.wgsl"),
            match int8_dot {
                true => include_str!("../../shaders/terms_int8_dot.wgsl"),
                false => include_str!("../../shaders/terms_int8_float.wgsl"),
            },
        ],
        (Target::Hardware { .. }, WeightDType::F32) => vec![
            include_str!("../../shaders/terms_float.wgsl"),
            include_str!("../../shaders/terms_f32.wgsl"),
        ],
        (Target::Hardware { .. }, WeightDType::F16) => vec![
            include_str!("../../shaders/terms_float.wgsl"),
            include_str!("../../shaders/terms_f16.wgsl"),
        ],
    }
}

impl Epilogue {
    /// Whether its output may be texels.
    pub(super) fn takes_texels(self) -> bool {
        self != Epilogue::Best
    }
}

pub(super) fn variants() -> Vec<Kernel> {
    let mut kernels = Vec::new();
    for target in Target::ALL {
        for dtype in WeightDType::ALL {
            // GPUs of both kinds have the same kernels for floats.
            if dtype == WeightDType::Int8 || target != (Target::Hardware { int8_dot: false }) {
                let tilings = Tiling::all(target, dtype).into_iter();
                kernels.extend(tilings.flat_map(|tiling| variants_of(target, tiling, dtype)));
            }
        }
    }
    kernels
}

/// Those of one tiling.
fn variants_of(target: Target, tiling: Tiling, dtype: WeightDType) -> Vec<Kernel> {
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
    let mut inputs = match (dtype, target) {
        (WeightDType::Int8, _) => vec![Input::Staged],
        (_, Target::Hardware { .. }) => plain.to_vec(),
        (_, Target::Software { .. }) => vec![Input::Staged, plain[0]],
    };
    if Staged::needed(target, dtype) && tiling.is_single() {
        let room = prepared_room(target, 32);
        inputs.extend([false, true].map(|norm| Input::Prepared { norm, room }));
    }
    let as_texels: &[bool] = match target {
        Target::Hardware { .. } => &[false],
        Target::Software { .. } => &[false, true],
    };
    let mut kernels = Vec::new();
    for input in inputs {
        for &epilogue in &epilogues {
            for &out_texels in as_texels {
                let variant = Variant {
                    dtype,
                    input,
                    epilogue,
                    out_texels,
                };
                let is_possible = !out_texels || epilogue.takes_texels();
                if is_possible && tiling.takes(epilogue) {
                    kernels.push(kernel(target, tiling, variant));
                }
            }
        }
    }
    kernels
}
