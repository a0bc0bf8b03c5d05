//! Files that are something other than their names say.

use std::path::Path;

use crate::{Error, Result};

/// What packs files, by how such a file begins.
const PACKERS: [(&[u8], &str); 8] = [
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"Rar!\x1a\x07", "RAR"),
    (b"PK\x03\x04", "zip"),
];

/// What other programs keep weights in, by how such a file begins.
const FORMATS: [(&[u8], &str); 2] = [
    (
        b"GGUF",
        "llama.cpp's (GGUF): use the model that it was made from",
    ),
    (
        b"\x89HDF\r\n\x1a\n",
        "HDF5, TensorFlow's: have transformers 4 load it with from_tf=True and save_pretrained it",
    ),
];

/// The text files that stand for a large one until its store is asked for it.
const POINTERS: [(&[u8], &str); 4] = [
    (
        b"version https://git-lfs.github.com/spec/",
        "a Git LFS pointer and not the file it stands for: run `git lfs install` and `git lfs pull` where it was cloned, or fetch it again",
    ),
    (
        b"version https://hawser.github.com/spec/",
        "a Git LFS pointer and not the file it stands for: run `git lfs install` and `git lfs pull` where it was cloned, or fetch it again",
    ),
    (
        b"# xet version ",
        "a Git Xet pointer and not the file it stands for: run `git xet install` and `git lfs pull` where it was cloned, or fetch it again",
    ),
    (
        b"../../blobs/",
        "the text of a link into a hub cache and not the file it leads to: copy the snapshot with its links followed, or fetch it again",
    ),
];

/// What a file is, where its first bytes tell that it is no file of a model's; "is" fits in front.
fn is(bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() {
        return Some("empty, truncated to nothing: fetch it again".into());
    }
    if bytes.iter().take(1 << 16).all(|&byte| byte == 0) {
        return Some("full of zeros: its download broke off, fetch it again".into());
    }
    let begins = |marks: &[(&'static [u8], &'static str)]| {
        let found = marks.iter().find(|(mark, _)| bytes.starts_with(mark));
        found.map(|&(_, what)| what)
    };
    if let Some(what) = begins(&POINTERS).or_else(|| begins(&FORMATS)) {
        return Some(what.into());
    }
    let packer = begins(&PACKERS).or_else(|| {
        let is_tar = bytes.get(257..262).is_some_and(|mark| mark == b"ustar");
        is_tar.then_some("tar")
    });
    if let Some(packer) = packer {
        return Some(format!("packed with {packer}: unpack it"));
    }
    let start = text(bytes)?.to_ascii_lowercase();
    let is_page = ["<!doctype html", "<html", "<head"]
        .iter()
        .any(|tag| start.starts_with(tag));
    is_page.then(|| {
        "a web page (HTML): fetch the file itself, which huggingface.co has under /resolve/ and not /blob/, with a token \
         where the model asks for one"
            .into()
    })
}

/// What a file is that cannot be read as weights, where its first bytes tell; "is" fits in front.
pub(crate) fn instead_of_weights(bytes: &[u8]) -> Option<String> {
    is(bytes).or_else(|| {
        Some(format!(
            "text that begins \"{}\": fetch it again",
            text(bytes)?
        ))
    })
}

/// Refuses a config or a file of a tokenizer that is something else, which some of their readers would take for content.
///
/// # Errors
/// [`Error::File`].
pub(crate) fn check(path: &Path, bytes: &[u8]) -> Result<()> {
    match is(bytes) {
        None => Ok(()),
        Some(what) => Err(Error::File {
            path: path.to_owned(),
            message: format!("is {what}"),
        }),
    }
}

/// The first words, where the file begins with text.
fn text(bytes: &[u8]) -> Option<String> {
    let start = bytes.trim_ascii_start();
    let start = &start[..start.len().min(200)];
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        // Perhaps a letter is cut in two.
        Err(error) if error.valid_up_to() + 4 > start.len() => {
            std::str::from_utf8(&start[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let line = text.lines().next().unwrap_or_default();
    let is_text =
        !line.is_empty() && !text.contains(|c: char| c.is_control() && !c.is_whitespace());
    is_text.then(|| line.chars().take(40).collect())
}
