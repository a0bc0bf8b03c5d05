//! `t5-gpu align`

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};
use t5_gpu::alignment::Alignment;
use t5_gpu::pipeline::{AlignRequest, Output, Request};
use t5_gpu::tokenizer::Tokenizer;
use t5_gpu::{Error, Result};

use super::Outcome;
use super::args::TaskArgs;
use super::generating::{Generating, RequestArgs, one_line};
use super::heat_map::{HeatMap, write_svg};
use super::lines::{Answerer, BatchAnswerer, Done, answer_lines};
use super::request::no_tokenizer;

/// Translate text and show which source words each word comes from
///
/// Prints TRANSLATION ||| 0-0 1-2 2-1: for each word of the translation the word of the text that it attends to most,
/// text first, counted from 0. Words are what whitespace separates; the task's prefix does not count. What is compared is
/// cross-attention while a word is being chosen, averaged over heads and layers.
#[derive(Args)]
pub struct Align {
    #[command(flatten)]
    task: TaskArgs,
    /// Pair tokens, as marian does, prefix and </s> counted
    #[arg(long)]
    tokens: bool,
    /// Use one decoder layer's attention, from 1, in place of all layers' mean
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    layer: Option<u32>,
    /// Draw cross-attention as heat maps, one under the other, the tokens on both axes
    #[arg(long, value_name = "FILE.svg")]
    output: Option<PathBuf>,
    #[command(flatten)]
    request: RequestArgs,
}

impl Align {
    pub fn run(self) -> Outcome {
        if let Some(path) = &self.output
            && path
                .extension()
                .is_none_or(|extension| !extension.eq_ignore_ascii_case("svg"))
        {
            return Err(Error::File {
                path: path.clone(),
                message: "pictures are drawn as SVG: give a name that ends in .svg".into(),
            }
            .into());
        }
        let console = self.request.console();
        let (lines, generating) = self.request.open(|files| self.task.task(files), &console)?;
        let layers = generating.pipeline.config().num_decoder_layers;
        if self.layer.is_some_and(|layer| layer as usize > layers) {
            return Err(Error::Invalid(format!(
                "--layer must be 1 to {layers}, the layers of this model's decoder"
            ))
            .into());
        }
        if generating.pipeline.tokenizer().is_none() {
            return Err(no_tokenizer().into());
        }
        let window = generating.pipeline.batch_size();
        let answerer = Aligning {
            generating,
            tokens: self.tokens,
            layer: self.layer.map(|layer| layer as usize - 1),
            pictures: self.output.is_some().then(RefCell::default),
        };
        let outcome = answer_lines(&answerer, &lines, window, &console);
        if let (Some(path), Some(pictures)) = (&self.output, &answerer.pictures) {
            write_svg(path, &pictures.borrow())?;
        }
        outcome
    }
}

struct Aligning {
    generating: Generating,
    tokens: bool,
    /// From 0.
    layer: Option<usize>,
    /// What is to be drawn.
    pictures: Option<RefCell<Vec<HeatMap>>>,
}

/// A request, and how many words of its source are the task's prefix.
struct Asked {
    request: Request,
    prefix_words: usize,
}

struct Aligned {
    output: Output,
    /// Of the tokens.
    attention: Alignment,
    /// Source and target.
    pairs: Vec<(usize, usize)>,
}

impl Aligning {
    fn prefix_words(&self) -> usize {
        self.generating.prefix.split_whitespace().count()
    }

    fn tokenizer(&self) -> Result<&Tokenizer> {
        self.generating
            .pipeline
            .tokenizer()
            .ok_or_else(no_tokenizer)
    }

    fn asked(&self, request: Request, prefix_words: usize) -> Asked {
        let request = Request {
            // Of one layer alone, generation does not tell.
            alignment: self.layer.is_none(),
            ..request
        };
        Asked {
            request,
            prefix_words,
        }
    }

    fn align(&self, asked: &Asked, mut output: Output) -> Result<Aligned> {
        let attention = match output.alignment.take() {
            Some(attention) => attention,
            None => self.attention(&asked.request, &output)?,
        };
        let pairs = if self.tokens {
            attention.hard()
        } else {
            let Request {
                input_ids, options, ..
            } = &asked.request;
            let (target, end) = (&output.token_ids, &options.eos_token_id);
            let tokenizer = self.tokenizer()?;
            let of_words =
                attention.of_words(tokenizer, input_ids, asked.prefix_words, target, end);
            of_words.hard()
        };
        Ok(Aligned {
            output,
            attention,
            pairs,
        })
    }

    /// The layer's attention, in a second pass over the whole of an output.
    fn attention(&self, request: &Request, output: &Output) -> Result<Alignment> {
        // What the output continues, behind the start token.
        let prefix = request.options.decoder_prompt()?.split_off(1);
        let skip = prefix.len();
        let pass = AlignRequest {
            input_ids: request.input_ids.clone(),
            labels: [prefix, output.token_ids.clone()].concat(),
        };
        let mut aligned = Err(Error::Stopped);
        let pipeline = &self.generating.pipeline;
        pipeline.align_each(&[pass], self.layer, &mut |_, found| {
            aligned = found;
            ControlFlow::Continue(())
        });
        Ok(aligned?.skip(skip))
    }
}

impl Answerer for Aligning {
    type Request = Asked;
    type Answer = Aligned;

    fn read_text(&self, text: &str) -> Result<Asked> {
        Ok(self.asked(self.generating.read_text(text)?, self.prefix_words()))
    }

    fn read_json(&self, fields: Map<String, Value>) -> Result<Asked> {
        let has_prefix = fields.contains_key("text");
        let prefix_words = if has_prefix { self.prefix_words() } else { 0 };
        Ok(self.asked(self.generating.read_json(fields)?, prefix_words))
    }

    fn write_text(&self, _: &Asked, aligned: &Aligned) -> String {
        let text = aligned.output.text.as_deref().unwrap_or_default();
        let pairs: Vec<String> = aligned
            .pairs
            .iter()
            .map(|(source, target)| format!("{source}-{target}"))
            .collect();
        format!("{} ||| {}", one_line(text), pairs.join(" "))
    }

    fn keep(&self, _: &str, asked: &Asked, aligned: &Aligned) -> Result<()> {
        if let Some(pictures) = &self.pictures {
            let tokenizer = self.tokenizer()?;
            pictures.borrow_mut().push(HeatMap {
                title: aligned.output.text.clone().unwrap_or_default(),
                columns: tokenizer.tokens(&asked.request.input_ids),
                rows: tokenizer.tokens(&aligned.output.token_ids),
                values: aligned.attention.rows().map(<[f32]>::to_vec).collect(),
            });
        }
        Ok(())
    }

    fn write_json(&self, asked: &Asked, aligned: &Aligned) -> Map<String, Value> {
        let tokens = |ids: &[u32]| {
            self.tokenizer()
                .map(|it| it.tokens(ids))
                .unwrap_or_default()
        };
        Map::from_iter([
            ("text".into(), json!(aligned.output.text)),
            ("token_ids".into(), json!(aligned.output.token_ids)),
            (
                "source_tokens".into(),
                json!(tokens(&asked.request.input_ids)),
            ),
            (
                "target_tokens".into(),
                json!(tokens(&aligned.output.token_ids)),
            ),
            ("alignment".into(), json!(aligned.pairs)),
            (
                "attention".into(),
                aligned.attention.rows().map(|row| json!(row)).collect(),
            ),
        ])
    }
}

impl BatchAnswerer for Aligning {
    fn answer(&self, requests: &[Asked], done: Done<'_, Aligned>) {
        let pipeline = &self.generating.pipeline;
        let asked: Vec<Request> = requests.iter().map(|one| one.request.clone()).collect();
        pipeline.generate_each(&asked, &mut |index, outputs| {
            let best = outputs.map(|mut outputs| outputs.swap_remove(0));
            done(
                index,
                best.and_then(|best| self.align(&requests[index], best)),
            )
        });
    }
}
