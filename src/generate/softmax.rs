//! Softmax over a vocabulary, in loops that compilers turn into vector instructions.

use std::cmp::Ordering;

/// Lanes of a reduction: a few vector registers wide, and the same order of additions everywhere.
const LANES: usize = 16;
/// Elements a lane adds up in f32 before the sum goes on in f64.
const BLOCK: usize = 64 * LANES;

/// What turns scores into probabilities and log-probabilities.
#[derive(Clone, Copy, Debug)]
pub struct Normalizer {
    /// The largest score.
    pub max: f32,
    /// Sum over all scores of exp(score - max).
    sum: f32,
    log_sum: f32,
}

impl Normalizer {
    /// Of the softmax over all `scores`; minus infinity weighs 0. Where nothing is above minus infinity or something is
    /// NaN, the probabilities are NaN.
    pub fn of(scores: &[f32]) -> Self {
        let max = maximum(scores);
        let mut sum = 0.0_f64;
        for block in scores.chunks(BLOCK) {
            let mut lanes = [0.0_f32; LANES];
            let chunks = block.chunks_exact(LANES);
            let rest = chunks.remainder();
            for chunk in chunks {
                for (lane, &score) in lanes.iter_mut().zip(chunk) {
                    *lane += exp(score - max);
                }
            }
            for (lane, &score) in lanes.iter_mut().zip(rest) {
                *lane += exp(score - max);
            }
            sum += f64::from(lanes.iter().sum::<f32>());
        }
        Self {
            max,
            sum: sum as f32,
            log_sum: sum.ln() as f32,
        }
    }

    /// From the largest score and the sum over all of exp(score - max).
    pub fn from_parts(max: f32, sum: f32) -> Self {
        Self {
            max,
            sum,
            log_sum: f64::from(sum).ln() as f32,
        }
    }

    /// The probability of a token with this score.
    pub fn probability(&self, score: f32) -> f32 {
        exp(score - self.max) / self.sum
    }

    /// The log-probability of a token with this score.
    pub fn log_probability(&self, score: f32) -> f32 {
        (score - self.max) - self.log_sum
    }
}

/// The index of the largest score, the lowest among equals; 0 where there is none.
pub fn argmax(scores: &[f32]) -> usize {
    let (mut best, mut best_block) = (f32::NEG_INFINITY, 0);
    for (index, block) in scores.chunks(BLOCK).enumerate() {
        let largest = maximum(block);
        if largest > best {
            (best, best_block) = (largest, index);
        }
    }
    let start = best_block * BLOCK;
    scores[start..]
        .iter()
        .position(|&score| score == best)
        .map_or(0, |offset| start + offset)
}

/// Whether none of the numbers is NaN or infinite.
pub fn is_finite(numbers: &[f32]) -> bool {
    // By their bits, without a branch a number, so that vector instructions do it.
    let magnitude = |x: f32| x.to_bits() & !(1 << 31);
    let largest = |block: &[f32]| block.iter().fold(0, |most, &x| magnitude(x).max(most));
    numbers
        .chunks(BLOCK)
        .all(|block| largest(block) < f32::INFINITY.to_bits())
}

/// Orders scores from the largest; the two zeros are equal, and so must be told apart by what comes next.
pub fn descending(a: f32, b: f32) -> Ordering {
    // Adding zero makes one of the two.
    (b + 0.0).total_cmp(&(a + 0.0))
}

/// The largest score; minus infinity where there is none.
pub fn maximum(scores: &[f32]) -> f32 {
    // Not f32::max: its care for NaN costs half the speed.
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = scores.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &score) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, score);
        }
    }
    lanes
        .iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, |a, &b| larger(a, b))
}

/// e^x for x ≤ 0, within 2 units in the last place; below -87, where f32 is about to run out, 0.
pub fn exp(x: f32) -> f32 {
    // Adding this rounds to a whole number, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // |r| ≤ ln(2) / 2, where the Taylor series needs no more than seven terms
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let series = 1.0 / 5040.0;
    let series = series * r + 1.0 / 720.0;
    let series = series * r + 1.0 / 120.0;
    let series = series * r + 1.0 / 24.0;
    let series = series * r + 1.0 / 6.0;
    let series = series * r + 0.5;
    let series = series * r * r + r + 1.0;
    let two_to_n = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    if x < -87.0 { 0.0 } else { series * two_to_n }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_as_good_as_f32_is() {
        for step in 0..=870_000 {
            let x = -(step as f32) * 1e-4;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(
                error < 2.0 * f64::from(f32::EPSILON),
                "exp({x}) is off by {error}"
            );
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn probabilities_match_f64_at_odd_sizes() {
        for size in [1, 2, 15, 16, 17, 1023, 1025, 32_128] {
            let mut scores: Vec<f32> = (0..size)
                .map(|i| ((i * 7919) % 1009) as f32 * 0.03 - 11.0)
                .collect();
            if size > 2 {
                scores[size / 2] = f32::NEG_INFINITY;
            }
            let max = scores
                .iter()
                .copied()
                .fold(f64::NEG_INFINITY, |a, b| a.max(f64::from(b)));
            let sum: f64 = scores
                .iter()
                .map(|&score| (f64::from(score) - max).exp())
                .sum();
            let normalizer = Normalizer::of(&scores);
            for &score in &scores {
                let log_probability = f64::from(score) - max - sum.ln();
                assert!(
                    (f64::from(normalizer.probability(score)) - log_probability.exp()).abs() < 1e-6
                );
                if score.is_finite() {
                    assert!(
                        (f64::from(normalizer.log_probability(score)) - log_probability).abs()
                            < 4e-6
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_not_finite_is_seen_wherever_it_is() {
        for size in [1, 15, 1023, 1025, 32_128] {
            let mut numbers = vec![f32::MAX; size];
            numbers[size / 3] = f32::MIN;
            assert!(is_finite(&numbers));
            for odd in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                for at in [0, size / 2, size - 1] {
                    let kept = std::mem::replace(&mut numbers[at], odd);
                    assert!(!is_finite(&numbers), "{odd} at {at} of {size}");
                    numbers[at] = kept;
                }
            }
        }
        assert!(is_finite(&[]));
    }

    #[test]
    fn argmax_takes_the_first_of_equals() {
        for (size, first, second) in [
            (1, 0, 0),
            (40, 3, 39),
            (5000, 1030, 4999),
            (5000, 1023, 1024),
        ] {
            let mut scores = vec![-2.0; size];
            scores[first] = 1.5;
            scores[second] = 1.5;
            assert_eq!(argmax(&scores), first);
            assert_eq!(maximum(&scores), 1.5);
        }
        assert_eq!(argmax(&[f32::NEG_INFINITY; 3]), 0);
    }
}
