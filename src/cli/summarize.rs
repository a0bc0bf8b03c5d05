//! `t5-gpu summarize`

use clap::Args;
use t5_gpu::task::Task;

use super::Outcome;
use super::generate::TextArgs;

/// Summarize text, with a model that was trained to
#[derive(Args)]
pub struct Summarize {
    #[command(flatten)]
    text: TextArgs,
}

impl Summarize {
    pub fn run(self) -> Outcome {
        self.text
            .run(|files| Ok(Task::summarization(&files.config()?)))
    }
}
