use super::LogitsProcessor;
use crate::{Error, Result};

/// `bad_words_ids`: a token is ruled out where it would complete one of the sequences.
pub struct NoBadWords {
    /// `(what comes before, last token)`
    words: Vec<(Vec<u32>, u32)>,
}

impl NoBadWords {
    /// An end-of-sequence token alone is no bad word and is left out.
    ///
    /// # Errors
    /// Words that are empty or have tokens outside the vocabulary.
    pub fn new(
        bad_words_ids: &[Vec<u32>],
        eos_token_id: &[u32],
        vocab_size: usize,
    ) -> Result<Self> {
        let mut words = Vec::with_capacity(bad_words_ids.len());
        for word in bad_words_ids {
            if let Some(&id) = word.iter().find(|&&id| id as usize >= vocab_size) {
                return Err(Error::TokenOutOfRange { id, vocab_size });
            }
            match word.as_slice() {
                [] => {
                    return Err(Error::Invalid(
                        "bad_words_ids holds an empty list: each entry needs at least one token id"
                            .into(),
                    ));
                }
                [only] if eos_token_id.contains(only) => {}
                [before @ .., last] => words.push((before.to_vec(), *last)),
            }
        }
        Ok(Self { words })
    }
}

impl LogitsProcessor for NoBadWords {
    fn is_active(&self, _length: usize) -> bool {
        !self.words.is_empty()
    }

    fn process(&mut self, sequence: &[u32], scores: &mut [f32]) {
        for (before, last) in &self.words {
            if sequence.ends_with(before) {
                scores[*last as usize] = f32::NEG_INFINITY;
            }
        }
    }
}
