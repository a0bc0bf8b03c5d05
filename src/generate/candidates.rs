/// One way to extend a hypothesis by a token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    /// What candidates are ranked by.
    pub rank: f32,
    /// Accumulated log-probability, the token's included.
    pub score: f32,
    /// The hypothesis it extends.
    pub beam: usize,
    pub token: u32,
}

/// The best candidates met so far, best first; of equals, the one met first.
pub(super) struct BestCandidates {
    kept: Vec<Candidate>,
    size: usize,
}

impl BestCandidates {
    /// Keeps `size` candidates, at least 1.
    pub fn new(size: usize) -> Self {
        Self {
            kept: Vec::with_capacity(size + 1),
            size,
        }
    }

    /// How many it keeps.
    pub fn size(&self) -> usize {
        self.size
    }

    pub fn as_slice(&self) -> &[Candidate] {
        &self.kept
    }

    pub fn clear(&mut self) {
        self.kept.clear();
    }

    /// Whether a candidate of this rank would be kept.
    pub fn accepts(&self, rank: f32) -> bool {
        self.kept.len() < self.size || self.kept.last().is_some_and(|worst| rank > worst.rank)
    }

    pub fn offer(&mut self, candidate: Candidate) {
        if self.accepts(candidate.rank) {
            let place = self
                .kept
                .partition_point(|kept| kept.rank >= candidate.rank);
            self.kept.insert(place, candidate);
            self.kept.truncate(self.size);
        }
    }

    /// Offers every token after the hypothesis `beam`, which has `score` so far.
    pub fn offer_row(&mut self, log_probs: &[f32], score: f32, beam: usize) {
        const BLOCK: usize = 256;
        for (index, block) in log_probs.chunks(BLOCK).enumerate() {
            // Rounded addition keeps order: where the block's largest is not good enough, none is.
            if !self.accepts(super::softmax::maximum(block) + score) {
                continue;
            }
            for (token, &log_prob) in (index * BLOCK..).zip(block) {
                let score = log_prob + score;
                self.offer(Candidate {
                    rank: score,
                    score,
                    beam,
                    token: token as u32,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_a_stable_sort_keeps() {
        let rows: Vec<Vec<f32>> = (0..3_usize)
            .map(|row| {
                (0..1001_usize)
                    .map(|i| -(((i * 31 + row * 17) % 97) as f32) / 4.0)
                    .collect()
            })
            .collect();
        let scores = [-1.0, -0.5, -1.0e9];
        let mut all = Vec::new();
        let mut best = BestCandidates::new(40);
        for (beam, (row, score)) in rows.iter().zip(scores).enumerate() {
            best.offer_row(row, score, beam);
            all.extend(
                row.iter()
                    .enumerate()
                    .map(|(token, log_prob)| (log_prob + score, beam, token as u32)),
            );
        }
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        let kept: Vec<_> = best
            .as_slice()
            .iter()
            .map(|c| (c.score, c.beam, c.token))
            .collect();
        assert_eq!(kept, all[..40]);
    }

    #[test]
    fn ruled_out_tokens_fill_up_in_order() {
        let mut best = BestCandidates::new(3);
        best.offer_row(
            &[
                f32::NEG_INFINITY,
                f32::NEG_INFINITY,
                -1.0,
                f32::NEG_INFINITY,
            ],
            0.0,
            0,
        );
        let tokens: Vec<_> = best.as_slice().iter().map(|c| c.token).collect();
        assert_eq!(tokens, [2, 0, 1]);
    }
}
