//! Which token next: logits processors, greedy, beam search, sampling, stopping. Plain Rust over logits; never sees a GPU.
//!
//! [`generate`] advances many requests of different options together. Each is a search that says which rows it wants
//! the [`StepDecoder`] to run next and then chooses from their logits; a finished one leaves the step at once.

mod beam;
mod candidates;
mod chain;
pub mod processors;
pub mod random;
mod request;
mod scheduler;
pub mod softmax;

pub use request::{Output, Request};
pub use scheduler::{Observer, generate};

use crate::Result;

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

/// A decoder that extends many hypotheses by one token at a time: the GPU model, the CPU reference, a test's toy.
pub trait StepDecoder {
    /// Logits a row.
    fn vocab_size(&self) -> usize;
    /// Runs one step over the rows given and returns their logits, `[rows.len(), vocab_size]` row-major.
    ///
    /// # Errors
    /// Whatever the device reports, and token ids, sources or slots out of range.
    fn step(&mut self, rows: &[StepRow]) -> Result<&[f32]>;

    /// As [`Self::step`], for steps of which only each row's likeliest token is wanted: puts these into `tokens`, the
    /// lowest id among equals, and returns true. A decoder that cannot find them any faster than by giving all logits
    /// leaves this as it is: it returns false and has done nothing.
    ///
    /// # Errors
    /// As [`Self::step`].
    fn step_argmax(&mut self, rows: &[StepRow], tokens: &mut Vec<u32>) -> Result<bool> {
        let _ = (rows, tokens);
        Ok(false)
    }
}

/// What a decoder step gave a search for its rows.
#[derive(Clone, Copy)]
enum StepResult<'a> {
    /// `[rows, vocab_size]`
    Logits(&'a [f32]),
    /// The likeliest token of a search's only row.
    Argmax(u32),
}

/// A request under way.
trait Search: Send {
    /// Adds the rows that this search wants to run next.
    fn push_rows(&self, rows: &mut Vec<StepRow>);
    /// Whether of the next step only the likeliest token is wanted.
    fn needs_only_argmax(&self) -> bool;
    /// Takes the logits of the rows last wanted, in order, and chooses. `scratch` is memory to work in. Returns the token
    /// that this step has decided, if it has.
    fn advance(&mut self, result: StepResult<'_>, scratch: &mut Vec<f32>) -> Result<Option<u32>>;
    fn is_done(&self) -> bool;
    /// The outputs of a search that is done, best first.
    fn take_outputs(&mut self) -> Vec<Output>;
}
