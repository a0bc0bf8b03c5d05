//! Lines of `--jsonl`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use std::sync::LazyLock;
use t5_gpu::GenerationConfig;
use t5_gpu::pipeline::json::read_request;
use t5_gpu::tokenizer::Tokenizer;

static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| {
    let json = include_bytes!("../../tests/fixtures/tokenizers/madlad/tokenizer.json");
    Tokenizer::from_bytes(json, None).unwrap()
});

// A request that is read is one that can be checked.
fuzz_target!(|data: &[u8]| {
    let Ok(fields) = serde_json::from_slice::<Map<String, Value>>(data) else {
        return;
    };
    let options = GenerationConfig::default();
    if let Ok(request) = read_request(fields, Some(&TOKENIZER), "2de ", options, false) {
        if request.options.validate().is_ok() {
            let prompt = request.options.decoder_prompt();
            let _ = prompt.and_then(|prompt| request.options.length_limits(prompt.len()));
        }
    }
});
