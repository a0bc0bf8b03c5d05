//! What `encode` does where one vector a text is asked for, or the model's directory says so.

use std::cell::RefCell;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use t5_gpu::embedding::{Embedding, Pooling, Reading, Source};
use t5_gpu::{Error, ModelFiles, Pipeline, Result};

use super::console::Console;
use super::lines::{Answerer, BatchAnswerer, Done};
use super::request::{no_tokenizer, refuse_unknown, take_source};
use super::tensor_file::TensorFile;

/// How texts become vectors.
#[derive(Args)]
#[command(next_help_heading = "One vector a text, as sentence-transformers gives it")]
pub struct EmbedArgs {
    /// What becomes of the tokens' states; what the model's directory says (modules.json) where this is left out
    #[arg(long, value_enum, value_name = "HOW")]
    pooling: Option<PoolingArg>,
    /// Divide each vector by its length
    #[arg(long)]
    normalize: bool,
    /// Put the model's prompt of this name in front of texts
    #[arg(long, value_name = "NAME")]
    prompt_name: Option<String>,
    /// Put this in front of texts
    #[arg(long, value_name = "TEXT", conflicts_with = "prompt_name")]
    prompt: Option<String>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum PoolingArg {
    /// Their mean
    Mean,
    /// The first one
    First,
    /// All of them, as they are
    None,
}

impl EmbedArgs {
    /// What makes the vectors; `None` where tokens' states are wanted, as they always are where they are `traced`.
    pub fn plan(
        &self,
        files: &ModelFiles,
        traced: bool,
        console: &Console,
    ) -> Result<Option<Plan>> {
        let invalid = |message: &str| Err(Error::Invalid(message.into()));
        let embedding = match self.pooling {
            Some(PoolingArg::Mean | PoolingArg::First) if traced => {
                return invalid(
                    "--hidden-states and --attentions give states of every token: leave --pooling out",
                );
            }
            Some(PoolingArg::Mean) => Some(Embedding::new(Pooling::Mean)),
            Some(PoolingArg::First) => Some(Embedding::new(Pooling::First)),
            None if !traced => files.embedding(files.config()?.d_model)?,
            _ => None,
        };
        let Some(mut embedding) = embedding else {
            if self.normalize || self.prompt.is_some() || self.prompt_name.is_some() {
                return invalid(
                    "--normalize and prompts are for one vector a text: add --pooling mean or --pooling first",
                );
            }
            return Ok(None);
        };
        if self.normalize {
            embedding = embedding.normalized();
        }
        console.note(&format!("embedding: {embedding}"));
        let reading = files.reading()?;
        let prompt = match (&self.prompt, &self.prompt_name) {
            (Some(prompt), _) => Some(prompt.clone()),
            (None, Some(name)) => Some(reading.prompt(name)?.to_owned()),
            (None, None) => None,
        };
        Ok(Some(Plan {
            embedding,
            reading,
            prompt,
        }))
    }
}

/// What to do with texts once there is a model.
pub struct Plan {
    embedding: Embedding,
    reading: Reading,
    prompt: Option<String>,
}

/// The plan with the model that it was made for.
pub struct Embedder<'a> {
    pub pipeline: Pipeline,
    pub plan: Plan,
    /// Where vectors are kept too.
    pub output: Option<&'a RefCell<TensorFile>>,
    pub console: &'a Console,
}

impl Embedder<'_> {
    fn read(&self, text: &str, prompt: Option<&str>) -> Result<Source> {
        let tokenizer = self.pipeline.tokenizer().ok_or_else(no_tokenizer)?;
        let prompt = prompt.or(self.plan.prompt.as_deref());
        self.plan.reading.read(tokenizer, text, prompt)
    }
}

impl Answerer for Embedder<'_> {
    type Request = Source;
    type Answer = Vec<f32>;

    fn read_text(&self, text: &str) -> Result<Source> {
        self.read(text, None)
    }

    fn read_json(&self, mut fields: Map<String, Value>) -> Result<Source> {
        let prompt = take_string(&mut fields, "prompt")?;
        let prompt = match take_string(&mut fields, "prompt_name")? {
            Some(_) if prompt.is_some() => {
                return Err(Error::Invalid(
                    "both prompt and prompt_name: give one of them".into(),
                ));
            }
            Some(name) => Some(self.plan.reading.prompt(&name)?.to_owned()),
            None => prompt,
        };
        let source = match (fields.get("text"), fields.contains_key("input_ids")) {
            (Some(Value::String(text)), false) => {
                let source = self.read(text, prompt.as_deref())?;
                fields.remove("text");
                source
            }
            _ if prompt.is_some() => {
                return Err(Error::Invalid(
                    "a prompt goes in front of a text: give text".into(),
                ));
            }
            // Token ids are taken as they are.
            _ => Source {
                input_ids: take_source(&mut fields, self.pipeline.tokenizer(), "")?,
                prompt_tokens: 0,
                cut: 0,
            },
        };
        refuse_unknown(fields.keys())?;
        Ok(source)
    }

    /// The numbers with spaces between, as tools for word vectors have it.
    fn write_text(&self, _: &Source, vector: &Vec<f32>) -> String {
        let numbers: Vec<String> = vector.iter().map(f32::to_string).collect();
        numbers.join(" ")
    }

    fn keep(&self, id: &str, source: &Source, vector: &Vec<f32>) -> Result<()> {
        if source.cut > 0 {
            let kept = source.input_ids.len();
            self.console.note(&format!(
                "text {id}: cut to {kept} tokens of {}, as many as this model takes",
                kept + source.cut
            ));
        }
        if let Some(output) = self.output {
            let mut output = output.borrow_mut();
            output.begin(id, &source.input_ids)?;
            output.add_floats(format!("{id}.embedding"), vec![vector.len()], [vector]);
        }
        Ok(())
    }

    fn write_json(&self, _: &Source, vector: &Vec<f32>) -> Map<String, Value> {
        Map::from_iter([("embedding".into(), json!(vector))])
    }
}

impl BatchAnswerer for Embedder<'_> {
    fn answer(&self, sources: &[Source], done: Done<'_, Vec<f32>>) {
        self.pipeline
            .embed_each(sources, &self.plan.embedding, done);
    }
}

fn take_string(fields: &mut Map<String, Value>, name: &str) -> Result<Option<String>> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::Invalid(format!("{name} must be a string"))),
    }
}
