//! `t5-gpu bench`

mod ceiling;
mod gpus;
mod plan;
mod report;
mod run;
mod work;

use std::io::{self, Write};
use std::time::Instant;

use clap::Args;
use serde_json::{Value, json};
use t5_gpu::checkpoint::{DType, TensorSource};
use t5_gpu::gpu::Gpu;
use t5_gpu::model::Model;
use t5_gpu::{Parameters, Result, T5Config, WeightDType, parameters};

use self::ceiling::Ceiling;
use self::plan::PlanArgs;
use self::report::milliseconds;
use self::run::Workload;
use super::Outcome;
use super::args::{ModelArg, TokenSelection, dtype, preset};
use super::console::Console;

/// Measure load, encoder and decode steps
///
/// Over every combination of batch size, beams, source length and new tokens, each a comma-separated list. Every run
/// generates as `t5-gpu generate` does, without an end of sequence, so that it is exactly as long as asked.
#[derive(Args)]
pub struct Bench {
    #[command(flatten)]
    model: ModelArg,
    /// A published shape with random weights instead of a model: t5-small, t5-base, t5-large, ...
    #[arg(long, value_name = "NAME", conflicts_with = "model")]
    arch: Option<String>,
    /// Texts that go through the model together
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,8,32", value_parser = positive)]
    batch_size: Vec<usize>,
    /// Hypotheses a text; 1 is greedy
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1", value_parser = positive)]
    num_beams: Vec<usize>,
    /// Source tokens
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "11", value_parser = positive)]
    source_length: Vec<usize>,
    /// Decode steps
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "64", value_parser = positive)]
    new_tokens: Vec<usize>,
    /// How weights are kept on the GPU: f32, f16 or int8
    #[arg(long, default_value = "f32", value_parser = dtype)]
    dtype: WeightDType,
    /// Where the likeliest tokens are found; with cpu all logits are read back
    #[arg(long, value_enum, default_value = "gpu")]
    token_selection: TokenSelection,
    /// Runs of which the median is told
    #[arg(long, value_name = "N", default_value = "5", value_parser = positive)]
    repeat: usize,
    /// Which GPU: its index or a part of its name
    #[arg(long, value_name = "INDEX|NAME")]
    device: Option<String>,
    /// GPU time by kernel too, of one more run
    #[arg(long)]
    profile: bool,
    #[command(flatten)]
    plan: PlanArgs,
    /// A JSON array instead of a table
    #[arg(long)]
    json: bool,
    /// Nothing on stderr but errors
    #[arg(long, short)]
    quiet: bool,
}

impl Bench {
    /// The measurement that `t5-gpu report` makes.
    pub fn short(
        model: ModelArg,
        arch: Option<String>,
        device: Option<String>,
        dtype: WeightDType,
    ) -> Bench {
        Bench {
            model,
            arch,
            batch_size: vec![1, 8, 32],
            num_beams: vec![1],
            source_length: vec![11],
            new_tokens: vec![32],
            dtype,
            token_selection: TokenSelection::Gpu,
            repeat: 3,
            device,
            profile: false,
            plan: PlanArgs::none(),
            json: false,
            quiet: true,
        }
    }

    pub fn run(self) -> Outcome {
        let (results, table): (_, fn(&[Value]) -> String) = match self.plan.is_wanted() {
            true => (self.plans()?, plan::table),
            false => (self.results()?, report::table),
        };
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{:#}", Value::Array(results))?;
        } else {
            write!(out, "{}", table(&results))?;
        }
        Ok(())
    }

    /// A workload's plan each, from the model's shape alone.
    fn plans(&self) -> Result<Vec<Value>> {
        let (arch, config) = match &self.arch {
            Some(arch) => (arch.clone(), preset(arch)?),
            None => (self.model.name(), self.model.files(self.quiet)?.config()?),
        };
        let plan = |workload: &Workload| self.plan.of(&arch, &config, self.dtype, workload);
        Ok(self.workloads().iter().map(plan).collect())
    }

    /// As a table.
    pub fn table(&self) -> Result<String> {
        Ok(report::table(&self.results()?))
    }

    /// A workload's result each.
    fn results(&self) -> Result<Vec<Value>> {
        let console = Console::new(self.quiet);
        let (arch, config, weights) = self.weights()?;
        let gpu = Gpu::open(self.device.as_deref())?;
        console.device(gpu.info());
        let begin = Instant::now();
        let parameters = Parameters::load(weights.as_ref(), &config)?;
        parameters.require_decoder(&config)?;
        let model = Model::load(&gpu, &config, &parameters, self.dtype, &mut |_, _| ())?;
        gpu.wait()?;
        let load = begin.elapsed();

        let mut results = Vec::new();
        for workload in self.workloads() {
            console.note(&format!("measuring {workload}"));
            let mut result = self.measure(&model, &workload)?;
            result["arch"] = arch.as_str().into();
            result["load_ms"] = milliseconds(load).into();
            results.push(result);
        }
        // Last, so that its buffers count towards no result's memory.
        console.note("measuring what the adapter can do at most");
        let ceiling = Ceiling::measure(&gpu, self.dtype, &console);
        for result in &mut results {
            ceiling.add_to(result);
        }
        Ok(results)
    }

    /// The model's name, shape and weights.
    fn weights(&self) -> Result<(String, T5Config, Box<dyn TensorSource>)> {
        let Some(arch) = &self.arch else {
            let files = self.model.files(self.quiet)?;
            return Ok((
                self.model.name(),
                files.config()?,
                Box::new(files.weights()?),
            ));
        };
        let config = preset(arch)?;
        let dtype = match self.dtype {
            WeightDType::F32 => DType::F32,
            // Half the memory, and as many digits as are kept.
            _ => DType::F16,
        };
        let weights = parameters::random(&config, 1, dtype);
        Ok((arch.clone(), config, Box::new(weights)))
    }

    /// Every combination, batch sizes varying fastest.
    fn workloads(&self) -> Vec<Workload> {
        let mut workloads = Vec::new();
        for &source_length in &self.source_length {
            for &new_tokens in &self.new_tokens {
                for &num_beams in &self.num_beams {
                    workloads.extend(self.batch_size.iter().map(|&batch_size| Workload {
                        batch_size,
                        num_beams,
                        source_length,
                        new_tokens,
                        token_selection: self.token_selection,
                    }));
                }
            }
        }
        workloads
    }

    /// One workload's fields, but for those that all results share.
    fn measure(&self, model: &Model, workload: &Workload) -> Result<Value> {
        let measured = workload.measure(model, self.repeat)?;
        let gpu = model.gpu();
        let sources = (workload.batch_size * workload.source_length) as f64;
        let tokens = (workload.batch_size * workload.new_tokens) as f64;
        let step = work::decode_step(model.config(), self.dtype, workload);
        let step_seconds = measured.step_median.as_secs_f64();
        let mut result = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "dtype": self.dtype.name(),
            "device": gpu.info().name,
            "backend": gpu.info().backend,
            "driver": gpu.info().driver,
            "batch_size": workload.batch_size,
            "num_beams": workload.num_beams,
            "source_length": workload.source_length,
            "new_tokens": workload.new_tokens,
            "token_selection": self.token_selection.name(),
            "repeat": self.repeat,
            "encode_ms": milliseconds(measured.encode),
            "first_token_ms": milliseconds(measured.first_token),
            "step_ms": {"median": milliseconds(measured.step_median), "p90": milliseconds(measured.step_p90)},
            "total_ms": milliseconds(measured.total),
            "tokens_per_second": tokens / measured.total.as_secs_f64(),
            "source_tokens_per_second": sources / measured.encode.as_secs_f64(),
            "step_bytes": step.bytes,
            "step_flop": step.flop,
            "achieved": {"gb_s": step.bytes / step_seconds / 1e9, "gflop_s": step.flop / step_seconds / 1e9},
            "host_peak_bytes": host_peak_bytes(),
            "gpu_bytes": measured.gpu_bytes,
        });
        if self.profile {
            gpu.start_profile()?;
            workload.run(model)?;
            result["profile"] = report::profile(&gpu.take_profile());
        }
        Ok(result)
    }
}

/// The most memory this process has held, where the system tells it.
fn host_peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=1_000_000) => Ok(number),
        _ => Err("must be a whole number, 1 to a million".into()),
    }
}
