//! Headers of safetensors.

#![no_main]

use libfuzzer_sys::fuzz_target;
use t5_gpu::checkpoint::Checkpoint;
use t5_gpu_fuzz::read;

fuzz_target!(|data: &[u8]| {
    if let Ok(checkpoint) = Checkpoint::from_bytes(data.to_vec()) {
        read(&checkpoint);
    }
});
