//! `t5-gpu pull`

use std::io::{self, Write};

use clap::Args;
use t5_gpu::hub;

use super::Outcome;
use super::args::hub_options;

/// Fetch a model from the Hugging Face hub ahead of its use and print where it is
#[derive(Args)]
pub struct Pull {
    /// A hub id (google-t5/t5-small, ID@REVISION) or a short name (t5-small)
    #[arg(value_name = "ID", required = true)]
    models: Vec<String>,
    /// Nothing on stderr but errors
    #[arg(long, short)]
    quiet: bool,
}

impl Pull {
    pub fn run(self) -> Outcome {
        for model in &self.models {
            let directory = hub::pull(model, &hub_options(self.quiet))?;
            writeln!(io::stdout(), "{}", directory.display())?;
        }
        Ok(())
    }
}
