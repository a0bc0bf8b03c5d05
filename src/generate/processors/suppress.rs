use super::{LogitsProcessor, rule_out};

/// `suppress_tokens`: tokens that never appear.
pub struct SuppressTokens {
    tokens: Vec<u32>,
}

impl SuppressTokens {
    /// Rules out these tokens.
    pub fn new(tokens: &[u32]) -> Self {
        Self {
            tokens: tokens.to_vec(),
        }
    }
}

impl LogitsProcessor for SuppressTokens {
    fn process(&mut self, _sequence: &[u32], scores: &mut [f32]) {
        rule_out(&self.tokens, scores);
    }
}

/// `begin_suppress_tokens`: tokens that do not appear first.
pub struct SuppressTokensAtBegin {
    tokens: Vec<u32>,
    begin: usize,
}

impl SuppressTokensAtBegin {
    /// `begin` is how many tokens a hypothesis has when its first one is chosen.
    pub fn new(tokens: &[u32], begin: usize) -> Self {
        Self {
            tokens: tokens.to_vec(),
            begin,
        }
    }
}

impl LogitsProcessor for SuppressTokensAtBegin {
    fn is_active(&self, length: usize) -> bool {
        length == self.begin
    }

    fn process(&mut self, sequence: &[u32], scores: &mut [f32]) {
        if self.is_active(sequence.len()) {
            rule_out(&self.tokens, scores);
        }
    }
}
