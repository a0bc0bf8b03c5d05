//! The best logits of a row, and what makes log-probabilities of them.

/// The `count` best tokens with their logits, best first and of equals the lowest token first, and the sum of
/// exp(logit - largest) over all of `logits`, NaN where one of them is not finite.
pub fn top_k(logits: &[f32], count: usize) -> (Vec<(u32, f32)>, f32) {
    let mut ranking: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).collect();
    ranking.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranking.truncate(count);
    let sum: f64 = logits
        .iter()
        .map(|&logit| f64::from(logit - ranking[0].1).exp())
        .sum();
    let is_finite = logits.iter().all(|logit| logit.is_finite());
    (ranking, if is_finite { sum as f32 } else { f32::NAN })
}
