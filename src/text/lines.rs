//! Lines, what they begin with, and the sentences in them.

use super::{has_letters, is_pictograph};

/// A part of a text; all parts of a text, one after the other, are the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'t> {
    /// A sentence, or what stands for one: it begins and ends with something to see.
    Sentence(&'t str),
    /// White space, line breaks, bullets, rules: what is the same in every language.
    Kept(&'t str),
}

impl<'t> Piece<'t> {
    /// Its text.
    pub fn text(self) -> &'t str {
        match self {
            Piece::Sentence(text) | Piece::Kept(text) => text,
        }
    }
}

/// What a line break says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Newlines {
    /// Here ends a sentence, as in lists, verses and addresses.
    #[default]
    End,
    /// Only a blank line ends one: lines are broken to fit a width. The breaks within a sentence become spaces.
    Wrap,
}

/// Cuts a text into its sentences and what lies between them, without loss. `language` is the text's, by its code of ISO 639;
/// sentences of unknown languages end as English ones do.
pub fn pieces<'t>(text: &'t str, language: &str, newlines: Newlines) -> Vec<Piece<'t>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (block, after) = rest.split_at(block_end(rest, newlines));
        rest = after;
        let end = block.trim_end().len();
        let (block, break_) = block.split_at(end);
        let (start, content) = block.split_at(start_of(block));
        keep(&mut pieces, start);
        sentences(&mut pieces, content, language);
        keep(&mut pieces, break_);
    }
    pieces
}

/// Where the first block ends, its line break counted: a line, or all lines up to a blank one or one that begins a list item.
fn block_end(text: &str, newlines: Newlines) -> usize {
    let mut lines = text.split_inclusive('\n');
    let mut end = lines.next().map_or(0, str::len);
    if newlines == Newlines::Wrap && !text[..end].trim().is_empty() {
        for line in lines {
            if line.trim().is_empty() || start_of(line) > line.len() - line.trim_start().len() {
                break;
            }
            end += line.len();
        }
    }
    end
}

fn keep<'t>(pieces: &mut Vec<Piece<'t>>, text: &'t str) {
    if !text.is_empty() {
        pieces.push(Piece::Kept(text));
    }
}

/// How much of a line is indentation, signs of a quoted mail, a bullet or a number of a list.
fn start_of(line: &str) -> usize {
    let mut rest = line.trim_start();
    while let Some(quoted) = rest.strip_prefix('>') {
        rest = quoted.trim_start();
    }
    let marker = marker(rest);
    let after = &rest[marker..];
    // "-5" is a number and "*really*" a word: a marker stands alone.
    if marker > 0 && after.starts_with(char::is_whitespace) {
        rest = after.trim_start();
    }
    line.len() - rest.len()
}

/// The length of a bullet, of the signs of a heading, or of a list item's number.
fn marker(text: &str) -> usize {
    let signs = text.len() - text.trim_start_matches('#').len();
    if (1..=6).contains(&signs) {
        return signs;
    }
    if let Some(bullet) = text.chars().next()
        && "-+*–—•·▪▫◦‣○●".contains(bullet)
    {
        return bullet.len_utf8();
    }
    let (open, inner) = match text.strip_prefix('(') {
        Some(inner) => (1, inner),
        None => (0, text),
    };
    let digits = inner.len() - inner.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let letters = usize::from(inner.starts_with(|c: char| c.is_ascii_lowercase()));
    let close = |length: usize| inner[length..].chars().next();
    match (open, close(digits), close(letters)) {
        (_, Some(')'), _) if (1..=3).contains(&digits) => open + digits + 1,
        (0, Some('.'), _) if (1..=3).contains(&digits) => digits + 1,
        (_, _, Some(')')) if letters == 1 => open + letters + 1,
        _ => 0,
    }
}

/// So much of a line goes to the segmenter at once: it takes the square of a line's length in the worst case.
const SEGMENT_BYTES: usize = 1 << 12;

/// The sentences of a line without its start and its break.
fn sentences<'t>(pieces: &mut Vec<Piece<'t>>, line: &'t str, language: &str) {
    let mut rest = line;
    while !rest.is_empty() {
        let (stretch, after) = rest.split_at(stretch_end(rest));
        rest = after;
        for sentence in sentencex::segment(language, stretch) {
            let text = sentence.trim_start_matches(is_blank);
            keep(pieces, &sentence[..sentence.len() - text.len()]);
            let core = text.trim_end_matches(is_blank);
            if has_letters(core) {
                pieces.push(Piece::Sentence(core));
            } else {
                keep(pieces, core);
            }
            keep(pieces, &text[core.len()..]);
        }
    }
}

/// White space, pictographs, and marks without width: those of the direction of writing, which no vocabulary has.
fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || is_pictograph(c)
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The end of what is segmented at once: after the last space, or else character, that is near enough.
fn stretch_end(line: &str) -> usize {
    if line.len() <= SEGMENT_BYTES {
        return line.len();
    }
    let most = line.floor_char_boundary(SEGMENT_BYTES);
    let stop = |at: usize| line[..at].ends_with(['.', '!', '?', '。', '।']);
    let spaces = || {
        line[..most]
            .rmatch_indices(char::is_whitespace)
            .map(|(at, _)| at)
    };
    // After a sentence's end where there is one, so that none is cut.
    let end = spaces().find(|&at| stop(at)).or_else(|| spaces().next());
    end.filter(|&at| at > 0).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn joined(pieces: &[Piece<'_>]) -> String {
        pieces.iter().map(|piece| piece.text()).collect()
    }

    fn found<'t>(text: &'t str, language: &str, newlines: Newlines) -> Vec<&'t str> {
        let pieces = pieces(text, language, newlines);
        assert_eq!(joined(&pieces), text);
        pieces
            .into_iter()
            .filter_map(|piece| match piece {
                Piece::Sentence(text) => Some(text),
                Piece::Kept(_) => None,
            })
            .collect()
    }

    fn of(text: &str) -> Vec<&str> {
        found(text, "en", Newlines::End)
    }

    #[test]
    fn sentences_are_found_and_what_lies_between_them_is_kept() {
        assert_eq!(
            of("Dear Dr. Smith,\n\n  I came.  I saw! Did I win? \t\r\nYours,\nC.\n"),
            [
                "Dear Dr. Smith,",
                "I came.",
                "I saw!",
                "Did I win?",
                "Yours,",
                "C."
            ]
        );
        assert_eq!(
            found("Das kostet z. B. 3 €. Ja.", "de", Newlines::End),
            ["Das kostet z. B. 3 €.", "Ja."]
        );
        // Marks of the direction of writing stay around the sentence.
        assert_eq!(
            of("\u{202e}I came.\u{202c}\n\u{200f}I saw.\u{200f}"),
            ["I came.", "I saw."]
        );
        // And so do pictographs.
        assert_eq!(of("😀 I came. 👩‍🚀\n→ I saw ☕️"), ["I came.", "I saw"]);
        assert!(of("").is_empty());
        assert!(of(" \n\n---\n***\n 12.5 %\n").is_empty());
    }

    #[test]
    fn bullets_numbers_headings_and_quotes_are_kept() {
        for start in [
            "- ", "  * ", "• ", "1. ", "12) ", "(3) ", "a) ", "(b) ", "# ", "### ", "> ", ">> > ",
            "> - ", "\t",
        ] {
            let text = format!("{start}Buy milk.");
            assert_eq!(of(&text), ["Buy milk."], "{start:?}");
        }
        // What only looks like one is text.
        for text in [
            "-5 degrees it was.",
            "*Really* good.",
            "1984 was a year.",
            "#1 fan",
            "A) b",
            "2.5 litres",
        ] {
            assert_eq!(of(text), [text]);
        }
    }

    #[test]
    fn wrapped_lines_go_together_up_to_a_blank_line_or_a_list() {
        let text = "It was late and\nhe was tired. He went\nhome.\n\nThen:\n- one\n- two\nlines\n";
        assert_eq!(
            found(text, "en", Newlines::Wrap),
            [
                "It was late and\nhe was tired.",
                "He went\nhome.",
                "Then:",
                "one",
                "two\nlines"
            ]
        );
    }

    /// A megabyte in one line, with and without anything to cut at.
    #[test]
    fn the_longest_lines_take_linear_time() {
        for word in [
            "x",
            "word ",
            "A sentence. ",
            "e.g. ",
            "“",
            "1. ",
            "(",
            ". ",
            "\n",
            "> ",
            "ä",
        ] {
            let text = word.repeat((1 << 20) / word.len());
            let begin = std::time::Instant::now();
            of(&text);
            // The square of it would be minutes.
            assert!(begin.elapsed().as_secs() < 20, "{word:?}");
        }
    }

    proptest! {
        #[test]
        fn pieces_are_the_text(
            text in r#"([a-zA-Z0-9äß.!?,;:()"'„“”»«…\-*•#> \t\n\r\u{a0}\u{200f}\u{3000}。।]|\PC){0,200}"#,
            language in "(en|de|fr|ja|ar|hi|xx|)",
            wrap in any::<bool>(),
        ) {
            let newlines = if wrap { Newlines::Wrap } else { Newlines::End };
            let pieces = pieces(&text, &language, newlines);
            prop_assert_eq!(joined(&pieces), text.as_str());
            for piece in pieces {
                prop_assert!(!piece.text().is_empty());
                if let Piece::Sentence(sentence) = piece {
                    prop_assert_eq!(sentence.trim(), sentence);
                    prop_assert!(newlines == Newlines::Wrap || !sentence.contains('\n'));
                }
            }
        }
    }
}
