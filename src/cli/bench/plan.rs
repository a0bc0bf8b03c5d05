//! `t5-gpu bench --plan`: what a decode step has to do, and how long that takes at least.

use clap::Args;
use serde_json::{Value, json};
use t5_gpu::gpu::Target;
use t5_gpu::model::{PartWork, StepEnd, StepShape, decode_step};
use t5_gpu::ops::Work;
use t5_gpu::{T5Config, WeightDType};

use super::gpus::{GpuFigures, known};
use super::run::Workload;
use super::work;
use crate::cli::args::TokenSelection;

/// Candidates a row for so many beams, as beam search asks for them.
const CANDIDATES_A_BEAM: usize = 2;

/// Which GPU the times are of.
#[derive(Args)]
pub struct PlanArgs {
    /// What a decode step dispatches, moves and multiplies, and how long GPUs need for that at least; nothing is run
    #[arg(long)]
    plan: bool,
    /// With --plan: memory bandwidth of a GPU of yours in place of the well-known ones
    #[arg(long, value_name = "N", requires_all = ["plan", "tflop_s"], value_parser = rate)]
    gb_s: Option<f64>,
    /// With --plan: f32 arithmetic of that GPU
    #[arg(long, value_name = "N", requires_all = ["plan", "gb_s"], value_parser = rate)]
    tflop_s: Option<f64>,
    /// With --plan: microseconds that each dispatch costs that GPU
    #[arg(long, value_name = "N", requires = "gb_s", value_parser = rate, default_value = "5")]
    dispatch_us: f64,
}

impl PlanArgs {
    /// Those of a measurement.
    pub fn none() -> PlanArgs {
        PlanArgs {
            plan: false,
            gb_s: None,
            tflop_s: None,
            dispatch_us: 0.0,
        }
    }

    pub fn is_wanted(&self) -> bool {
        self.plan
    }

    fn gpus(&self) -> Vec<GpuFigures> {
        match (self.gb_s, self.tflop_s) {
            (Some(gb_s), Some(tflop_s)) => vec![GpuFigures {
                name: format!("{gb_s} GB/s, {tflop_s} TFLOP/s"),
                gb_s,
                tflop_s,
                dispatch_us: self.dispatch_us,
                int8_dot: true,
            }],
            _ => known(),
        }
    }

    /// A workload's step, in the middle of its new tokens.
    pub fn of(
        &self,
        arch: &str,
        config: &T5Config,
        dtype: WeightDType,
        workload: &Workload,
    ) -> Value {
        let parts = step(config, dtype, workload, true);
        let least = work::decode_step(config, dtype, workload);
        let rows: Vec<Value> = parts.iter().flat_map(rows).collect();
        let sum = |of: fn(&Work) -> u64| total(&parts, of);
        let times: Vec<Value> = self
            .gpus()
            .iter()
            .map(|gpu| {
                let parts = step(config, dtype, workload, gpu.int8_dot);
                let step_ms = milliseconds(gpu, dtype, &parts);
                json!({
                    "gpu": gpu.name,
                    "gb_s": gpu.gb_s,
                    "tflop_s": gpu.tflop_s,
                    "dispatch_us": gpu.dispatch_us,
                    "step_ms": step_ms,
                    "tokens_per_second": workload.batch_size as f64 / step_ms * 1e3,
                })
            })
            .collect();
        json!({
            "arch": arch,
            "dtype": dtype.name(),
            "batch_size": workload.batch_size,
            "num_beams": workload.num_beams,
            "source_length": workload.source_length,
            "new_tokens": workload.new_tokens,
            "dispatches": total(&parts, |_| 1),
            "weight_bytes": sum(|work| work.weights),
            "cache_bytes": sum(|work| work.cached),
            "activation_bytes": sum(|work| work.activations),
            "multiplications": sum(|work| work.multiplications),
            "least_bytes": least.bytes,
            "kernels": rows,
            "at_least": times,
        })
    }
}

/// What a step of the workload dispatches on a GPU.
fn step(
    config: &T5Config,
    dtype: WeightDType,
    workload: &Workload,
    int8_dot: bool,
) -> Vec<PartWork> {
    let end = match (workload.token_selection, workload.num_beams) {
        (TokenSelection::Cpu, _) => StepEnd::Logits,
        (TokenSelection::Gpu, 1) => StepEnd::Greedy,
        (TokenSelection::Gpu, beams) => StepEnd::Ranking(CANDIDATES_A_BEAM * beams),
    };
    let shape = StepShape {
        sources: workload.batch_size,
        beams: workload.num_beams,
        source_length: workload.source_length,
        positions: workload.new_tokens.div_ceil(2),
        end,
    };
    decode_step(config, Target::Hardware { int8_dot }, dtype, &shape)
}

fn total(parts: &[PartWork], of: fn(&Work) -> u64) -> u64 {
    parts
        .iter()
        .map(|part| part.layers as u64 * part.dispatches.iter().map(of).sum::<u64>())
        .sum()
}

/// The least time of a step. What one dispatch leaves for the next is taken to stay in a cache.
fn milliseconds(gpu: &GpuFigures, dtype: WeightDType, parts: &[PartWork]) -> f64 {
    let at_a_time = match dtype {
        WeightDType::Int8 if gpu.int8_dot => 4.0,
        _ => 1.0,
    };
    let microseconds = |work: &Work| {
        let memory = (work.weights + work.cached) as f64 / gpu.gb_s / 1e3;
        let arithmetic = 2.0 * work.multiplications as f64 / (at_a_time * gpu.tflop_s) / 1e6;
        gpu.dispatch_us + memory.max(arithmetic)
    };
    let of_part = |part: &PartWork| {
        part.layers as f64 * part.dispatches.iter().map(microseconds).sum::<f64>()
    };
    parts.iter().map(of_part).sum::<f64>() / 1e3
}

/// A part's dispatches, over all of its layers.
fn rows(part: &PartWork) -> Vec<Value> {
    let layers = part.layers as u64;
    part.dispatches
        .iter()
        .map(|work| {
            json!({
                "part": part.part,
                "kernel": work.kernel,
                "dispatches": part.layers,
                "weight_bytes": layers * work.weights,
                "cache_bytes": layers * work.cached,
                "activation_bytes": layers * work.activations,
                "multiplications": layers * work.multiplications,
            })
        })
        .collect()
}

/// Plans as people read them.
pub fn table(plans: &[Value]) -> String {
    plans.iter().map(of_plan).collect::<Vec<_>>().join("\n")
}

fn of_plan(plan: &Value) -> String {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let mega = |value: &Value| format!("{:.2}", number(value) / 1e6);
    let mut text = format!(
        "{} {}, batch {}, beams {}, source {}, new {}: a decode step in the middle, nothing run\n",
        plan["arch"].as_str().unwrap_or_default(),
        plan["dtype"].as_str().unwrap_or_default(),
        plan["batch_size"],
        plan["num_beams"],
        plan["source_length"],
        plan["new_tokens"],
    );
    let line = |part: &str, kernel: &str, row: &Value| {
        format!(
            "{part:>24}{kernel:>16}{:>12}{:>12}{:>12}{:>12}{:>16}\n",
            row["dispatches"].to_string(),
            mega(&row["weight_bytes"]),
            mega(&row["cache_bytes"]),
            mega(&row["activation_bytes"]),
            mega(&row["multiplications"]),
        )
    };
    text += &format!(
        "{:>24}{:>16}{:>12}{:>12}{:>12}{:>12}{:>16}\n",
        "part", "kernel", "dispatches", "weights MB", "cache MB", "other MB", "mega-multiplies"
    );
    for row in plan["kernels"].as_array().into_iter().flatten() {
        let name = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
        text += &line(&name("part"), &name("kernel"), row);
    }
    text += &line("all", "", plan);
    let read = number(&plan["weight_bytes"]) + number(&plan["cache_bytes"]);
    text += &format!(
        "weights, keys and values once: {} MB; read and written here: {:.3} times that\n",
        mega(&plan["least_bytes"]),
        read / number(&plan["least_bytes"]),
    );
    text += &format!(
        "{:>40}{:>10}{:>10}{:>14}{:>12}{:>12}\n",
        "a step at least on", "GB/s", "TFLOP/s", "us/dispatch", "ms", "tokens/s"
    );
    for gpu in plan["at_least"].as_array().into_iter().flatten() {
        text += &format!(
            "{:>40}{:>10}{:>10}{:>14}{:>12.3}{:>12.0}\n",
            gpu["gpu"].as_str().unwrap_or_default(),
            number(&gpu["gb_s"]),
            number(&gpu["tflop_s"]),
            number(&gpu["dispatch_us"]),
            number(&gpu["step_ms"]),
            number(&gpu["tokens_per_second"]),
        );
    }
    text
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("must be a number above 0".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(batch_size: usize) -> Workload {
        Workload {
            batch_size,
            num_beams: 1,
            source_length: 11,
            new_tokens: 64,
            token_selection: TokenSelection::Gpu,
        }
    }

    /// work.rs counts weights, keys and values by the shape of the model, this by kernels.
    #[test]
    fn weights_keys_and_values_are_moved_once() {
        for arch in ["t5-small", "t5-base", "t5-large", "t5-3b"] {
            let config = T5Config::preset(arch).unwrap();
            for dtype in WeightDType::ALL {
                for int8_dot in [false, true] {
                    for batch_size in [1, 2, 3, 8, 17, 32, 63, 64] {
                        let workload = workload(batch_size);
                        let parts = step(&config, dtype, &workload, int8_dot);
                        let moved = total(&parts, |work| work.weights + work.cached) as f64;
                        let least = work::decode_step(&config, dtype, &workload).bytes;
                        assert!(
                            (1.0..=1.1).contains(&(moved / least)),
                            "{arch} {dtype:?} {batch_size}: {moved} bytes, least {least}"
                        );
                    }
                }
            }
        }
    }

    /// An embedding, eight in each of six layers, the head and its argmax; int8 rows are made ready for each product by a
    /// dispatch of its own, but for single ones in front of few outputs.
    #[test]
    fn dispatches_of_a_greedy_step_of_t5_small() {
        let config = T5Config::preset("t5-small").unwrap();
        let dispatches =
            |dtype, batch_size| total(&step(&config, dtype, &workload(batch_size), true), |_| 1);
        for batch_size in [1, 2, 64] {
            assert_eq!(dispatches(WeightDType::F32, batch_size), 51);
            assert_eq!(dispatches(WeightDType::F16, batch_size), 51);
        }
        assert_eq!(dispatches(WeightDType::Int8, 1), 51 + 1);
        assert_eq!(dispatches(WeightDType::Int8, 2), 51 + 6 * 6 + 1);
    }

    #[test]
    fn times_are_those_of_the_slower_of_memory_and_arithmetic() {
        let config = T5Config::preset("t5-small").unwrap();
        let parts = step(&config, WeightDType::F32, &workload(1), true);
        let gpu = |gb_s, tflop_s, dispatch_us| GpuFigures {
            name: String::new(),
            gb_s,
            tflop_s,
            dispatch_us,
            int8_dot: true,
        };
        let of = |gpu| milliseconds(&gpu, WeightDType::F32, &parts);
        let endless = 1e12;
        let moved = total(&parts, |work| work.weights + work.cached) as f64;
        let flop = 2.0 * total(&parts, |work| work.multiplications) as f64;
        let near = |found: f64, expected: f64| {
            assert!((found / expected - 1.0).abs() < 1e-6, "{found} {expected}")
        };
        near(of(gpu(100.0, endless, 0.0)), moved / 100e9 * 1e3);
        near(of(gpu(endless, 2.0, 0.0)), flop / 2e12 * 1e3);
        near(of(gpu(endless, endless, 7.0)), 51.0 * 7e-3);
    }
}
