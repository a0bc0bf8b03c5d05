//! `t5-gpu generate`, and what `translate` and `summarize` share with it.

use clap::Args;
use t5_gpu::task::Task;
use t5_gpu::{ModelFiles, Result};

use super::Outcome;
use super::generating::RequestArgs;
use super::lines::answer_lines;
use super::stream::Streaming;

/// Text to text, with no prefix added
#[derive(Args)]
pub struct Generate {
    /// A task of the config's task_specific_params: its prefix and options
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    #[command(flatten)]
    text: TextArgs,
}

impl Generate {
    pub fn run(self) -> Outcome {
        self.text.run(|files| match &self.task {
            Some(name) => Task::named(&files.config()?, name),
            None => Ok(Task::default()),
        })
    }
}

/// What every command that goes from text to text takes.
#[derive(Args)]
pub struct TextArgs {
    #[command(flatten)]
    request: RequestArgs,
    /// Print each output's score in front of it, a tab between (beam search)
    #[arg(long)]
    with_score: bool,
    /// With --jsonl: give each token's log-probability under the model
    #[arg(long, requires = "jsonl")]
    token_logprobs: bool,
    /// Print text as it is decided, one line after the other (greedy decoding and sampling)
    #[arg(long, conflicts_with_all = ["jsonl", "with_score"])]
    stream: bool,
}

impl TextArgs {
    /// Answers all lines, with the task that `choose` finds in the model's files.
    pub fn run(&self, choose: impl FnOnce(&ModelFiles) -> Result<Task>) -> Outcome {
        let console = self.request.console();
        let (lines, mut answerer) = self.request.open(choose, &console)?;
        answerer.with_score = self.with_score;
        answerer.token_logprobs = self.token_logprobs;
        if self.stream {
            return answer_lines(&Streaming(answerer), &lines, 1, &console);
        }
        let window = answerer.pipeline.batch_size() * 8;
        answer_lines(&answerer, &lines, window, &console)
    }
}
