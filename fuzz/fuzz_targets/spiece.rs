//! spiece.model.

#![no_main]

use libfuzzer_sys::fuzz_target;
use t5_gpu::tokenizer::Tokenizer;
use t5_gpu_fuzz::Folder;

fuzz_target!(|data: &[u8]| {
    let folder = Folder::with(&[("spiece.model", data)]);
    if let Ok(Some(tokenizer)) = Tokenizer::from_dir(folder.path()) {
        if let Ok(ids) = tokenizer.encode("The house is wonderful. 🏠") {
            let _ = tokenizer.decode(&ids, true);
            let _ = tokenizer.offsets("The house is wonderful. 🏠");
        }
    }
});
