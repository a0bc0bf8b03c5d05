//! A glossary: terms and what stands for them in a translation.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::{Kind, Protected};
use crate::{Error, Result};

/// Terms of one language with those of another. A term is found as a word, or words, of its own, as it is written or with its
/// first letter in upper case.
#[derive(Clone, Debug)]
pub struct Glossary {
    terms: Vec<(String, String)>,
    finder: AhoCorasick,
    /// The term of each pattern of the finder.
    of_pattern: Vec<usize>,
}

/// Bytes that a term may have, as with DeepL.
const LONGEST: usize = 1024;

impl Glossary {
    /// A glossary of such terms with their translations.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a term that is empty, doubled or longer than 1,024 bytes.
    pub fn new(terms: impl IntoIterator<Item = (String, String)>) -> Result<Glossary> {
        let terms: Vec<(String, String)> = terms.into_iter().collect();
        let mut seen = std::collections::HashMap::new();
        for (index, (term, translation)) in terms.iter().enumerate() {
            let wrong = |what: &str| Err(Error::Invalid(format!("entry {}: {what}", index + 1)));
            if term.trim().is_empty() {
                return wrong("a term is empty");
            }
            if term.len() > LONGEST {
                return wrong(&format!(
                    "a term has {} bytes, of which it may have {LONGEST}",
                    term.len()
                ));
            }
            if translation.trim().is_empty() {
                return wrong(&format!("\"{term}\" has an empty translation"));
            }
            if let Some(before) = seen.insert(term.as_str(), index) {
                return wrong(&format!(
                    "\"{term}\" is there twice, entry {} has it too",
                    before + 1
                ));
            }
        }
        let mut patterns = Vec::new();
        let mut of_pattern = Vec::new();
        for (index, (term, _)) in terms.iter().enumerate() {
            let upper = capitalized(term);
            if upper != *term && !seen.contains_key(upper.as_str()) {
                patterns.push(upper);
                of_pattern.push(index);
            }
            patterns.push(term.clone());
            of_pattern.push(index);
        }
        let finder = AhoCorasick::builder()
            // What is chosen for few terms otherwise takes a kilobyte for each of their bytes.
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .match_kind(MatchKind::LeftmostLongest)
            .build(&patterns)
            .map_err(|error| Error::Invalid(format!("the glossary is too large: {error}")))?;
        Ok(Glossary {
            terms,
            finder,
            of_pattern,
        })
    }

    /// Reads lines of TERM<tab>TRANSLATION, or TERM,TRANSLATION quoted as in CSV, or a TERM alone, which stays as it is. Tabs
    /// or commas: what the first line has that has one of them. Blank lines, and those that begin with #, say nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the line's number: more than two columns, an empty term, one that is there twice, quotes without
    /// end.
    pub fn parse(text: &str) -> Result<Glossary> {
        let text = text.trim_start_matches('\u{feff}');
        let tabs = text
            .lines()
            .find(|line| !line.starts_with('#') && line.contains(['\t', ',']))
            .is_some_and(|line| line.contains('\t'));
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .comment(Some(b'#'))
            .delimiter(if tabs { b'\t' } else { b',' })
            .quoting(!tabs)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let mut terms = Vec::new();
        let mut lines = std::collections::HashMap::new();
        for record in reader.records() {
            let record = record.map_err(|error| Error::Invalid(error.to_string()))?;
            let line = record.position().map_or(0, csv::Position::line);
            let wrong = |what: String| Error::Invalid(format!("line {line}: {what}"));
            let columns: Vec<&str> = record.iter().collect();
            let (term, translation) = match columns[..] {
                [term] => (term, term),
                [term, ""] => (term, term),
                [term, translation] => (term, translation),
                _ => {
                    return Err(wrong(format!(
                        "{} columns, where a term and its translation are two{}",
                        columns.len(),
                        if tabs {
                            ""
                        } else {
                            ": put quotes around what has a comma"
                        }
                    )));
                }
            };
            if term.is_empty() && translation.is_empty() {
                continue;
            }
            if term.is_empty() {
                return Err(wrong("the term is empty".into()));
            }
            if let Some(before) = lines.insert(term.to_owned(), line) {
                return Err(wrong(format!(
                    "\"{term}\" is there twice, line {before} has it too"
                )));
            }
            terms.push((term.to_owned(), translation.to_owned()));
        }
        Glossary::new(terms)
    }

    /// How many terms it has.
    pub fn len(&self) -> usize {
        self.terms.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Its terms in a text, in order, the longest where several begin at one place.
    pub fn terms(&self, text: &str) -> Vec<Protected> {
        let is_word = |c: char| c.is_alphanumeric();
        let mut found = Vec::new();
        let mut from = 0;
        // Where a match is part of a word, the next one may begin inside it, but in no word.
        while let Some(one) = self
            .finder
            .find(aho_corasick::Input::new(text).range(from..))
        {
            let at = one.range();
            let matched = &text[at.clone()];
            let joins = |inner: Option<char>, outer: Option<char>| {
                inner.is_some_and(is_word) && outer.is_some_and(is_word)
            };
            let in_word = joins(matched.chars().next(), text[..at.start].chars().next_back())
                || joins(matched.chars().next_back(), text[at.end..].chars().next());
            if in_word {
                let mut rest = text[at.start..].chars();
                let mut before = rest.next();
                while joins(before, rest.clone().next()) {
                    before = rest.next();
                }
                from = text.len() - rest.as_str().len();
                continue;
            }
            from = at.end;
            let (_, translation) = &self.terms[self.of_pattern[one.pattern().as_usize()]];
            found.push(Protected {
                at,
                becomes: translation.clone(),
                kind: Kind::Term,
            });
        }
        found
    }
}

fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(glossary: &Glossary, text: &str) -> Vec<(String, String)> {
        let terms = glossary.terms(text).into_iter();
        terms
            .map(|one| (text[one.at].to_owned(), one.becomes))
            .collect()
    }

    fn pair(term: &str, translation: &str) -> (String, String) {
        (term.to_owned(), translation.to_owned())
    }

    #[test]
    fn terms_are_words_of_their_own_the_longest_first() {
        let glossary =
            Glossary::parse("# ours\nhouse\tHeim\nhouse boat\tWohnschiff\n\nT5\n").unwrap();
        assert_eq!(glossary.len(), 3);
        assert_eq!(
            found(&glossary, "House, house boat and houses: T5, T50, house."),
            [
                pair("House", "Heim"),
                pair("house boat", "Wohnschiff"),
                pair("T5", "T5"),
                pair("house", "Heim")
            ]
        );
        assert_eq!(found(&glossary, "xhouse house"), [pair("house", "Heim")]);
    }

    #[test]
    fn a_term_alone_says_nothing_of_tabs_or_commas() {
        for text in ["T5\nhouse\tHeim\n", "T5\nhouse,Heim\n"] {
            let glossary = Glossary::parse(text).unwrap();
            assert_eq!(found(&glossary, "house"), [pair("house", "Heim")]);
        }
    }

    #[test]
    fn commas_and_quotes_are_those_of_csv() {
        let glossary = Glossary::parse("\u{feff}\"a, b\",\"x \"\"y\"\"\"\nß,ss\n").unwrap();
        assert_eq!(
            found(&glossary, "a, b ß"),
            [pair("a, b", "x \"y\""), pair("ß", "ss")]
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, told) in [
            ("a\tb\n\tc\n", "line 2: the term is empty"),
            (
                "a\tb\nc\td\na\te\n",
                "line 3: \"a\" is there twice, line 1 has it too",
            ),
            ("a,b,c\n", "line 1: 3 columns"),
        ] {
            let error = Glossary::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(told), "{error}");
        }
        let error = Glossary::new([pair("a", " ")]).unwrap_err().to_string();
        assert_eq!(error, "entry 1: \"a\" has an empty translation");
        assert!(Glossary::parse("").unwrap().is_empty());
    }

    #[test]
    fn terms_take_no_more_memory_than_they_are_worth() {
        let term = |n: u32| -> String {
            (0..340)
                .filter_map(|c| char::from_u32(0x4e00 + n + 7 * c))
                .collect()
        };
        let glossary = Glossary::new((0..50).map(|n| pair(&term(n), "x"))).unwrap();
        let bytes = 50 * term(0).len();
        assert!(glossary.finder.memory_usage() < 64 * bytes);
        let error = Glossary::new([pair(&"a".repeat(1025), "x")])
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "entry 1: a term has 1025 bytes, of which it may have 1024"
        );
    }

    #[test]
    fn a_megabyte_takes_linear_time() {
        let long = "a".repeat(LONGEST);
        let glossary = Glossary::parse(&format!("{long}\tb\na\tc\n")).unwrap();
        let begin = std::time::Instant::now();
        assert!(glossary.terms(&"a".repeat(1 << 20)).is_empty());
        assert!(begin.elapsed().as_secs() < 20);
    }
}
