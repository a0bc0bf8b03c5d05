//! What an engine that serves many costs and whether it holds:
//!
//!     cargo bench --bench engine -- clients      one list of requests against clients who ask for one at a time
//!     cargo bench --bench engine -- stress       clients of every kind for minutes, each answer compared with the one alone

mod clients;
mod stress;

use std::path::PathBuf;

use clap::Parser;
use t5_gpu::{Engine, GenerationConfig, LoadOptions, ModelFiles, WeightDType};

#[derive(clap::Args)]
struct Common {
    /// A model directory (default: the embedded model)
    #[arg(long)]
    model: Option<PathBuf>,
    #[arg(long, default_value = "f32")]
    dtype: WeightDType,
    #[arg(long)]
    device: Option<String>,
    /// What cargo says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

impl Common {
    fn files(&self) -> ModelFiles {
        match &self.model {
            Some(directory) => ModelFiles::open(directory).unwrap(),
            None => ModelFiles::embedded().unwrap(),
        }
    }

    fn engine(&self, batch_size: Option<usize>) -> Engine {
        let options = LoadOptions {
            device: self.device.clone(),
            dtype: self.dtype,
            batch_size,
            ..LoadOptions::default()
        };
        Engine::load(&self.files(), &options, &mut |_, _| ()).unwrap()
    }

    fn generation(&self) -> GenerationConfig {
        self.files().generation().unwrap()
    }
}

/// An engine under load
#[derive(Parser)]
enum Bench {
    Clients(clients::Clients),
    Stress(stress::Stress),
}

fn main() {
    match Bench::parse() {
        Bench::Clients(clients) => clients.run(),
        Bench::Stress(stress) => stress.run(),
    }
}

fn percentile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * part).round() as usize]
}

/// Of this process; 0 where the system does not say.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) << 10
}
