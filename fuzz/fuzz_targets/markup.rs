//! Markup of any kind around any translation with any alignment.

#![no_main]

use libfuzzer_sys::fuzz_target;
use t5_gpu::fuzzing::tags;
use t5_gpu::markup::{Aligned, Document, Link, Options, Syntax};

// The first byte says which syntax, whether attributes are read and how texts are translated, the next three where links go; the
// others are markup. Every tag comes back once, and the text is the translation.
fuzz_target!(|data: &[u8]| {
    let [how, a, b, c, markup @ ..] = data else {
        return;
    };
    let seed = &[*a, *b, *c];
    let markup = String::from_utf8_lossy(markup);
    let syntax = if how & 1 == 0 { Syntax::Html } else { Syntax::Xml };
    let options = Options {
        syntax,
        ignored_tags: vec!["keep".into()],
        attributes: how & 2 != 0,
    };
    let document = Document::parse(&markup, &options);
    let translations: Vec<Aligned> = document
        .texts()
        .iter()
        .map(|source| match how >> 2 & 3 {
            0 => itself(&source.text),
            1 => turned(&source.text),
            _ => astray(&source.text, seed),
        })
        .collect();
    let plain: String = translations.iter().map(|one| one.text.as_str()).collect();
    let out = document.fill(translations);
    if options.attributes {
        return;
    }
    let sorted = |markup| {
        let mut tags = tags(markup, syntax);
        tags.sort_unstable();
        tags
    };
    assert_eq!(sorted(&out), sorted(&markup), "{out:?}");
    let again = Document::parse(&out, &options);
    let texts: String = again.texts().iter().map(|one| one.text.as_str()).collect();
    let mut letters = [texts, plain].map(|text| {
        let mut all: Vec<char> = text.chars().filter(|c| c.is_alphabetic()).collect();
        all.sort_unstable();
        all
    });
    let [found, expected] = &mut letters;
    assert_eq!(found, expected, "{out:?}");
});

/// Character by character.
fn itself(text: &str) -> Aligned {
    let link = |(at, c): (usize, char)| Link {
        target: at..at + c.len_utf8(),
        source: at..at + c.len_utf8(),
    };
    Aligned {
        links: text.char_indices().map(link).collect(),
        text: text.to_owned(),
    }
}

/// Words in the opposite order.
fn turned(text: &str) -> Aligned {
    let mut aligned = Aligned::default();
    for word in text.split_whitespace().rev() {
        if !aligned.text.is_empty() {
            aligned.text.push(' ');
        }
        let source = word.as_ptr() as usize - text.as_ptr() as usize;
        let target = aligned.text.len();
        aligned.text.push_str(word);
        aligned.links.push(Link {
            target: target..aligned.text.len(),
            source: source..source + word.len(),
        });
    }
    aligned
}

/// Each character from somewhere.
fn astray(text: &str, seed: &[u8]) -> Aligned {
    let mut aligned = itself(text);
    for (link, step) in aligned.links.iter_mut().zip(seed.iter().cycle()) {
        let at = link.source.start * usize::from(*step) % (text.len() + 1);
        let start = text.floor_char_boundary(at);
        link.source = start..text.floor_char_boundary(start + usize::from(step % 8));
    }
    aligned
}
