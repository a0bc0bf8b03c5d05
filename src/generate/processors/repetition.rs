use super::LogitsProcessor;

/// `repetition_penalty`: tokens a hypothesis already has, start token and decoder prefix counted in, lose.
pub struct RepetitionPenalty {
    penalty: f32,
    /// The distinct tokens of the hypothesis at hand.
    seen: Vec<u32>,
}

impl RepetitionPenalty {
    /// `penalty` is above 0; above 1 it discourages.
    pub fn new(penalty: f64) -> Self {
        Self {
            penalty: penalty as f32,
            seen: Vec::new(),
        }
    }
}

impl LogitsProcessor for RepetitionPenalty {
    fn process(&mut self, sequence: &[u32], scores: &mut [f32]) {
        self.seen.clear();
        self.seen.extend_from_slice(sequence);
        self.seen.sort_unstable();
        self.seen.dedup();
        penalize(&self.seen, self.penalty, scores);
    }
}

/// `encoder_repetition_penalty`: tokens of the source gain.
pub struct EncoderRepetitionPenalty {
    penalty: f32,
    source: Vec<u32>,
}

impl EncoderRepetitionPenalty {
    /// `penalty` is above 0; above 1 it favours the source's tokens.
    pub fn new(penalty: f64, encoder_input_ids: &[u32]) -> Self {
        let mut source = encoder_input_ids.to_vec();
        source.sort_unstable();
        source.dedup();
        Self {
            penalty: (1.0 / penalty) as f32,
            source,
        }
    }
}

impl LogitsProcessor for EncoderRepetitionPenalty {
    fn process(&mut self, _sequence: &[u32], scores: &mut [f32]) {
        penalize(&self.source, self.penalty, scores);
    }
}

/// Moves the scores of distinct tokens down by a factor (up where it is below 1), whatever their sign.
fn penalize(tokens: &[u32], penalty: f32, scores: &mut [f32]) {
    for &token in tokens {
        if let Some(score) = scores.get_mut(token as usize) {
            *score = if *score < 0.0 {
                *score * penalty
            } else {
                *score / penalty
            };
        }
    }
}
