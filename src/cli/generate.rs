//! `t5-gpu generate`, and what `translate` and `summarize` share with it.

use clap::Args;
use t5_gpu::pipeline::Pending;
use t5_gpu::task::Task;
use t5_gpu::{ModelFiles, Pipeline, Result};

use super::Outcome;
use super::generating::{Generating, RequestArgs};
use super::lines::answer_as_they_come;
use super::stream::{Streaming, print_as_decided};

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
    pub request: RequestArgs,
    /// Print each output's score in front of it, a tab between (beam search)
    #[arg(long)]
    with_score: bool,
    /// With --jsonl: give each token's log-probability under the model
    #[arg(long, requires = "jsonl")]
    token_logprobs: bool,
    /// Print text as it is decided, one line after the other (greedy decoding and sampling)
    #[arg(long, conflicts_with_all = ["jsonl", "with_score"])]
    pub stream: bool,
}

impl TextArgs {
    /// Says how outputs are written.
    pub fn write(&self, generating: Generating) -> Generating {
        Generating {
            with_score: self.with_score,
            token_logprobs: self.token_logprobs,
            ..generating
        }
    }

    /// Answers all lines, with the task that `choose` finds in the model's files.
    pub fn run(&self, choose: impl FnOnce(&ModelFiles) -> Result<Task>) -> Outcome {
        let console = self.request.console();
        let (lines, generating) = self.request.open(choose, &console)?;
        let answerer = self.write(generating);
        let pipeline = &answerer.pipeline;
        if self.stream {
            // The next line is under way while one is printed.
            return answer_as_they_come(
                &Streaming(&answerer),
                &lines,
                0,
                |request| pipeline.submit_to_stream(request, None),
                |pending| print_as_decided(|sink| pending.stream(sink).map(drop)),
                &console,
            );
        }
        answer_as_they_come(
            &answerer,
            &lines,
            ahead(pipeline),
            |request| pipeline.submit(request, None),
            Pending::outputs,
            &console,
        )
    }
}

/// Lines that may be under way: those that are answered wait for the ones before them.
pub fn ahead(pipeline: &Pipeline) -> usize {
    1024.max(8 * pipeline.batch_size())
}
