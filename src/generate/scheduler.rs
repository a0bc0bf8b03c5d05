use std::collections::VecDeque;
use std::ops::{ControlFlow, Range};

use super::beam::BeamSearch;
use super::chain::Chain;
use super::random::{self, Stream};
use super::request::{Output, Plan, Request};
use super::{Ranking, Search, StepDecoder, StepResult, StepRow};
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

    /// Request number `request` is complete. Where nobody wants the others any more, the generation ends with what
    /// there is.
    ///
    /// # Errors
    /// As [`Self::token`].
    fn finished(&mut self, request: usize, outputs: &[Output]) -> Result<ControlFlow<()>> {
        let _ = (request, outputs);
        Ok(ControlFlow::Continue(()))
    }
}

impl Observer for () {}

/// A search and what its outputs are part of.
struct Running {
    search: Box<dyn Search>,
    request: usize,
    sequence: usize,
    /// Where the request's source is.
    place: u32,
    /// Its rows in the present step.
    rows: Range<usize>,
    /// Set where the present step has taken the search further: the token that it has decided, if any.
    advanced: Option<Option<u32>>,
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
/// [`Error::Invalid`] and [`Error::TokenOutOfRange`] for options that cannot be used, before anything is decoded,
/// [`Error::NotFinite`] for logits that are NaN or infinite, and whatever `decoder` and `observer` report.
pub fn generate(
    decoder: &mut dyn StepDecoder,
    requests: &[Request],
    observer: &mut dyn Observer,
) -> Result<Vec<Vec<Output>>> {
    let mut running = Vec::new();
    let mut slot = 0;
    for (request, mut searches) in requests
        .iter()
        .zip(searches(requests, decoder.vocab_size())?)
    {
        for search in &mut searches {
            search.enter(request.source, slot);
        }
        slot += request.slots() as u32;
        running.append(&mut searches);
    }
    Batch::new(running, Turns::default(), observer).run(decoder)
}

/// [`generate`] for more requests than are decoded together: in the order given, they enter as others leave, by
/// [`StepDecoder::enter`]. Each is in one of `places` places, whatever its `source` says, and has the slots from its place
/// times the most slots that a request has.
///
/// # Errors
/// As [`generate`].
pub fn generate_in_turn(
    decoder: &mut dyn StepDecoder,
    requests: &[Request],
    places: usize,
    observer: &mut dyn Observer,
) -> Result<Vec<Vec<Output>>> {
    let turns = Turns {
        requests,
        waiting: searches(requests, decoder.vocab_size())?.into(),
        places: places.max(1),
        free: (0..places.max(1) as u32).rev().collect(),
        slots: requests.iter().map(Request::slots).max().unwrap_or(1) as u32,
    };
    Batch::new(Vec::new(), turns, observer).run(decoder)
}

/// Requests that wait for a place.
#[derive(Default)]
struct Turns<'a> {
    requests: &'a [Request],
    /// The searches of each.
    waiting: VecDeque<Vec<Running>>,
    places: usize,
    free: Vec<u32>,
    /// A place's.
    slots: u32,
}

/// All requests of a generation.
struct Batch<'a> {
    running: Vec<Running>,
    turns: Turns<'a>,
    /// By request and sequence.
    outputs: Vec<Vec<Output>>,
    /// By request, how many of its searches are not done.
    unfinished: Vec<usize>,
    observer: &'a mut dyn Observer,
    /// Whether the observer wants no more.
    is_broken_off: bool,
    /// A thread's memory to work in each.
    scratch: Vec<Vec<f32>>,
}

impl<'a> Batch<'a> {
    fn new(running: Vec<Running>, turns: Turns<'a>, observer: &'a mut dyn Observer) -> Batch<'a> {
        let mut outputs: Vec<Vec<Output>> = Vec::new();
        for search in running.iter().chain(turns.waiting.iter().flatten()) {
            outputs.resize_with(search.request + 1, Vec::new);
            outputs[search.request].push(Output::default());
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Batch {
            unfinished: outputs.iter().map(Vec::len).collect(),
            running,
            turns,
            outputs,
            observer,
            is_broken_off: false,
            scratch: vec![Vec::new(); threads.min(MAX_THREADS)],
        }
    }

    fn run(mut self, decoder: &mut dyn StepDecoder) -> Result<Vec<Vec<Output>>> {
        let vocab_size = decoder.vocab_size();
        let mut rows = Vec::new();
        loop {
            if !self.is_broken_off {
                self.enter(decoder)?;
            }
            if self.running.is_empty() || self.is_broken_off {
                return Ok(self.outputs);
            }
            rows.clear();
            for active in &mut self.running {
                let first = rows.len();
                active.search.push_rows(&mut rows);
                active.rows = first..rows.len();
            }
            if self.greedy_steps(0, decoder.greedy_steps()) > 0 {
                self.run_greedy(decoder, &rows)?;
            } else if let Some(count) = self.candidates(decoder.ranks()) {
                let ranking = decoder.step_ranked(&rows, count)?;
                check_ranking(ranking, rows.len(), vocab_size)?;
                self.advance(1, &|rows| StepResult::Ranked(ranking.of_rows(rows.clone())))?;
            } else {
                self.step(decoder.step(&rows)?, rows.len(), vocab_size)?;
            }
            self.running.retain(|active| !active.search.is_done());
        }
    }

    /// Lets those that wait have the free places, where there are enough to be worth running the encoder for.
    fn enter(&mut self, decoder: &mut dyn StepDecoder) -> Result<()> {
        let turns = &mut self.turns;
        let count = turns.waiting.len().min(turns.free.len());
        if count == 0 || (4 * turns.free.len() < turns.places && !self.running.is_empty()) {
            return Ok(());
        }
        let places = turns.free.split_off(turns.free.len() - count);
        let entering: Vec<Vec<Running>> = turns.waiting.drain(..count).collect();
        let sources: Vec<&[u32]> = entering
            .iter()
            .map(|searches| {
                turns.requests[searches[0].request]
                    .encoder_input_ids
                    .as_slice()
            })
            .collect();
        decoder.enter(&places, &sources)?;
        for (place, mut searches) in places.into_iter().zip(entering) {
            for search in &mut searches {
                search.enter(place, place * turns.slots);
            }
            self.running.append(&mut searches);
        }
        Ok(())
    }

    /// Chooses from the logits of a step.
    fn step(&mut self, logits: &[f32], rows: usize, vocab_size: usize) -> Result<()> {
        check_logits(logits, rows, vocab_size)?;
        let threads = if logits.len() < PARALLEL_FROM {
            1
        } else {
            self.scratch.len()
        };
        self.advance(threads, &|rows| {
            StepResult::Logits(&logits[rows.start * vocab_size..rows.end * vocab_size])
        })
    }

    /// Lets `decoder` choose until a search needs logits, all are done, or so many are that it is time for their rows to
    /// leave. Until then the rows of what is done run on to no purpose.
    fn run_greedy(&mut self, decoder: &mut dyn StepDecoder, rows: &[StepRow]) -> Result<()> {
        let most = decoder.greedy_steps();
        let mut steps = self.greedy_steps(0, most);
        decoder.start_greedy(rows, steps)?;
        let mut tokens = Vec::new();
        while steps > 0 {
            // The run that is waited for may show that this one was not needed: it is given up then.
            let ahead = if most > 1 && !self.many_are_done() {
                self.greedy_steps(steps, most)
            } else {
                0
            };
            if ahead > 0 {
                decoder.continue_greedy(ahead)?;
            }
            decoder.finish_greedy(&mut tokens)?;
            check_tokens(tokens.len(), steps * rows.len())?;
            for tokens in tokens.chunks_exact(rows.len()) {
                self.advance(1, &|rows| StepResult::Argmax(tokens[rows.start]))?;
            }
            if self.is_broken_off || self.undone().next().is_none() {
                break;
            }
            steps = ahead;
        }
        Ok(())
    }

    /// How many steps, `most` at most, all searches can go without logits when `under_way` steps are done, and some
    /// search wants to.
    fn greedy_steps(&self, under_way: usize, most: usize) -> usize {
        let (mut allowed, mut wanted) = (usize::MAX, 0);
        for active in self.undone() {
            let steps = active.search.greedy_steps(under_way + most);
            allowed = allowed.min(steps.allowed);
            wanted = wanted.max(steps.wanted);
        }
        allowed.min(wanted).saturating_sub(under_way)
    }

    /// How many of each row's best tokens are enough for every search, if `most` are.
    fn candidates(&self, most: usize) -> Option<usize> {
        self.undone()
            .map(|active| active.search.candidates())
            .try_fold(1, |count, wanted| Some(count.max(wanted?)))
            .filter(|&count| count <= most)
    }

    fn undone(&self) -> impl Iterator<Item = &Running> {
        self.running
            .iter()
            .filter(|active| !active.search.is_done())
    }

    /// Whether steps without the rows of what is done are worth the wait for the runs under way.
    fn many_are_done(&self) -> bool {
        4 * (self.running.len() - self.undone().count()) >= self.running.len()
    }

    /// Gives every search that is not done its rows' result, and tells what that decides.
    fn advance<'r>(
        &mut self,
        threads: usize,
        result_of: &(impl Fn(&Range<usize>) -> StepResult<'r> + Sync),
    ) -> Result<()> {
        advance(&mut self.running, &mut self.scratch[..threads], result_of)?;
        for active in &mut self.running {
            let Some(decided) = active.advanced.take() else {
                continue;
            };
            if let Some(token) = decided {
                self.observer
                    .token(active.request, active.sequence, token)?;
            }
            if active.search.is_done() {
                let request = active.request;
                let found = active.search.take_outputs();
                self.outputs[request].splice(active.sequence..=active.sequence, found);
                self.unfinished[request] -= 1;
                if self.unfinished[request] == 0 {
                    self.turns.free.push(active.place);
                    let flow = self.observer.finished(request, &self.outputs[request])?;
                    if flow.is_break() {
                        self.is_broken_off = true;
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }
}

/// Logits a step from which on choosing from them is worth more than starting threads: some rows of 32,000.
const PARALLEL_FROM: usize = 1 << 19;
const MAX_THREADS: usize = 8;

/// Gives every search that is not done its rows' result, on as many threads as there is scratch memory.
fn advance<'a>(
    running: &mut [Running],
    scratch: &mut [Vec<f32>],
    result_of: &(impl Fn(&Range<usize>) -> StepResult<'a> + Sync),
) -> Result<()> {
    let one_after_another = |running: &mut [Running], scratch: &mut Vec<f32>| {
        let undone = running.iter_mut().filter(|active| !active.search.is_done());
        for active in undone {
            let result = result_of(&active.rows);
            result.check()?;
            active.advanced = Some(active.search.advance(result, scratch)?);
        }
        Ok(())
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

/// Makes each request's searches: one, in sampling one an output.
fn searches(requests: &[Request], vocab_size: usize) -> Result<Vec<Vec<Running>>> {
    let of_request = |(index, request): (usize, &Request)| {
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
        (0..chains)
            .map(|sequence| {
                let plan = Plan::new(request, vocab_size)?;
                let random = seed.map(|seed| Stream::new(seed, sequence as u64));
                let search: Box<dyn Search> = if config.num_beams > 1 {
                    Box::new(BeamSearch::new(plan, config, random, vocab_size)?)
                } else {
                    Box::new(Chain::new(plan, random))
                };
                Ok(Running {
                    search,
                    request: index,
                    sequence,
                    place: 0,
                    rows: 0..0,
                    advanced: None,
                })
            })
            .collect()
    };
    requests.iter().enumerate().map(of_request).collect()
}

impl Running {
    /// Its request is at `place` and has the slots from `slot` on.
    fn enter(&mut self, place: u32, slot: u32) {
        self.place = place;
        self.search.enter(place, slot + self.sequence as u32);
    }
}

fn check_tokens(tokens: usize, wanted: usize) -> Result<()> {
    if tokens == wanted {
        return Ok(());
    }
    Err(Error::Gpu(format!(
        "a decoder chose {tokens} tokens in place of {wanted}"
    )))
}

fn check_ranking(ranking: Ranking<'_>, rows: usize, vocab_size: usize) -> Result<()> {
    if ranking.rows() != rows {
        return Err(Error::Gpu(format!(
            "a decoder step ranked {} rows in place of {rows}",
            ranking.rows()
        )));
    }
    let in_vocabulary = |&token: &u32| (token as usize) < vocab_size;
    // Where logits are not finite, that is what is wrong.
    let is_sound = |row| !ranking.is_finite(row) || ranking.tokens(row).iter().all(in_vocabulary);
    if (0..rows).all(is_sound) {
        return Ok(());
    }
    Err(Error::Gpu(
        "a decoder step ranked tokens outside the vocabulary: try `t5-gpu verify`".into(),
    ))
}

fn check_logits(logits: &[f32], rows: usize, vocab_size: usize) -> Result<()> {
    if logits.len() != rows * vocab_size {
        return Err(Error::Gpu(format!(
            "a decoder step gave {} logits for {rows} rows of {vocab_size}",
            logits.len()
        )));
    }
    Ok(())
}
