//! What has to come out of a translation as it went in.

#![no_main]

use libfuzzer_sys::fuzz_target;
use t5_gpu::text::{Glossary, Names, are_kept, around, protected, put_back, with_stand_ins};

// Up to a line break a glossary's term and its translation, then text. A text keeps what it has itself; names that stand for
// it can be put back.
fuzz_target!(|data: &[u8]| {
    let data = String::from_utf8_lossy(data);
    let (glossary, text) = data.split_once('\n').unwrap_or(("", &data));
    let glossary = Glossary::parse(glossary).ok();
    let plain = protected(text, None);
    assert!(are_kept(&plain, text));
    let all = protected(text, glossary.as_ref());
    for pair in all.windows(2) {
        assert!(pair[0].at.end <= pair[1].at.start);
    }
    let (parts, between) = around(text, &plain);
    assert_eq!(parts.len(), between.len() + 1);
    for names in [Names::Numbers, Names::Letters] {
        let masked = with_stand_ins(text, &all, names);
        assert!(put_back(&masked.text, &masked.names).is_some());
    }
    for names in [Names::Numbers, Names::Letters] {
        let masked = with_stand_ins(text, &plain, names);
        let (back, moved) = put_back(&masked.text, &masked.names).unwrap();
        assert_eq!(back.replace(' ', ""), text.replace(' ', ""));
        assert_eq!(moved.range(0..masked.text.len()), 0..back.len());
    }
});
