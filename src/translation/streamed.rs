//! A text whose translation is read as it is decided.

use std::collections::VecDeque;

use pollster::block_on;

use super::Translator;
use super::cut::Part;
use super::sentence::Sentence;
use crate::pipeline::Request;
use crate::text::Piece;
use crate::{GenerationConfig, Result};

/// A text that is being translated, to be read as it is decided. Dropping it ends that.
pub struct Streamed<'t> {
    parts: VecDeque<Begun<'t>>,
    notes: Vec<String>,
}

enum Begun<'t> {
    Kept(String),
    Sentence(Box<Sentence<'t>>),
}

impl Translator<'_> {
    /// Hands a text's sentences on to be translated, with these options in place of the translator's.
    ///
    /// # Errors
    /// As [`crate::Pipeline::submit_to_stream`].
    pub fn submit_to_stream(&self, text: &str, options: &GenerationConfig) -> Result<Streamed<'_>> {
        self.pipeline.check_stream(options)?;
        let template = Request::new(Vec::new(), options.clone());
        let is_whole = self.is_whole(&template);
        let mut streamed = Streamed {
            parts: VecDeque::new(),
            notes: Vec::new(),
        };
        let keep = |text: &str| Begun::Kept(text.to_owned());
        for piece in self.pieces(text, is_whole) {
            let text = match piece {
                Piece::Kept(text) => {
                    streamed.parts.push_back(keep(text));
                    continue;
                }
                Piece::Sentence(text) => text,
            };
            let (parts, note) = self.parts(text, is_whole)?;
            streamed.notes.extend(note);
            for part in parts {
                streamed.parts.push_back(match part {
                    Part::Kept(text) => keep(text),
                    Part::Sentence(text, ids) => {
                        let begun = block_on(Sentence::begin(self, text, ids, &template))?;
                        Begun::Sentence(Box::new(begun))
                    }
                });
            }
        }
        Ok(streamed)
    }
}

impl Streamed<'_> {
    /// Waits for all of it and gives `sink` the text piece by piece, sentences as they are decided; one in which something
    /// is protected, when it is done. Gives the notes.
    ///
    /// # Errors
    /// The first sentence's that fails, and what `sink` reports.
    pub fn stream(self, sink: &mut dyn FnMut(&str) -> Result<()>) -> Result<Vec<String>> {
        let mut notes = self.notes;
        for part in self.parts {
            match part {
                Begun::Kept(text) => sink(&text)?,
                Begun::Sentence(sentence) => notes.extend(sentence.stream(sink)?),
            }
        }
        Ok(notes)
    }
}
