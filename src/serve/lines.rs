//! What of a text is translated by itself, between what stays as it is.

use crate::text::{Newlines, Piece, pieces};

/// How a text is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Into sentences; a line break ends one.
    Lines,
    /// Into sentences; lines are broken to fit a width.
    Wrapped,
    /// Not at all.
    Whole,
}

/// A text's parts in order, and whether each stays as it is. What is translated neither begins nor ends with white space.
pub fn cut<'t>(text: &'t str, how: Cut, language: &str) -> Vec<(&'t str, bool)> {
    let pieces = match how {
        Cut::Lines => pieces(text, language, Newlines::End),
        Cut::Wrapped => pieces(text, language, Newlines::Wrap),
        Cut::Whole => {
            let core = text.trim();
            let (before, rest) = text.split_at(text.len() - text.trim_start().len());
            let after = &rest[core.len()..];
            vec![
                Piece::Kept(before),
                Piece::Sentence(core),
                Piece::Kept(after),
            ]
        }
    };
    let parts = pieces.into_iter().map(|piece| match piece {
        Piece::Sentence(text) => (text, !is_worth_it(text)),
        Piece::Kept(text) => (text, true),
    });
    parts.filter(|(text, _)| !text.is_empty()).collect()
}

/// Whether there is anything to translate: a letter.
fn is_worth_it(text: &str) -> bool {
    text.chars().any(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_translated_and_white_space_stays() {
        let text = "  One. Two.\t\r\n\n- Three\n😀 1.5\n";
        let parts = cut(text, Cut::Lines, "en");
        let translated: Vec<_> = parts
            .iter()
            .filter(|part| !part.1)
            .map(|part| part.0)
            .collect();
        assert_eq!(translated, ["One.", "Two.", "Three"]);
        let whole: String = parts.iter().map(|part| part.0).collect();
        assert_eq!(whole, text);
        assert_eq!(
            cut("a\nb ", Cut::Whole, "en"),
            [("a\nb", false), (" ", true)]
        );
        assert_eq!(
            cut("a\nb ", Cut::Wrapped, "en"),
            [("a\nb", false), (" ", true)]
        );
        assert_eq!(cut("", Cut::Lines, "en"), []);
    }
}
