//! A sentence that is too long, in parts.

use unicode_segmentation::UnicodeSegmentation;

/// Cuts a sentence into parts that `fits` takes, as few as it finds: at the ends of clauses; where there are none, at spaces;
/// where there are none either, between characters as a reader sees them. White space stays at the ends of parts, which
/// together are the sentence. What `fits` takes must fit in part too. A single character is given even where it does not fit.
///
/// `fits` is asked about stretches of at most `most_bytes` bytes, so that all of it takes linear time.
pub fn parts<'t>(
    sentence: &'t str,
    most_bytes: usize,
    fits: &mut dyn FnMut(&str) -> bool,
) -> Vec<&'t str> {
    let mut parts = Vec::new();
    let mut rest = sentence;
    while !rest.is_empty() {
        let end = part_end(rest, most_bytes, fits);
        let (part, after) = rest.split_at(end);
        parts.push(part);
        rest = after;
    }
    parts
}

/// The end of the longest part that fits and ends well.
fn part_end(text: &str, most_bytes: usize, fits: &mut dyn FnMut(&str) -> bool) -> usize {
    let most = text.floor_char_boundary(most_bytes.max(4));
    if most == text.len() && fits(text) {
        return most;
    }
    let window = &text[..most];
    // The best cut is the last of the best kind in the second half of what fits, the kinds in order; a short first part
    // would only leave the next one with too little to go by.
    let longest = longest(window, fits);
    let fitting = &window[..longest];
    let half = fitting.floor_char_boundary(longest / 2);
    let cut = [clause_end, comma_end, conjunction_start, word_end]
        .into_iter()
        .find_map(|kind| last_cut(text, longest, half, kind))
        .or_else(|| last_cut(text, longest, 0, word_end));
    cut.unwrap_or(longest)
}

/// How many bytes of a text fit, ending between characters as a reader sees them; the first of which at least.
fn longest(text: &str, fits: &mut dyn FnMut(&str) -> bool) -> usize {
    let mut ends: Vec<usize> = text
        .grapheme_indices(true)
        .map(|(at, one)| at + one.len())
        .collect();
    // What the window cut through may go on.
    if ends.len() > 1 && !fits(text) {
        ends.pop();
    }
    let count = ends.partition_point(|&end| fits(&text[..end]));
    ends[count.saturating_sub(1)]
}

/// Whether a text may be cut before `rest`, which `before` leads up to.
type Kind = fn(before: &str, rest: &str) -> bool;

/// The last cut of a kind behind `from` and up to `to`. Cuts are behind white space, or behind signs that need none.
fn last_cut(text: &str, to: usize, from: usize, kind: Kind) -> Option<usize> {
    let indices = text[..to].char_indices().rev();
    let ends = indices.map(|(at, c)| (at + c.len_utf8(), c));
    let may_end = ends.filter(|(_, c)| c.is_whitespace() || "，、；：。".contains(*c));
    may_end
        .map(|(end, _)| end)
        .take_while(|&end| end > from)
        .find(|&end| {
            !text[end..].starts_with(char::is_whitespace)
                && kind(text[..end].trim_end(), &text[end..])
        })
}

fn clause_end(before: &str, _: &str) -> bool {
    before.ends_with([';', ':', '–', '—', '；', '：', '。', '.', '!', '?', ')'])
        || before.ends_with(" -")
}

fn comma_end(before: &str, _: &str) -> bool {
    before.ends_with([',', '，', '、', '،'])
}

/// Before words that begin clauses in the languages that T5 was taught first.
fn conjunction_start(_: &str, rest: &str) -> bool {
    const WORDS: [&str; 24] = [
        "and", "but", "or", "because", "that", "which", "while", "when", "if", "und", "aber",
        "oder", "weil", "dass", "wenn", "et", "mais", "ou", "que", "qui", "y", "pero", "e", "si",
    ];
    let word = rest.split(char::is_whitespace).next().unwrap_or_default();
    WORDS.contains(&word)
}

fn word_end(_: &str, _: &str) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(sentence: &str, characters: usize) -> Vec<&str> {
        parts(sentence, 1 << 12, &mut |part| {
            part.chars().count() <= characters
        })
    }

    #[test]
    fn the_ends_of_clauses_come_first() {
        assert_eq!(
            cut(
                "He came, he saw the long road; and then he went home again.",
                40
            ),
            [
                "He came, he saw the long road; ",
                "and then he went home again."
            ]
        );
        assert_eq!(
            cut("He came home, ate, and went to bed without a word.", 30),
            ["He came home, ate, ", "and went to bed without a ", "word."]
        );
        assert_eq!(
            cut("one two three four five", 11),
            ["one two ", "three four ", "five"]
        );
        assert_eq!(cut("aaaaaaaaaa", 4), ["aaaa", "aaaa", "aa"]);
        assert_eq!(cut("it fits", 10), ["it fits"]);
    }

    #[test]
    fn nothing_that_a_reader_sees_as_one_is_cut() {
        let family = "👨‍👩‍👧‍👦";
        assert_eq!(cut(&family.repeat(3), 7), [family; 3]);
        // Even where it does not fit.
        assert_eq!(cut(&family.repeat(2), 1), [family; 2]);
    }

    #[test]
    fn a_megabyte_takes_linear_time() {
        for word in ["x", "word ", "a, ", "👍🏽", "\u{301}"] {
            let text = word.repeat((1 << 20) / word.len());
            let mut asked = 0;
            let parts = parts(&text, 2000, &mut |part| {
                asked += part.len();
                part.len() <= 400
            });
            assert_eq!(parts.concat(), text);
            // Some twenty questions of at most 2,000 bytes for each part of at least 200.
            assert!(asked < 200 << 20, "{word:?}: {asked} bytes");
        }
    }

    proptest! {
        #[test]
        fn parts_fit_and_are_the_sentence(
            text in r"([a-z ,;:.\-–，。]|\PC){0,120}",
            characters in 1_usize..40,
        ) {
            let parts = cut(&text, characters);
            prop_assert_eq!(parts.concat(), text.as_str());
            for part in parts {
                prop_assert!(!part.is_empty());
                let fits = part.chars().count() <= characters;
                prop_assert!(fits || part.graphemes(true).count() == 1, "{:?}", part);
            }
        }
    }
}
