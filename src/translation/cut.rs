//! Texts into sentences that the model is good at.

use super::{Splitting, Translator};
use crate::Result;
use crate::text::{Piece, has_letters, parts, pieces};

/// Tokens of a sentence at most, where the model was not trained on fewer.
const MOST_TOKENS: usize = 400;
/// More bytes than this a token no sentence has, as far as it is worth to ask.
const BYTES_A_TOKEN: usize = 16;

/// A part of a sentence that is too long, or the whole of one that is not.
pub enum Part<'t> {
    Kept(&'t str),
    /// What is translated at once, with its ids.
    Sentence(&'t str, Vec<u32>),
}

impl Translator<'_> {
    /// A text's sentences and what lies between them.
    pub(super) fn pieces<'x>(&self, text: &'x str, is_whole: bool) -> Vec<Piece<'x>> {
        match self.splitting {
            _ if is_whole => vec![Piece::Sentence(text)],
            Splitting::None => vec![Piece::Sentence(text)],
            Splitting::Sentences(newlines) => pieces(text, &self.language, newlines),
            Splitting::Whole => {
                let core = text.trim();
                let (before, rest) = text.split_at(text.len() - text.trim_start().len());
                let core = match has_letters(core) {
                    true => Piece::Sentence(core),
                    false => Piece::Kept(core),
                };
                vec![
                    Piece::Kept(before),
                    core,
                    Piece::Kept(&rest[core.text().len()..]),
                ]
            }
        }
    }

    /// A sentence in parts, where it is too long for the model, and a word about that.
    pub(super) fn parts<'x>(
        &self,
        text: &'x str,
        is_whole: bool,
    ) -> Result<(Vec<Part<'x>>, Option<String>)> {
        let most = self.pipeline.config().n_positions.min(MOST_TOKENS);
        let most_bytes = most * BYTES_A_TOKEN;
        if is_whole || text.len() <= most_bytes {
            let ids = self.encode(text)?;
            if is_whole || ids.len() <= most {
                return Ok((vec![Part::Sentence(text, ids)], None));
            }
        }
        let mut failure = None;
        let mut fits = |part: &str| match self.encode(part) {
            Ok(ids) => ids.len() <= most,
            Err(error) => {
                failure = Some(error);
                true
            }
        };
        let cut = parts(text, most_bytes, &mut fits);
        if let Some(error) = failure {
            return Err(error);
        }
        let start: String = text.chars().take(30).collect();
        let note = format!(
            "the sentence that begins with \"{start}\" has more than {most} tokens: it was translated in {} parts",
            cut.len()
        );
        let mut all = Vec::new();
        for part in cut {
            let core = part.trim();
            let (before, after) = part.split_at(part.len() - part.trim_start().len());
            all.push(Part::Kept(before));
            if !core.is_empty() {
                all.push(Part::Sentence(core, self.encode(core)?));
            }
            all.push(Part::Kept(&after[core.len()..]));
        }
        Ok((all, Some(note)))
    }
}
