use std::ops::Range;

use super::beam::BeamSearch;
use super::chain::Chain;
use super::random::{self, Stream};
use super::request::{Output, Plan, Request};
use super::{Search, StepDecoder, StepResult};
use crate::{Error, Result};

/// Follows a generation as it goes. `()` does not look.
pub trait Observer {
    /// Output `sequence` of request number `request` has got `token`. Greedy decoding and sampling only: beam search
    /// decides at its end.
    ///
    /// # Errors
    /// An error ends the generation and comes out of [`generate`].
    fn token(&mut self, request: usize, sequence: usize, token: u32) -> Result<()> {
        let _ = (request, sequence, token);
        Ok(())
    }

    /// Request number `request` is complete.
    ///
    /// # Errors
    /// As [`Self::token`].
    fn finished(&mut self, request: usize, outputs: &[Output]) -> Result<()> {
        let _ = (request, outputs);
        Ok(())
    }
}

impl Observer for () {}

/// A search and what its outputs are part of.
struct Running {
    search: Box<dyn Search>,
    request: usize,
    sequence: usize,
    /// Its rows in the present step.
    rows: Range<usize>,
    /// The token that the present step has decided.
    decided: Option<u32>,
}

/// Decodes all requests together and returns the outputs of each, best first.
///
/// Slots are numbered through in the order of the requests, [`Request::slots`] for each. What a request gives does not
/// depend on the others.
///
/// ```
/// use t5_gpu::GenerationConfig;
/// use t5_gpu::generate::{Request, StepDecoder, StepRow, generate};
///
/// /// After token n it gives n + 2, after 6 the end, token 1.
/// struct ByTwos([f32; 9]);
///
/// impl StepDecoder for ByTwos {
///     fn vocab_size(&self) -> usize {
///         9
///     }
///     fn step(&mut self, rows: &[StepRow]) -> t5_gpu::Result<&[f32]> {
///         self.0 = [0.0; 9];
///         self.0[if rows[0].token < 6 { rows[0].token as usize + 2 } else { 1 }] = 1.0;
///         Ok(&self.0)
///     }
/// }
///
/// let config = GenerationConfig {
///     decoder_start_token_id: Some(0),
///     eos_token_id: vec![1],
///     ..Default::default()
/// };
/// let outputs = generate(&mut ByTwos([0.0; 9]), &[Request::new(0, vec![1], config)], &mut ())?;
/// assert_eq!(outputs[0][0].token_ids, [2, 4, 6, 1]);
/// # Ok::<(), t5_gpu::Error>(())
/// ```
///
/// # Errors
/// [`Error::Invalid`] and [`Error::TokenOutOfRange`] for options that cannot be used, before anything is decoded, and
/// whatever `decoder` and `observer` report.
pub fn generate(
    decoder: &mut dyn StepDecoder,
    requests: &[Request],
    observer: &mut dyn Observer,
) -> Result<Vec<Vec<Output>>> {
    let vocab_size = decoder.vocab_size();
    let mut running = start(requests, vocab_size)?;
    let mut outputs: Vec<Vec<Output>> = vec![Vec::new(); requests.len()];
    for search in &running {
        outputs[search.request].push(Output::default());
    }
    let mut unfinished: Vec<usize> = outputs.iter().map(Vec::len).collect();
    let (mut rows, mut tokens) = (Vec::new(), Vec::new());
    let mut scratch = vec![
        Vec::new();
        std::thread::available_parallelism()
            .map_or(1, |cores| cores.get().min(MAX_THREADS))
    ];
    while !running.is_empty() {
        rows.clear();
        for active in &mut running {
            let first = rows.len();
            active.search.push_rows(&mut rows);
            active.rows = first..rows.len();
        }
        tokens.clear();
        let argmax_will_do = running
            .iter()
            .all(|active| active.search.needs_only_argmax());
        if argmax_will_do && decoder.step_argmax(&rows, &mut tokens)? {
            check_tokens(&tokens, rows.len())?;
            advance(&mut running, &mut scratch[..1], &|rows| {
                StepResult::Argmax(tokens[rows.start])
            })?;
        } else {
            let logits = decoder.step(&rows)?;
            check_logits(logits, rows.len(), vocab_size)?;
            let threads = if argmax_will_do || logits.len() < PARALLEL_FROM {
                1
            } else {
                scratch.len()
            };
            advance(&mut running, &mut scratch[..threads], &|rows| {
                StepResult::Logits(&logits[rows.start * vocab_size..rows.end * vocab_size])
            })?;
        }
        for active in &mut running {
            if let Some(token) = active.decided {
                observer.token(active.request, active.sequence, token)?;
            }
            if active.search.is_done() {
                let request = active.request;
                let found = active.search.take_outputs();
                outputs[request].splice(active.sequence..=active.sequence, found);
                unfinished[request] -= 1;
                if unfinished[request] == 0 {
                    observer.finished(request, &outputs[request])?;
                }
            }
        }
        running.retain(|active| !active.search.is_done());
    }
    Ok(outputs)
}

/// Logits a step from which on choosing from them is worth more than starting threads: some rows of 32,000.
const PARALLEL_FROM: usize = 1 << 19;
const MAX_THREADS: usize = 8;

/// Gives every search its rows' result, on as many threads as there is scratch memory.
fn advance<'a>(
    running: &mut [Running],
    scratch: &mut [Vec<f32>],
    result_of: &(impl Fn(&Range<usize>) -> StepResult<'a> + Sync),
) -> Result<()> {
    let one_after_another = |running: &mut [Running], scratch: &mut Vec<f32>| {
        running.iter_mut().try_for_each(|active| {
            active.decided = active.search.advance(result_of(&active.rows), scratch)?;
            Ok(())
        })
    };
    if let [scratch] = scratch {
        return one_after_another(running, scratch);
    }
    let share = running.len().div_ceil(scratch.len());
    std::thread::scope(|scope| {
        let threads: Vec<_> = running
            .chunks_mut(share)
            .zip(scratch)
            .map(|(running, scratch)| scope.spawn(|| one_after_another(running, scratch)))
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
}

/// Makes the searches: one a request, in sampling one an output.
fn start(requests: &[Request], vocab_size: usize) -> Result<Vec<Running>> {
    let mut running = Vec::with_capacity(requests.len());
    let mut slot = 0;
    for (request_index, request) in requests.iter().enumerate() {
        let config = &request.config;
        config.validate()?;
        let seed = config
            .do_sample
            .then(|| config.seed.unwrap_or_else(random::entropy));
        let chains = if config.num_beams > 1 {
            1
        } else {
            request.slots()
        };
        for sequence in 0..chains {
            let plan = Plan::new(request, slot + sequence as u32, vocab_size)?;
            let random = seed.map(|seed| Stream::new(seed, sequence as u64));
            let search: Box<dyn Search> = if config.num_beams > 1 {
                Box::new(BeamSearch::new(plan, config, random, vocab_size)?)
            } else {
                Box::new(Chain::new(plan, random))
            };
            running.push(Running {
                search,
                request: request_index,
                sequence,
                rows: 0..0,
                decided: None,
            });
        }
        slot += request.slots() as u32;
    }
    Ok(running)
}

fn check_tokens(tokens: &[u32], rows: usize) -> Result<()> {
    if tokens.len() == rows {
        return Ok(());
    }
    Err(Error::Gpu(format!(
        "a decoder step gave {} tokens for {rows} rows",
        tokens.len()
    )))
}

fn check_logits(logits: &[f32], rows: usize, vocab_size: usize) -> Result<()> {
    if logits.len() != rows * vocab_size {
        return Err(Error::Gpu(format!(
            "a decoder step gave {} logits for {rows} rows of {vocab_size}",
            logits.len()
        )));
    }
    // One a row is enough: what goes wrong in a decoder spreads over the whole row.
    if logits
        .iter()
        .step_by(vocab_size.max(1))
        .any(|logit| logit.is_nan())
    {
        return Err(Error::Gpu(
            "a decoder step gave logits that are not numbers: try `t5-gpu verify`".into(),
        ));
    }
    Ok(())
}
