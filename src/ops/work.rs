//! What kernels have to move and multiply, from shapes alone: no device is asked.

use super::linear::prepares;
use super::linear_kernel::Input;
use super::stage::values_a_texel;
use super::tiling::{Shape, Tiling};
use super::{Epilogue, WeightDType};
use crate::gpu::Target;

/// What one dispatch moves and multiplies. What its workgroups share is counted once where they read it at the same time: a
/// device's cache has it then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// The WGSL file's name.
    pub kernel: &'static str,
    /// Bytes of weights, with their scales.
    pub weights: u64,
    /// Bytes of keys and values, read and written.
    pub cached: u64,
    /// Bytes of everything else, read and written: what the dispatch before has just left.
    pub activations: u64,
    /// Multiplications, each with an addition.
    pub multiplications: u64,
}

impl Work {
    /// A dispatch that touches nothing yet.
    pub(crate) fn of(kernel: &'static str) -> Work {
        Work {
            kernel,
            weights: 0,
            cached: 0,
            activations: 0,
            multiplications: 0,
        }
    }

    /// Bytes of every kind.
    pub fn bytes(&self) -> u64 {
        self.weights + self.cached + self.activations
    }
}

/// A linear layer by its shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinearShape {
    /// Padded width of the input.
    pub inputs: usize,
    /// Rows of the weights.
    pub outputs: usize,
    /// Whether a norm is in front.
    pub norm: bool,
    pub epilogue: Epilogue,
}

impl LinearShape {
    /// The dispatches over so many rows, in order, of weights that one binding reaches.
    pub fn work(self, target: Target, dtype: WeightDType, rows: usize) -> Vec<Work> {
        let LinearShape {
            inputs,
            outputs,
            norm,
            epilogue,
        } = self;
        let shape = Shape {
            dtype,
            epilogue,
            outputs,
            loads: inputs / dtype.a_load(),
        };
        let tiling = Tiling::choose(target, rows, shape);
        let staged = Input::of_rows(target, dtype, norm, epilogue) == Input::Staged;
        let texels = inputs / values_a_texel(dtype);
        let mut dispatches = Vec::new();
        let mut read = rows * inputs * 4;
        if staged && !(rows == 1 && prepares(outputs, texels)) {
            let ready = rows * (texels * 16 + 4);
            dispatches.push(Work {
                activations: (read + ready) as u64,
                ..Work::of("stage")
            });
            read = ready;
        }
        let written = rows
            * match epilogue {
                Epilogue::Best => 8 * tiling.shares(target, outputs),
                // Read first.
                Epilogue::Add => 2 * 4 * outputs,
                Epilogue::Gate(_) => 4 * outputs / 2,
                Epilogue::Store | Epilogue::Activate(_) => 4 * outputs,
            };
        let scales = match dtype {
            WeightDType::Int8 => 4 * outputs,
            WeightDType::F32 | WeightDType::F16 => 0,
        };
        let gain = if norm { 4 * inputs } else { 0 };
        dispatches.push(Work {
            weights: (tiling.passes(rows) * (outputs * inputs * dtype.size() + scales) + gain)
                as u64,
            activations: (read + written) as u64,
            multiplications: (rows * outputs * inputs) as u64,
            ..Work::of(tiling.name())
        });
        dispatches
    }

    /// Pairs a row that [`Epilogue::Best`] leaves of so many rows.
    pub fn shares(self, target: Target, dtype: WeightDType, rows: usize) -> usize {
        let shape = Shape {
            dtype,
            epilogue: self.epilogue,
            outputs: self.outputs,
            loads: self.inputs / dtype.a_load(),
        };
        Tiling::choose(target, rows, shape).shares(target, self.outputs)
    }
}
