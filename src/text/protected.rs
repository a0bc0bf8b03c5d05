//! What has to come out of a translation as it went in, or as a glossary says.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::Glossary;

/// A stretch of a text that is not the model's to translate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected {
    /// Its bytes.
    pub at: Range<usize>,
    /// What stands there in the translation.
    pub becomes: String,
    /// What it is.
    pub kind: Kind,
}

/// Kinds of [`Protected`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Digits, with what stands between them.
    Number,
    /// An address, a file's name, a placeholder of a program, code.
    Placeholder,
    /// A term of the glossary.
    Term,
}

/// Where alternatives begin at the same place, the first that matches counts.
static VERBATIM: LazyLock<Regex> = LazyLock::new(|| {
    let kinds = [
        // Code.
        r"`+[^`\n]+`+",
        // Addresses.
        r#"(?i:https?|ftps?|file|ssh|git)://[^\s<>"'`]*[^\s<>"'`.,;:!?)\]}…”’»]"#,
        r#"(?i:mailto:|www\.)[^\s<>"'`]*[^\s<>"'`.,;:!?)\]}…”’»]"#,
        r"[\w.+-]*\w@\w[\w-]*(?:\.\w[\w-]*)+",
        // Placeholders: Python, C, Java, web frameworks.
        r"%\([^()\s]+\)[#0+-]*\d*(?:\.\d+)?[a-zA-Z]",
        r"%(?:\d+\$)?[#0+-]*(?:\d+|\*)?(?:\.\d+)?(?:hh|h|ll|l|L|z|j|t)?[diouxXeEfFgGaAcspn@]",
        r"\{\{[^{}\n]*\}\}",
        r"[$#]\{[^{}\n]*\}",
        r"\{[^{}\s]*\}",
        r"</?\d+/?>",
        r":[a-z_][\w]+:?",
        // Names of files, and paths.
        r"[A-Za-z]:\\[\w\\.~-]*[\w\\~-]",
        r"(?:~|\.{1,2})?(?:/[\w.@~-]*[\w@~-])+/?",
        concat!(
            r"\w[\w-]*(?:\.[\w-]+)*\.(?i:txt|pdf|docx?|xlsx?|pptx?|odt|ods|odp|csv|tsv|jsonl?|ya?ml|toml|xml|html?|css|js|ts|",
            r"py|rs|go|c|h|cpp|java|rb|php|sh|bat|exe|dll|so|zip|tar|gz|xz|7z|rar|png|jpe?g|gif|svg|webp|bmp|tiff?|mp[34]|",
            r"wav|ogg|avi|mkv|mov|md|log|ini|cfg|conf|iso|img|deb|rpm|apk|sql|db|po|pot|srt|vtt|epub|bak|tmp)\b"
        ),
        r"--[a-z][\w-]*\w",
        // Numbers.
        r"(?P<number>\d+(?:[.,:/]\d+)*)",
    ];
    Regex::new(&kinds.join("|")).expect("a valid expression")
});

/// Finds what is protected in a text, in order, nothing in two of them. Terms of the glossary come first.
pub fn protected(text: &str, glossary: Option<&Glossary>) -> Vec<Protected> {
    let mut all: Vec<Protected> = glossary
        .map(|glossary| glossary.terms(text))
        .unwrap_or_default();
    let mut rest = 0..text.len();
    let mut gaps = Vec::new();
    for term in &all {
        gaps.push(rest.start..term.at.start);
        rest.start = term.at.end;
    }
    gaps.push(rest);
    for gap in gaps {
        let found = VERBATIM
            .captures_iter(&text[gap.clone()])
            .filter_map(|captures| {
                let whole = captures.get(0)?;
                let at = gap.start + whole.start()..gap.start + whole.end();
                let is_number = captures.name("number").is_some();
                (is_number || stands_alone(text, &at)).then(|| Protected {
                    becomes: text[at.clone()].to_owned(),
                    at,
                    kind: if is_number {
                        Kind::Number
                    } else {
                        Kind::Placeholder
                    },
                })
            });
        all.extend(found);
    }
    all.sort_by_key(|one| one.at.start);
    all
}

/// Whether what begins like a placeholder is one by what stands before it: "100%of" and "and/or" have none, nor does "7:am".
fn stands_alone(text: &str, at: &Range<usize>) -> bool {
    let before = text[..at.start].chars().next_back();
    match text[at.start..].chars().next() {
        Some('%') => !before.is_some_and(|c| c.is_ascii_digit()),
        Some(':' | '/' | '.' | '~' | '-') => {
            !before.is_some_and(|c| c.is_alphanumeric() || c == ':' || c == '/')
        }
        _ => true,
    }
}

/// Whether a translation has all that is protected: each placeholder and number as often as the source, each term at least so
/// often.
pub fn are_kept(protected: &[Protected], translation: &str) -> bool {
    if protected.is_empty() {
        return true;
    }
    let mut wanted: BTreeMap<(Kind, &str), usize> = BTreeMap::new();
    for one in protected {
        *wanted.entry((one.kind, &one.becomes)).or_default() += 1;
    }
    let found = self::protected(translation, None);
    wanted.into_iter().all(|((kind, text), count)| match kind {
        Kind::Term => translation.matches(text).count() >= count,
        Kind::Placeholder => translation.matches(text).count() == count,
        Kind::Number => {
            let is_it = |one: &&Protected| one.kind == Kind::Number && one.becomes == text;
            found.iter().filter(is_it).count() == count
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        protected(text, None)
            .into_iter()
            .map(|one| one.becomes)
            .collect()
    }

    #[test]
    fn placeholders_addresses_files_and_numbers_are_found() {
        for (text, expected) in [
            ("Deleted %s of %d files.", &["%s", "%d"][..]),
            (
                "%(count)d files in %(folder)s, %1$s and %2$-5.3f",
                &["%(count)d", "%(folder)s", "%1$s", "%2$-5.3f"],
            ),
            (
                "Hello {0}, {name}, {{user.name}}, ${amount} and #{x}!",
                &["{0}", "{name}", "{{user.name}}", "${amount}", "#{x}"],
            ),
            (
                "The :attribute must be <0>short</0>.",
                &[":attribute", "<0>", "</0>"],
            ),
            (
                "Write to jane.doe+x@mail.example.org.",
                &["jane.doe+x@mail.example.org"],
            ),
            (
                "See https://example.org/a?b=c#d, or (www.example.org).",
                &["https://example.org/a?b=c#d", "www.example.org"],
            ),
            (
                "Open Bericht-2.final.pdf in ~/Documents/new.",
                &["Bericht-2.final.pdf", "~/Documents/new"],
            ),
            (
                r"C:\Windows\notepad.exe starts `rm -rf` with --no-preserve-root.",
                &[r"C:\Windows\notepad.exe", "`rm -rf`", "--no-preserve-root"],
            ),
            (
                "It costs 1,250.50 at 14:30 on 1/2/2026, 3 for 2.",
                &["1,250.50", "14:30", "1/2/2026", "3", "2"],
            ),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn plain_text_has_none() {
        for text in [
            "She and/or he came: one by one.",
            "All of it, i.e. everything... or not?",
            "He said: \"Come!\" - and went (home).",
            "Well-known e.g. as U.S. law",
            "all%of it? No: 'tis not :D",
        ] {
            let found = found(text);
            assert!(found.iter().all(|one| one == "%o"), "{text}: {found:?}");
        }
        assert_eq!(found("100%of it"), ["100"]);
    }

    #[test]
    fn kept_is_as_often_as_it_was() {
        let source = protected("Move 1 file to {0} and {0}, not 10.", None);
        assert!(are_kept(&source, "Nach {0} und {0} 1 Datei, nicht 10."));
        for lost in [
            "Nach {0} 1 Datei, nicht 10.",
            "Nach {0}, {0}, {0} 1 Datei, nicht 10.",
            "Nach {0} und {0} eine Datei, nicht 10.",
            "Nach {0} und {0} 1 Datei, nicht 1.",
        ] {
            assert!(!are_kept(&source, lost), "{lost}");
        }
        assert!(are_kept(&[], "anything"));
    }

    #[test]
    fn hostile_text_takes_linear_time() {
        for word in [
            "{", "%(", "`", "a.", "/", "https://", "1.", "a@", ":a", "--", "{{", "<1",
        ] {
            let text = word.repeat((1 << 20) / word.len());
            let begin = std::time::Instant::now();
            protected(&text, None);
            assert!(begin.elapsed().as_secs() < 20, "{word:?}");
        }
    }
}
