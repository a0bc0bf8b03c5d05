//! `t5-gpu verify`

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use t5_gpu::hub::ModelId;
use t5_gpu::verify::answers::{self, Check, KnownAnswer, Verdict};
use t5_gpu::verify::{self, Comparison, Difference, Stage, Tokens};
use t5_gpu::{DeviceInfo, Error, LoadOptions, Part, Pipeline, Result, WeightDType};

use super::args::{ModelArg, dtype};
use super::console::Console;
use super::request::encode;
use super::{Failure, Outcome};

/// Check the model on this device against the CPU, layer by layer and token by token
#[derive(Args)]
pub struct Verify {
    #[command(flatten)]
    model: ModelArg,
    /// Which GPU: its index or a part of its name, as `t5-gpu devices` lists them
    #[arg(long, value_name = "INDEX|NAME")]
    device: Option<String>,
    /// How weights are kept on the GPU; the CPU computes with the same
    #[arg(long, default_value = "f32", value_parser = dtype)]
    dtype: WeightDType,
    /// How many tokens are decoded after each text
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    new_tokens: u32,
    /// Check the answers known for the published checkpoint of this id, which the model is a copy of
    #[arg(long = "as", value_name = "ID")]
    published_as: Option<String>,
    /// Check the answers in this file, of the form of models/known-answers.json, in place of the built-in ones
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// One JSON object
    #[arg(long, alias = "jsonl")]
    json: bool,
    /// Nothing on stderr but errors
    #[arg(long, short)]
    quiet: bool,
    /// What to run [default: a few texts of different lengths]
    #[arg(value_name = "TEXT")]
    texts: Vec<String>,
}

/// Short, shorter and longer than a tile of any kernel, and beyond ASCII.
const TEXTS: [&str; 4] = [
    "translate English to German: The house is wonderful.",
    "Hello!",
    "summarize: The tower is 324 metres tall, about the same height as a building of 81 storeys. Its base is square, \
     measuring 125 metres on each side. During its construction, the tower became the tallest structure in the world, \
     a title it held for 41 years until another one was finished in New York. It was the first structure to reach a \
     height of 300 metres, and people came from everywhere to look down from it onto the river and the old streets.",
    "Grüße aus Zürich: “déjà vu” – 東京 🙂",
];

/// Lengths to try where there is no tokenizer.
const LENGTHS: [usize; 4] = [11, 1, 100, 33];

impl Verify {
    /// The check that `t5-gpu report` makes.
    pub fn short(model: ModelArg, device: Option<String>, dtype: WeightDType) -> Verify {
        Verify {
            model,
            device,
            dtype,
            new_tokens: 4,
            published_as: None,
            answers: None,
            json: false,
            quiet: true,
            texts: Vec::new(),
        }
    }

    pub fn run(self) -> Outcome {
        let report = self.report()?;
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{}", report.json())?;
        } else {
            write!(out, "{}", report.table())?;
        }
        out.flush()?;
        if report.failures() == 0 {
            Ok(())
        } else {
            Err(Failure::Told)
        }
    }

    /// Makes the comparisons.
    pub fn report(&self) -> Result<Report> {
        let console = Console::new(self.quiet);
        let id = self.id();
        let known = self.known(id.as_deref())?;
        let files = self.model.files(self.quiet)?;
        let options = LoadOptions {
            device: self.device.clone(),
            dtype: self.dtype,
            batch_size: None,
            part: Part::All,
            ..LoadOptions::default()
        };
        let pipeline = Pipeline::load(&files, &options, &mut |_, _| ())?;
        console.device(pipeline.device());
        console.note("comparing with the CPU, which takes a while for a large model");
        let inputs = self.inputs(&pipeline)?;
        let reference = verify::reference(&files, self.dtype)?;
        let comparison = verify::compare(&pipeline, &reference, &inputs, self.new_tokens as usize)?;
        drop(reference);
        let answers: Vec<Check> = known.iter().map(|known| known.check(&pipeline)).collect();
        Ok(Report {
            model: self.model.name(),
            model_type: files.config_json()?["model_type"].clone(),
            device: pipeline.device().clone(),
            dtype: self.dtype,
            inputs: inputs.iter().map(Vec::len).collect(),
            comparison,
            answers,
        })
    }

    /// The hub id of the checkpoint that this is, as far as the user says. A config's `_name_or_path` does not tell: a
    /// fine-tuned model carries the name of the one it was made from.
    fn id(&self) -> Option<String> {
        let spec = match (&self.published_as, &self.model.model) {
            (Some(id), _) => id,
            (None, Some(spec)) if !std::path::Path::new(spec).exists() => spec,
            _ => return None,
        };
        Some(ModelId::parse(spec).map_or_else(|_| spec.clone(), |model| model.id))
    }

    fn known(&self, id: Option<&str>) -> Result<Vec<KnownAnswer>> {
        let mut answers = match &self.answers {
            Some(path) => answers::read(path)?,
            None => answers::published(),
        };
        answers.retain(|answer| answer.is_about(id));
        if !answers.is_empty() {
            return Ok(answers);
        }
        match (&self.answers, &self.published_as) {
            (Some(path), _) => Err(Error::File {
                path: path.clone(),
                message: "no answers for this model: say with --as which of its models it is"
                    .into(),
            }),
            (None, Some(id)) => Err(Error::Invalid(format!(
                "no answers are known for \"{id}\": leave --as out, or give a file with --answers"
            ))),
            (None, None) => Ok(answers),
        }
    }

    fn inputs(&self, pipeline: &Pipeline) -> Result<Vec<Vec<u32>>> {
        let tokenizer = pipeline.tokenizer();
        if !self.texts.is_empty() {
            return self
                .texts
                .iter()
                .map(|text| encode(tokenizer, text))
                .collect();
        }
        let vocab_size = pipeline.config().vocab_size;
        if tokenizer.is_some() {
            let inputs: Vec<Vec<u32>> = TEXTS
                .iter()
                .map(|text| encode(tokenizer, text))
                .collect::<Result<_>>()?;
            // A tokenizer may know more than a cut-down model.
            if inputs
                .iter()
                .flatten()
                .all(|&id| (id as usize) < vocab_size)
            {
                return Ok(inputs);
            }
        }
        // Spread over the vocabulary by a stride that shares no factor with most sizes.
        let id = |index: usize| (index * 7919 % vocab_size) as u32;
        Ok(LENGTHS
            .iter()
            .map(|&length| (length..2 * length).map(id).collect())
            .collect())
    }
}

/// What a check found.
pub struct Report {
    model: String,
    model_type: Value,
    device: DeviceInfo,
    dtype: WeightDType,
    /// Tokens of each.
    inputs: Vec<usize>,
    comparison: Comparison,
    answers: Vec<Check>,
}

impl Report {
    /// How many checks are out of bounds.
    pub fn failures(&self) -> usize {
        let Comparison { stages, tokens } = &self.comparison;
        let missed = |check: &&Check| matches!(check.verdict, Verdict::Missed(_));
        stages.iter().filter(|stage| !stage.is_ok()).count()
            + tokens.iter().filter(|tokens| !tokens.is_ok()).count()
            + self.answers.iter().filter(missed).count()
    }

    fn verdict(&self) -> String {
        match self.failures() {
            0 => "this device computes the model correctly".into(),
            1 => "FAILED: 1 check is out of bounds".into(),
            count => format!("FAILED: {count} checks are out of bounds"),
        }
    }

    /// For people to read.
    pub fn table(&self) -> String {
        let device = &self.device;
        let model_type = self.model_type.as_str().unwrap_or("t5");
        let lengths: Vec<String> = self.inputs.iter().map(usize::to_string).collect();
        let mut text = format!(
            "t5-gpu {}\nmodel   {} ({model_type}), weights {}\ndevice  {} ({}, {})\ndriver  {}\ninputs  {} tokens, as one batch\n\n",
            env!("CARGO_PKG_VERSION"),
            self.model,
            self.dtype.name(),
            device.name,
            device.backend,
            device.device_type,
            device.driver,
            lengths.join(", "),
        );
        text += &format!(
            "{:24} {:>10} {:>10} {:>10}\n",
            "stage", "max error", "mean error", "bound"
        );
        for stage in &self.comparison.stages {
            text += &format!(
                "{:24} {:>10.1e} {:>10.1e} {:>10.1e}  {}\n",
                stage.name,
                stage.max_error,
                stage.mean_error,
                stage.bound,
                mark(stage.is_ok())
            );
        }
        if !self.comparison.tokens.is_empty() {
            text.push('\n');
        }
        for tokens in &self.comparison.tokens {
            let what = format!("tokens, {}", tokens.strategy);
            let mut equal = format!("{} of {} equal", tokens.equal, tokens.inputs);
            if tokens.near_ties > 0 {
                equal += &format!(", {} near ties", tokens.near_ties);
            }
            text += &format!("{what:24} {equal:>32}  {}", mark(tokens.is_ok()));
            if let Some(difference) = &tokens.first_difference {
                text += &format!(": {}", describe(difference));
            }
            text.push('\n');
        }
        if !self.answers.is_empty() {
            text += "\nknown answers\n";
        }
        for check in &self.answers {
            text += &match &check.verdict {
                Verdict::Met => format!("{}  ok\n", cut(&check.what)),
                Verdict::Missed(why) => format!("{}  FAILED: {why}\n", cut(&check.what)),
                Verdict::NotChecked(why) => {
                    format!("{}  not checked: {why}\n", cut(&check.what))
                }
            };
        }
        text + &format!("\nverdict: {}\n", self.verdict())
    }

    fn json(&self) -> Value {
        let stage = |stage: &Stage| {
            json!({
                "stage": stage.name,
                "max_error": stage.max_error,
                "mean_error": stage.mean_error,
                "bound": stage.bound,
                "ok": stage.is_ok(),
            })
        };
        let tokens = |tokens: &Tokens| {
            json!({
                "strategy": tokens.strategy,
                "inputs": tokens.inputs,
                "equal": tokens.equal,
                "near_ties": tokens.near_ties,
                "difference": tokens.first_difference.as_ref().map(describe),
                "ok": tokens.is_ok(),
            })
        };
        let answer = |check: &Check| {
            let (ok, message) = match &check.verdict {
                Verdict::Met => (Value::Bool(true), None),
                Verdict::Missed(why) => (Value::Bool(false), Some(why.as_str())),
                Verdict::NotChecked(why) => (Value::Null, Some(*why)),
            };
            json!({"answer": check.what, "ok": ok, "message": message})
        };
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "model": self.model,
            "model_type": self.model_type,
            "dtype": self.dtype.name(),
            "device": self.device.name,
            "backend": self.device.backend,
            "driver": self.device.driver,
            "input_lengths": self.inputs,
            "stages": self.comparison.stages.iter().map(stage).collect::<Vec<_>>(),
            "tokens": self.comparison.tokens.iter().map(tokens).collect::<Vec<_>>(),
            "known_answers": self.answers.iter().map(answer).collect::<Vec<_>>(),
            "ok": self.failures() == 0,
            "verdict": self.verdict(),
        })
    }
}

fn mark(ok: bool) -> &'static str {
    if ok { "ok" } else { "FAILED" }
}

fn describe(difference: &Difference) -> String {
    let token = |token: Option<u32>| token.map_or("the end".into(), |token| token.to_string());
    format!(
        "input {}, token {}: expected {}, found {}",
        difference.input + 1,
        difference.position + 1,
        token(difference.expected),
        token(difference.found)
    )
}

/// To the width of the table.
fn cut(text: &str) -> String {
    const WIDTH: usize = 57;
    if text.chars().count() <= WIDTH {
        return format!("{text:WIDTH$}");
    }
    let kept: String = text.chars().take(WIDTH - 3).collect();
    format!("{kept}...")
}
