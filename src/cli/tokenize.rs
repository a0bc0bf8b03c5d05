//! `t5-gpu tokenize`

use std::ops::ControlFlow;

use clap::Args;
use serde_json::{Map, Value, json};
use t5_gpu::Result;
use t5_gpu::tokenizer::Tokenizer;

use super::Outcome;
use super::args::{LineArgs, ModelArg};
use super::console::Console;
use super::lines::{Answerer, BatchAnswerer, Done, Lines, answer_lines};
use super::request::{no_tokenizer, refuse_unknown, take_source};

/// Turn text into token ids; needs no weights and no GPU
#[derive(Args)]
pub struct Tokenize {
    #[command(flatten)]
    model: ModelArg,
    /// Print the tokens, not their ids
    #[arg(long)]
    tokens: bool,
    #[command(flatten)]
    lines: LineArgs,
}

impl Tokenize {
    pub fn run(self) -> Outcome {
        let console = Console::new(self.lines.quiet);
        let tokenizer = self
            .model
            .small_files(self.lines.quiet)?
            .tokenizer()?
            .ok_or_else(no_tokenizer)?;
        let answerer = Tokenizing {
            tokenizer,
            tokens: self.tokens,
        };
        answer_lines(
            &answerer,
            &Lines::open(&self.lines, &console),
            1024,
            &console,
        )
    }
}

struct Tokenizing {
    tokenizer: Tokenizer,
    tokens: bool,
}

impl Answerer for Tokenizing {
    type Request = Vec<u32>;
    type Answer = ();

    fn read_text(&self, text: &str) -> Result<Vec<u32>> {
        self.tokenizer.encode(text)
    }

    fn read_json(&self, mut fields: Map<String, Value>) -> Result<Vec<u32>> {
        let ids = take_source(&mut fields, Some(&self.tokenizer), "")?;
        refuse_unknown(fields.keys())?;
        Ok(ids)
    }

    fn write_text(&self, ids: &Vec<u32>, (): &()) -> String {
        if self.tokens {
            return self.tokenizer.tokens(ids).join(" ");
        }
        ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
    }

    fn write_json(&self, ids: &Vec<u32>, (): &()) -> Map<String, Value> {
        Map::from_iter([
            ("input_ids".into(), json!(ids)),
            ("tokens".into(), json!(self.tokenizer.tokens(ids))),
        ])
    }
}

impl BatchAnswerer for Tokenizing {
    fn answer(&self, requests: &[Vec<u32>], done: Done<'_, ()>) {
        for index in 0..requests.len() {
            if done(index, Ok(())) == ControlFlow::Break(()) {
                return;
            }
        }
    }
}
