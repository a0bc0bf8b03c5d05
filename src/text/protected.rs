//! What has to come out of a translation as it went in, or as a glossary says.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Glossary, verbatim};

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

/// Finds what is protected in a text, in order, nothing in two of them: a term within an address is none, a number within a
/// term is none.
pub fn protected(text: &str, glossary: Option<&Glossary>) -> Vec<Protected> {
    let found = verbatim(text);
    let Some(glossary) = glossary else {
        return found;
    };
    let (mut all, numbers) = found
        .into_iter()
        .partition(|one| one.kind == Kind::Placeholder);
    add(&mut all, glossary.terms(text));
    add(&mut all, numbers);
    all
}

/// Puts in those of `more` that overlap with none that is there. Both are in order.
fn add(all: &mut Vec<Protected>, mut more: Vec<Protected>) {
    let mut there = all.iter().peekable();
    more.retain(|one| {
        while there
            .next_if(|other| other.at.end <= one.at.start)
            .is_some()
        {}
        there
            .peek()
            .is_none_or(|other| one.at.end <= other.at.start)
    });
    all.append(&mut more);
    all.sort_by_key(|one| one.at.start);
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
    // What terms are translated by has numbers too.
    let terms = wanted.iter().filter(|((kind, _), _)| *kind == Kind::Term);
    let of_terms: Vec<(Protected, usize)> = terms
        .flat_map(|((_, term), count)| verbatim(term).into_iter().map(move |one| (one, *count)))
        .collect();
    for (one, count) in &of_terms {
        if let Some(wanted) = wanted.get_mut(&(one.kind, one.becomes.as_str())) {
            *wanted += count;
        }
    }
    let all = verbatim(translation);
    let mut found: BTreeMap<(Kind, &str), usize> = BTreeMap::new();
    for one in &all {
        *found.entry((one.kind, &one.becomes)).or_default() += 1;
    }
    wanted.iter().all(|(wanted, &count)| match wanted {
        (Kind::Term, term) => translation.matches(term).count() >= count,
        _ => found.get(wanted) == Some(&count),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, glossary: &str) -> Vec<(String, Kind)> {
        let glossary = Glossary::parse(glossary).unwrap();
        protected(text, Some(&glossary))
            .into_iter()
            .map(|one| (one.becomes, one.kind))
            .collect()
    }

    #[test]
    fn terms_come_before_numbers_and_behind_all_else() {
        assert_eq!(
            found(
                "T5 in `T5` on https://house.example.org: 5 a house, T5 {house}",
                "T5\nhouse\tHeim\n"
            ),
            [
                ("T5", Kind::Term),
                ("`T5`", Kind::Placeholder),
                ("https://house.example.org", Kind::Placeholder),
                ("5", Kind::Number),
                ("Heim", Kind::Term),
                ("T5", Kind::Term),
                ("{house}", Kind::Placeholder),
            ]
            .map(|(text, kind)| (text.to_owned(), kind))
        );
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
        // One is in the other, but not the other.
        let source = protected("www.a.org, :b, https://www.a.org and :bc", None);
        assert!(are_kept(&source, ":bc :b https://www.a.org www.a.org"));
        assert!(!are_kept(&source, ":bc :bc https://www.a.org www.a.org"));
    }

    #[test]
    fn numbers_of_terms_are_not_those_of_the_text() {
        let glossary = Glossary::parse("T5\nhouse\tHeim 7\n").unwrap();
        let source = protected("T5 has 5 layers, a house 7.", Some(&glossary));
        assert!(are_kept(&source, "T5 hat 5 Schichten, ein Heim 7 die 7."));
        for lost in [
            "T5 hat Schichten, ein Heim 7 die 7.",
            "T5 hat 5 Schichten, ein Heim 7.",
            "T6 hat 5 Schichten, ein Heim 7 die 7.",
        ] {
            assert!(!are_kept(&source, lost), "{lost}");
        }
    }
}
