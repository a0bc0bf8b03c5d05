//! `t5-gpu score`

use clap::Args;
use serde_json::{Map, Value, json};
use t5_gpu::pipeline::{Score as Scored, ScoreRequest};
use t5_gpu::{Error, Part, Pipeline, Result};

use super::Outcome;
use super::args::RunArgs;
use super::console::Console;
use super::lines::{Answerer, BatchAnswerer, Done, Lines, answer_lines};
use super::request::{encode, refuse_unknown, take_source, take_tokens};

/// Print the loss of given targets: a line is SOURCE, a tab, TARGET
#[derive(Args)]
pub struct Score {
    #[command(flatten)]
    run: RunArgs,
    /// The target of every line, which then is a source alone
    #[arg(long, value_name = "TEXT")]
    target: Option<String>,
}

impl Score {
    pub fn run(self) -> Outcome {
        let console = Console::new(self.run.lines.quiet);
        let files = self.run.load.model.files(self.run.lines.quiet)?;
        let lines = Lines::open(&self.run.lines, &console);
        let pipeline = self.run.load.pipeline(&files, Part::Both, &console)?;
        let window = pipeline.batch_size() * 8;
        let answerer = Scoring {
            pipeline,
            target: self.target,
        };
        answer_lines(&answerer, &lines, window, &console)
    }
}

struct Scoring {
    pipeline: Pipeline,
    target: Option<String>,
}

impl Answerer for Scoring {
    type Request = ScoreRequest;
    type Answer = Scored;

    fn read_text(&self, text: &str) -> Result<ScoreRequest> {
        let (source, target) = match &self.target {
            Some(target) => (text, target.as_str()),
            None => text.split_once('\t').ok_or_else(|| {
                Error::Invalid("no target: give SOURCE, a tab, TARGET, or --target".into())
            })?,
        };
        let tokenizer = self.pipeline.tokenizer();
        Ok(ScoreRequest {
            input_ids: encode(tokenizer, source)?,
            labels: encode(tokenizer, target)?,
        })
    }

    fn read_json(&self, mut fields: Map<String, Value>) -> Result<ScoreRequest> {
        let tokenizer = self.pipeline.tokenizer();
        let input_ids = take_source(&mut fields, tokenizer, "")?;
        if let (Some(target), false) = (&self.target, fields.contains_key("labels")) {
            fields.entry("target").or_insert_with(|| json!(target));
        }
        let labels = take_tokens(&mut fields, ["target", "labels"], tokenizer, "")?;
        refuse_unknown(fields.keys())?;
        Ok(ScoreRequest { input_ids, labels })
    }

    fn write_text(&self, _: &ScoreRequest, score: &Scored) -> String {
        score.loss.to_string()
    }

    fn write_json(&self, request: &ScoreRequest, score: &Scored) -> Map<String, Value> {
        Map::from_iter([
            ("labels".into(), json!(request.labels)),
            ("loss".into(), json!(score.loss)),
            ("token_logprobs".into(), json!(score.token_logprobs)),
        ])
    }
}

impl BatchAnswerer for Scoring {
    fn answer(&self, requests: &[ScoreRequest], done: Done<'_, Scored>) {
        self.pipeline.score_each(requests, done);
    }
}
