//! Text as it is decided.

use std::time::Instant;

use super::answers::Decoding;
use super::{Output, Pending, Pipeline, Request};
use crate::engine::Handle;
use crate::generate::Event;
use crate::{Error, GenerationConfig, Result};

impl Pipeline {
    /// Answers one request and gives `sink` its text piece by piece, as it is decided, whole characters only; the pieces
    /// together are the output's text.
    ///
    /// # Errors
    /// [`Error::Invalid`] for beam search, which decides at its end, for more than one output and for a model without a
    /// tokenizer; what `sink` reports; and as [`Pipeline::generate_each`].
    pub fn generate_streaming(
        &self,
        request: &Request,
        sink: &mut dyn FnMut(&str) -> Result<()>,
    ) -> Result<Output> {
        self.submit_to_stream(request, None)?.stream(sink)
    }

    /// [`Pipeline::submit`] for a request whose text is to be streamed, by [`Pending::stream`].
    ///
    /// # Errors
    /// [`Error::Invalid`] where it cannot be, and as [`Pipeline::submit`].
    pub fn submit_to_stream(
        &self,
        request: &Request,
        deadline: Option<Instant>,
    ) -> Result<Pending> {
        self.check_stream(&request.options)?;
        self.submit(request, deadline)
    }

    /// Whether an output under such options can be streamed.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it cannot be.
    pub fn check_stream(&self, options: &GenerationConfig) -> Result<()> {
        if options.num_beams > 1 {
            return Err(Error::Invalid(format!(
                "text cannot be streamed with {} beams, which are decided between at the end: use num_beams 1",
                options.num_beams
            )));
        }
        if options.num_return_sequences > 1 {
            return Err(Error::Invalid(
                "only one output can be streamed: use num_return_sequences 1".into(),
            ));
        }
        if self.tokenizer.is_none() {
            return Err(Error::Invalid(
                "text cannot be streamed: this model has no tokenizer".into(),
            ));
        }
        Ok(())
    }
}

impl Pending {
    /// Waits for the one output and gives `sink` its text piece by piece, as [`Pipeline::generate_streaming`] does.
    ///
    /// # Errors
    /// As there.
    pub fn stream(self, sink: &mut dyn FnMut(&str) -> Result<()>) -> Result<Output> {
        let mut following = self.following(true);
        while let Some(event) = following.handle.next() {
            match following.take(event)? {
                Progress::Entered => {}
                Progress::Token { text, .. } => {
                    if !text.is_empty() {
                        sink(&text)?;
                    }
                }
                Progress::Done { mut outputs, text } => {
                    if !text.is_empty() {
                        sink(&text)?;
                    }
                    return Ok(outputs.swap_remove(0));
                }
            }
        }
        Err(Error::Stopped)
    }

    /// The request's way, step by step, for a task; with its text as it is decided where that is wanted.
    pub fn following(self, with_text: bool) -> Following {
        Following {
            handle: self.handle,
            decoding: self.decoding,
            with_text,
            tokens: Vec::new(),
            given: String::new(),
        }
    }
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// It runs.
    Entered,
    /// A token was decided.
    Token {
        /// Which.
        token: u32,
        /// What is new of the text, whole characters only; often nothing.
        text: String,
    },
    /// All is there.
    Done {
        /// Best first.
        outputs: Vec<Output>,
        /// What is new of the text.
        text: String,
    },
}

/// A request on its way. Dropping it ends the request.
pub struct Following {
    handle: Handle,
    decoding: Decoding,
    with_text: bool,
    tokens: Vec<u32>,
    /// The text that has been given.
    given: String,
}

impl Following {
    /// What happens next, without a thread that waits for it. `None` after the last.
    pub async fn next(&mut self) -> Option<Result<Progress>> {
        let event = self.handle.event().await?;
        Some(self.take(event))
    }

    fn take(&mut self, event: Event) -> Result<Progress> {
        Ok(match event {
            Event::Entered => Progress::Entered,
            Event::Token { token, .. } => {
                let mut text = String::new();
                if self.with_text {
                    self.tokens.push(token);
                    let decoded = self.decoding.text(&self.tokens)?.unwrap_or_default();
                    text = self.new_of(settled(&decoded));
                }
                Progress::Token { token, text }
            }
            Event::Finished(outputs) => {
                let outputs = self.decoding.outputs(outputs)?;
                let whole = outputs.first().and_then(|output| output.text.as_deref());
                let text = match whole {
                    Some(whole) if self.with_text => self.new_of(whole),
                    _ => String::new(),
                };
                Progress::Done { outputs, text }
            }
            Event::Failed(error) => return Err(error),
        })
    }

    /// What is new in `text`.
    fn new_of(&mut self, text: &str) -> String {
        let Some(new) = text.strip_prefix(self.given.as_str()) else {
            return String::new();
        };
        let new = new.to_owned();
        self.given.push_str(&new);
        new
    }
}

/// The part of decoded text that later tokens do not change: without a character whose last bytes are still to come,
/// and without a space that the next token may close up (" n't" becomes "n't" in tokenizers that clean up, and that is
/// the longest of such endings).
fn settled(text: &str) -> &str {
    let text = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
    match text
        .char_indices()
        .rev()
        .take(3)
        .find(|(_, c)| c.is_whitespace())
    {
        Some((space, _)) => text[..space].trim_end(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::settled;

    #[test]
    fn only_what_stays_is_settled() {
        assert_eq!(settled("Das Haus"), "Das Haus");
        // The last character is incomplete.
        assert_eq!(settled("Gr\u{fffd}"), "Gr");
        assert_eq!(settled("Gr\u{fffd}ben"), "Gr\u{fffd}ben");
        // Each may still become "don't".
        for text in ["do", "do ", "do n", "do n'"] {
            assert_eq!(settled(text), "do", "{text:?}");
        }
        assert_eq!(settled("do not"), "do not");
        assert_eq!(settled("a  b"), "a");
        assert_eq!(settled(""), "");
    }
}
