//! The token that gated and private models ask for.

use std::path::PathBuf;

use super::setting::Setting;
use crate::{Error, Result};

/// Where a token comes from. It is read and checked when the hub is first asked, not before.
#[derive(Clone, Debug)]
pub struct Token(Source);

#[derive(Clone, Debug)]
enum Source {
    Given(Setting),
    /// What `hf auth login` wrote, where it wrote anything.
    File(PathBuf),
    /// One that a variable asks for.
    NamedFile(PathBuf),
}

impl Token {
    /// This token.
    pub fn new(token: impl Into<String>) -> Self {
        Self(Source::Given(Setting {
            name: "the token".into(),
            value: token.into(),
        }))
    }

    /// A variable's.
    pub(super) fn from_setting(setting: Setting) -> Self {
        Self(Source::Given(setting))
    }

    /// What the file holds; where it is not there, there is no token, unless it was `asked_for`.
    pub(super) fn in_file(path: PathBuf, asked_for: bool) -> Self {
        Self(match asked_for {
            true => Source::NamedFile(path),
            false => Source::File(path),
        })
    }

    /// The token itself, without the line breaks, the byte order mark and the space around it that copying leaves; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::File`] for what cannot be a token, [`Error::Io`] for a file that cannot be read.
    #[cfg_attr(not(feature = "hub"), allow(dead_code))]
    pub(super) fn read(&self) -> Result<Option<String>> {
        let text = match &self.0 {
            Source::Given(setting) => setting.value.clone(),
            Source::File(path) | Source::NamedFile(path) => match std::fs::read(path) {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(error)
                    if error.kind() == std::io::ErrorKind::NotFound
                        && matches!(self.0, Source::File(_)) =>
                {
                    return Ok(None);
                }
                Err(source) => {
                    let path = path.clone();
                    return Err(Error::Io { path, source });
                }
            },
        };
        let token = text.replace(['\r', '\n', '\u{feff}'], "").trim().to_owned();
        // It goes into a header: the rest of Unicode, and a space inside, come from a slip in copying.
        if let Some(wrong) = token.chars().find(|letter| !letter.is_ascii_graphic()) {
            let message = format!(
                "holds {wrong:?}, which no token does: copy the token anew from https://huggingface.co/settings/tokens"
            );
            return Err(match &self.0 {
                Source::Given(setting) => Error::Invalid(format!("{} {message}", setting.name)),
                Source::File(path) | Source::NamedFile(path) => Error::File {
                    path: path.clone(),
                    message,
                },
            });
        }
        Ok(Some(token).filter(|token| !token.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_copying_leaves_around_a_token_is_taken_off() {
        for text in ["hf_x", " hf_x ", "hf_\nx\r\n", "\u{feff}hf_x"] {
            let token = Token::new(text).read().unwrap();
            assert_eq!(token.as_deref(), Some("hf_x"), "{text:?}");
        }
        assert_eq!(Token::new("\n ").read().unwrap(), None);
    }
}
