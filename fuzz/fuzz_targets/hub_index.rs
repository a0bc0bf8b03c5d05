//! What the hub lists of a model, and an index of shards.

#![no_main]

use libfuzzer_sys::fuzz_target;
use t5_gpu::checkpoint::Checkpoint;
use t5_gpu_fuzz::Folder;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        for file in t5_gpu::fuzzing::listed(text).unwrap_or_default() {
            assert!(!file.starts_with('/') && !file.split('/').any(|step| step == ".."));
        }
    }
    for name in ["model.safetensors.index.json", "pytorch_model.bin.index.json"] {
        let folder = Folder::with(&[(name, data)]);
        let _ = Checkpoint::open(folder.path());
    }
});
