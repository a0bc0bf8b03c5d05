use super::LogitsProcessor;
use crate::{Error, Result};

/// `forced_bos_token_id`: the token right after the start token.
pub struct ForcedBosToken {
    token: u32,
}

impl ForcedBosToken {
    /// # Errors
    /// A token outside the vocabulary.
    pub fn new(token: u32, vocab_size: usize) -> Result<Self> {
        check(&[token], vocab_size)?;
        Ok(Self { token })
    }
}

impl LogitsProcessor for ForcedBosToken {
    fn is_active(&self, length: usize) -> bool {
        length == 1
    }

    fn process(&mut self, sequence: &[u32], scores: &mut [f32]) {
        if self.is_active(sequence.len()) {
            force(&[self.token], scores);
        }
    }
}

/// `forced_eos_token_id`: the last token that the maximum length has room for.
pub struct ForcedEosToken {
    max_length: usize,
    tokens: Vec<u32>,
}

impl ForcedEosToken {
    /// `max_length` counts the start token and the decoder prefix.
    ///
    /// # Errors
    /// A token outside the vocabulary.
    pub fn new(max_length: usize, tokens: &[u32], vocab_size: usize) -> Result<Self> {
        check(tokens, vocab_size)?;
        Ok(Self {
            max_length,
            tokens: tokens.to_vec(),
        })
    }
}

impl LogitsProcessor for ForcedEosToken {
    fn is_active(&self, length: usize) -> bool {
        length + 1 == self.max_length
    }

    fn process(&mut self, sequence: &[u32], scores: &mut [f32]) {
        if self.is_active(sequence.len()) {
            force(&self.tokens, scores);
        }
    }
}

fn check(tokens: &[u32], vocab_size: usize) -> Result<()> {
    match tokens.iter().find(|&&id| id as usize >= vocab_size) {
        Some(&id) => Err(Error::TokenOutOfRange { id, vocab_size }),
        None => Ok(()),
    }
}

fn force(tokens: &[u32], scores: &mut [f32]) {
    scores.fill(f32::NEG_INFINITY);
    for &token in tokens {
        scores[token as usize] = 0.0;
    }
}
