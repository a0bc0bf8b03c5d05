//! Glossaries.

#![no_main]

use libfuzzer_sys::fuzz_target;
use t5_gpu::text::Glossary;

fuzz_target!(|data: &[u8]| {
    let data = String::from_utf8_lossy(data);
    if let Ok(glossary) = Glossary::parse(&data) {
        for term in glossary.terms(&data) {
            assert!(data.get(term.at).is_some());
        }
    }
});
