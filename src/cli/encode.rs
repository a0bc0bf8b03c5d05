//! `t5-gpu encode`

use clap::Args;
use serde_json::{Map, Value, json};
use t5_gpu::{Pipeline, Result};

use super::Outcome;
use super::args::RunArgs;
use super::console::Console;
use super::request::{encode, refuse_unknown, take_source};
use super::serve::{Done, Lines, Service, serve};

/// Print the encoder's last hidden state: with --jsonl in full, else a summary
#[derive(Args)]
pub struct Encode {
    #[command(flatten)]
    run: RunArgs,
}

impl Encode {
    pub fn run(self) -> Outcome {
        let console = Console::new(self.run.lines.quiet);
        let files = self.run.model.files(self.run.lines.quiet)?;
        let lines = Lines::open(&self.run.lines, &console);
        let pipeline = self.run.pipeline(&files, &console)?;
        let window = pipeline.batch_size() * 4;
        serve(&Encoding { pipeline }, &lines, window, &console)
    }
}

struct Encoding {
    pipeline: Pipeline,
}

impl Encoding {
    /// Hidden states as rows, one a token.
    fn rows<'h>(&self, hidden: &'h [f32]) -> std::slice::ChunksExact<'h, f32> {
        hidden.chunks_exact(self.pipeline.config().d_model)
    }
}

impl Service for Encoding {
    type Request = Vec<u32>;
    type Answer = Vec<f32>;

    fn read_text(&self, text: &str) -> Result<Vec<u32>> {
        encode(self.pipeline.tokenizer(), text)
    }

    fn read_json(&self, mut fields: Map<String, Value>) -> Result<Vec<u32>> {
        let ids = take_source(&mut fields, self.pipeline.tokenizer(), "")?;
        refuse_unknown(fields.keys())?;
        Ok(ids)
    }

    fn answer(&self, requests: &[Vec<u32>], done: Done<'_, Vec<f32>>) {
        self.pipeline.encode_each(requests, done);
    }

    fn write_text(&self, ids: &Vec<u32>, hidden: &Vec<f32>) -> String {
        let mut text = format!("shape [{}, {}]", ids.len(), self.pipeline.config().d_model);
        for (id, row) in ids.iter().zip(self.rows(hidden)) {
            let numbers = |row: &[f32]| {
                row.iter()
                    .map(|x| format!("{x:9.4}"))
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            let (first, last) = (
                &row[..row.len().min(3)],
                &row[row.len().saturating_sub(3)..],
            );
            text += &format!("\n{id:>7} {} ... {}", numbers(first), numbers(last));
        }
        text
    }

    fn write_json(&self, ids: &Vec<u32>, hidden: &Vec<f32>) -> Map<String, Value> {
        Map::from_iter([
            ("input_ids".into(), json!(ids)),
            (
                "shape".into(),
                json!([ids.len(), self.pipeline.config().d_model]),
            ),
            (
                "hidden".into(),
                self.rows(hidden).map(|row| json!(row)).collect(),
            ),
        ])
    }
}
