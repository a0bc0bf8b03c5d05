//! Long text into what a model takes, and back: pieces that are translated, between pieces that are kept as they are; and in the
//! pieces, what has to come out as it went in. Knows no model: how long a sentence may be, and what becomes of it, is the
//! caller's to say.

mod clauses;
mod glossary;
mod lines;
mod protected;
mod runaway;
mod stand_ins;
mod verbatim;

pub use clauses::parts;
pub use glossary::Glossary;
pub use lines::{Newlines, Piece, pieces};
pub use protected::{Kind, Protected, are_kept, protected};
pub use runaway::is_runaway;
pub use stand_ins::{Masked, Moved, Names, around, put_back, with_stand_ins};
use verbatim::verbatim;

/// Whether there is anything to translate: a letter.
pub fn has_letters(text: &str) -> bool {
    text.chars().any(char::is_alphabetic)
}

/// An arrow, a symbol, an emoji or a part of one: few vocabularies have any, and they are the same in every language.
fn is_pictograph(c: char) -> bool {
    matches!(c,
        '\u{2190}'..='\u{21ff}' | '\u{2300}'..='\u{23ff}' | '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}'
        | '\u{1f000}'..='\u{1faff}' | '\u{200d}' | '\u{20e3}' | '\u{fe0f}' | '\u{e0020}'..='\u{e007f}')
}
