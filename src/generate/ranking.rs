use super::softmax::Normalizer;

/// The best tokens of each row of a step, and what makes log-probabilities of their logits.
#[derive(Clone, Copy, Debug)]
pub struct Ranking<'a> {
    /// `[rows, 2 + 2 * count]`, u32 and the bits of f32: the largest logit, the sum of exp(logit - largest) over the whole
    /// row, the `count` best tokens, the lowest first among equals, and their logits.
    words: &'a [u32],
    count: usize,
}

impl<'a> Ranking<'a> {
    /// Of `[rows, 2 + 2 * count]` words: a row's largest logit, its sum of exp(logit - largest), or NaN where a logit is not
    /// finite, its `count` best tokens, best first and of equals the lowest, and these tokens' logits; f32 as their bits.
    pub fn new(words: &'a [u32], count: usize) -> Self {
        assert!(words.len().is_multiple_of(Self::width(count)));
        Self { words, count }
    }

    /// Words a row of so many tokens.
    pub fn width(count: usize) -> usize {
        2 + 2 * count
    }

    /// How many rows were ranked.
    pub fn rows(self) -> usize {
        self.words.len() / Self::width(self.count)
    }

    /// Those of some of the rows.
    pub(super) fn of_rows(self, rows: std::ops::Range<usize>) -> Self {
        let line = Self::width(self.count);
        Self {
            words: &self.words[rows.start * line..rows.end * line],
            ..self
        }
    }

    /// The best tokens of a row, best first.
    pub fn tokens(self, row: usize) -> &'a [u32] {
        &self.line(row)[2..2 + self.count]
    }

    /// Their logits.
    pub fn logits(self, row: usize) -> &'a [f32] {
        bytemuck::cast_slice(&self.line(row)[2 + self.count..])
    }

    /// Of the softmax over the whole row.
    pub fn normalizer(self, row: usize) -> Normalizer {
        let line = self.line(row);
        Normalizer::from_parts(f32::from_bits(line[0]), f32::from_bits(line[1]))
    }

    /// Whether all logits of the row are finite.
    pub(super) fn is_finite(self, row: usize) -> bool {
        f32::from_bits(self.line(row)[1]).is_finite()
    }

    fn line(self, row: usize) -> &'a [u32] {
        let line = Self::width(self.count);
        &self.words[row * line..][..line]
    }
}
