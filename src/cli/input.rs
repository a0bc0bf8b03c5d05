//! Text from outside, line by line.

use std::io::BufRead;
use std::path::PathBuf;

use t5_gpu::{Error, Result};

/// A reader's lines without what ends them; `path` is what errors call it. A byte order mark in front is no part of the
/// first line. Lines that are not UTF-8 are told as such and the rest goes on; where reading fails, or the input is in
/// another encoding altogether, it ends.
pub fn lines_of(mut reader: impl BufRead, path: PathBuf) -> impl Iterator<Item = Result<String>> {
    let mut first = true;
    let mut ended = false;
    std::iter::from_fn(move || {
        let mut bytes = Vec::new();
        if ended {
            return None;
        }
        if let Err(source) = reader.read_until(b'\n', &mut bytes) {
            ended = true;
            let path = path.clone();
            return Some(Err(Error::Io { path, source }));
        }
        let mut line = &bytes[..];
        if std::mem::take(&mut first) {
            if let Some(encoding) = other_encoding(line) {
                ended = true;
                return Some(Err(Error::Invalid(format!(
                    "the input is {encoding}: convert it to UTF-8, such as by iconv -f {encoding} -t UTF-8"
                ))));
            }
            line = line.strip_prefix(UTF8_MARK).unwrap_or(line);
        }
        if line.is_empty() {
            return None;
        }
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Some(match std::str::from_utf8(line) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => Err(Error::Invalid(format!(
                "invalid UTF-8 at byte {}: convert the input to UTF-8",
                error.valid_up_to() + 1
            ))),
        })
    })
}

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// The encoding that the first line of an input is in, where that is plainly not UTF-8: it begins with a byte order mark,
/// or every other byte is a null, as in UTF-16 without one.
fn other_encoding(line: &[u8]) -> Option<&'static str> {
    const MARKS: [(&[u8], &str); 4] = [
        (b"\xff\xfe\0\0", "UTF-32"),
        (b"\0\0\xfe\xff", "UTF-32"),
        (b"\xff\xfe", "UTF-16"),
        (b"\xfe\xff", "UTF-16"),
    ];
    if let Some((_, encoding)) = MARKS.iter().find(|(mark, _)| line.starts_with(mark)) {
        return Some(encoding);
    }
    let null_at = |odd| line.iter().skip(odd).step_by(2).all(|&byte| byte == 0);
    let none_at = |odd| line.iter().skip(odd).step_by(2).all(|&byte| byte != 0);
    match line.len() {
        0..4 => None,
        _ if null_at(1) && none_at(0) => Some("UTF-16LE"),
        _ if null_at(0) && none_at(1) => Some("UTF-16BE"),
        _ => None,
    }
}
