//! `t5-gpu translate`

use clap::Args;

use super::Outcome;
use super::args::LanguageArgs;
use super::generate::TextArgs;

/// Translate text
#[derive(Args)]
pub struct Translate {
    #[command(flatten)]
    languages: LanguageArgs,
    #[command(flatten)]
    text: TextArgs,
}

impl Translate {
    pub fn run(self) -> Outcome {
        self.text.run(|files| self.languages.task(files))
    }
}
