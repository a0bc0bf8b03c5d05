//! One workload, generated again and again with a clock beside it.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use t5_gpu::generate::{Ranking, Request, StepDecoder, StepRow, generate};
use t5_gpu::model::{DeviceSelection, Model};
use t5_gpu::{GenerationConfig, Result, T5Config};

use crate::cli::args::TokenSelection;

/// What is generated.
pub struct Workload {
    pub batch_size: usize,
    pub num_beams: usize,
    pub source_length: usize,
    pub new_tokens: usize,
    pub token_selection: TokenSelection,
}

/// Medians over runs; steps over all steps of all runs.
pub struct Measured {
    pub encode: Duration,
    /// From the sources to the first token that the host knows: where several greedy steps run in one submit, after these.
    pub first_token: Duration,
    /// Of steps that run in one submit, each counts as long as their mean.
    pub step_median: Duration,
    pub step_p90: Duration,
    /// From the sources to the last token chosen.
    pub total: Duration,
    /// On the device at the end of a run, weights and caches.
    pub gpu_bytes: u64,
}

/// One run's times.
pub struct Run {
    encode: Duration,
    first_token: Duration,
    steps: Vec<Duration>,
    total: Duration,
    gpu_bytes: u64,
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "batch size {}, beams {}, source length {}, new tokens {}",
            self.batch_size, self.num_beams, self.source_length, self.new_tokens
        )
    }
}

impl Workload {
    /// Runs once to make pipelines and buffers, then `repeat` times that count.
    pub fn measure(&self, model: &Model, repeat: usize) -> Result<Measured> {
        self.run(model)?;
        let runs = (0..repeat)
            .map(|_| self.run(model))
            .collect::<Result<Vec<_>>>()?;
        let steps = || runs.iter().flat_map(|run| run.steps.iter().copied());
        Ok(Measured {
            encode: quantile(runs.iter().map(|run| run.encode), 0.5),
            first_token: quantile(runs.iter().map(|run| run.first_token), 0.5),
            step_median: quantile(steps(), 0.5),
            step_p90: quantile(steps(), 0.9),
            total: quantile(runs.iter().map(|run| run.total), 0.5),
            gpu_bytes: runs.iter().map(|run| run.gpu_bytes).max().unwrap_or(0),
        })
    }

    /// Encodes and generates exactly `new_tokens` tokens a source: no token ends an output.
    pub fn run(&self, model: &Model) -> Result<Run> {
        let config = model.config();
        let sources: Vec<Vec<u32>> = (0..self.batch_size)
            .map(|row| source(row, self.source_length, config))
            .collect();
        let options = GenerationConfig {
            max_new_tokens: Some(self.new_tokens),
            num_beams: self.num_beams,
            decoder_start_token_id: config
                .decoder_start_token_id
                .or(config.pad_token_id)
                .or(Some(0)),
            ..GenerationConfig::default()
        };
        let requests: Vec<Request> = (0..)
            .zip(&sources)
            .map(|(row, source)| Request::new(row, source.clone(), options.clone()))
            .collect();

        let begin = Instant::now();
        let encoded = model.encode(&sources)?;
        model.gpu().wait()?;
        let encode = begin.elapsed();
        let slots = self.batch_size * self.num_beams;
        let mut decoder = match self.token_selection {
            TokenSelection::Gpu => model.decoder(&encoded, slots)?,
            TokenSelection::Cpu => model.decoder_with(&encoded, slots, DeviceSelection::NONE)?,
        };
        let mut timed = Timed {
            decoder: &mut decoder,
            starts: Vec::with_capacity(self.new_tokens + 1),
            under_way: VecDeque::new(),
        };
        generate(&mut timed, &requests, &mut ())?;
        let end = Instant::now();

        let starts = timed.starts;
        let ends: Vec<Instant> = starts[1..]
            .iter()
            .map(|start| start.at)
            .chain([end])
            .collect();
        Ok(Run {
            encode,
            first_token: ends[0] - begin,
            steps: starts
                .iter()
                .zip(&ends)
                .flat_map(|(start, end)| {
                    let each = (*end - start.at).div_f64(start.steps as f64);
                    std::iter::repeat_n(each, start.steps)
                })
                .collect(),
            total: end - begin,
            gpu_bytes: model.gpu().allocated_bytes(),
        })
    }
}

/// A decoder that notes when each step begins: a step lasts until the next, with all that generation does in between.
/// Steps that run together count as equally long, from when they are waited for until the next ones are.
struct Timed<'a> {
    decoder: &'a mut dyn StepDecoder,
    starts: Vec<Start>,
    /// Steps of the greedy runs under way.
    under_way: VecDeque<usize>,
}

struct Start {
    at: Instant,
    /// Steps that begin here.
    steps: usize,
}

impl Timed<'_> {
    fn note(&mut self, steps: usize) {
        self.starts.push(Start {
            at: Instant::now(),
            steps,
        });
    }
}

impl StepDecoder for Timed<'_> {
    fn vocab_size(&self) -> usize {
        self.decoder.vocab_size()
    }

    fn step(&mut self, rows: &[StepRow]) -> Result<&[f32]> {
        self.note(1);
        self.decoder.step(rows)
    }

    fn ranks(&self) -> usize {
        self.decoder.ranks()
    }

    fn step_ranked(&mut self, rows: &[StepRow], count: usize) -> Result<Ranking<'_>> {
        self.note(1);
        self.decoder.step_ranked(rows, count)
    }

    fn greedy_steps(&self) -> usize {
        self.decoder.greedy_steps()
    }

    fn start_greedy(&mut self, rows: &[StepRow], steps: usize) -> Result<()> {
        self.under_way.clear();
        self.under_way.push_back(steps);
        self.decoder.start_greedy(rows, steps)
    }

    fn continue_greedy(&mut self, steps: usize) -> Result<()> {
        self.under_way.push_back(steps);
        self.decoder.continue_greedy(steps)
    }

    fn finish_greedy(&mut self, tokens: &mut Vec<u32>) -> Result<()> {
        let steps = self.under_way.pop_front().unwrap_or(0);
        self.note(steps);
        self.decoder.finish_greedy(tokens)
    }
}

/// A source that differs from row to row, within the vocabulary, `</s>` at its end. benches/peers/workload.py makes the
/// same ones.
fn source(row: usize, length: usize, config: &T5Config) -> Vec<u32> {
    let end = config.eos_token_id.first().copied().unwrap_or(1);
    // Clear of the special tokens in front and of the rows past the tokenizer's vocabulary.
    let words = (config.vocab_size * 9 / 10).saturating_sub(3).max(1);
    let token = |i: usize| {
        let id = 3 + (row * 7919 + i * 104_729) % words;
        id.min(config.vocab_size - 1) as u32
    };
    (0..length - 1).map(token).chain([end]).collect()
}

fn quantile(durations: impl Iterator<Item = Duration>, fraction: f64) -> Duration {
    let mut sorted: Vec<Duration> = durations.collect();
    sorted.sort();
    sorted[((sorted.len() - 1) as f64 * fraction).round() as usize]
}
