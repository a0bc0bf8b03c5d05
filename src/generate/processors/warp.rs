//! What narrows or flattens the distribution that sampling draws from. `keep` tokens survive in any case.

use super::LogitsProcessor;
use crate::generate::softmax;

/// `temperature`: divides the scores.
pub struct Temperature {
    temperature: f32,
}

impl Temperature {
    /// `temperature` is above 0.
    pub fn new(temperature: f64) -> Self {
        Self {
            temperature: temperature as f32,
        }
    }
}

impl LogitsProcessor for Temperature {
    fn process(&mut self, _sequence: &[u32], scores: &mut [f32]) {
        for score in scores {
            *score /= self.temperature;
        }
    }
}

/// `top_k`: the k likeliest tokens, and those as likely as the last of them.
pub struct TopK {
    k: usize,
    sorted: Vec<f32>,
}

impl TopK {
    /// `k` is at least 1.
    pub fn new(k: usize, keep: usize) -> Self {
        Self {
            k: k.max(keep),
            sorted: Vec::new(),
        }
    }
}

impl LogitsProcessor for TopK {
    fn process(&mut self, _sequence: &[u32], scores: &mut [f32]) {
        if self.k >= scores.len() {
            return;
        }
        let threshold = nth_largest(scores, self.k, &mut self.sorted);
        rule_out_where(scores, |score| score < threshold);
    }
}

/// `top_p`: the likeliest tokens that together have probability p. Among equals the lower ids go first.
pub struct TopP {
    top_p: f64,
    keep: usize,
    /// `(score, token)` of the tokens not ruled out.
    ascending: Vec<(f32, u32)>,
}

impl TopP {
    /// `top_p` is between 0 and 1.
    pub fn new(top_p: f64, keep: usize) -> Self {
        Self {
            top_p,
            keep,
            ascending: Vec::new(),
        }
    }
}

impl LogitsProcessor for TopP {
    fn process(&mut self, _sequence: &[u32], scores: &mut [f32]) {
        let normalizer = softmax::Normalizer::of(scores);
        // What is ruled out already has no probability and would sort to the front: it need not take part.
        self.ascending.clear();
        self.ascending.extend(
            scores
                .iter()
                .zip(0..)
                .filter(|(score, _)| **score > f32::NEG_INFINITY)
                .map(|(&score, token)| (score, token)),
        );
        self.ascending
            .sort_unstable_by(|a, b| softmax::descending(b.0, a.0).then(a.1.cmp(&b.1)));
        let tail = (1.0 - self.top_p) as f32;
        let mut cumulative = 0.0_f64;
        let removable = self.ascending.len().saturating_sub(self.keep);
        for &(score, token) in &self.ascending[..removable] {
            cumulative += f64::from(normalizer.probability(score));
            if cumulative as f32 > tail {
                break;
            }
            scores[token as usize] = f32::NEG_INFINITY;
        }
    }
}

/// `min_p`: the tokens at least a fraction as likely as the likeliest.
pub struct MinP {
    min_p: f32,
    keep: usize,
    kept: Vec<(f32, u32)>,
}

impl MinP {
    /// `min_p` is between 0 and 1.
    pub fn new(min_p: f64, keep: usize) -> Self {
        Self {
            min_p: min_p as f32,
            keep,
            kept: Vec::new(),
        }
    }
}

impl LogitsProcessor for MinP {
    fn process(&mut self, _sequence: &[u32], scores: &mut [f32]) {
        let normalizer = softmax::Normalizer::of(scores);
        let threshold = self.min_p * normalizer.probability(normalizer.max);
        self.kept.clear();
        if self.keep > 1 {
            self.kept.extend(scores.iter().copied().zip(0..));
            self.kept
                .sort_unstable_by(|a, b| softmax::descending(a.0, b.0).then(a.1.cmp(&b.1)));
            self.kept.truncate(self.keep);
        }
        rule_out_where(scores, |score| normalizer.probability(score) < threshold);
        for &(score, token) in &self.kept {
            scores[token as usize] = score;
        }
    }
}

/// The `n`th largest score, the last where there are fewer; `n` is at least 1, `sorted` memory to work in.
pub(super) fn nth_largest(scores: &[f32], n: usize, sorted: &mut Vec<f32>) -> f32 {
    sorted.clear();
    sorted.extend_from_slice(scores);
    let n = n.min(scores.len());
    *sorted
        .select_nth_unstable_by(n - 1, |a, b| softmax::descending(*a, *b))
        .1
}

pub(super) fn rule_out_where(scores: &mut [f32], ruled_out: impl Fn(f32) -> bool) {
    for score in scores {
        if ruled_out(*score) {
            *score = f32::NEG_INFINITY;
        }
    }
}
