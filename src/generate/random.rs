//! Random numbers for sampling that depend on the request alone.

/// Counter-based random numbers: number `n` of a stream is a pure function of the seed, the stream and `n`, so that what
/// a request draws depends neither on its batch nor on the order of execution.
///
/// The function is SplitMix64 (Steele, Lea and Flood, 2014), whose state is a counter in steps of 2^64 / φ: its output
/// function is applied to `key + (n + 1) * STEP`, and `key` is made of seed and stream by the same function.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    key: u64,
}

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl Stream {
    /// Stream number `stream` (an output's index within its request) of `seed`.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self {
            key: mix(mix(seed.wrapping_add(STEP))
                .wrapping_add(stream.wrapping_add(1).wrapping_mul(STEP))),
        }
    }

    /// Number `counter` of the stream: a multiple of 2^-53 in [0, 1).
    pub fn uniform(&self, counter: u64) -> f64 {
        let bits = mix(self
            .key
            .wrapping_add(counter.wrapping_add(1).wrapping_mul(STEP)));
        (bits >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Number `counter` of the stream by the standard Gumbel distribution: -ln(-ln(u)).
    pub fn gumbel(&self, counter: u64) -> f64 {
        // Half a step up keeps u off 0.
        let u = self.uniform(counter) + 0.5 / (1_u64 << 53) as f64;
        -(-u.ln()).ln()
    }
}

/// A seed for requests that set none: another one every time.
pub fn entropy() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(())
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_is_splitmix64() {
        // The first outputs of the published generator started from state 0.
        let stream = Stream { key: 0 };
        for (counter, expected) in [
            0xE220_A839_7B1D_CDAF_u64,
            0x6E78_9E6A_A1B9_65F4,
            0x06C4_5D18_8009_454F,
        ]
        .iter()
        .enumerate()
        {
            assert_eq!(
                stream.uniform(counter as u64),
                (expected >> 11) as f64 / (1_u64 << 53) as f64
            );
        }
    }

    #[test]
    fn uniforms_fill_the_interval_evenly_and_streams_differ() {
        let mut counts = [0_u32; 100];
        for stream in 0..10 {
            let stream = Stream::new(7, stream);
            for counter in 0..1000 {
                counts[(stream.uniform(counter) * 100.0) as usize] += 1;
            }
        }
        // χ² with 99 degrees of freedom exceeds 149 once in a thousand.
        let chi_square: f64 = counts
            .iter()
            .map(|&count| (f64::from(count) - 100.0).powi(2) / 100.0)
            .sum();
        assert!(chi_square < 149.0, "χ² = {chi_square}");
        assert_ne!(Stream::new(1, 0).uniform(0), Stream::new(2, 0).uniform(0));
    }

    #[test]
    fn gumbel_has_its_mean() {
        let stream = Stream::new(3, 0);
        let mean = (0..100_000)
            .map(|counter| stream.gumbel(counter))
            .sum::<f64>()
            / 1e5;
        // Euler's constant; the standard error is 1.28 / sqrt(1e5) = 0.004
        assert!((mean - 0.577_215_66).abs() < 0.016, "{mean}");
    }
}
