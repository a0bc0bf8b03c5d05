//! Text from outside, line by line.

use std::io::BufRead;
use std::path::PathBuf;

use t5_gpu::{Error, Result};

/// A reader's lines without what ends them; `path` is what errors call it. Lines that are not UTF-8 are told as such and
/// the rest goes on; where reading fails, it ends.
pub fn lines_of(mut reader: impl BufRead, path: PathBuf) -> impl Iterator<Item = Result<String>> {
    let mut ended = false;
    std::iter::from_fn(move || {
        let mut bytes = Vec::new();
        if ended {
            return None;
        }
        match reader.read_until(b'\n', &mut bytes) {
            Ok(0) => None,
            Ok(_) => {
                let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                Some(match std::str::from_utf8(line) {
                    Ok(text) => Ok(text.to_owned()),
                    Err(error) => Err(Error::Invalid(format!(
                        "invalid UTF-8 at byte {}: convert the input to UTF-8",
                        error.valid_up_to() + 1
                    ))),
                })
            }
            Err(source) => {
                ended = true;
                Some(Err(Error::Io {
                    path: path.clone(),
                    source,
                }))
            }
        }
    })
}
