//! What a decode step has to do at least, from the shape of the model alone.

use t5_gpu::{T5Config, WeightDType};

use super::run::Workload;

/// The least that a step moves and computes.
pub struct Work {
    /// Every weight of the decoder once, the keys and values of every row once.
    pub bytes: f64,
    /// Two for each multiplication with what is added.
    pub flop: f64,
}

/// The step in the middle of a workload, when half of the new tokens are there.
pub fn decode_step(config: &T5Config, dtype: WeightDType, workload: &Workload) -> Work {
    let rows = workload.batch_size * workload.num_beams;
    let weights = weights(config);
    let keys = |positions: usize| positions * 2 * config.inner_dim() * config.num_decoder_layers;
    let own = rows * keys(workload.new_tokens.div_ceil(2));
    let cross = keys(workload.source_length);
    // Beams of a source share its keys and values, but each multiplies with them.
    let cached = own + workload.batch_size * cross;
    Work {
        bytes: (weights * dtype.size() + cached * 4) as f64,
        flop: 2.0 * (rows * weights + own + rows * cross) as f64,
    }
}

/// Weights that a step multiplies with: all of the decoder but the cross-attention's keys and values, and the head.
fn weights(config: &T5Config) -> usize {
    let attention = (4 + 2) * config.inner_dim() * config.d_model;
    let feed_forward = if config.gated { 3 } else { 2 } * config.d_ff * config.d_model;
    config.num_decoder_layers * (attention + feed_forward) + config.vocab_size * config.d_model
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::TokenSelection;

    #[test]
    fn a_step_of_t5_small() {
        let config = T5Config::preset("t5-small").unwrap();
        let workload = |batch_size, num_beams| Workload {
            batch_size,
            num_beams,
            source_length: 11,
            new_tokens: 64,
            token_selection: TokenSelection::Gpu,
        };
        // 6 layers of 6 matrices of 512 x 512 and 2 of 512 x 2048; the head.
        let weights = 6.0 * (6.0 * 262_144.0 + 2.0 * 1_048_576.0) + 32_128.0 * 512.0;
        // A position of a row: a key and a value of 512 in each of 6 layers.
        let position = 2.0 * 512.0 * 6.0;
        let one = decode_step(&config, WeightDType::F16, &workload(1, 1));
        assert_eq!(one.bytes, 2.0 * weights + 4.0 * (32.0 + 11.0) * position);
        assert_eq!(one.flop, 2.0 * (weights + (32.0 + 11.0) * position));
        let many = decode_step(&config, WeightDType::F32, &workload(3, 2));
        assert_eq!(
            many.bytes,
            4.0 * (weights + (6.0 * 32.0 + 3.0 * 11.0) * position)
        );
        assert_eq!(many.flop, 6.0 * one.flop);
    }
}
