//! Options that several commands share.

use std::path::Path;

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::{Map, Value};
use t5_gpu::task::{Targets, Task};
use t5_gpu::{LoadOptions, ModelFiles, Part, Pipeline, Result, T5Config, WeightDType, hub};

use super::console::Console;

/// Which model, and nothing else.
#[derive(Args, Clone)]
pub struct ModelArg {
    /// A directory, a hub id (google-t5/t5-small, ID@REVISION) or a short name (t5-small) of a T5-family model, or the name
    /// of the one in the binary [default: that one]
    #[arg(long, value_name = "DIR|ID")]
    pub model: Option<String>,
}

impl ModelArg {
    /// The model's files, fetched where they are neither a directory's nor in the cache.
    pub fn files(&self, quiet: bool) -> Result<ModelFiles> {
        self.files_by(&hub_options(quiet))
    }

    /// As [`Self::files`], without the weights where they would have to be fetched.
    pub fn small_files(&self, quiet: bool) -> Result<ModelFiles> {
        self.files_by(&hub::Options {
            weights: false,
            ..hub_options(quiet)
        })
    }

    fn files_by(&self, options: &hub::Options) -> Result<ModelFiles> {
        match &self.model {
            Some(spec) if !self.is_embedded() => ModelFiles::open(hub::resolve(spec, options)?),
            _ => ModelFiles::embedded(),
        }
    }

    /// Whether it is the model in the binary, which has a name; a directory of that name comes first.
    fn is_embedded(&self) -> bool {
        self.model.as_ref().is_none_or(|spec| {
            !spec.is_empty() && spec == ModelFiles::EMBEDDED_NAME && !Path::new(spec).exists()
        })
    }

    /// What to call the model: its directory's name, or the name it was given by.
    pub fn name(&self) -> String {
        match &self.model {
            Some(spec) => match Path::new(spec).canonicalize() {
                Ok(path) => path
                    .file_name()
                    .unwrap_or(path.as_os_str())
                    .to_string_lossy()
                    .into_owned(),
                Err(_) => spec.clone(),
            },
            None => ModelFiles::EMBEDDED_NAME.into(),
        }
    }
}

/// How models are found and fetched by name.
pub fn hub_options(quiet: bool) -> hub::Options {
    hub::Options {
        quiet,
        ..hub::Options::from_env()
    }
}

/// Where and how the model runs, and on what.
#[derive(Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub load: LoadArgs,
    #[command(flatten)]
    pub lines: LineArgs,
}

/// Where and how the model runs.
#[derive(Args)]
pub struct LoadArgs {
    #[command(flatten)]
    pub model: ModelArg,
    /// Which GPU: its index or a part of its name, as `t5-gpu devices` lists them
    #[arg(long, value_name = "INDEX|NAME")]
    pub device: Option<String>,
    /// How weights are kept on the GPU: f32, f16 or int8
    #[arg(long, default_value = "f32", value_parser = dtype)]
    pub dtype: WeightDType,
    /// How many texts go through the model together (default: by device)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_size: Option<u32>,
    /// What keys and values of texts may take of the device's memory: 1000000000, 1e9, 512MiB or 1.5GB
    /// (default: by device)
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub kv_memory: Option<u64>,
}

impl LoadArgs {
    /// Opens the device and loads this part of the model, telling what is used.
    pub fn pipeline(&self, files: &ModelFiles, part: Part, console: &Console) -> Result<Pipeline> {
        let options = LoadOptions {
            device: self.device.clone(),
            dtype: self.dtype,
            batch_size: self.batch_size.map(|n| n as usize),
            part,
            kv_memory: self.kv_memory,
            ..LoadOptions::default()
        };
        let bar = console.bytes("loading");
        let pipeline = Pipeline::load(files, &options, &mut |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        })?;
        bar.finish_and_clear();
        console.device(pipeline.device());
        Ok(pipeline)
    }
}

/// Where the likeliest tokens are found, in greedy decoding and for beams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TokenSelection {
    /// On the CPU, from all logits
    Cpu,
    /// On the GPU: several greedy steps at once, a few candidates for beams, as suits the device
    Gpu,
}

impl TokenSelection {
    pub fn name(self) -> &'static str {
        match self {
            TokenSelection::Cpu => "cpu",
            TokenSelection::Gpu => "gpu",
        }
    }
}

/// What goes in and comes out.
#[derive(Args)]
pub struct LineArgs {
    /// An object a line in, an object a line out
    #[arg(long)]
    pub jsonl: bool,
    /// Nothing on stderr but errors
    #[arg(long, short)]
    pub quiet: bool,
    /// A text each; without any, lines from stdin
    #[arg(value_name = "TEXT")]
    pub texts: Vec<String>,
}

/// Between which languages.
#[derive(Args)]
pub struct LanguageArgs {
    /// Into which language: a code (de), an English name (German), or as the model names it
    #[arg(long, default_value = "de", value_name = "LANGUAGE")]
    to: String,
    /// Out of which language
    #[arg(long, default_value = "en", value_name = "LANGUAGE")]
    pub from: String,
}

impl LanguageArgs {
    /// The translation as the model's files have it.
    pub fn task(&self, files: &ModelFiles) -> Result<Task> {
        let targets = || {
            let tokenizer = files.tokenizer()?;
            Ok(tokenizer.as_ref().map(Targets::of).unwrap_or_default())
        };
        Task::translation(&files.config()?, targets, &self.from, &self.to)
    }
}

/// What the model is asked to do: to translate, or something else.
#[derive(Args)]
pub struct TaskArgs {
    #[command(flatten)]
    languages: LanguageArgs,
    /// A task of the config's task_specific_params in place of a translation
    #[arg(long, value_name = "NAME", conflicts_with_all = ["to", "from"])]
    task: Option<String>,
    /// Run the text as it stands, with no prefix added
    #[arg(long, conflicts_with_all = ["to", "from", "task"])]
    no_prefix: bool,
}

impl TaskArgs {
    /// The task as the model's files have it.
    pub fn task(&self, files: &ModelFiles) -> Result<Task> {
        match &self.task {
            Some(name) => Task::named(&files.config()?, name),
            None if self.no_prefix => Ok(Task::default()),
            None => self.languages.task(files),
        }
    }
}

/// Generation options under transformers' names.
#[derive(Args, Serialize)]
#[command(next_help_heading = "Generation options (as in Hugging Face transformers)")]
pub struct GenerationArgs {
    /// At most so many tokens
    #[arg(long, value_name = "N")]
    max_new_tokens: Option<u64>,
    /// At most so many tokens, the start token counted
    #[arg(long, value_name = "N")]
    max_length: Option<u64>,
    /// At least so many tokens
    #[arg(long, value_name = "N")]
    min_new_tokens: Option<u64>,
    /// At least so many tokens, the start token counted
    #[arg(long, value_name = "N")]
    min_length: Option<u64>,
    /// Beam search with so many beams; 1 is greedy
    #[arg(long, value_name = "N")]
    num_beams: Option<u64>,
    /// Outputs a text
    #[arg(long, value_name = "N")]
    num_return_sequences: Option<u64>,
    /// Beam scores are divided by length to this power
    #[arg(long, value_name = "X", value_parser = finite, allow_negative_numbers = true)]
    length_penalty: Option<f64>,
    /// When beam search ends: true, false or never
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = early_stopping)]
    early_stopping: Option<Value>,
    /// No n-gram of this size twice
    #[arg(long, value_name = "N")]
    no_repeat_ngram_size: Option<u64>,
    /// No n-gram of this size from the source
    #[arg(long, value_name = "N")]
    encoder_no_repeat_ngram_size: Option<u64>,
    /// Above 1 discourages tokens already there
    #[arg(long, value_name = "X", value_parser = finite)]
    repetition_penalty: Option<f64>,
    /// Above 1 holds the output to the source's tokens
    #[arg(long, value_name = "X", value_parser = finite)]
    encoder_repetition_penalty: Option<f64>,
    /// Token sequences that must not appear, as JSON: [[5,6],[7]]
    #[arg(long, value_name = "JSON", value_parser = json)]
    bad_words_ids: Option<Value>,
    /// Tokens that must not appear: 5,6,7
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    suppress_tokens: Option<Vec<u32>>,
    /// Tokens that must not come first: 5,6,7
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    begin_suppress_tokens: Option<Vec<u32>>,
    /// The first token
    #[arg(long, value_name = "ID")]
    forced_bos_token_id: Option<u32>,
    /// The last token where the longest length is reached
    #[arg(long, value_name = "ID")]
    forced_eos_token_id: Option<u32>,
    /// The decoder's first tokens: 5,6,7
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    decoder_input_ids: Option<Vec<u32>>,
    /// Draw tokens instead of taking the likeliest
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    do_sample: Option<bool>,
    /// Sampling: below 1 keeps to likely tokens, above 1 strays from them
    #[arg(long, value_name = "X", value_parser = finite)]
    temperature: Option<f64>,
    /// Sampling: among so many likeliest tokens
    #[arg(long, value_name = "N")]
    top_k: Option<u64>,
    /// Sampling: among the likeliest tokens that make up this probability
    #[arg(long, value_name = "X", value_parser = finite)]
    top_p: Option<f64>,
    /// Sampling: among tokens at least this likely, relative to the likeliest
    #[arg(long, value_name = "X", value_parser = finite)]
    min_p: Option<f64>,
    /// Sampling: among the tokens of most typical likelihood that make up this probability
    #[arg(long, value_name = "X", value_parser = finite)]
    typical_p: Option<f64>,
    /// Sampling: among tokens at least this likely
    #[arg(long, value_name = "X", value_parser = finite)]
    epsilon_cutoff: Option<f64>,
    /// Sampling: the same, with a bound that falls where many tokens are likely
    #[arg(long, value_name = "X", value_parser = finite)]
    eta_cutoff: Option<f64>,
    /// Sampling: the same seed gives the same text
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

impl GenerationArgs {
    /// Refuses texts that were meant as the value of an option: these two take it after an equals sign.
    pub fn check_texts(&self, texts: &[String]) -> Result<()> {
        let options = [
            (
                "early-stopping",
                self.early_stopping == Some(true.into()),
                &["true", "false", "never"][..],
            ),
            (
                "do-sample",
                self.do_sample == Some(true),
                &["true", "false"],
            ),
        ];
        for (name, given, values) in options {
            let meant = texts.iter().find(|text| values.contains(&text.as_str()));
            if let Some(text) = meant.filter(|_| given) {
                return Err(t5_gpu::Error::Invalid(format!(
                    "\"{text}\" would be a text: write --{name}={text}"
                )));
            }
        }
        Ok(())
    }

    /// The options that were given, as the fields of a `--jsonl` request.
    pub fn given(&self) -> Map<String, Value> {
        let Ok(Value::Object(mut options)) = serde_json::to_value(self) else {
            unreachable!("a struct serialises to an object");
        };
        options.retain(|_, value| !value.is_null());
        options
    }
}

/// The architecture published under that name.
pub fn preset(arch: &str) -> t5_gpu::Result<T5Config> {
    T5Config::preset(arch).ok_or_else(|| t5_gpu::Error::Unsupported {
        what: "architecture",
        found: arch.into(),
        supported: T5Config::PRESETS.join(", "),
    })
}

pub fn dtype(text: &str) -> Result<WeightDType, String> {
    text.parse()
        .map_err(|error: t5_gpu::Error| error.to_string())
}

pub fn bytes(text: &str) -> Result<u64, String> {
    t5_gpu::gpu::parse_bytes(text)
        .ok_or_else(|| "a number of bytes above 0, such as 1000000000, 1e9, 512MiB or 1.5GB".into())
}

fn finite(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err("not a finite number".into()),
    }
}

fn early_stopping(text: &str) -> Result<Value, String> {
    match text {
        "true" => Ok(true.into()),
        "false" => Ok(false.into()),
        "never" => Ok("never".into()),
        _ => Err("must be true, false or never".into()),
    }
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}
