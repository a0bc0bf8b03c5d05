//! Attention without scaling, with a bias by relative position and a mask over keys.

use super::linear::dot;

/// One attention over one sequence; heads lie side by side in the columns of `q`, `k` and `v`.
#[derive(Clone, Copy)]
pub struct Attention<'a> {
    /// Heads side by side in a row.
    pub num_heads: usize,
    /// Width of a head.
    pub d_kv: usize,
    /// `[queries, num_heads * d_kv]`
    pub q: &'a [f32],
    /// `[keys, num_heads * d_kv]`
    pub k: &'a [f32],
    /// `[keys, num_heads * d_kv]`
    pub v: &'a [f32],
    /// A [`bias_table`](crate::relative_position::bias_table), `[num_heads, 2 * max_distance + 1]`; none in cross-attention.
    pub bias: Option<&'a [f32]>,
    /// Whether each key counts; `None`: all do. A masked key weighs exactly 0.
    pub key_mask: Option<&'a [bool]>,
    /// Whether a query sees only keys up to its own position.
    pub causal: bool,
    /// Position of the first query; the first key's is 0.
    pub query_offset: usize,
}

impl Attention<'_> {
    /// What every query gathers from the values: `[queries, num_heads * d_kv]`.
    pub fn output(&self) -> Vec<f32> {
        self.mix(&self.weights())
    }

    /// The softmax over keys: `[num_heads, queries, keys]`. A query that sees no key has weights of 0.
    pub fn weights(&self) -> Vec<f32> {
        let (queries, keys) = (self.rows(self.q), self.rows(self.k));
        let mut weights = Vec::with_capacity(self.num_heads * queries * keys);
        for head in 0..self.num_heads {
            for query in 0..queries {
                let scores: Vec<f32> = (0..keys).map(|key| self.score(head, query, key)).collect();
                weights.extend(softmax(&scores));
            }
        }
        weights
    }

    /// Sums the values by `weights`, `[num_heads, queries, keys]`: `[queries, num_heads * d_kv]`.
    pub fn mix(&self, weights: &[f32]) -> Vec<f32> {
        let (queries, keys) = (self.rows(self.q), self.rows(self.k));
        let mut out = vec![0.0; self.q.len()];
        for head in 0..self.num_heads {
            for query in 0..queries {
                let row = &weights[(head * queries + query) * keys..][..keys];
                let sums = self.part(&mut out, query, head);
                for (key, &weight) in row.iter().enumerate() {
                    for (sum, v) in sums.iter_mut().zip(self.head(self.v, key, head)) {
                        *sum += weight * v;
                    }
                }
            }
        }
        out
    }

    fn score(&self, head: usize, query: usize, key: usize) -> f32 {
        let position = query + self.query_offset;
        let masked = self.key_mask.is_some_and(|mask| !mask[key]);
        if masked || (self.causal && key > position) {
            return f32::NEG_INFINITY;
        }
        let score = dot(self.head(self.q, query, head), self.head(self.k, key, head));
        match self.bias {
            Some(table) => score + self.bias_of(table, head, key as i64 - position as i64),
            None => score,
        }
    }

    /// The bias of a distance (key - query), from the head's row of the table.
    fn bias_of(&self, table: &[f32], head: usize, distance: i64) -> f32 {
        let width = table.len() / self.num_heads;
        let reach = (width / 2) as i64;
        table[head * width + (distance.clamp(-reach, reach) + reach) as usize]
    }

    fn width(&self) -> usize {
        self.num_heads * self.d_kv
    }

    fn rows(&self, x: &[f32]) -> usize {
        x.len() / self.width()
    }

    fn head<'x>(&self, x: &'x [f32], row: usize, head: usize) -> &'x [f32] {
        &x[row * self.width() + head * self.d_kv..][..self.d_kv]
    }

    fn part<'x>(&self, x: &'x mut [f32], row: usize, head: usize) -> &'x mut [f32] {
        &mut x[row * self.width() + head * self.d_kv..][..self.d_kv]
    }
}

fn softmax(scores: &[f32]) -> Vec<f32> {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if max == f32::NEG_INFINITY {
        return vec![0.0; scores.len()];
    }
    let powers: Vec<f32> = scores.iter().map(|score| (score - max).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}
