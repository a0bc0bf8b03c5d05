//! Sampling filters that look at how uncertain the distribution is, or at bare probabilities. `keep` tokens survive in any
//! case.

use super::LogitsProcessor;
use super::warp::{nth_largest, rule_out_where};
use crate::generate::softmax::{Normalizer, descending};

/// `typical_p`: the tokens whose surprise is nearest to the expected one and that together have this probability.
pub struct Typical {
    mass: f32,
    keep: usize,
    /// `(distance from the expected surprise, token)` of the tokens not ruled out, the nearest first.
    nearest: Vec<(f32, u32)>,
}

impl Typical {
    /// `mass` is between 0 and 1.
    pub fn new(mass: f64, keep: usize) -> Self {
        Self {
            mass: mass as f32,
            keep,
            nearest: Vec::new(),
        }
    }
}

impl LogitsProcessor for Typical {
    fn process(&mut self, _sequence: &[u32], scores: &mut [f32]) {
        let normalizer = Normalizer::of(scores);
        let entropy = entropy(scores, &normalizer);
        self.nearest.clear();
        self.nearest.extend(
            scores
                .iter()
                .zip(0..)
                .filter(|(score, _)| **score > f32::NEG_INFINITY)
                .map(|(&score, token)| {
                    ((-normalizer.log_probability(score) - entropy).abs(), token)
                }),
        );
        self.nearest
            .sort_unstable_by(|a, b| descending(b.0, a.0).then(a.1.cmp(&b.1)));
        let mut cumulative = 0.0_f64;
        let enough = self.nearest.iter().position(|&(_, token)| {
            cumulative += f64::from(normalizer.probability(scores[token as usize]));
            cumulative as f32 >= self.mass
        });
        let Some(farthest) = enough.map(|last| self.nearest[last].0) else {
            return;
        };
        for &(distance, token) in self.nearest.iter().skip(self.keep) {
            if distance > farthest {
                scores[token as usize] = f32::NEG_INFINITY;
            }
        }
    }
}

/// `epsilon_cutoff`: the tokens with at least this probability.
pub struct EpsilonCutoff {
    epsilon: f32,
    keep: usize,
    sorted: Vec<f32>,
}

impl EpsilonCutoff {
    /// `epsilon` is between 0 and 1.
    pub fn new(epsilon: f64, keep: usize) -> Self {
        Self {
            epsilon: epsilon as f32,
            keep,
            sorted: Vec::new(),
        }
    }
}

impl LogitsProcessor for EpsilonCutoff {
    fn process(&mut self, _sequence: &[u32], scores: &mut [f32]) {
        let normalizer = Normalizer::of(scores);
        let safe = nth_largest(scores, self.keep, &mut self.sorted);
        rule_out_where(scores, |score| {
            normalizer.probability(score) < self.epsilon && score < safe
        });
    }
}

/// `eta_cutoff`: the tokens with at least this probability, or with less where the distribution is flat.
pub struct EtaCutoff {
    epsilon: f32,
    keep: usize,
    sorted: Vec<f32>,
}

impl EtaCutoff {
    /// `epsilon` is between 0 and 1.
    pub fn new(epsilon: f64, keep: usize) -> Self {
        Self {
            epsilon: epsilon as f32,
            keep,
            sorted: Vec::new(),
        }
    }
}

impl LogitsProcessor for EtaCutoff {
    fn process(&mut self, _sequence: &[u32], scores: &mut [f32]) {
        let normalizer = Normalizer::of(scores);
        let eta = self
            .epsilon
            .min(self.epsilon.sqrt() * (-entropy(scores, &normalizer)).exp());
        let safe = nth_largest(scores, self.keep, &mut self.sorted);
        rule_out_where(scores, |score| {
            normalizer.probability(score) < eta && score < safe
        });
    }
}

/// The expected surprise, in nats.
fn entropy(scores: &[f32], normalizer: &Normalizer) -> f32 {
    let surprise = |&score: &f32| {
        let probability = normalizer.probability(score);
        if probability > 0.0 {
            f64::from(probability) * -f64::from(normalizer.log_probability(score))
        } else {
            0.0
        }
    };
    scores.iter().map(surprise).sum::<f64>() as f32
}
