//! The small JSON files of a sentence-transformers directory.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Error, Result, foreign};

/// The file's content; `None` where there is no such file.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(Error::Io {
                path: path.to_owned(),
                source,
            });
        }
    };
    foreign::check(path, &text)?;
    serde_json::from_slice(&text).map(Some).map_err(|error| {
        at(
            path,
            Error::Invalid(format!("cannot be understood: {error}")),
        )
    })
}

/// Says which file an error is about.
pub(super) fn at(path: &Path, error: Error) -> Error {
    Error::File {
        path: path.to_owned(),
        message: error.to_string(),
    }
}

/// Refuses settings that nothing here heeds: what they ask for would not be done.
pub(super) fn refuse_unknown(fields: &Map<String, Value>, known: &[&str]) -> Result<()> {
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(Error::Unsupported {
            what: "setting",
            found: name.clone(),
            supported: known.join(", "),
        }),
        None => Ok(()),
    }
}
