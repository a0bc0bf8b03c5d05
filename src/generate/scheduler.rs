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
}

/// Decodes all requests together and returns the outputs of each, best first.
///
/// Slots are numbered through in the order of the requests, [`Request::slots`] for each. What a request gives does not
/// depend on the others.
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
    let (mut rows, mut tokens, mut scratch) = (Vec::new(), Vec::new(), Vec::new());
    while !running.is_empty() {
        rows.clear();
        for active in &mut running {
            let first = rows.len();
            active.search.push_rows(&mut rows);
            active.rows = first..rows.len();
        }
        tokens.clear();
        let picked = running
            .iter()
            .all(|active| active.search.needs_only_argmax())
            && decoder.step_argmax(&rows, &mut tokens)?;
        let logits = if picked { &[] } else { decoder.step(&rows)? };
        check_step(picked, logits, &tokens, rows.len(), vocab_size)?;

        for active in &mut running {
            let result = if picked {
                StepResult::Argmax(tokens[active.rows.start])
            } else {
                StepResult::Logits(
                    &logits[active.rows.start * vocab_size..active.rows.end * vocab_size],
                )
            };
            if let Some(token) = active.search.advance(result, &mut scratch)? {
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
            });
        }
        slot += request.slots() as u32;
    }
    Ok(running)
}

/// Whether a step gave what its rows ask for.
fn check_step(
    picked: bool,
    logits: &[f32],
    tokens: &[u32],
    rows: usize,
    vocab_size: usize,
) -> Result<()> {
    if picked {
        if tokens.len() != rows {
            return Err(Error::Gpu(format!(
                "a decoder step gave {} tokens for {rows} rows",
                tokens.len()
            )));
        }
        return Ok(());
    }
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
