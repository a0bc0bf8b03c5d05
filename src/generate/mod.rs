//! Which token next: logits processors, greedy, beam search, sampling, stopping. Plain Rust over logits; never sees a GPU.

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
}
