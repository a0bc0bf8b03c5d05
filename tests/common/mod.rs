//! What several test files share.
#![allow(dead_code)]

pub mod fixtures;
pub mod models;
pub mod overflow;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use t5_gpu::WeightDType;
use t5_gpu::gpu::{Gpu, GpuOptions, Target};

/// The device that tests run on. There must be one: a skipped GPU test would be a test that proves nothing.
pub fn gpu() -> Arc<Gpu> {
    static GPU: OnceLock<Arc<Gpu>> = OnceLock::new();
    GPU.get_or_init(|| Gpu::open(None).expect("tests need a GPU adapter"))
        .clone()
}

/// The same device with kernels laid out for each kind of adapter; vectors of 8 are what [`gpu`] has on most software ones.
pub fn targets() -> [Arc<Gpu>; 2] {
    static GPUS: OnceLock<[Arc<Gpu>; 2]> = OnceLock::new();
    let targets = [
        Target::Hardware { int8_dot: true },
        Target::Software { lanes: 16 },
    ];
    GPUS.get_or_init(|| targets.map(laid_out_for)).clone()
}

/// As [`targets`], for what multiplies weights of this type: GPUs without an instruction for products of int8 have kernels of
/// their own for them.
pub fn targets_of(dtype: WeightDType) -> Vec<Arc<Gpu>> {
    static WITHOUT_DOT: OnceLock<Arc<Gpu>> = OnceLock::new();
    let mut gpus = targets().to_vec();
    if dtype == WeightDType::Int8 {
        let without = || laid_out_for(Target::Hardware { int8_dot: false });
        gpus.push(WITHOUT_DOT.get_or_init(without).clone());
    }
    gpus
}

fn laid_out_for(target: Target) -> Arc<Gpu> {
    let options = GpuOptions {
        target: Some(target),
        ..GpuOptions::default()
    };
    Gpu::open_with(options).expect("tests need a GPU adapter")
}

/// The largest absolute difference between two equally long slices.
pub fn max_error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().all(|x| x.is_finite()), "not finite");
    found
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

/// Prints the errors of a kernel as they get worse: what `--nocapture` shows last is the worst.
pub fn note_error(kernel: &str, error: f32) {
    static WORST: Mutex<BTreeMap<String, f32>> = Mutex::new(BTreeMap::new());
    let mut worst = WORST.lock().unwrap();
    if worst.get(kernel).is_none_or(|worst| error > *worst) {
        worst.insert(kernel.to_string(), error);
        println!("{kernel}: off by {error:e}");
    }
}

/// Deterministic noise in -1..1.
pub fn noise(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// Pseudo-random token ids below `vocab_size`.
pub fn token_ids(seed: u64, len: usize, vocab_size: usize) -> Vec<u32> {
    noise(seed, len)
        .iter()
        .map(|x| ((x + 1.0) / 2.0 * vocab_size as f32) as u32 % vocab_size as u32)
        .collect()
}
