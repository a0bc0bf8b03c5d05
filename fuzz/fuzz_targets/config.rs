//! config.json.

#![no_main]

use libfuzzer_sys::fuzz_target;
use t5_gpu::T5Config;
use t5_gpu::task::{Targets, Task};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(config) = T5Config::from_json(text) {
        let _ = Task::translation(&config, || Ok(Targets::default()), "en", "de");
        Task::translations(&config);
        let again = serde_json::Value::Object(config.to_json()).to_string();
        assert!(T5Config::from_json(&again).is_ok(), "{again}");
    }
});
