//! Requests of the commands that go from text to text: what they are made of and how their outputs are written.

use clap::Args;
use serde_json::{Map, Value};
use t5_gpu::config::not_supported;
use t5_gpu::pipeline::json::{read_options, write_outputs};
use t5_gpu::pipeline::{Output, Request};
use t5_gpu::task::Task;
use t5_gpu::{GenerationConfig, ModelFiles, Part, Pipeline, Result};

use super::args::{GenerationArgs, RunArgs, TokenSelection};
use super::console::Console;
use super::lines::{Answerer, Lines};
use super::request::{encode, refuse_unknown, take_source};

/// A model, lines and generation options.
#[derive(Args)]
pub struct RequestArgs {
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    decoding: DecodingArgs,
}

impl RequestArgs {
    /// Starts reading lines and loads the model, with the task that `choose` finds in the model's files.
    pub fn open(
        &self,
        choose: impl FnOnce(&ModelFiles) -> Result<Task>,
        console: &Console,
    ) -> Result<(Lines, Generating)> {
        let (files, plan) = self.plan(choose, console)?;
        let lines = self.lines(console);
        Ok((lines, self.load(&files, plan, console)?))
    }

    /// What the model's files, with the task that `choose` finds in them, and the command line say.
    pub fn plan(
        &self,
        choose: impl FnOnce(&ModelFiles) -> Result<Task>,
        console: &Console,
    ) -> Result<(ModelFiles, Plan)> {
        self.decoding.options.check_texts(&self.run.lines.texts)?;
        let files = self.run.load.model.files(self.run.lines.quiet)?;
        let plan = self.decoding.plan(&files, choose, console)?;
        Ok((files, plan))
    }

    /// Starts reading lines.
    pub fn lines(&self, console: &Console) -> Lines {
        Lines::open(&self.run.lines, console)
    }

    /// Loads the model that was planned with.
    pub fn load(&self, files: &ModelFiles, plan: Plan, console: &Console) -> Result<Generating> {
        plan.generating(self.run.load.pipeline(files, Part::Both, console)?)
    }

    pub fn console(&self) -> Console {
        Console::new(self.run.lines.quiet)
    }
}

/// How outputs are chosen.
#[derive(Args)]
pub struct DecodingArgs {
    #[command(flatten)]
    options: GenerationArgs,
    /// What the output begins with
    #[arg(long, value_name = "TEXT", conflicts_with = "decoder_input_ids")]
    target_prefix: Option<String>,
    /// Where the likeliest tokens are found; with cpu all logits are read back
    #[arg(long, value_enum, default_value = "gpu")]
    token_selection: TokenSelection,
}

impl DecodingArgs {
    /// Puts together what the model's files, the task that `choose` finds in them, and the command line say: before the
    /// weights are loaded, so that what is wrong is told at once.
    pub fn plan(
        &self,
        files: &ModelFiles,
        choose: impl FnOnce(&ModelFiles) -> Result<Task>,
        console: &Console,
    ) -> Result<Plan> {
        let task = choose(files)?;
        let defaults = files.generation_defaults()?;
        let mut options = defaults.options;
        let of_task = options.apply_defaults(&task.options)?;
        let of_task = of_task
            .iter()
            .map(|name| not_supported("task_specific_params", name));
        console.notes(defaults.notes.into_iter().chain(of_task));
        refuse_unknown(&options.apply_json(&self.options.given())?)?;
        options.validate()?;
        Ok(Plan {
            prefix: task.prefix,
            options,
            target_prefix: self.target_prefix.clone(),
            token_selection: self.token_selection,
        })
    }
}

/// What to do with texts once there is a model.
pub struct Plan {
    prefix: String,
    options: GenerationConfig,
    target_prefix: Option<String>,
    token_selection: TokenSelection,
}

impl Plan {
    /// The plan with the model that it was made for.
    pub fn generating(mut self, mut pipeline: Pipeline) -> Result<Generating> {
        if self.token_selection == TokenSelection::Cpu {
            pipeline = pipeline.choosing_on_cpu();
        }
        if let Some(text) = &self.target_prefix {
            let mut ids = encode(pipeline.tokenizer(), text)?;
            // The output goes on where the text ends.
            ids.pop_if(|last| self.options.eos_token_id.contains(last));
            self.options.decoder_input_ids = ids;
        }
        Ok(Generating {
            pipeline,
            options: self.options,
            prefix: self.prefix,
            with_score: false,
            token_logprobs: false,
        })
    }
}

/// Requests with defaults for what they do not say.
pub struct Generating {
    pub pipeline: Pipeline,
    pub options: GenerationConfig,
    pub prefix: String,
    /// Whether plain outputs begin with their score.
    pub with_score: bool,
    /// Whether outputs come with their tokens' log-probabilities unless a request says otherwise.
    pub token_logprobs: bool,
}

impl Answerer for Generating {
    type Request = Request;
    type Answer = Vec<Output>;

    fn read_text(&self, text: &str) -> Result<Request> {
        let input_ids = encode(self.pipeline.tokenizer(), &format!("{}{text}", self.prefix))?;
        Ok(Request {
            token_logprobs: self.token_logprobs,
            ..Request::new(input_ids, self.options.clone())
        })
    }

    fn read_json(&self, mut fields: Map<String, Value>) -> Result<Request> {
        let input_ids = take_source(&mut fields, self.pipeline.tokenizer(), &self.prefix)?;
        Ok(Request {
            input_ids,
            ..self.read_options(fields)?
        })
    }

    fn write_text(&self, _: &Request, outputs: &Vec<Output>) -> String {
        self.lines_of(outputs)
    }

    fn write_json(&self, _: &Request, outputs: &Vec<Output>) -> Map<String, Value> {
        fields_of(outputs)
    }
}

impl Generating {
    /// A request with all but its source, out of the fields of an object.
    pub fn read_options(&self, fields: Map<String, Value>) -> Result<Request> {
        read_options(fields, self.options.clone(), self.token_logprobs)
    }

    /// Outputs as plain lines.
    pub fn lines_of(&self, outputs: &[Output]) -> String {
        let line = |output: &Output| {
            let text = one_line(output.text.as_deref().unwrap_or_default());
            match output.score {
                Some(score) if self.with_score => format!("{score}\t{text}"),
                _ => text,
            }
        };
        outputs.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Outputs as the fields of an object.
pub fn fields_of(outputs: &[Output]) -> Map<String, Value> {
    write_outputs(outputs)
}

/// A line out for a line in, whatever the model writes.
pub fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}
