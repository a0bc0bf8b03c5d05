//! `t5-gpu inspect`

use std::collections::BTreeMap;
use std::io::{self, Write};

use clap::Args;
use serde_json::json;
use t5_gpu::checkpoint::TensorSource;
use t5_gpu::{Parameters, Result, T5Config, parameters};

use super::Outcome;
use super::args::ModelArg;
use super::module_tree::module_tree;

/// Print a model's config, modules, parameter count, dtype and size; needs no GPU
#[derive(Args)]
pub struct Inspect {
    #[command(flatten)]
    model: ModelArg,
    /// One JSON object
    #[arg(long)]
    jsonl: bool,
    /// Accepted for uniformity: this command tells nothing on stderr
    #[arg(long, short)]
    quiet: bool,
}

impl Inspect {
    pub fn run(self) -> Outcome {
        let files = self.model.files(self.quiet)?;
        let json = files.config_json()?;
        let mut config = files.config()?;
        let dropout = json
            .get("dropout_rate")
            .and_then(serde_json::Value::as_f64)
            .unwrap_or(0.1);
        let weights = if files.has_weights() {
            Some(Weights::read(&files.weights()?, &config)?)
        } else {
            None
        };
        // The weights have the last word: a config may still be that of the whole model.
        config.is_encoder_decoder &= weights.as_ref().is_none_or(|weights| weights.has_decoder);
        let tree = module_tree(&config, dropout);
        // A model whose embeddings cannot be made here can still be looked at.
        let embedding = match files.embedding(config.d_model) {
            Ok(embedding) => embedding.map(|embedding| embedding.to_string()),
            Err(error) => Some(format!("none: {error}")),
        };
        let parameters = weights
            .as_ref()
            .map_or_else(|| count(&config), |weights| weights.parameters);

        let mut out = io::stdout().lock();
        if self.jsonl {
            let object = json!({
                "name": self.model.name(),
                "config": json,
                "modules": tree,
                "parameters": parameters,
                "dtypes": weights.as_ref().map(|weights| &weights.dtypes),
                "bytes": weights.as_ref().map(|weights| weights.bytes),
                "embedding": embedding,
            });
            writeln!(out, "{object}")?;
            return Ok(());
        }
        writeln!(
            out,
            "{}\n\n{}\n\n{tree}\n",
            self.model.name(),
            pretty(&json)
        )?;
        writeln!(out, "parameters: {parameters}")?;
        match weights {
            Some(weights) => {
                let dtypes: Vec<_> = weights
                    .dtypes
                    .iter()
                    .map(|(dtype, count)| format!("{dtype} ({count} tensors)"))
                    .collect();
                writeln!(out, "dtype: {}", dtypes.join(", "))?;
                writeln!(out, "size: {:.1} MB", weights.bytes as f64 / 1e6)?;
            }
            None => writeln!(out, "no weights here")?,
        }
        if let Some(embedding) = embedding {
            writeln!(out, "embedding: {embedding}")?;
        }
        Ok(())
    }
}

/// What the checkpoint holds of the model.
struct Weights {
    parameters: u64,
    /// Tensors by element type.
    dtypes: BTreeMap<&'static str, usize>,
    bytes: u64,
    has_decoder: bool,
}

impl Weights {
    /// Every tensor that the config asks for is looked up and its shape checked.
    fn read(source: &dyn TensorSource, config: &T5Config) -> Result<Weights> {
        let parameters = Parameters::load(source, config)?;
        let mut dtypes = BTreeMap::new();
        for tensor in parameters.tensors() {
            *dtypes.entry(tensor.dtype.name()).or_default() += 1;
        }
        Ok(Weights {
            parameters: parameters.parameter_count(),
            dtypes,
            bytes: parameters.byte_size(),
            has_decoder: parameters.decoder.is_some(),
        })
    }
}

/// Parameters as the config alone tells them, tied ones counted once.
fn count(config: &T5Config) -> u64 {
    parameters::layout(config)
        .iter()
        .map(|(_, shape)| shape.iter().product::<usize>() as u64)
        .sum()
}

fn pretty(json: &serde_json::Map<String, serde_json::Value>) -> String {
    serde_json::to_string_pretty(json).expect("JSON that was read can be written")
}
