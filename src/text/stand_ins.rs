//! Stand-ins for what a model does not write: words that it does, each for one protected stretch.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::Protected;

/// What stand-ins look like. Of fifteen sentences with one or two of them the embedded model hands the numbers through in
/// fourteen, the letters in twelve, names of people in eleven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// 4817, 5926, ...
    Numbers,
    /// X, Y, Z, XQ, ...
    Letters,
}

impl Names {
    /// So many names, none of which is a word of these texts.
    fn of<'t>(self, texts: impl Iterator<Item = &'t str>, count: usize) -> Vec<String> {
        let all: Box<dyn Iterator<Item = String>> = match self {
            // Steps that leave no two alike in more than two digits, from above the years on.
            Names::Numbers => Box::new(
                (0_u32..).map(|n| (4817 + n * 1109 % 5183 + n / 5183 * 10_000).to_string()),
            ),
            Names::Letters => {
                let letters = ["X", "Y", "Z", "Q"];
                let one = letters.map(str::to_owned).into_iter();
                let more = (0..).flat_map(move |n: usize| {
                    let tail = if n == 0 { String::new() } else { n.to_string() };
                    letters.into_iter().flat_map(move |a| {
                        let tail = tail.clone();
                        letters.map(move |b| format!("{a}{b}{tail}"))
                    })
                });
                Box::new(one.chain(more))
            }
        };
        let taken: HashSet<&str> = texts.flat_map(words).map(|(_, word)| word).collect();
        all.filter(|name| !taken.contains(name.as_str()))
            .take(count)
            .collect()
    }
}

/// A text with a name in place of each protected stretch.
pub struct Masked {
    /// What the model reads.
    pub text: String,
    /// Each name with what it stands for in the translation.
    pub names: Vec<(String, String)>,
    /// From this text to the one without names.
    pub moved: Moved,
}

/// Stretches of a text and where they are in another, which is the same but for them; in order.
#[derive(Default)]
pub struct Moved(Vec<(Range<usize>, Range<usize>)>);

impl Moved {
    /// Where a part of the one text is in the other. What cuts a stretch has all of it.
    pub fn range(&self, part: Range<usize>) -> Range<usize> {
        let before = self.0.partition_point(|(from, _)| from.start <= part.start);
        let start = match self.0[..before].last() {
            Some((from, to)) if part.start < from.end => to.start,
            Some((from, to)) => part.start - from.end + to.end,
            None => part.start,
        };
        let before = self.0.partition_point(|(from, _)| from.start < part.end);
        let end = match self.0[..before].last() {
            Some((from, to)) if part.end <= from.end => to.end,
            Some((from, to)) => part.end - from.end + to.end,
            None => part.end,
        };
        start..end.max(start)
    }
}

/// The text with a name in place of each protected stretch. Those that touch share a name: nothing can come between them.
pub fn with_stand_ins(text: &str, protected: &[Protected], names: Names) -> Masked {
    let groups = groups(protected);
    // What is protected may stand in a word, whose parts are words then.
    let (parts, _) = around(text, protected);
    let names = names.of(parts.into_iter().chain([text]), groups.len());
    let mut masked = Masked {
        text: String::with_capacity(text.len()),
        names: Vec::new(),
        moved: Moved::default(),
    };
    let mut end = 0;
    for (group, name) in groups.iter().zip(names) {
        let at = group[0].at.start..group[group.len() - 1].at.end;
        masked.text.push_str(&text[end..at.start]);
        let start = masked.text.len();
        // A name is a word of its own: "{0}s" would be none.
        if masked.text.ends_with(char::is_alphanumeric) {
            masked.text.push(' ');
        }
        masked.text.push_str(&name);
        end = at.end;
        if text[end..].starts_with(char::is_alphanumeric) {
            masked.text.push(' ');
        }
        masked.moved.0.push((start..masked.text.len(), at));
        let becomes = group.iter().map(|one| one.becomes.as_str()).collect();
        masked.names.push((name, becomes));
    }
    masked.text.push_str(&text[end..]);
    masked
}

fn groups(protected: &[Protected]) -> Vec<&[Protected]> {
    protected
        .chunk_by(|one, next| one.at.end == next.at.start)
        .collect()
}

/// A translation with the names given back for what they stand for, and the way from the one text to the other. `None` where
/// one is not there exactly once, as a word.
pub fn put_back(translation: &str, names: &[(String, String)]) -> Option<(String, Moved)> {
    let mut unused: HashMap<&str, Option<&String>> = names
        .iter()
        .map(|(name, becomes)| (name.as_str(), Some(becomes)))
        .collect();
    let mut places = Vec::new();
    for (at, word) in words(translation) {
        if let Some(becomes) = unused.get_mut(word) {
            places.push((at..at + word.len(), becomes.take()?));
        }
    }
    if places.len() < names.len() {
        return None;
    }
    let mut text = String::with_capacity(translation.len());
    let mut moved = Moved::default();
    let mut end = 0;
    for (at, becomes) in places {
        text.push_str(&translation[end..at.start]);
        let start = text.len();
        text.push_str(becomes);
        end = at.end;
        moved.0.push((at, start..text.len()));
    }
    text.push_str(&translation[end..]);
    Some((text, moved))
}

/// Letters and digits between others, with their places.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut end = 0;
    text.split_inclusive(|c: char| !c.is_alphanumeric())
        .map(move |word| {
            let at = end;
            end += word.len();
            (at, word.trim_end_matches(|c: char| !c.is_alphanumeric()))
        })
}

/// The text around the protected stretches, in parts, and what stands between them: what cannot be handed through is gone
/// round: its bytes in the text and what they become. There is one part more than stretches; a part may be empty.
pub fn around<'t>(text: &'t str, protected: &[Protected]) -> (Vec<&'t str>, Vec<(usize, String)>) {
    let mut parts = Vec::new();
    let mut between = Vec::new();
    let mut end = 0;
    for group in groups(protected) {
        parts.push(&text[end..group[0].at.start]);
        end = group[group.len() - 1].at.end;
        let becomes = group.iter().map(|one| one.becomes.as_str()).collect();
        between.push((end - group[0].at.start, becomes));
    }
    parts.push(&text[end..]);
    (parts, between)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{are_kept, protected};
    use super::*;

    #[test]
    fn names_stand_for_stretches_and_are_put_back() {
        let text = "Copy {0}{1} to %s, X and 4817 times.";
        let protected = protected(text, None);
        let Masked {
            text: masked,
            names,
            moved,
        } = with_stand_ins(text, &protected, Names::Letters);
        assert_eq!(masked, "Copy Y to Z, X and Q times.");
        let (back, moved_back) = put_back("X und Q mal nach Z Y kopieren.", &names).unwrap();
        assert_eq!(back, "X und 4817 mal nach %s {0}{1} kopieren.");
        // "Y", and "to Z" around the start of a name; "Q mal" and "kopieren".
        assert_eq!(&text[moved.range(5..6)], "{0}{1}");
        assert_eq!(&text[moved.range(7..11)], "to %s");
        assert_eq!(&back[moved_back.range(6..11)], "4817 mal");
        assert_eq!(&back[moved_back.range(21..29)], "kopieren");
        for wrong in ["Q mal nach Z kopieren.", "Y nach Z, Y, Q", "Ys nach Z, Q"] {
            assert!(put_back(wrong, &names).is_none(), "{wrong}");
        }
        let masked = with_stand_ins(text, &protected, Names::Numbers).text;
        // Not 4817, which the text has.
        assert_eq!(masked, "Copy 5926 to 7035, X and 8144 times.");
    }

    #[test]
    fn a_name_is_a_word_of_its_own() {
        let text = "{count}s and pre{x}";
        let masked = with_stand_ins(text, &protected(text, None), Names::Letters).text;
        assert_eq!(masked, "X s and pre Y");
    }

    #[test]
    fn a_megabyte_takes_linear_time() {
        let text: String = (0..150_000).map(|n| format!("{n} {{{n}}}, ")).collect();
        let begin = std::time::Instant::now();
        let protected = protected(&text, None);
        for names in [Names::Numbers, Names::Letters] {
            let masked = with_stand_ins(&text, &protected, names);
            let (back, _) = put_back(&masked.text, &masked.names).expect("every name once");
            assert!(back == text && are_kept(&protected, &back));
        }
        assert!(begin.elapsed().as_secs() < 20);
    }

    proptest! {
        /// Whatever is protected: names are different words, put back they give the text, and so do the parts around.
        #[test]
        fn nothing_is_lost(text in r"(\{[0-9]\}|%s|%\(a\)d|[0-9]{1,5}|[XYZQ ]|[a-z]{1,4} |`x`|https://a\.b/c |\PC){0,40}") {
            let protected = protected(&text, None);
            let (parts, between) = around(&text, &protected);
            prop_assert_eq!(parts.len(), between.len() + 1);
            let mut whole = parts[0].to_owned();
            for ((_, between), part) in between.iter().zip(&parts[1..]) {
                whole.push_str(between);
                whole.push_str(part);
            }
            prop_assert_eq!(&whole, &text);
            for names in [Names::Numbers, Names::Letters] {
                let masked = with_stand_ins(&text, &protected, names);
                let (back, moved_back) =
                    put_back(&masked.text, &masked.names).expect("every name once");
                let squeezed = |text: &str| text.replace(' ', "");
                prop_assert_eq!(squeezed(&back), squeezed(&text));
                // What is between stretches is the same, wherever it went.
                for (text, moved) in [(&text, &masked.moved), (&back, &moved_back)] {
                    for (at, c) in masked.text.char_indices() {
                        let part = at..at + c.len_utf8();
                        let is_own = |from: &Range<usize>| part.start < from.end && from.start < part.end;
                        let to = moved.range(part.clone());
                        match moved.0.iter().find(|(from, _)| is_own(from)) {
                            Some((_, stretch)) => prop_assert_eq!(to, stretch.clone()),
                            None => prop_assert_eq!(&text[to], &masked.text[part]),
                        }
                    }
                    prop_assert_eq!(moved.range(0..masked.text.len()), 0..text.len());
                }
            }
        }
    }
}
