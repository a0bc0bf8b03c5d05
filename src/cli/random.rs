//! `t5-gpu random`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use t5_gpu::checkpoint::{DType, write_safetensors};
use t5_gpu::{Error, Result, T5Config, parameters};

use super::Outcome;
use super::args::preset;
use super::console::Console;

/// Write a model directory of a published shape with random weights, for comparing speeds; needs no GPU
#[derive(Args)]
pub struct Random {
    /// The shape: t5-small, t5-base, t5-large, ...
    #[arg(long, value_name = "NAME")]
    arch: String,
    /// The directory to write; made where it is missing
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// The same seed gives the same weights
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,
    /// How the file keeps the weights
    #[arg(long, value_enum, default_value = "f32")]
    dtype: FileDType,
    /// Replace a model that is there already
    #[arg(long)]
    force: bool,
    /// Nothing on stderr but errors
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum FileDType {
    F32,
    F16,
    Bf16,
}

const CONFIG: &str = "config.json";
const GENERATION_CONFIG: &str = "generation_config.json";
const WEIGHTS: &str = "model.safetensors";

impl Random {
    pub fn run(self) -> Outcome {
        let config = preset(&self.arch)?;
        if !self.force {
            self.check_nothing_there()?;
        }
        std::fs::create_dir_all(&self.output).map_err(|error| Error::write(&self.output, error))?;
        let (dtype, name) = match self.dtype {
            FileDType::F32 => (DType::F32, "float32"),
            FileDType::F16 => (DType::F16, "float16"),
            FileDType::Bf16 => (DType::BF16, "bfloat16"),
        };

        let bar = Console::new(self.quiet).bytes("writing");
        let weights = parameters::random(&config, self.seed, dtype);
        let path = self.output.join(WEIGHTS);
        write_safetensors(&weights, &path, &mut |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        })?;
        bar.finish_and_clear();

        let mut fields = config.to_json();
        fields.insert("dtype".into(), name.into());
        self.write(CONFIG, fields)?;
        self.write(GENERATION_CONFIG, generation_config(&config))?;
        Ok(())
    }

    /// Only what this command would write counts.
    fn check_nothing_there(&self) -> Result<()> {
        for name in [CONFIG, GENERATION_CONFIG, WEIGHTS] {
            let path = self.output.join(name);
            if path.exists() {
                return Err(Error::File {
                    path,
                    message: "is there already: name another directory, or replace it with --force"
                        .into(),
                });
            }
        }
        Ok(())
    }

    fn write(&self, name: &str, fields: Map<String, Value>) -> Result<()> {
        let path = self.output.join(name);
        let text = format!("{:#}\n", Value::Object(fields));
        std::fs::write(&path, text).map_err(|error| Error::write(&path, error))
    }
}

fn generation_config(config: &T5Config) -> Map<String, Value> {
    let mut fields = Map::new();
    if let Some(start) = config.decoder_start_token_id {
        fields.insert("decoder_start_token_id".into(), start.into());
    }
    fields.insert("eos_token_id".into(), json!(config.eos_token_id));
    fields.insert("pad_token_id".into(), config.pad_token_id.into());
    fields
}
