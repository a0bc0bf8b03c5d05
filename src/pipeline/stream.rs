//! Text as it is decided.

use std::time::Instant;

use super::{Output, Pending, Pipeline, Request};
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
    pub fn stream(mut self, sink: &mut dyn FnMut(&str) -> Result<()>) -> Result<Output> {
        let mut stream = TextStream {
            given: String::new(),
            sink,
        };
        let mut tokens = Vec::new();
        for event in self.handle.by_ref() {
            match event {
                Event::Entered => {}
                Event::Token { token, .. } => {
                    tokens.push(token);
                    let text = self.decoding.text(&tokens)?.unwrap_or_default();
                    stream.give(settled(&text))?;
                }
                Event::Finished(mut outputs) => {
                    let output = self.decoding.output(outputs.swap_remove(0))?;
                    stream.give(output.text.as_deref().unwrap_or_default())?;
                    return Ok(output);
                }
                Event::Failed(error) => return Err(error),
            }
        }
        Err(Error::Stopped)
    }
}

struct TextStream<'a> {
    /// The text that `sink` has been given.
    given: String,
    sink: &'a mut dyn FnMut(&str) -> Result<()>,
}

impl TextStream<'_> {
    /// Gives what is new in `text`.
    fn give(&mut self, text: &str) -> Result<()> {
        let Some(new) = text.strip_prefix(self.given.as_str()) else {
            return Ok(());
        };
        if !new.is_empty() {
            (self.sink)(new)?;
            self.given = text.to_owned();
        }
        Ok(())
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
