//! Toy decoders that keep each slot's history as tokens, and insist that it is used as the interface says.

use std::collections::HashMap;

use t5_gpu::generate::{StepDecoder, StepRow};
use t5_gpu::{GenerationConfig, Result};

/// A decoder whose logits are a function of the source and the tokens so far.
pub struct Toy<F> {
    vocab_size: usize,
    logits_of: F,
    /// By slot: the source it belongs to and the tokens fed.
    histories: HashMap<u32, (u32, Vec<u32>)>,
    logits: Vec<f32>,
    /// Rows of every step so far.
    pub steps: Vec<usize>,
    /// Whether [`StepDecoder::step_argmax`] works, and how often it was used.
    pub picks: Option<usize>,
}

impl<F: Fn(u32, &[u32], &mut [f32])> Toy<F> {
    pub fn new(vocab_size: usize, logits_of: F) -> Self {
        Self {
            vocab_size,
            logits_of,
            histories: HashMap::new(),
            logits: Vec::new(),
            steps: Vec::new(),
            picks: None,
        }
    }

    fn run(&mut self, rows: &[StepRow]) {
        assert!(!rows.is_empty());
        let mut next = Vec::new();
        self.logits.resize(rows.len() * self.vocab_size, 0.0);
        for (row, logits) in rows
            .iter()
            .zip(self.logits.chunks_exact_mut(self.vocab_size))
        {
            let mut history = Vec::new();
            if row.position > 0 {
                let (source, tokens) = &self.histories[&row.parent];
                assert_eq!(*source, row.source, "a slot changed its source");
                assert_eq!(
                    tokens.len(),
                    row.position as usize,
                    "history and position of {row:?}"
                );
                history.clone_from(tokens);
            }
            history.push(row.token);
            (self.logits_of)(row.source, &history, logits);
            next.push((row.slot, (row.source, history)));
        }
        // All parents are read by now.
        let written = next.len();
        let slots: HashMap<_, _> = next.into_iter().collect();
        assert_eq!(slots.len(), written, "two rows of one slot");
        self.histories.extend(slots);
        self.steps.push(rows.len());
    }
}

impl<F: Fn(u32, &[u32], &mut [f32])> StepDecoder for Toy<F> {
    fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn step(&mut self, rows: &[StepRow]) -> Result<&[f32]> {
        self.run(rows);
        Ok(&self.logits)
    }

    fn step_argmax(&mut self, rows: &[StepRow], tokens: &mut Vec<u32>) -> Result<bool> {
        let Some(picks) = &mut self.picks else {
            return Ok(false);
        };
        *picks += 1;
        self.run(rows);
        tokens.extend(self.logits.chunks_exact(self.vocab_size).map(|logits| {
            (0..logits.len())
                .rev()
                .max_by(|&a, &b| logits[a].total_cmp(&logits[b]))
                .unwrap() as u32
        }));
        Ok(true)
    }
}

/// Logits without pattern, `spread` wide, from the whole history.
pub fn noise(source: u32, history: &[u32], token: usize, spread: f32) -> f32 {
    let mut hash = 0xCBF2_9CE4_8422_2325_u64 ^ u64::from(source);
    for &part in history.iter().chain([&(token as u32)]) {
        hash = (hash ^ u64::from(part)).wrapping_mul(0x0100_0000_01B3);
        hash ^= hash >> 29;
    }
    (hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f32 / (1 << 24) as f32 * spread
}

pub fn noisy(vocab_size: usize, spread: f32) -> Toy<impl Fn(u32, &[u32], &mut [f32])> {
    Toy::new(vocab_size, move |source, history, logits| {
        for (token, logit) in logits.iter_mut().enumerate() {
            *logit = noise(source, history, token, spread);
        }
    })
}

/// Start token 0, end of sequence 1.
pub fn config() -> GenerationConfig {
    GenerationConfig {
        decoder_start_token_id: Some(0),
        eos_token_id: vec![1],
        ..Default::default()
    }
}
