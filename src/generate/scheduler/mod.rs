//! Requests that enter and leave at any step.

mod admission;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Instant;

use super::queue::{Queue, Slots, Ticket};
use super::request::{Output, Request};
use super::running::{
    MAX_THREADS, PARALLEL_FROM, Running, advance, check_attended, check_logits, check_ranked,
    check_tokens, ranking_of, searches,
};
use super::{Attended, StepDecoder, StepResult, StepRow};
use crate::{Error, Result};

/// What becomes of a request.
#[derive(Debug)]
pub enum Event {
    /// It waits no more.
    Entered,
    /// Output `sequence` has got `token`. Greedy decoding and sampling only: beam search decides at its end.
    Token {
        /// Which of the outputs.
        sequence: usize,
        /// What it has got.
        token: u32,
    },
    /// It is done; its outputs, best first.
    Finished(Vec<Output>),
    /// It is done, and this is why it has no outputs.
    Failed(Error),
}

/// Takes what happens to requests, by their ids.
pub type Tell<'a> = &'a mut dyn FnMut(u64, Event);

/// A request that runs.
struct Held {
    ticket: Ticket,
    place: u32,
    slots: Range<u32>,
    /// By sequence, until the request is done.
    outputs: Vec<Vec<Output>>,
    /// Tokens decided in this run, by sequence.
    decided: Vec<usize>,
    /// How many of its searches are not done.
    unfinished: usize,
    /// Whether it is done and only its rows are still there.
    is_over: bool,
}

/// Runs requests together on a [`StepDecoder`], step by step. What one gives does not depend on the others, nor on when
/// they come and go.
pub struct Scheduler {
    vocab_size: usize,
    queue: Queue,
    /// In the order in which they entered.
    running: Vec<Running>,
    held: BTreeMap<u64, Held>,
    places: usize,
    free: Vec<u32>,
    slots: Slots,
    /// Steps of the greedy run under way.
    under_way: usize,
    /// Rows of the present step.
    rows: Vec<StepRow>,
    /// Whether any of them wants to know what it attends to.
    attends: bool,
    /// Whether nobody who waits can enter until somebody leaves.
    is_blocked: bool,
    /// While it is looked for who is to blame for a failure: how many run together.
    together: usize,
    /// A thread's memory to work in each.
    scratch: Vec<Vec<f32>>,
}

impl Scheduler {
    /// A scheduler for a decoder of such a vocabulary, that lets `places` requests run together.
    pub fn new(vocab_size: usize, places: usize) -> Scheduler {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Scheduler {
            vocab_size,
            queue: Queue::default(),
            running: Vec::new(),
            held: BTreeMap::new(),
            places,
            free: (0..places as u32).rev().collect(),
            slots: Slots::default(),
            under_way: 0,
            rows: Vec::new(),
            attends: false,
            is_blocked: false,
            together: usize::MAX,
            scratch: vec![Vec::new(); threads.min(MAX_THREADS)],
        }
    }

    /// Lets a request wait for its turn. Its `source` does not matter: it gets a place. [`Scheduler::expire`] ends it by
    /// `deadline`.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::TokenOutOfRange`] for options that cannot be used.
    pub fn push(&mut self, id: u64, mut request: Request, deadline: Option<Instant>) -> Result<()> {
        searches(&mut request, self.vocab_size)?;
        let ticket = self.queue.push(id, request, deadline);
        self.queue.put(ticket);
        self.is_blocked = false;
        Ok(())
    }

    /// Lets a request run whose source the decoder has, with slots from `slot` on.
    ///
    /// # Errors
    /// As [`Scheduler::push`].
    pub(in crate::generate) fn begin(
        &mut self,
        id: u64,
        request: Request,
        slot: u32,
    ) -> Result<()> {
        let ticket = self.queue.push(id, request, None);
        let slots = slot..slot + ticket.request.slots() as u32;
        self.hold(ticket.request.source, slots, ticket)
    }

    /// Whether nobody waits or runs.
    pub fn is_idle(&self) -> bool {
        self.queue.len() == 0 && self.held.values().all(|held| held.is_over)
    }

    /// Requests that wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Requests that run.
    pub fn active(&self) -> usize {
        self.held.values().filter(|held| !held.is_over).count()
    }

    /// Hypotheses of those who run, in the present step.
    pub fn rows(&self) -> usize {
        self.undone().map(|active| active.rows.len()).sum()
    }

    /// Ends a request without a word. Returns how many hypotheses of it ran.
    pub fn cancel(&mut self, id: u64) -> usize {
        self.queue.remove(id);
        self.is_blocked = false;
        let mut rows = 0;
        if let Some(held) = self.held.get_mut(&id) {
            held.is_over = true;
            for active in self.running.iter_mut().filter(|active| active.id == id) {
                rows += if active.is_done() {
                    0
                } else {
                    active.rows.len()
                };
                active.is_given_up = true;
            }
        }
        rows
    }

    /// Ends those whose time is up, with [`Error::TimedOut`].
    pub fn expire(&mut self, now: Instant, tell: Tell<'_>) {
        let running = self.held.values().filter(|held| !held.is_over);
        let tickets = running.map(|held| &held.ticket).chain(self.queue.iter());
        let late: Vec<u64> = tickets
            .filter(|ticket| ticket.deadline.is_some_and(|deadline| deadline <= now))
            .map(|ticket| ticket.id)
            .collect();
        for id in late {
            self.cancel(id);
            tell(id, Event::Failed(Error::TimedOut));
        }
    }

    /// Lets in who may enter, and runs all a step further, or as many greedy steps as are under way.
    ///
    /// # Errors
    /// What the decoder reports of all together. It cannot be used any more then; [`Scheduler::restart`] with another goes on.
    pub fn step(&mut self, decoder: &mut dyn StepDecoder, tell: Tell<'_>) -> Result<()> {
        if self.under_way == 0 {
            self.retire(decoder);
            self.admit(decoder, tell)?;
            if self.running.is_empty() {
                return Ok(());
            }
            self.rows.clear();
            for active in &mut self.running {
                let first = self.rows.len();
                active.search.push_rows(&mut self.rows);
                active.rows = first..self.rows.len();
            }
            let attends = self.undone().any(|active| active.search.attends());
            self.attends = attends;
            decoder.attend(attends)?;
            let steps = self.greedy_steps(0, decoder.greedy_steps());
            if steps == 0 {
                return self.choose(decoder, tell);
            }
            decoder.start_greedy(&self.rows, steps)?;
            self.under_way = steps;
        }
        self.run_greedy(decoder, tell)
    }

    /// A step whose results searches choose from.
    fn choose(&mut self, decoder: &mut dyn StepDecoder, tell: Tell<'_>) -> Result<()> {
        let (rows, vocab_size) = (self.rows.len(), self.vocab_size);
        let count = self.candidates(decoder.ranks());
        let (result, attended) = decoder.step_attended(&self.rows, count)?;
        check_attended(attended, rows, self.attends)?;
        match result {
            StepResult::Ranked(ranking) => {
                check_ranked(ranking.rows(), rows)?;
                let ranking_of = |rows: &_| ranking_of(ranking, rows, vocab_size);
                self.advance(1, &ranking_of, attended, tell);
            }
            StepResult::Logits(logits) => {
                check_logits(logits.len(), rows, vocab_size)?;
                let threads = if logits.len() < PARALLEL_FROM {
                    1
                } else {
                    self.scratch.len()
                };
                let logits_of = |rows: &Range<usize>| {
                    let logits = &logits[rows.start * vocab_size..rows.end * vocab_size];
                    Ok(StepResult::Logits(logits))
                };
                self.advance(threads, &logits_of, attended, tell);
            }
            StepResult::Argmax(_) => return Err(Error::Gpu("a step chose by itself".into())),
        }
        Ok(())
    }

    /// Waits for the greedy run under way, after beginning the next one if it is clear that there will be one: until a
    /// search needs logits, all are done, or so many are, or wait, that it is time to make up the rows anew. Until then the
    /// rows of what is done run on to no purpose.
    fn run_greedy(&mut self, decoder: &mut dyn StepDecoder, tell: Tell<'_>) -> Result<()> {
        let (most, steps) = (decoder.greedy_steps(), self.under_way);
        let ahead = if most > 1 && !self.wants_other_rows() {
            self.greedy_steps(steps, most)
        } else {
            0
        };
        if ahead > 0 {
            decoder.continue_greedy(ahead)?;
        }
        let mut tokens = Vec::new();
        decoder.finish_greedy(&mut tokens)?;
        let rows = self.rows.len();
        check_tokens(tokens.len(), steps * rows)?;
        let attended = decoder.attended();
        check_attended(attended, steps * rows, self.attends)?;
        for (step, tokens) in tokens.chunks_exact(rows).enumerate() {
            let attended = attended.of_rows(&(step * rows..(step + 1) * rows));
            let token_of = |rows: &Range<usize>| Ok(StepResult::Argmax(tokens[rows.start]));
            self.advance(1, &token_of, attended, tell);
        }
        // The run under way is given up where nobody needs it.
        self.under_way = if self.undone().next().is_none() {
            0
        } else {
            ahead
        };
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
        self.running.iter().filter(|active| !active.is_done())
    }

    /// Whether steps with other rows are worth the wait for the runs under way.
    fn wants_other_rows(&self) -> bool {
        let done = self.running.len() - self.undone().count();
        let over = self.held.len() - self.active();
        4 * done >= self.running.len() || self.admissible(self.free.len() + over) > 0
    }

    /// Gives every search that is not done its rows' result, and tells what that decides.
    fn advance<'r>(
        &mut self,
        threads: usize,
        result_of: &(impl Fn(&Range<usize>) -> Result<StepResult<'r>> + Sync),
        attended: Attended<'r>,
        tell: Tell<'_>,
    ) {
        let scratch = &mut self.scratch[..threads];
        advance(&mut self.running, scratch, result_of, attended);
        let mut failed = Vec::new();
        for active in &mut self.running {
            let (Some(advanced), Some(held)) =
                (active.advanced.take(), self.held.get_mut(&active.id))
            else {
                continue;
            };
            if held.is_over {
                continue;
            }
            let sequence = active.sequence;
            match advanced {
                Ok(None) => {}
                Ok(Some(token)) => {
                    held.decided[sequence] += 1;
                    if held.decided[sequence] > held.ticket.told[sequence] {
                        held.ticket.told[sequence] += 1;
                        tell(active.id, Event::Token { sequence, token });
                    }
                }
                Err(error) => {
                    held.is_over = true;
                    failed.push(active.id);
                    tell(active.id, Event::Failed(error));
                    continue;
                }
            }
            if active.search.is_done() {
                held.outputs[sequence] = active.search.take_outputs();
                held.unfinished -= 1;
                if held.unfinished == 0 {
                    held.is_over = true;
                    let outputs = std::mem::take(&mut held.outputs).into_iter().flatten();
                    tell(active.id, Event::Finished(outputs.collect()));
                }
            }
        }
        for id in failed {
            self.cancel(id);
        }
    }
}
