use std::collections::HashMap;

use super::{LogitsProcessor, rule_out};

/// `no_repeat_ngram_size`: no n-gram twice in a hypothesis, start token and decoder prefix counted in.
pub struct NoRepeatNgram {
    size: usize,
}

impl NoRepeatNgram {
    /// `size` is at least 1.
    pub fn new(size: usize) -> Self {
        Self { size }
    }
}

impl LogitsProcessor for NoRepeatNgram {
    fn is_active(&self, length: usize) -> bool {
        length >= self.size
    }

    fn process(&mut self, sequence: &[u32], scores: &mut [f32]) {
        if !self.is_active(sequence.len()) {
            return;
        }
        let suffix = &sequence[sequence.len() + 1 - self.size..];
        for ngram in sequence.windows(self.size) {
            if let [before @ .., last] = ngram
                && before == suffix
            {
                rule_out(&[*last], scores);
            }
        }
    }
}

/// `encoder_no_repeat_ngram_size`: no n-gram of the source in the output.
pub struct EncoderNoRepeatNgram {
    size: usize,
    /// What follows the first `size - 1` tokens of the source's n-grams.
    continuations: HashMap<Vec<u32>, Vec<u32>>,
}

impl EncoderNoRepeatNgram {
    /// `size` is at least 1.
    pub fn new(size: usize, encoder_input_ids: &[u32]) -> Self {
        let mut continuations: HashMap<_, Vec<_>> = HashMap::new();
        for ngram in encoder_input_ids.windows(size) {
            if let [before @ .., last] = ngram {
                continuations
                    .entry(before.to_vec())
                    .or_default()
                    .push(*last);
            }
        }
        Self {
            size,
            continuations,
        }
    }
}

impl LogitsProcessor for EncoderNoRepeatNgram {
    fn is_active(&self, length: usize) -> bool {
        length + 1 >= self.size
    }

    fn process(&mut self, sequence: &[u32], scores: &mut [f32]) {
        let suffix = (sequence.len() + 1)
            .checked_sub(self.size)
            .map(|start| &sequence[start..]);
        if let Some(tokens) = suffix.and_then(|suffix| self.continuations.get(suffix)) {
            rule_out(tokens, scores);
        }
    }
}
