//! `t5-gpu align`

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};
use t5_gpu::alignment::{Alignment, words};
use t5_gpu::model::TraceOptions;
use t5_gpu::pipeline::{ForwardRequest, Output, Request};
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
struct AlignRequest {
    request: Request,
    prefix_words: usize,
}

impl AlignRequest {
    /// What the output continues, behind the start token.
    fn target_prefix(&self) -> Result<Vec<u32>> {
        Ok(self.request.options.decoder_prompt()?.split_off(1))
    }
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

    fn align(
        &self,
        asked: &AlignRequest,
        output: Output,
        cross_attentions: &[Vec<f32>],
    ) -> Result<Aligned> {
        let tokenizer = self.tokenizer()?;
        let (source, target) = (&asked.request.input_ids, &output.token_ids);
        let layers = match self.layer {
            Some(layer) => &cross_attentions[layer..=layer],
            None => cross_attentions,
        };
        let prefix = asked.target_prefix()?.len();
        let attention = Alignment::mean(layers, prefix + target.len(), source.len()).skip(prefix);
        let pairs = if self.tokens {
            attention.hard()
        } else {
            let end = &asked.request.options.eos_token_id;
            let sources: Vec<Option<usize>> = words(tokenizer, source, end)
                .into_iter()
                .map(|word| word?.checked_sub(asked.prefix_words))
                .collect();
            let targets = words(tokenizer, target, end);
            attention.grouped(&targets, &sources).hard()
        };
        Ok(Aligned {
            output,
            attention,
            pairs,
        })
    }
}

impl Answerer for Aligning {
    type Request = AlignRequest;
    type Answer = Aligned;

    fn read_text(&self, text: &str) -> Result<AlignRequest> {
        Ok(AlignRequest {
            request: self.generating.read_text(text)?,
            prefix_words: self.prefix_words(),
        })
    }

    fn read_json(&self, fields: Map<String, Value>) -> Result<AlignRequest> {
        let has_prefix = fields.contains_key("text");
        Ok(AlignRequest {
            request: self.generating.read_json(fields)?,
            prefix_words: if has_prefix { self.prefix_words() } else { 0 },
        })
    }

    fn write_text(&self, _: &AlignRequest, aligned: &Aligned) -> String {
        let text = aligned.output.text.as_deref().unwrap_or_default();
        let pairs: Vec<String> = aligned
            .pairs
            .iter()
            .map(|(source, target)| format!("{source}-{target}"))
            .collect();
        format!("{} ||| {}", one_line(text), pairs.join(" "))
    }

    fn keep(&self, _: &str, asked: &AlignRequest, aligned: &Aligned) -> Result<()> {
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

    fn write_json(&self, asked: &AlignRequest, aligned: &Aligned) -> Map<String, Value> {
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
    fn answer(&self, requests: &[AlignRequest], done: Done<'_, Aligned>) {
        let pipeline = &self.generating.pipeline;
        let asked: Vec<Request> = requests.iter().map(|one| one.request.clone()).collect();
        let trace = TraceOptions {
            hidden_states: false,
            attentions: true,
        };
        // The output, then its attention in a second pass over the whole of it.
        pipeline.generate_each(&asked, &mut |index, outputs| {
            let found = outputs.and_then(|mut outputs| {
                let prefix = requests[index].target_prefix()?;
                Ok((prefix, outputs.swap_remove(0)))
            });
            let (prefix, output) = match found {
                Ok(found) => found,
                Err(error) => return done(index, Err(error)),
            };
            let forward = ForwardRequest {
                input_ids: asked[index].input_ids.clone(),
                labels: Some([prefix, output.token_ids.clone()].concat()),
            };
            let mut flow = ControlFlow::Continue(());
            pipeline.forward_each(&[forward], trace, &mut |_, traced| {
                let aligned = traced.and_then(|traced| {
                    let decoder = traced.decoder.unwrap_or_default();
                    self.align(&requests[index], output.clone(), &decoder.cross_attentions)
                });
                flow = done(index, aligned);
                flow
            });
            flow
        });
    }
}
