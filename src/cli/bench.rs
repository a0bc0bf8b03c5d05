//! `t5-gpu bench`

use std::io::{self, Write};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};
use t5_gpu::checkpoint::{DType, TensorSource};
use t5_gpu::generate::softmax::argmax;
use t5_gpu::generate::{StepDecoder, StepRow};
use t5_gpu::gpu::{Gpu, KernelTime};
use t5_gpu::model::Model;
use t5_gpu::{Error, Parameters, Result, T5Config, WeightDType, parameters};

use super::Outcome;
use super::args::{ModelArg, dtype};
use super::console::Console;

/// Measure load, encoder and decode steps
#[derive(Args)]
pub struct Bench {
    #[command(flatten)]
    model: ModelArg,
    /// A published shape with random weights instead of a model: t5-small, t5-base, t5-large, ...
    #[arg(long, value_name = "NAME", conflicts_with = "model")]
    arch: Option<String>,
    /// Batch sizes to measure
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,8,32", value_parser = positive)]
    batch_size: Vec<usize>,
    /// Hypotheses a text
    #[arg(long, value_name = "N", default_value = "1", value_parser = positive)]
    num_beams: usize,
    /// Source tokens
    #[arg(long, value_name = "N", default_value = "11", value_parser = positive)]
    source_length: usize,
    /// Decode steps
    #[arg(long, value_name = "N", default_value = "64", value_parser = positive)]
    new_tokens: usize,
    /// How weights are kept on the GPU: f32, f16 or int8
    #[arg(long, default_value = "f32", value_parser = dtype)]
    dtype: WeightDType,
    /// Runs of which the median is told
    #[arg(long, value_name = "N", default_value = "5", value_parser = positive)]
    repeat: usize,
    /// Which GPU: its index or a part of its name
    #[arg(long, value_name = "INDEX|NAME")]
    device: Option<String>,
    /// GPU time by kernel too, of one more run
    #[arg(long)]
    profile: bool,
    /// A JSON array instead of a table
    #[arg(long)]
    json: bool,
    /// Nothing on stderr but errors
    #[arg(long, short)]
    quiet: bool,
}

impl Bench {
    pub fn run(self) -> Outcome {
        let console = Console::new(self.quiet);
        let (arch, config, weights) = self.weights()?;
        let gpu = Gpu::open(self.device.as_deref())?;
        console.device(gpu.info());
        let parameters = Parameters::load(weights.as_ref(), &config)?;
        let begin = Instant::now();
        let model = Model::load(&gpu, &config, &parameters, self.dtype, &mut |_, _| ())?;
        gpu.wait()?;
        let load = begin.elapsed();

        let mut results = Vec::new();
        for &batch_size in &self.batch_size {
            console.note(&format!("measuring batch size {batch_size}"));
            let measured = self.measure(&model, batch_size)?;
            let mut result = json!({
                "arch": arch,
                "dtype": self.dtype.name(),
                "device": gpu.info().name,
                "driver": gpu.info().driver,
                "batch_size": batch_size,
                "num_beams": self.num_beams,
                "source_length": self.source_length,
                "new_tokens": self.new_tokens,
                "load_ms": milliseconds(load),
                "encode_ms": milliseconds(measured.encode),
                "step_ms": {"median": milliseconds(measured.step_median), "p90": milliseconds(measured.step_p90)},
                "tokens_per_second": measured.tokens_per_second,
                "host_peak_bytes": host_peak_bytes(),
                "gpu_bytes": gpu.allocated_bytes(),
            });
            if self.profile {
                gpu.start_profile()?;
                self.run_once(&model, batch_size)?;
                result["profile"] = profile(&gpu.take_profile());
            }
            results.push(result);
        }
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(
                out,
                "{}",
                serde_json::to_string_pretty(&results).map_err(io::Error::from)?
            )?;
        } else {
            write!(out, "{}", table(&results))?;
        }
        Ok(())
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
        let config = T5Config::preset(arch).ok_or_else(|| Error::Unsupported {
            what: "architecture",
            found: arch.clone(),
            supported: T5Config::PRESETS.join(", "),
        })?;
        let dtype = match self.dtype {
            WeightDType::F32 => DType::F32,
            WeightDType::F16 | WeightDType::Int8 => DType::F16,
        };
        let weights = parameters::random(&config, 1, dtype);
        Ok((arch.clone(), config, Box::new(weights)))
    }

    fn measure(&self, model: &Model, batch_size: usize) -> Result<Measured> {
        let mut runs = Vec::new();
        // The first run makes pipelines and buffers; it does not count.
        for _ in 0..=self.repeat {
            runs.push(self.run_once(model, batch_size)?);
        }
        runs.remove(0);
        let tokens = (batch_size * self.new_tokens) as f64;
        let total = |run: &Run| run.encode + run.steps.iter().sum::<Duration>();
        let steps = || runs.iter().flat_map(|run| run.steps.iter().copied());
        Ok(Measured {
            encode: quantile(runs.iter().map(|run| run.encode), 0.5),
            step_median: quantile(steps(), 0.5),
            step_p90: quantile(steps(), 0.9),
            tokens_per_second: tokens / quantile(runs.iter().map(total), 0.5).as_secs_f64(),
        })
    }

    /// Encodes and decodes exactly `new_tokens` steps, the likeliest token each, whatever it is.
    fn run_once(&self, model: &Model, batch_size: usize) -> Result<Run> {
        let config = model.config();
        let sources: Vec<Vec<u32>> = (0..batch_size)
            .map(|row| source(row, self.source_length, config))
            .collect();
        let begin = Instant::now();
        let encoded = model.encode(&sources)?;
        model.gpu().wait()?;
        let encode = begin.elapsed();

        let rows = batch_size * self.num_beams;
        let mut decoder = model.decoder(&encoded, rows)?;
        let start = config.decoder_start_token_id.unwrap_or(config.pad_token_id);
        let mut fed: Vec<StepRow> = (0..rows)
            .map(|row| StepRow {
                source: (row / self.num_beams) as u32,
                slot: row as u32,
                parent: row as u32,
                position: 0,
                token: start,
            })
            .collect();
        let vocab_size = decoder.vocab_size();
        let mut tokens = Vec::new();
        let mut steps = Vec::with_capacity(self.new_tokens);
        for _ in 0..self.new_tokens {
            let begin = Instant::now();
            // As generation does it: greedy needs the likeliest tokens alone, beam search the logits.
            tokens.clear();
            if self.num_beams > 1 || !decoder.step_argmax(&fed, &mut tokens)? {
                let logits = decoder.step(&fed)?;
                tokens.extend(
                    logits
                        .chunks_exact(vocab_size)
                        .map(|row| argmax(row) as u32),
                );
            }
            for (index, row) in fed.iter_mut().enumerate() {
                let beam = index % self.num_beams;
                // Every beam continues its neighbour, so that what reordering costs is measured too.
                row.parent = (index - beam + (beam + 1) % self.num_beams) as u32;
                row.position += 1;
                row.token = tokens[index];
            }
            steps.push(begin.elapsed());
        }
        Ok(Run { encode, steps })
    }
}

/// One run's times.
struct Run {
    encode: Duration,
    steps: Vec<Duration>,
}

/// Medians over runs; steps over all steps of all runs.
struct Measured {
    encode: Duration,
    step_median: Duration,
    step_p90: Duration,
    /// Texts times new tokens over encoder and steps together.
    tokens_per_second: f64,
}

/// A source that differs from row to row, within the vocabulary, `</s>` at its end.
fn source(row: usize, length: usize, config: &T5Config) -> Vec<u32> {
    let end = config.eos_token_id.first().copied().unwrap_or(1);
    let token = |i: usize| (3 + (row * 7919 + i * 104_729) % (config.vocab_size - 3)) as u32;
    (0..length - 1).map(token).chain([end]).collect()
}

fn quantile(durations: impl Iterator<Item = Duration>, fraction: f64) -> Duration {
    let mut sorted: Vec<Duration> = durations.collect();
    sorted.sort();
    sorted[((sorted.len() - 1) as f64 * fraction).round() as usize]
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// The most memory this process has held, where the system tells it.
fn host_peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn table(results: &[Value]) -> String {
    let mut text = String::new();
    if let Some(first) = results.first() {
        let string = |name: &str| first[name].as_str().unwrap_or_default().to_owned();
        text += &format!(
            "{} {} on {} ({})\n",
            string("arch"),
            string("dtype"),
            string("device"),
            string("driver")
        );
        text += &format!(
            "source {} tokens, {} new tokens, {} beams\n",
            first["source_length"], first["new_tokens"], first["num_beams"]
        );
    }
    let head = [
        "batch",
        "load ms",
        "encode ms",
        "step ms",
        "p90",
        "tokens/s",
        "host MB",
        "gpu MB",
    ];
    text += &head.map(|title| format!("{title:>10}")).concat();
    for result in results {
        let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        let cells = [
            format!("{}", result["batch_size"]),
            format!("{:.1}", number(&result["load_ms"])),
            format!("{:.2}", number(&result["encode_ms"])),
            format!("{:.2}", number(&result["step_ms"]["median"])),
            format!("{:.2}", number(&result["step_ms"]["p90"])),
            format!("{:.1}", number(&result["tokens_per_second"])),
            format!("{:.0}", number(&result["host_peak_bytes"]) / 1e6),
            format!("{:.0}", number(&result["gpu_bytes"]) / 1e6),
        ];
        text += "\n";
        text += &cells.map(|cell| format!("{cell:>10}")).concat();
    }
    text += "\n";
    text += &results.iter().map(profile_table).collect::<String>();
    text
}

/// Kernels, the dearest first, with their share of all GPU time.
fn profile(times: &[KernelTime]) -> Value {
    let all: Duration = times.iter().map(|time| time.total).sum();
    times
        .iter()
        .map(|time| {
            json!({
                "kernel": time.kernel,
                "calls": time.calls,
                "total_ms": milliseconds(time.total),
                "share": time.total.as_secs_f64() / all.as_secs_f64().max(f64::MIN_POSITIVE),
            })
        })
        .collect()
}

fn profile_table(result: &Value) -> String {
    let Some(kernels) = result["profile"].as_array() else {
        return String::new();
    };
    let mut text = format!(
        "\nbatch {}: GPU time by kernel\n{:>28}{:>8}{:>12}{:>8}\n",
        result["batch_size"], "kernel", "calls", "total ms", "share"
    );
    for kernel in kernels {
        let name = kernel["kernel"].as_str().unwrap_or_default();
        let total = kernel["total_ms"].as_f64().unwrap_or_default();
        let share = 100.0 * kernel["share"].as_f64().unwrap_or_default();
        text += &format!(
            "{name:>28}{:>8}{total:>12.2}{share:>7.1}%\n",
            kernel["calls"].to_string()
        );
    }
    text
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("must be a whole number, at least 1".into()),
    }
}
