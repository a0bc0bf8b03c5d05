//! tokenizer.json and tokenizer_config.json.

#![no_main]

use libfuzzer_sys::fuzz_target;
use t5_gpu::tokenizer::Tokenizer;

// The file, and after a zero byte its settings.
fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let json = parts.next().unwrap_or_default();
    if let Ok(tokenizer) = Tokenizer::from_bytes(json, parts.next()) {
        if let Ok(ids) = tokenizer.encode("The house is wonderful. 🏠") {
            let _ = tokenizer.decode(&ids, true);
            let _ = tokenizer.offsets("The house is wonderful. 🏠");
            tokenizer.tokens(&ids);
        }
    }
});
