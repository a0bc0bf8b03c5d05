//! The searches that run, advanced side by side, each by what the decoder gave its rows.

use std::ops::Range;

use super::beam::BeamSearch;
use super::chain::Chain;
use super::random::{self, Stream};
use super::request::{Plan, Request};
use super::{Attended, Ranking, Search, StepResult};
use crate::{Error, Result};

/// A search and what its outputs are part of.
pub(super) struct Running {
    pub search: Box<dyn Search>,
    /// The request's.
    pub id: u64,
    pub sequence: usize,
    /// Its rows in the present step.
    pub rows: Range<usize>,
    /// Set where the present step has taken the search further: the token that it has decided, if any.
    pub advanced: Option<Result<Option<u32>>>,
    /// Whether nobody wants it any more.
    pub is_given_up: bool,
}

impl Running {
    pub fn is_done(&self) -> bool {
        self.is_given_up || self.search.is_done()
    }
}

/// Makes a request's searches: one, in sampling one an output. What its sampling draws is settled from then on.
pub(super) fn searches(request: &mut Request, vocab_size: usize) -> Result<Vec<Box<dyn Search>>> {
    request.config.validate()?;
    if request.config.do_sample {
        request.config.seed.get_or_insert_with(random::entropy);
    }
    let config = &request.config;
    let chains = if config.num_beams > 1 {
        1
    } else {
        request.slots()
    };
    (0..chains)
        .map(|sequence| {
            let plan = Plan::new(request, vocab_size)?;
            let seed = config.seed.filter(|_| config.do_sample);
            let random = seed.map(|seed| Stream::new(seed, sequence as u64));
            let search: Box<dyn Search> = if config.num_beams > 1 {
                Box::new(BeamSearch::new(plan, config, random, vocab_size)?)
            } else {
                Box::new(Chain::new(plan, random))
            };
            Ok(search)
        })
        .collect()
}

/// Logits a step from which on choosing from them is worth more than starting threads: some rows of 32,000.
pub(super) const PARALLEL_FROM: usize = 1 << 19;
pub(super) const MAX_THREADS: usize = 8;

/// Gives every search that is not done its rows' result, on as many threads as there is scratch memory. What goes wrong
/// with one is told with it.
pub(super) fn advance<'a>(
    running: &mut [Running],
    scratch: &mut [Vec<f32>],
    result_of: &(impl Fn(&Range<usize>) -> Result<StepResult<'a>> + Sync),
    attended: Attended<'a>,
) {
    let one_after_another = |running: &mut [Running], scratch: &mut Vec<f32>| {
        for active in running.iter_mut().filter(|active| !active.is_done()) {
            let result = result_of(&active.rows);
            let checked = result.and_then(|result| result.check().map(|()| result));
            active.advanced = Some(checked.and_then(|result| {
                let attended = attended.of_rows(&active.rows);
                active.search.advance(result, attended, scratch)
            }));
        }
    };
    if let [scratch] = scratch {
        return one_after_another(running, scratch);
    }
    let share = running.len().div_ceil(scratch.len());
    std::thread::scope(|scope| {
        for (running, scratch) in running.chunks_mut(share).zip(scratch) {
            scope.spawn(|| one_after_another(running, scratch));
        }
    });
}

/// A decoder's tokens of a greedy run are as many as they should be.
pub(super) fn check_tokens(tokens: usize, wanted: usize) -> Result<()> {
    if tokens == wanted {
        return Ok(());
    }
    Err(Error::Gpu(format!(
        "a decoder chose {tokens} tokens in place of {wanted}"
    )))
}

/// The ranking of these rows of all that a step ranked.
pub(super) fn ranking_of<'a>(
    ranking: Ranking<'a>,
    rows: &Range<usize>,
    vocab_size: usize,
) -> Result<StepResult<'a>> {
    let in_vocabulary = |&token: &u32| (token as usize) < vocab_size;
    // Where logits are not finite, that is what is wrong.
    let is_sound = |row| !ranking.is_finite(row) || ranking.tokens(row).iter().all(in_vocabulary);
    if !rows.clone().all(is_sound) {
        return Err(Error::Gpu(
            "a decoder step ranked tokens outside the vocabulary: try `t5-gpu verify`".into(),
        ));
    }
    Ok(StepResult::Ranked(ranking.of_rows(rows.clone())))
}

/// A step ranked every row.
pub(super) fn check_ranked(found: usize, rows: usize) -> Result<()> {
    if found == rows {
        return Ok(());
    }
    Err(Error::Gpu(format!(
        "a decoder step ranked {found} rows in place of {rows}"
    )))
}

/// A step gave every row's logits.
pub(super) fn check_logits(found: usize, rows: usize, vocab_size: usize) -> Result<()> {
    if found == rows * vocab_size {
        return Ok(());
    }
    Err(Error::Gpu(format!(
        "a decoder step gave {found} logits for {rows} rows of {vocab_size}"
    )))
}

/// A decoder told how much every row attends to its source, where that was asked for.
pub(super) fn check_attended(attended: Attended<'_>, rows: usize, wanted: bool) -> Result<()> {
    if !wanted || attended.weights.len() == rows * attended.width && attended.width > 0 {
        return Ok(());
    }
    Err(Error::Gpu(format!(
        "a decoder gave {} weights of attention for {rows} rows of {}",
        attended.weights.len(),
        attended.width
    )))
}
