//! `t5-gpu translate`

use clap::Args;
use t5_gpu::language::Language;
use t5_gpu::task::Task;

use super::Outcome;
use super::generate::TextArgs;

/// Translate text
#[derive(Args)]
pub struct Translate {
    /// Into which language: a code (de) or an English name (German)
    #[arg(long, default_value = "de", value_name = "LANGUAGE")]
    to: String,
    /// Out of which language
    #[arg(long, default_value = "en", value_name = "LANGUAGE")]
    from: String,
    #[command(flatten)]
    text: TextArgs,
}

impl Translate {
    pub fn run(self) -> Outcome {
        let (from, to) = (Language::find(&self.from)?, Language::find(&self.to)?);
        self.text.run(|config| Task::translation(config, from, to))
    }
}
