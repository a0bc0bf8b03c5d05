//! `t5-gpu encode`

use std::cell::RefCell;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};
use t5_gpu::model::TraceOptions;
use t5_gpu::pipeline::{Forward, ForwardRequest, Request};
use t5_gpu::{Error, Part, Pipeline, Result};

use super::Outcome;
use super::args::RunArgs;
use super::console::Console;
use super::embed::{EmbedArgs, Embedder};
use super::lines::{Answerer, BatchAnswerer, Done, Lines, answer_lines};
use super::request::{encode, refuse_unknown, take_source, take_tokens};
use super::states::{self, State};
use super::tensor_file::TensorFile;

/// Print the encoder's last hidden state (with --jsonl in full, else a summary), or one vector a text
#[derive(Args)]
pub struct Encode {
    #[command(flatten)]
    run: RunArgs,
    /// Write all results as tensors, named ID.hidden and so on; an id is a line's number, from 0, unless it has its own
    #[arg(long, value_name = "FILE.safetensors")]
    output: Option<PathBuf>,
    /// Give the hidden states of every layer (with --jsonl or --output)
    #[arg(long)]
    hidden_states: bool,
    /// Give the attention weights of every layer (with --jsonl or --output)
    #[arg(long)]
    attentions: bool,
    /// Give the decoder's states and cross-attention too, over this target
    #[arg(long, value_name = "TEXT")]
    target: Option<String>,
    /// Give the decoder's states and cross-attention too, over what the model generates
    #[arg(long, conflicts_with = "target")]
    generate: bool,
    #[command(flatten)]
    embed: EmbedArgs,
}

impl Encode {
    pub fn run(self) -> Outcome {
        let trace = TraceOptions {
            hidden_states: self.hidden_states,
            attentions: self.attentions,
        };
        let traced = self.hidden_states || self.attentions;
        if traced && !self.run.lines.jsonl && self.output.is_none() {
            return Err(Error::Invalid(
                "--hidden-states and --attentions are too much for a summary: add --jsonl or --output FILE".into(),
            )
            .into());
        }
        if !traced && (self.target.is_some() || self.generate) {
            return Err(Error::Invalid(
                "a target shows in the decoder's states: add --hidden-states or --attentions"
                    .into(),
            )
            .into());
        }
        let console = Console::new(self.run.lines.quiet);
        let files = self.run.load.model.files(self.run.lines.quiet)?;
        let plan = self.embed.plan(&files, traced, &console)?;
        if self.generate {
            console.notes(files.generation_defaults()?.notes);
        }
        let output = self.output.map(TensorFile::create).transpose()?;
        let output = output.map(RefCell::new);
        let lines = Lines::open(&self.run.lines, &console);
        let part = match traced {
            _ if self.target.is_some() || self.generate => Part::Both,
            // A line may have a target of its own.
            true => Part::All,
            false => Part::Encoder,
        };
        let pipeline = self.run.load.pipeline(&files, part, &console)?;
        let window = pipeline.batch_size() * 4;
        let outcome = match plan {
            Some(plan) => {
                let answerer = Embedder {
                    pipeline,
                    plan,
                    output: output.as_ref(),
                    console: &console,
                };
                answer_lines(&answerer, &lines, window, &console)
            }
            None => {
                let answerer = Encoding {
                    pipeline,
                    trace,
                    target: self.target,
                    generate: self.generate,
                    output: output.as_ref(),
                };
                answer_lines(&answerer, &lines, window, &console)
            }
        };
        if let Some(output) = &output {
            output.borrow().write()?;
        }
        outcome
    }
}

struct Encoding<'o> {
    pipeline: Pipeline,
    trace: TraceOptions,
    target: Option<String>,
    generate: bool,
    output: Option<&'o RefCell<TensorFile>>,
}

impl Encoding<'_> {
    /// Hidden states as rows, one a token.
    fn rows<'h>(&self, hidden: &'h [f32]) -> std::slice::ChunksExact<'h, f32> {
        hidden.chunks_exact(self.pipeline.config().d_model)
    }

    fn is_traced(&self) -> bool {
        self.trace.hidden_states || self.trace.attentions
    }

    /// Everything but the last hidden state.
    fn states<'a>(&self, request: &ForwardRequest, answer: &'a Forward) -> Vec<State<'a>> {
        states::all(self.pipeline.config(), request.input_ids.len(), answer)
    }

    /// Fills in the targets that the model is to find itself.
    fn with_targets(&self, requests: &[ForwardRequest]) -> Vec<Result<ForwardRequest>> {
        let mut all: Vec<Result<ForwardRequest>> = requests.iter().cloned().map(Ok).collect();
        let open: Vec<usize> = (0..requests.len())
            .filter(|&index| self.generate && requests[index].labels.is_none())
            .collect();
        let asked: Vec<Request> = open
            .iter()
            .map(|&index| {
                let input_ids = requests[index].input_ids.clone();
                Request::new(input_ids, self.pipeline.generation().clone())
            })
            .collect();
        self.pipeline.generate_each(&asked, &mut |index, outputs| {
            let place = &mut all[open[index]];
            match (outputs, &mut *place) {
                (Ok(mut outputs), Ok(request)) => {
                    request.labels = Some(outputs.swap_remove(0).token_ids);
                }
                (Err(error), _) => *place = Err(error),
                _ => (),
            }
            std::ops::ControlFlow::Continue(())
        });
        all
    }
}

impl Answerer for Encoding<'_> {
    type Request = ForwardRequest;
    type Answer = Forward;

    fn read_text(&self, text: &str) -> Result<ForwardRequest> {
        let tokenizer = self.pipeline.tokenizer();
        let target = self.target.as_deref();
        Ok(ForwardRequest {
            input_ids: encode(tokenizer, text)?,
            labels: target.map(|target| encode(tokenizer, target)).transpose()?,
        })
    }

    fn read_json(&self, mut fields: Map<String, Value>) -> Result<ForwardRequest> {
        let tokenizer = self.pipeline.tokenizer();
        let input_ids = take_source(&mut fields, tokenizer, "")?;
        let names = ["target", "labels"];
        let given = self.is_traced() && names.iter().any(|name| fields.contains_key(*name));
        let labels = match &self.target {
            _ if given => Some(take_tokens(&mut fields, names, tokenizer, "")?),
            Some(target) => Some(encode(tokenizer, target)?),
            None => None,
        };
        refuse_unknown(fields.keys())?;
        Ok(ForwardRequest { input_ids, labels })
    }

    fn write_text(&self, request: &ForwardRequest, answer: &Forward) -> String {
        let ids = &request.input_ids;
        let mut text = format!("shape [{}, {}]", ids.len(), self.pipeline.config().d_model);
        for (id, row) in ids.iter().zip(self.rows(&answer.last_hidden_state)) {
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

    fn keep(&self, id: &str, request: &ForwardRequest, answer: &Forward) -> Result<()> {
        let Some(output) = &self.output else {
            return Ok(());
        };
        let mut output = output.borrow_mut();
        output.begin(id, &request.input_ids)?;
        let shape = vec![request.input_ids.len(), self.pipeline.config().d_model];
        output.add_floats(format!("{id}.hidden"), shape, [&answer.last_hidden_state]);
        if let Some(decoder) = &answer.decoder {
            output.add_ids(format!("{id}.decoder_input_ids"), &decoder.input_ids);
        }
        for state in self.states(request, answer) {
            output.add_floats(format!("{id}.{}", state.name), state.shape, state.layers);
        }
        Ok(())
    }

    fn write_json(&self, request: &ForwardRequest, answer: &Forward) -> Map<String, Value> {
        let ids = &request.input_ids;
        let mut fields = Map::from_iter([
            ("input_ids".into(), json!(ids)),
            (
                "shape".into(),
                json!([ids.len(), self.pipeline.config().d_model]),
            ),
            (
                "hidden".into(),
                self.rows(&answer.last_hidden_state)
                    .map(|row| json!(row))
                    .collect(),
            ),
        ]);
        if self.output.is_some() {
            return fields;
        }
        if let Some(decoder) = &answer.decoder {
            fields.insert("decoder_input_ids".into(), json!(decoder.input_ids));
        }
        for state in self.states(request, answer) {
            fields.insert(state.name.into(), state.json());
        }
        fields
    }
}

impl BatchAnswerer for Encoding<'_> {
    fn answer(&self, requests: &[ForwardRequest], done: Done<'_, Forward>) {
        let mut whole = Vec::new();
        let mut places = Vec::new();
        for (index, request) in self.with_targets(requests).into_iter().enumerate() {
            match request {
                Ok(request) => {
                    whole.push(request);
                    places.push(index);
                }
                Err(error) => {
                    if done(index, Err(error)).is_break() {
                        return;
                    }
                }
            }
        }
        self.pipeline
            .forward_each(&whole, self.trace, &mut |index, answer| {
                done(places[index], answer)
            });
    }
}
