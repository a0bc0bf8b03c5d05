//! What transformers computed for the checkpoints in `fixtures/checkpoints`.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use t5_gpu::T5Config;
use t5_gpu::checkpoint::Checkpoint;

/// The design's bound on f32 logits and hidden states.
pub const TOLERANCE: f32 = 1e-4;

#[derive(Deserialize)]
pub struct Expected {
    pub cases: Vec<Case>,
    /// The cases again, as one right-padded batch.
    pub batch: Vec<Batch>,
}

#[derive(Deserialize)]
pub struct Case {
    pub input_ids: Vec<u32>,
    pub decoder_input_ids: Vec<u32>,
    pub encoder: Sample,
    pub logits: Sample,
    pub labels: Vec<u32>,
    pub loss: f32,
    pub token_logprobs: Vec<f32>,
    pub greedy: Vec<Greedy>,
}

#[derive(Deserialize)]
pub struct Batch {
    pub encoder: Sample,
    pub logits: Sample,
}

#[derive(Deserialize)]
pub struct Greedy {
    pub options: serde_json::Map<String, serde_json::Value>,
    pub token_ids: Vec<u32>,
}

/// Every `stride`th element of a flattened tensor.
#[derive(Deserialize)]
pub struct Sample {
    pub shape: Vec<usize>,
    pub stride: usize,
    pub values: Vec<f32>,
}

impl Sample {
    pub fn assert_close(&self, found: &[f32], what: &str) {
        assert_eq!(
            found.len(),
            self.shape.iter().product::<usize>(),
            "{what}: size"
        );
        let sampled = found.iter().step_by(self.stride);
        assert_eq!(sampled.len(), self.values.len(), "{what}: sample");
        let worst =
            sampled
                .zip(&self.values)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, |worst: f32, error| {
                    if error > worst || error.is_nan() {
                        error
                    } else {
                        worst
                    }
                });
        assert!(worst < TOLERANCE, "{what}: off by {worst}");
    }
}

/// One checkpoint and what transformers computed from it.
pub struct Fixture {
    pub name: String,
    pub config: T5Config,
    pub checkpoint: Checkpoint,
    pub expected: Expected,
}

/// Every fixture.
pub fn fixtures() -> Vec<Fixture> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints");
    let mut directories: Vec<PathBuf> = std::fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|dir| dir.join("config.json").is_file())
        .collect();
    directories.sort();
    assert!(
        directories.len() >= 27,
        "fixtures are missing: {directories:?}"
    );
    directories.iter().map(|dir| fixture(dir)).collect()
}

fn fixture(dir: &Path) -> Fixture {
    let expected = std::fs::read(dir.join("expected.json")).unwrap();
    Fixture {
        name: dir.file_name().unwrap().to_string_lossy().into_owned(),
        config: T5Config::from_file(&dir.join("config.json")).unwrap(),
        checkpoint: Checkpoint::open(dir).unwrap(),
        expected: serde_json::from_slice(&expected).unwrap(),
    }
}
