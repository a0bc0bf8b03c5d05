//! Which token next: logits processors, greedy, beam search, sampling, stopping. Plain Rust over logits; never sees a GPU.
//!
//! A [`Scheduler`] advances many requests of different options together, and [`generate`] a list of them. Each is a search that says which rows it wants
//! the [`StepDecoder`] to run next and then chooses from their logits; a finished one leaves the step at once.

mod beam;
mod candidates;
mod chain;
pub mod processors;
mod queue;
pub mod random;
mod ranking;
mod request;
mod running;
mod scheduler;
pub mod softmax;
mod together;

pub use ranking::Ranking;
pub use request::{Output, Request};
pub use scheduler::{Event, Scheduler, Tell};
pub use together::{Observer, generate, generate_in_turn};

use std::ops::Range;

use crate::{Error, Result};

/// What a greedy run gives in place of a token where not all logits are finite.
pub const NOT_FINITE: u32 = u32::MAX;

/// One row of a decoder step: a hypothesis that is extended by one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepRow {
    /// Which encoded source this hypothesis belongs to (its row in the encoded batch).
    pub source: u32,
    /// Where this hypothesis' key/value history is kept from now on. Slots are private to a source: a hypothesis' history
    /// only ever refers to slots that its own source's hypotheses used.
    pub slot: u32,
    /// The slot whose history, positions `0..position`, this row continues (equal to `slot` in greedy decoding; another of
    /// the same source after beams are reordered). All rows read their parents before any slot changes.
    /// Ignored at position 0.
    pub parent: u32,
    /// 0 for the start token.
    pub position: u32,
    /// The token that is fed.
    pub token: u32,
}

/// A request on its way into a decoder.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// What its rows will call its source.
    pub place: u32,
    /// The source's tokens.
    pub source: &'a [u32],
    /// The slots of its hypotheses.
    pub slots: Range<u32>,
    /// Tokens that a hypothesis is fed at most.
    pub positions: usize,
}

/// How much rows attended to their sources: in the steps that an [`StepDecoder::attend`] asked for that, and in others nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attended<'a> {
    /// `[rows, width]`; of a row, one for each token of its source, then nothing that means anything.
    pub weights: &'a [f32],
    /// Weights a row.
    pub width: usize,
    /// What makes the mean over heads and layers of them.
    pub scale: f32,
}

impl<'a> Attended<'a> {
    /// Those of some of the rows.
    fn of_rows(self, rows: &Range<usize>) -> Attended<'a> {
        let weights = self
            .weights
            .get(rows.start * self.width..rows.end * self.width);
        Attended {
            weights: weights.unwrap_or_default(),
            ..self
        }
    }

    /// How much a row attended to each of `keys` tokens of its source.
    fn row(self, row: usize, keys: usize) -> Vec<f32> {
        let weights = self.weights.chunks_exact(self.width.max(1)).nth(row);
        let weights = weights.unwrap_or_default().iter().take(keys);
        let mut weights: Vec<f32> = weights.map(|weight| weight * self.scale).collect();
        weights.resize(keys, 0.0);
        weights
    }
}

/// A decoder that extends many hypotheses by one token at a time: the GPU model, the CPU reference, a test's toy.
pub trait StepDecoder {
    /// Logits a row.
    fn vocab_size(&self) -> usize;
    /// Runs one step over the rows given and returns their logits, `[rows.len(), vocab_size]` row-major.
    ///
    /// # Errors
    /// Whatever the device reports, and token ids, sources or slots out of range.
    fn step(&mut self, rows: &[StepRow]) -> Result<&[f32]>;

    /// Keeps room for a request that is about to enter, until it leaves. False where there is none at present.
    ///
    /// # Errors
    /// Where there never will be.
    fn admit(&mut self, entry: &Entry<'_>) -> Result<bool> {
        let _ = entry;
        Ok(true)
    }

    /// Lets requests in that were admitted: rows name their sources by place from now on.
    ///
    /// # Errors
    /// Whatever the device reports.
    fn enter(&mut self, entries: &[Entry<'_>]) -> Result<()> {
        let _ = entries;
        Err(Error::Invalid("this decoder's sources are fixed".into()))
    }

    /// The request at this place is gone: no further step is begun with a row of it.
    fn leave(&mut self, place: u32) {
        let _ = place;
    }

    /// How many of each row's best tokens [`Self::step_ranked`] can find at most; 0 where the decoder gives all logits
    /// and nothing else.
    fn ranks(&self) -> usize {
        0
    }

    /// [`Self::step`] that gives each row's `count` best tokens in place of all its logits.
    ///
    /// # Errors
    /// As [`Self::step`].
    fn step_ranked(&mut self, rows: &[StepRow], count: usize) -> Result<Ranking<'_>> {
        let _ = (rows, count);
        Err(gives_logits_alone())
    }

    /// Whether steps from now on are to tell how much rows attend to their sources, by [`Self::step_attended`] and
    /// [`Self::attended`]. Between runs alone.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the decoder cannot, and as [`Self::step`].
    fn attend(&mut self, wanted: bool) -> Result<()> {
        match wanted {
            true => Err(Error::Invalid(
                "this decoder does not tell what it attends to".into(),
            )),
            false => Ok(()),
        }
    }

    /// [`Self::step_ranked`] or, without a `count`, [`Self::step`], with how much each row attends to its source.
    ///
    /// # Errors
    /// As there.
    fn step_attended(
        &mut self,
        rows: &[StepRow],
        count: Option<usize>,
    ) -> Result<(StepResult<'_>, Attended<'_>)> {
        let result = match count {
            Some(count) => StepResult::Ranked(self.step_ranked(rows, count)?),
            None => StepResult::Logits(self.step(rows)?),
        };
        Ok((result, Attended::default()))
    }

    /// How much the rows of the greedy run that was last waited for attended to their sources, a step behind the other.
    fn attended(&self) -> Attended<'_> {
        Attended::default()
    }

    /// How many steps a greedy run has best, and at most; 0 where the decoder gives logits and nothing else.
    ///
    /// In a greedy run each row is fed its likeliest token, the lowest id among equals, of the step before. Two runs may be
    /// under way, the one that is waited for and one after it, so that a device does not wait for its host. With 1, that
    /// is not worth it.
    fn greedy_steps(&self) -> usize {
        0
    }

    /// Begins a greedy run of `steps` steps from `rows`, giving up what is under way.
    ///
    /// # Errors
    /// As [`Self::step`].
    fn start_greedy(&mut self, rows: &[StepRow], steps: usize) -> Result<()> {
        let _ = (rows, steps);
        Err(gives_logits_alone())
    }

    /// Begins a greedy run of `steps` steps from where the last one will end.
    ///
    /// # Errors
    /// As [`Self::step`].
    fn continue_greedy(&mut self, steps: usize) -> Result<()> {
        let _ = steps;
        Err(gives_logits_alone())
    }

    /// Waits for the earliest greedy run under way and puts what it chose into `tokens`, `[steps, rows]`: [`NOT_FINITE`]
    /// where there was nothing to choose from.
    ///
    /// # Errors
    /// As [`Self::step`].
    fn finish_greedy(&mut self, tokens: &mut Vec<u32>) -> Result<()> {
        let _ = tokens;
        Err(gives_logits_alone())
    }
}

fn gives_logits_alone() -> Error {
    Error::Invalid("this decoder gives logits alone".into())
}

/// What a decoder step gave for its rows.
#[derive(Clone, Copy, Debug)]
pub enum StepResult<'a> {
    /// `[rows, vocab_size]`
    Logits(&'a [f32]),
    /// The best tokens of each row.
    Ranked(Ranking<'a>),
    /// The likeliest token of a search's only row.
    Argmax(u32),
}

impl StepResult<'_> {
    /// Refuses what no model means: NaN and infinity.
    fn check(self) -> Result<()> {
        let is_finite = match self {
            StepResult::Logits(logits) => softmax::is_finite(logits),
            StepResult::Ranked(ranking) => (0..ranking.rows()).all(|row| ranking.is_finite(row)),
            StepResult::Argmax(token) => token != NOT_FINITE,
        };
        if is_finite {
            return Ok(());
        }
        Err(Error::NotFinite { what: "the logits" })
    }

    /// The logit of a token of a row; minus infinity where it is not known.
    fn logit(self, row: usize, token: u32, vocab_size: usize) -> f32 {
        match self {
            StepResult::Logits(logits) => logits[row * vocab_size + token as usize],
            StepResult::Ranked(ranking) => {
                let rank = ranking.tokens(row).iter().position(|&one| one == token);
                rank.map_or(f32::NEG_INFINITY, |rank| ranking.logits(row)[rank])
            }
            StepResult::Argmax(_) => f32::NEG_INFINITY,
        }
    }
}

/// How far a search can go when each step is fed the likeliest token of the step before.
#[derive(Clone, Copy, Default)]
struct GreedySteps {
    /// Steps that may be taken: none of those that matter to the search is to be chosen otherwise.
    allowed: usize,
    /// Steps of these that matter to it if no token ends it: it is done after them.
    wanted: usize,
}

/// A request under way.
trait Search: Send {
    /// Says where its source is, and the first of its slots. Before its first step.
    fn enter(&mut self, source: u32, slot: u32);
    /// Adds the rows that this search wants to run next.
    fn push_rows(&self, rows: &mut Vec<StepRow>);
    /// How far it could go without logits, looking `most` steps ahead.
    fn greedy_steps(&self, most: usize) -> GreedySteps {
        let _ = most;
        GreedySteps::default()
    }
    /// How many of each row's best tokens it needs to know to choose; `None` where it needs all logits.
    fn candidates(&self) -> Option<usize> {
        None
    }
    /// Whether its outputs come with their alignment.
    fn attends(&self) -> bool;
    /// Takes the logits of the rows last wanted, in order, and chooses. `scratch` is memory to work in. Returns the token
    /// that this step has decided, if it has.
    fn advance(
        &mut self,
        result: StepResult<'_>,
        attended: Attended<'_>,
        scratch: &mut Vec<f32>,
    ) -> Result<Option<u32>>;
    fn is_done(&self) -> bool;
    /// The outputs of a search that is done, best first.
    fn take_outputs(&mut self) -> Vec<Output>;
}
