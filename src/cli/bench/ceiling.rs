//! What the adapter can do at most, measured on the spot, so that a result can be told as a share of it.

use std::time::Instant;

use serde_json::{Value, json};
use t5_gpu::gpu::{Buffer, Gpu, Plan, Target};
use t5_gpu::ops::{CopyBuffer, Epilogue, Linear, LinearArgs, Matrix, Staged};
use t5_gpu::{Result, WeightDType};

use crate::cli::console::Console;

/// The best of several tries each; `None` where the device has no room for the try.
pub struct Ceiling {
    /// A kernel that copies a buffer, bytes read and written, in GB/s.
    copy_gb_s: Option<f64>,
    /// A large matrix product with weights of the model's type, in GFLOP/s.
    matmul_gflop_s: Option<f64>,
}

/// How much is tried at once: enough to keep the device busy, little enough to wait for.
struct Size {
    copy_bytes: u64,
    copies: usize,
    /// Rows, outputs and inputs of the product.
    product: [usize; 3],
}

const HARDWARE: Size = Size {
    copy_bytes: 256 << 20,
    copies: 16,
    product: [2048, 4096, 4096],
};

const SOFTWARE: Size = Size {
    copy_bytes: 64 << 20,
    copies: 4,
    product: [256, 1024, 1024],
};

const TRIES: usize = 5;

impl Ceiling {
    pub fn measure(gpu: &Gpu, dtype: WeightDType, console: &Console) -> Ceiling {
        let size = match gpu.target() {
            Target::Hardware { .. } => HARDWARE,
            Target::Software { .. } => SOFTWARE,
        };
        // Where the device has no room for the try, results are worth telling without it.
        let known = |measured: Result<f64>| match measured {
            Ok(rate) => Some(rate),
            Err(error) => {
                console.note(&format!("note: {error}"));
                None
            }
        };
        Ceiling {
            copy_gb_s: known(copy(gpu, &size)),
            matmul_gflop_s: known(matmul(gpu, &size, dtype)),
        }
    }

    /// Adds the ceiling, and the shares of it that were achieved, to a result.
    pub fn add_to(&self, result: &mut Value) {
        let achieved = &mut result["achieved"];
        let share = |part: &Value, whole: Option<f64>| Some(part.as_f64()? / whole?);
        achieved["copy_share"] = share(&achieved["gb_s"], self.copy_gb_s).into();
        achieved["matmul_share"] = share(&achieved["gflop_s"], self.matmul_gflop_s).into();
        result["ceiling"] = json!({
            "copy_gb_s": self.copy_gb_s,
            "matmul_gflop_s": self.matmul_gflop_s,
        });
    }
}

fn copy(gpu: &Gpu, size: &Size) -> Result<f64> {
    let bytes = size.copy_bytes.min(gpu.max_binding_bytes()) & !15;
    let from = gpu.buffer("copy source", bytes)?;
    let to = gpu.buffer("copy target", bytes)?;
    let copy = CopyBuffer::new(gpu, &from, &to);
    let mut plan = Plan::default();
    for _ in 0..size.copies {
        copy.record(gpu, &mut plan);
    }
    let seconds = best(gpu, &plan)?;
    Ok((2 * bytes * size.copies as u64) as f64 / seconds / 1e9)
}

fn matmul(gpu: &Gpu, size: &Size, dtype: WeightDType) -> Result<f64> {
    let [rows, outputs, inputs] = size.product;
    let weights = Matrix::upload(gpu, "weights", dtype, outputs, inputs, |row, out| {
        for (column, value) in out.iter_mut().enumerate() {
            *value = ((row * 31 + column * 17) % 255) as f32 / 127.0 - 1.0;
        }
    })?;
    let values: Vec<f32> = (0..rows * inputs).map(|i| (i % 97) as f32 / 48.0).collect();
    let x = gpu.texels_from("x", &values)?;
    let out: Buffer = gpu.buffer("out", (rows * outputs * 4) as u64)?;
    let scratch = Staged::new(gpu, rows, inputs, dtype)?;
    let linear = Linear::new(
        gpu,
        &LinearArgs {
            x: &x,
            norm: None,
            weights: &weights,
            out: (&out).into(),
            out_width: outputs,
            epilogue: Epilogue::Store,
            scale: 1.0,
            scratch: Some(&scratch),
        },
    );
    let mut plan = Plan::default();
    linear.record(gpu, rows, &mut plan);
    let seconds = best(gpu, &plan)?;
    Ok((2 * rows * outputs * inputs) as f64 / seconds / 1e9)
}

/// The least seconds that the plan takes, after a first time that does not count.
fn best(gpu: &Gpu, plan: &Plan) -> Result<f64> {
    let mut best = f64::INFINITY;
    for attempt in 0..=TRIES {
        gpu.wait()?;
        let begin = Instant::now();
        gpu.run(plan, None)?;
        gpu.wait()?;
        if attempt > 0 {
            best = best.min(begin.elapsed().as_secs_f64());
        }
    }
    Ok(best)
}
