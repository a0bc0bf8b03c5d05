//! Stand-ins for what a model does not write: words that it does, each for one protected stretch.

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
    /// So many names that the text has not.
    fn of(self, text: &str, count: usize) -> Vec<String> {
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
        all.filter(|name| !text.contains(name.as_str()))
            .take(count)
            .collect()
    }
}

/// The text with a name in place of each protected stretch, and the names. Those that touch share a name: nothing can come
/// between them.
pub fn with_stand_ins(
    text: &str,
    protected: &[Protected],
    names: Names,
) -> (String, Vec<(String, String)>) {
    let groups = groups(protected);
    let names = names.of(text, groups.len());
    let mut masked = String::with_capacity(text.len());
    let mut pairs = Vec::new();
    let mut end = 0;
    for (group, name) in groups.iter().zip(names) {
        masked.push_str(&text[end..group[0].at.start]);
        // A name is a word of its own: "{0}s" would be none.
        if masked.ends_with(char::is_alphanumeric) {
            masked.push(' ');
        }
        masked.push_str(&name);
        end = group[group.len() - 1].at.end;
        if text[end..].starts_with(char::is_alphanumeric) {
            masked.push(' ');
        }
        pairs.push((name, group.iter().map(|one| one.becomes.as_str()).collect()));
    }
    masked.push_str(&text[end..]);
    (masked, pairs)
}

fn groups(protected: &[Protected]) -> Vec<&[Protected]> {
    protected
        .chunk_by(|one, next| one.at.end == next.at.start)
        .collect()
}

/// A translation with the names given back for what they stand for. `None` where one is not there exactly once, as a word.
pub fn put_back(translation: &str, names: &[(String, String)]) -> Option<String> {
    let mut places = Vec::new();
    for (name, becomes) in names {
        let mut found = translation.match_indices(name.as_str()).filter(|(at, _)| {
            let (before, after) = (&translation[..*at], &translation[at + name.len()..]);
            !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric)
        });
        let (at, _) = found.next()?;
        if found.next().is_some() {
            return None;
        }
        places.push((at..at + name.len(), becomes));
    }
    places.sort_by_key(|(at, _)| at.start);
    let mut text = String::with_capacity(translation.len());
    let mut end = 0;
    for (at, becomes) in places {
        text.push_str(&translation[end..at.start]);
        text.push_str(becomes);
        end = at.end;
    }
    text.push_str(&translation[end..]);
    Some(text)
}

/// The text around the protected stretches, in parts, and what stands between them: what cannot be handed through is gone
/// round. There is one part more than stretches; a part may be empty.
pub fn around<'t>(text: &'t str, protected: &[Protected]) -> (Vec<&'t str>, Vec<String>) {
    let mut parts = Vec::new();
    let mut between = Vec::new();
    let mut end = 0;
    for group in groups(protected) {
        parts.push(&text[end..group[0].at.start]);
        end = group[group.len() - 1].at.end;
        between.push(group.iter().map(|one| one.becomes.as_str()).collect());
    }
    parts.push(&text[end..]);
    (parts, between)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::protected;
    use super::*;

    #[test]
    fn names_stand_for_stretches_and_are_put_back() {
        let text = "Copy {0}{1} to %s, X and 4817 times.";
        let protected = protected(text, None);
        let (masked, names) = with_stand_ins(text, &protected, Names::Letters);
        assert_eq!(masked, "Copy Y to Z, X and Q times.");
        assert_eq!(
            put_back("X und Q mal nach Z Y kopieren.", &names).unwrap(),
            "X und 4817 mal nach %s {0}{1} kopieren."
        );
        for wrong in ["Q mal nach Z kopieren.", "Y nach Z, Y, Q", "Ys nach Z, Q"] {
            assert!(put_back(wrong, &names).is_none(), "{wrong}");
        }
        let (masked, _) = with_stand_ins(text, &protected, Names::Numbers);
        // Not 4817, which the text has.
        assert_eq!(masked, "Copy 5926 to 7035, X and 8144 times.");
    }

    #[test]
    fn a_name_is_a_word_of_its_own() {
        let text = "{count}s and pre{x}";
        let (masked, _) = with_stand_ins(text, &protected(text, None), Names::Letters);
        assert_eq!(masked, "X s and pre Y");
    }

    proptest! {
        /// Whatever is protected: names are different words, put back they give the text, and so do the parts around.
        #[test]
        fn nothing_is_lost(text in r"(\{[0-9]\}|%s|%\(a\)d|[0-9]{1,5}|[XYZQ ]|[a-z]{1,4} |`x`|https://a\.b/c |\PC){0,40}") {
            let protected = protected(&text, None);
            let (parts, between) = around(&text, &protected);
            prop_assert_eq!(parts.len(), between.len() + 1);
            let mut whole = parts[0].to_owned();
            for (between, part) in between.iter().zip(&parts[1..]) {
                whole.push_str(between);
                whole.push_str(part);
            }
            prop_assert_eq!(&whole, &text);
            for names in [Names::Numbers, Names::Letters] {
                let (masked, pairs) = with_stand_ins(&text, &protected, names);
                let back = put_back(&masked, &pairs).expect("every name once");
                let squeezed = |text: &str| text.replace(' ', "");
                prop_assert_eq!(squeezed(&back), squeezed(&text));
            }
        }
    }
}
