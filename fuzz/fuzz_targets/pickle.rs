//! PyTorch's files: whole ones, and archives around any pickle.

#![no_main]

use libfuzzer_sys::fuzz_target;
use t5_gpu::checkpoint::Checkpoint;
use t5_gpu_fuzz::{Folder, archive, read};

// What begins as a file does is one. All else is the pickle of an archive that has two storages.
fuzz_target!(|data: &[u8]| {
    let is_whole = data.starts_with(b"PK") || data.starts_with(b"\x80\x02\x8a\x0a");
    let archive = (!is_whole).then(|| {
        let parts = [("a/data.pkl", data), ("a/data/0", &[7; 96]), ("a/data/1", &[7; 24])];
        archive(&parts)
    });
    let file = archive.as_deref().unwrap_or(data);
    let folder = Folder::with(&[("pytorch_model.bin", file)]);
    if let Ok(checkpoint) = Checkpoint::open(folder.path()) {
        read(&checkpoint);
    }
});
