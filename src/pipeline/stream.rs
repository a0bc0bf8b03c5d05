//! Text as it is decided.

use super::{Output, Pipeline, Request};
use crate::generate::{self, Observer};
use crate::tokenizer::Tokenizer;
use crate::{Error, Result};

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
        let options = &request.options;
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
        let tokenizer = self.tokenizer.as_ref().ok_or_else(|| {
            Error::Invalid("text cannot be streamed: this model has no tokenizer".into())
        })?;
        self.check_request(request)?;
        let encoded = self
            .model
            .encode(std::slice::from_ref(&request.input_ids))?;
        let request = generate::Request {
            token_logprobs: request.token_logprobs,
            ..generate::Request::new(0, request.input_ids.clone(), options.clone())
        };
        let mut decoder = self
            .model
            .decoder_with(&encoded, request.slots(), self.selection)?;
        let mut stream = TextStream {
            tokenizer,
            ids: request.config.decoder_prompt()?.split_off(1),
            given: String::new(),
            sink,
        };
        let mut outputs =
            generate::generate(&mut decoder, std::slice::from_ref(&request), &mut stream)?;
        let output = self.output(outputs.swap_remove(0).swap_remove(0), &request)?;
        stream.give(output.text.as_deref().unwrap_or_default())?;
        Ok(output)
    }
}

struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    ids: Vec<u32>,
    /// The text that `sink` has been given.
    given: String,
    sink: &'a mut dyn FnMut(&str) -> Result<()>,
}

impl Observer for TextStream<'_> {
    fn token(&mut self, _: usize, _: usize, token: u32) -> Result<()> {
        self.ids.push(token);
        let text = self.tokenizer.decode(&self.ids, true)?;
        self.give(settled(&text))
    }
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
