//! Texts into sentences, and sentences into parts.

#![no_main]

use libfuzzer_sys::fuzz_target;
use t5_gpu::text::{Newlines, parts, pieces};

// The first byte says the language, the second how long a sentence may be. Nothing is lost, and what is to be translated
// begins and ends with something to see.
fuzz_target!(|data: &[u8]| {
    let [language, most, text @ ..] = data else {
        return;
    };
    let text = String::from_utf8_lossy(text);
    let languages = ["en", "de", "zh", "ja", "th", "am", "hy", "xx", ""];
    let language = languages[usize::from(*language) % languages.len()];
    for newlines in [Newlines::End, Newlines::Wrap] {
        let cut = pieces(&text, language, newlines);
        let whole: String = cut.iter().map(|piece| piece.text()).collect();
        assert_eq!(whole, text);
    }
    let most = usize::from(*most).max(4);
    let mut fits = |part: &str| part.len() <= most;
    let cut = parts(&text, most, &mut fits);
    assert_eq!(cut.concat(), text);
});
