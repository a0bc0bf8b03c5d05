//! generation_config.json, beside a config.json.

#![no_main]

use libfuzzer_sys::fuzz_target;
use t5_gpu::config::GenerationDefaults;
use t5_gpu_fuzz::Folder;

fuzz_target!(|data: &[u8]| {
    let folder = Folder::with(&[
        ("config.json", br#"{"model_type": "t5"}"#),
        ("generation_config.json", data),
    ]);
    if let Ok(defaults) = GenerationDefaults::from_model_dir(folder.path()) {
        if defaults.options.validate().is_ok() {
            let prompt = defaults.options.decoder_prompt();
            let _ = prompt.and_then(|prompt| defaults.options.length_limits(prompt.len()));
        }
    }
});
