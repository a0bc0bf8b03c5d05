//! candle's T5 over the workload of ../workload.py, answering requests as the peers in Python do.

use std::collections::HashSet;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use candle_core::{D, DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::t5::{Config, T5ForConditionalGeneration};
use serde_json::{Value, json};

const CANDLE: &str = "0.11.1";

struct Peer {
    model: T5ForConditionalGeneration,
    /// `-inf` at `</s>`, so that nothing ends before it should.
    mask: Tensor,
    start: u32,
    new_tokens: usize,
}

impl Peer {
    fn generate(&mut self, sources: &[Vec<u32>]) -> Result<Vec<Vec<u32>>> {
        let device = self.model.device().clone();
        self.model.clear_kv_cache();
        let shape = (sources.len(), sources[0].len());
        let input = Tensor::from_vec(sources.concat(), shape, &device)?;
        let encoded = self.model.encode(&input)?;
        let mut outputs = vec![Vec::new(); sources.len()];
        let mut fed = vec![self.start; sources.len()];
        for _ in 0..self.new_tokens {
            let input = Tensor::from_vec(fed, (sources.len(), 1), &device)?;
            let logits = self.model.decode(&input, &encoded)?;
            fed = logits
                .broadcast_add(&self.mask)?
                .argmax(D::Minus1)?
                .to_vec1()?;
            for (output, token) in outputs.iter_mut().zip(&fed) {
                output.push(*token);
            }
        }
        Ok(outputs)
    }
}

/// As workload.py makes them.
fn source(row: usize, length: usize, vocab_size: usize) -> Vec<u32> {
    let words = (vocab_size * 9 / 10).saturating_sub(3).max(1);
    let id = |i: usize| (3 + (row * 7919 + i * 104_729) % words).min(vocab_size - 1) as u32;
    (0..length - 1).map(id).chain([1]).collect()
}

/// The value after `--name`.
fn option(arguments: &[String], name: &str) -> Option<String> {
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1).cloned()
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let option =
        |name: &str| option(&arguments, name).with_context(|| format!("{name} is missing"));
    if option("--num-beams")? != "1" {
        bail!("candle has no beam search for T5");
    }
    let dtype = match option("--variant")?.as_str() {
        "f32" => DType::F32,
        "f16" => DType::F16,
        "bf16" => DType::BF16,
        other => bail!("no variant {other}"),
    };
    let device = match option("--device")?.as_str() {
        "cuda" => Device::new_cuda(0)?,
        _ => Device::Cpu,
    };
    let directory = option("--model")?;
    let directory = Path::new(&directory);
    let config = std::fs::read_to_string(directory.join("config.json"))?;
    let start = serde_json::from_str::<Value>(&config)?["decoder_start_token_id"]
        .as_u64()
        .context("config.json has no decoder_start_token_id")? as u32;
    let config: Config = serde_json::from_str(&config)?;
    let vocab_size = config.vocab_size;
    // SAFETY: the file is not written to while this runs.
    let weights = unsafe {
        VarBuilder::from_mmaped_safetensors(&[directory.join("model.safetensors")], dtype, &device)?
    };
    let mut mask = vec![0f32; vocab_size];
    mask[config.eos_token_id] = f32::NEG_INFINITY;
    let mut peer = Peer {
        model: T5ForConditionalGeneration::load(weights, &config)?,
        mask: Tensor::new(mask, &device)?.to_dtype(dtype)?,
        start,
        new_tokens: option("--new-tokens")?.parse()?,
    };
    let source_length = option("--source-length")?.parse()?;

    let mut answers = std::io::stdout().lock();
    let threads = std::thread::available_parallelism()?;
    let place = match device {
        Device::Cpu => format!("CPU, {threads} threads"),
        _ => "cuda".into(),
    };
    let versions = json!({"candle": CANDLE});
    writeln!(
        answers,
        "{}",
        json!({"versions": versions, "device": place})
    )?;
    answers.flush()?;
    let mut warm = HashSet::new();
    for line in std::io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let batch_size = request["batch_size"].as_u64().context("no batch_size")? as usize;
        let sources: Vec<_> = (0..batch_size)
            .map(|row| source(row, source_length, vocab_size))
            .collect();
        if warm.insert(batch_size) {
            peer.generate(&sources)?;
        }
        let begin = Instant::now();
        let token_ids = peer.generate(&sources)?;
        let seconds = begin.elapsed().as_secs_f64();
        writeln!(
            answers,
            "{}",
            json!({"seconds": seconds, "token_ids": token_ids})
        )?;
        answers.flush()?;
    }
    Ok(())
}
