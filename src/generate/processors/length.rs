use super::{LogitsProcessor, rule_out};

/// `min_length` and `min_new_tokens`: no end of sequence before a minimum length.
pub struct MinLength {
    min_length: usize,
    eos_token_id: Vec<u32>,
}

impl MinLength {
    /// `min_length` counts the start token and the decoder prefix.
    pub fn new(min_length: usize, eos_token_id: &[u32]) -> Self {
        Self {
            min_length,
            eos_token_id: eos_token_id.to_vec(),
        }
    }
}

impl LogitsProcessor for MinLength {
    fn is_active(&self, length: usize) -> bool {
        length < self.min_length
    }

    fn process(&mut self, sequence: &[u32], scores: &mut [f32]) {
        if self.is_active(sequence.len()) {
            rule_out(&self.eos_token_id, scores);
        }
    }
}
