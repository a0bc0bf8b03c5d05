//! Files of text: what is read out of them, and what comes back.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::incoming::File;
use super::refusal::Refusal;
use super::request::Request;
use super::service::{Caller, Service};
use super::settings::Settings;
use crate::text::Glossary;

/// How the names end of files that can be read.
pub const ENDINGS: [&str; 1] = [".txt"];

/// Refuses where files are not translated.
pub fn check(settings: &Settings) -> Result<(), Refusal> {
    match settings.files {
        true => Ok(()),
        false => Err(Refusal::Disabled("Files translation")),
    }
}

/// A file to be translated.
pub struct Job {
    pub name: String,
    text: String,
    source: Option<String>,
    target: String,
    glossary: Option<Arc<Glossary>>,
}

impl Job {
    /// Reads a file of UTF-8 text.
    pub fn new(
        file: &File,
        source: Option<String>,
        target: String,
        glossary: Option<Arc<Glossary>>,
    ) -> Result<Job, Refusal> {
        let name = safe_name(&file.name);
        if name.is_empty() {
            return Err(Refusal::EmptyFile);
        }
        let lower = name.to_ascii_lowercase();
        if !ENDINGS.iter().any(|ending| lower.ends_with(ending)) {
            return Err(Refusal::FileFormat);
        }
        let text = std::str::from_utf8(&file.bytes);
        let text = text.map_err(|_| Refusal::Unreadable("the file is not UTF-8 text".into()))?;
        Ok(Job {
            name,
            text: text.to_owned(),
            source,
            target,
            glossary,
        })
    }

    /// Characters to translate.
    pub fn characters(&self) -> usize {
        self.text.chars().count()
    }

    /// How many texts it would take to send it as such.
    pub fn texts(&self, settings: &Settings) -> usize {
        self.characters() / settings.char_limit.unwrap_or(usize::MAX).max(1)
    }

    /// The file's text in the other language. A mark of the byte order stays in front.
    pub async fn run(&self, service: &Service, caller: &Caller) -> Result<String, Refusal> {
        let request = Request {
            texts: vec![self.text.clone()],
            source: self.source.clone(),
            target: self.target.clone(),
            glossary: self.glossary.clone(),
            ..Request::default()
        };
        let mut answers = request.answer(service, caller).await?;
        Ok(answers.swap_remove(0).text)
    }
}

/// A name that is no path and fits into a header.
fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept = |c: char| match c {
        c if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') => c,
        _ => '_',
    };
    let name: String = last.chars().map(kept).collect();
    name.trim_matches(['.', '_']).to_owned()
}

/// An answer that is a file, not to be shown but to be kept.
pub fn attachment(name: &str, content: impl Into<Body>) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CONTENT_DISPOSITION, &disposition),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, content.into()).into_response()
}

/// Something that nobody guesses.
pub fn secret() -> Result<String, Refusal> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Refusal::Failed(error.to_string()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_paths() {
        for (name, safe) in [
            ("a.txt", "a.txt"),
            ("../../etc/passwd.txt", "passwd.txt"),
            ("C:\\x\\y z\r\n\".txt", "y_z___.txt"),
            ("..", ""),
            ("", ""),
        ] {
            assert_eq!(safe_name(name), safe);
        }
        assert_ne!(secret().unwrap(), secret().unwrap());
    }
}
