//! `t5-gpu report`

use std::io::{self, Write};

use clap::Args;
use t5_gpu::WeightDType;
use t5_gpu::gpu::Gpu;

use super::args::{ModelArg, dtype};
use super::bench::Bench;
use super::console::Console;
use super::devices::describe;
use super::verify::Verify;
use super::{Failure, Outcome};

/// Print what this device is, whether it computes correctly and how fast it is, as Markdown to paste into a report
#[derive(Args)]
pub struct Report {
    #[command(flatten)]
    model: ModelArg,
    /// Which GPU: its index or a part of its name, as `t5-gpu devices` lists them
    #[arg(long, value_name = "INDEX|NAME")]
    device: Option<String>,
    /// Which weight types to check and measure
    #[arg(long, value_name = "TYPE,...", value_delimiter = ',', default_value = "f32,f16,int8", value_parser = dtype)]
    dtype: Vec<WeightDType>,
    /// Nothing on stderr but errors
    #[arg(long, short)]
    quiet: bool,
}

/// What is measured where no model is named: the same for everybody.
const ARCH: &str = "t5-small";

impl Report {
    pub fn run(self) -> Outcome {
        let console = Console::new(self.quiet);
        let devices = t5_gpu::devices();
        // What no part of the report could do without.
        Gpu::open(self.device.as_deref())?;
        self.model.files(self.quiet)?;
        let mut out = io::stdout().lock();
        writeln!(
            out,
            "### t5-gpu {} on {} {}, {} threads\n",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS,
            std::env::consts::ARCH,
            std::thread::available_parallelism().map_or(1, usize::from),
        )?;
        let listed: String = devices.iter().map(describe).collect();
        writeln!(out, "{}", block("devices", &listed))?;

        let mut failed = false;
        for &dtype in &self.dtype {
            console.note(&format!("verifying {}", dtype.name()));
            let verify = Verify::short(self.model.clone(), self.device.clone(), dtype);
            // What one type cannot do is worth telling beside what the others can.
            let text = match verify.report() {
                Ok(report) => {
                    failed |= report.failures() > 0;
                    report.table()
                }
                Err(error) => {
                    failed = true;
                    format!("error: {error}\n")
                }
            };
            let title = format!("verify {}", dtype.name());
            writeln!(out, "{}", block(&title, &text))?;
            out.flush()?;
        }
        for &dtype in &self.dtype {
            console.note(&format!("measuring {}", dtype.name()));
            let arch = self.model.model.is_none().then(|| ARCH.to_owned());
            let bench = Bench::short(self.model.clone(), arch, self.device.clone(), dtype);
            let text = bench.table().unwrap_or_else(|error| {
                failed = true;
                format!("error: {error}\n")
            });
            let title = format!("bench {}", dtype.name());
            writeln!(out, "{}", block(&title, &text))?;
            out.flush()?;
        }
        if failed { Err(Failure::Told) } else { Ok(()) }
    }
}

/// Text under a title, as it stands.
fn block(title: &str, text: &str) -> String {
    format!("**{title}**\n```text\n{}\n```\n", text.trim_end())
}
