//! Many vectors to one: sentence-transformers' pooling modes.

/// How a text's hidden states become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The first token's state.
    First,
    /// The largest value of each dimension.
    Max,
    /// The mean.
    Mean,
    /// The sum over the square root of the number of tokens.
    MeanSqrtLen,
    /// The mean, the n-th token of the text counted n times.
    WeightedMean,
    /// The last token's state.
    Last,
}

/// Every mode with sentence-transformers' name for it and the older switch that turns it on, in the order in which several
/// of them are put together.
pub(super) const MODES: [(Pooling, &str, &str); 6] = [
    (Pooling::First, "cls", "pooling_mode_cls_token"),
    (Pooling::Max, "max", "pooling_mode_max_tokens"),
    (Pooling::Mean, "mean", "pooling_mode_mean_tokens"),
    (
        Pooling::MeanSqrtLen,
        "mean_sqrt_len_tokens",
        "pooling_mode_mean_sqrt_len_tokens",
    ),
    (
        Pooling::WeightedMean,
        "weightedmean",
        "pooling_mode_weightedmean_tokens",
    ),
    (Pooling::Last, "lasttoken", "pooling_mode_lasttoken"),
];

impl Pooling {
    /// sentence-transformers' name.
    pub fn name(self) -> &'static str {
        MODES
            .iter()
            .find(|(mode, ..)| *mode == self)
            .map_or("", |(_, name, _)| *name)
    }

    /// One vector out of `hidden`, `[tokens, width]`, of which the first `skipped` tokens do not count, though they keep
    /// their places. Where no token counts it is zero, or for [`Pooling::Max`] minus infinity, as in sentence-transformers.
    pub fn apply(self, hidden: &[f32], width: usize, skipped: usize) -> Vec<f32> {
        let rows: Vec<&[f32]> = hidden.chunks_exact(width).collect();
        let counted = skipped.min(rows.len())..rows.len();
        let of_row = |row: Option<&&[f32]>| row.map_or(vec![0.0; width], |row| row.to_vec());
        let over = |divisor: f64, weight: fn(usize) -> f64| {
            let sum = |column: usize| -> f64 {
                counted
                    .clone()
                    .map(|row| f64::from(rows[row][column]) * weight(row))
                    .sum()
            };
            let mean = |column| (sum(column) / divisor.max(1e-9)) as f32;
            (0..width).map(mean).collect()
        };
        let count = counted.len() as f64;
        match self {
            Pooling::First => of_row(rows.get(skipped).or(rows.first())),
            Pooling::Last => of_row(rows[counted].last()),
            Pooling::Max => {
                let largest = |column: usize| {
                    let values = rows[counted.clone()].iter().map(|row| row[column]);
                    values.fold(f32::NEG_INFINITY, f32::max)
                };
                (0..width).map(largest).collect()
            }
            Pooling::Mean => over(count, |_| 1.0),
            Pooling::MeanSqrtLen => over(count.sqrt(), |_| 1.0),
            Pooling::WeightedMean => {
                let weights = counted.clone().map(|row| (row + 1) as f64).sum();
                over(weights, |row| (row + 1) as f64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three tokens of two dimensions.
    const HIDDEN: [f32; 6] = [1.0, -4.0, 2.0, 8.0, 6.0, -1.0];

    #[test]
    fn each_mode_by_hand() {
        let over_root = |sum: f64| (sum / 3f64.sqrt()) as f32;
        for (mode, expected) in [
            (Pooling::First, [1.0, -4.0]),
            (Pooling::Max, [6.0, 8.0]),
            (Pooling::Mean, [3.0, 1.0]),
            (Pooling::MeanSqrtLen, [over_root(9.0), over_root(3.0)]),
            (Pooling::WeightedMean, [23.0 / 6.0, 9.0 / 6.0]),
            (Pooling::Last, [6.0, -1.0]),
        ] {
            assert_eq!(mode.apply(&HIDDEN, 2, 0), expected, "{mode:?}");
        }
    }

    #[test]
    fn tokens_that_do_not_count_keep_their_places() {
        for (mode, expected) in [
            (Pooling::First, [2.0, 8.0]),
            (Pooling::Max, [6.0, 8.0]),
            (Pooling::Mean, [4.0, 3.5]),
            (Pooling::WeightedMean, [22.0 / 5.0, 13.0 / 5.0]),
            (Pooling::Last, [6.0, -1.0]),
        ] {
            assert_eq!(mode.apply(&HIDDEN, 2, 1), expected, "{mode:?}");
        }
        // Of nothing there is no mean, but no division by zero either.
        assert_eq!(Pooling::Mean.apply(&HIDDEN, 2, 3), [0.0, 0.0]);
        assert_eq!(Pooling::Last.apply(&HIDDEN, 2, 9), [0.0, 0.0]);
        assert_eq!(Pooling::First.apply(&HIDDEN, 2, 9), [1.0, -4.0]);
    }
}
