//! `t5-gpu translate`

use clap::Args;
use t5_gpu::Result;
use t5_gpu::language::{Language, TranslationTask};

use super::Outcome;
use super::args::{GenerationArgs, RunArgs};
use super::console::Console;
use super::generate::Generating;
use super::serve::Lines;

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
    run: RunArgs,
    /// Print each translation's score in front of it, a tab between
    #[arg(long)]
    with_score: bool,
    #[command(flatten)]
    options: GenerationArgs,
}

impl Translate {
    pub fn run(self) -> Outcome {
        let task = self.task()?;
        let console = Console::new(self.run.lines.quiet);
        let lines = Lines::open(&self.run.lines, &console);
        let pipeline = self.run.pipeline(&console)?;
        let mut options = pipeline.generation().clone();
        options.apply_json(&task.options)?;
        options.apply_json(&self.options.given())?;
        let service = Generating {
            pipeline,
            options,
            prefix: task.prefix,
            with_score: self.with_score,
        };
        service.serve(&lines, &console)
    }

    /// Asked for before the weights are loaded: a wrong language is told at once.
    fn task(&self) -> Result<TranslationTask> {
        let (from, to) = (Language::find(&self.from)?, Language::find(&self.to)?);
        TranslationTask::find(
            &self.run.model.files(self.run.lines.quiet)?.config()?,
            from,
            to,
        )
    }
}
