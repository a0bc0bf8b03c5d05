//! One file's way from the hub into a blob: resumed where a connection broke off, verified before it counts.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sha2::Digest;

use super::cache::{create_parent, unwritable};
use super::client::{Client, Metadata};
use super::failure::Failure;
use super::files;
use super::options::Options;
use super::retry::pause;
use crate::Error;

/// A file on its way.
pub(super) struct Transfer<'a> {
    client: &'a Client<'a>,
    options: &'a Options,
    commit: &'a str,
    file: &'a str,
    metadata: &'a Metadata,
    /// Where the file ends up.
    blob: &'a Path,
    /// Where it arrives, and where an earlier run may have left a part of it.
    partial: &'a Path,
    bar: ProgressBar,
}

impl<'a> Transfer<'a> {
    pub fn new(
        client: &'a Client<'a>,
        options: &'a Options,
        commit: &'a str,
        file: &'a str,
        metadata: &'a Metadata,
        blob: &'a Path,
        partial: &'a Path,
    ) -> Self {
        let shown = options.progress && !options.quiet;
        let bar = progress_bar(file, metadata.size, shown);
        Self {
            client,
            options,
            commit,
            file,
            metadata,
            blob,
            partial,
            bar,
        }
    }

    /// Fetches and verifies the file; the blob appears whole or not at all.
    pub fn run(&self) -> Result<(), Failure> {
        create_parent(self.partial).map_err(Failure::Final)?;
        // What an earlier run left is trusted where a checksum will tell, and not otherwise: it may be of anything.
        if checksum(&self.metadata.etag).is_none() {
            let _ = std::fs::remove_file(self.partial);
        }
        let mut resumed = std::fs::metadata(self.partial).is_ok_and(|found| found.len() > 0);
        loop {
            self.receive()?;
            let verdict = verify(self.partial, self.metadata).map_err(Failure::Final)?;
            if files::is_lfs_pointer(self.partial) {
                std::fs::remove_file(self.partial).map_err(|source| self.write_failed(source))?;
                self.bar.abandon();
                return Err(self.client.refusal(format!(
                    "{} has a Git LFS pointer in place of {}, and not the file that it stands for: fetch from a hub that has \
                     the file, or give a directory with --model",
                    self.options.endpoint, self.file
                )));
            }
            let Err(reason) = verdict else {
                break;
            };
            std::fs::remove_file(self.partial).map_err(|source| self.write_failed(source))?;
            // What an earlier run left may have been bad from the start: once more, from nothing.
            if !std::mem::take(&mut resumed) {
                self.bar.abandon();
                return Err(self.client.refusal(format!(
                    "{} arrived damaged and was thrown away: {reason}; try again, and if it stays so, {} or a proxy \
                     on the way serves a wrong file",
                    self.file, self.options.endpoint
                )));
            }
            tracing::warn!("{}: {reason}; fetching it again from the start", self.file);
        }
        self.bar.finish();
        std::fs::rename(self.partial, self.blob).map_err(|source| self.write_failed(source))
    }

    /// Extends the partial file until it is as long as it should be, over as many connections as it takes while they
    /// bring anything.
    fn receive(&self) -> Result<(), Failure> {
        let size = self.metadata.size;
        let mut output = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.partial)
            .map_err(|source| self.write_failed(source))?;
        let mut length = self.end(&mut output)?;
        let start = length;
        let (mut furthest, mut failures) = (length, 0);
        // Without a size there is no telling whether a part is the whole.
        if size.is_none_or(|size| length > size) {
            length = self.restart(&mut output)?;
        }
        while size != Some(length) {
            let outcome = self.append(&mut output, length);
            length = self.end(&mut output)?;
            let reason = match outcome {
                Ok(()) if size.is_none_or(|size| length >= size) => return Ok(()),
                Ok(()) => "it ended early".to_owned(),
                Err(Failure::Transient(reason)) => reason,
                // A network that was there comes back; one that never was does not.
                Err(Failure::Unreachable { reason, .. }) if furthest > start => reason,
                Err(lasting) => {
                    self.bar.abandon();
                    return Err(lasting);
                }
            };
            failures = if length > furthest { 1 } else { failures + 1 };
            furthest = furthest.max(length);
            if failures > self.options.retries {
                self.bar.abandon();
                let of = size.map_or_else(String::new, |size| format!(" of {size}"));
                return Err(Failure::Transient(format!(
                    "the connection broke at byte {length}{of} of {}, {failures} times in a row ({reason})",
                    self.file
                )));
            }
            tracing::debug!("{}: cut at byte {length} ({reason}); going on", self.file);
            pause(self.options, failures);
            if size.is_none() {
                length = self.restart(&mut output)?;
            }
        }
        self.bar.set_position(length);
        Ok(())
    }

    /// One connection's worth of bytes, from offset `from`, which is the length of `output`.
    fn append(&self, output: &mut File, from: u64) -> Result<(), Failure> {
        self.bar.set_position(from);
        let mut answer = self.client.open(self.commit, self.file, from)?;
        let range = answer.header("content-range");
        let continues = range.is_some_and(|range| range.starts_with(&format!("bytes {from}-")));
        match answer.response.status().as_u16() {
            206 if continues => {}
            206 => {
                return Err(Failure::Transient(
                    "it answered with another range than asked for".into(),
                ));
            }
            // The whole file, whatever was asked for.
            _ => {
                self.restart(output)?;
            }
        }
        let mut body = answer.response.body_mut().as_reader();
        let mut buffer = vec![0; 256 << 10];
        loop {
            match body.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => {
                    output
                        .write_all(&buffer[..read])
                        .map_err(|source| self.write_failed(source))?;
                    self.bar.inc(read as u64);
                }
                // Whatever broke a body that had begun, the rest can be asked for again.
                Err(error) => return Err(Failure::Transient(error.to_string())),
            }
        }
    }

    /// Moves to the end, and says where that is.
    fn end(&self, output: &mut File) -> Result<u64, Failure> {
        output
            .seek(SeekFrom::End(0))
            .map_err(|source| self.write_failed(source))
    }

    /// Empties the file, and says how long it is now.
    fn restart(&self, output: &mut File) -> Result<u64, Failure> {
        self.bar.set_position(0);
        output
            .set_len(0)
            .and_then(|()| output.rewind())
            .map_err(|source| self.write_failed(source))?;
        Ok(0)
    }

    fn write_failed(&self, source: std::io::Error) -> Failure {
        Failure::Final(unwritable(self.partial, source))
    }
}

/// A bar for one file on stderr; nothing is drawn where stderr is no terminal.
fn progress_bar(file: &str, size: Option<u64>, shown: bool) -> ProgressBar {
    let target = match shown {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(size, target);
    let template = match size {
        Some(_) => "{msg:32} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        None => "{msg:32} {spinner} {bytes} {bytes_per_sec}",
    };
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("=> "));
    bar.set_message(file.to_owned());
    bar
}

/// What an ETag is a checksum by, if it is one: SHA-256 (64 digits) or a git blob's SHA-1 (40).
fn checksum(etag: &str) -> Option<&'static str> {
    match etag.len() {
        _ if !etag.bytes().all(|byte| byte.is_ascii_hexdigit()) => None,
        64 => Some("SHA-256"),
        40 => Some("git SHA-1"),
        _ => None,
    }
}

/// Compares a file with its size and with the checksum that its ETag may be. The inner result is the verdict.
fn verify(path: &Path, metadata: &Metadata) -> Result<Result<(), String>, Error> {
    let unreadable = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    if let Some(size) = metadata.size.filter(|size| *size != length) {
        return Ok(Err(format!("it has {length} bytes instead of {size}")));
    }
    let Some(kind) = checksum(&metadata.etag) else {
        return Ok(Ok(()));
    };
    let found = match kind {
        "SHA-256" => hash::<sha2::Sha256>(&mut file, &[]),
        _ => hash::<sha1::Sha1>(&mut file, format!("blob {length}\0").as_bytes()),
    };
    let found = found.map_err(unreadable)?;
    Ok(match metadata.etag.eq_ignore_ascii_case(&found) {
        true => Ok(()),
        false => Err(format!(
            "its {kind} is {found} instead of {}",
            metadata.etag
        )),
    })
}

/// The digest of `prefix` and then the file, in hexadecimal.
fn hash<D: Digest>(file: &mut File, prefix: &[u8]) -> std::io::Result<String> {
    let mut digest = D::new_with_prefix(prefix);
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => {
                return Ok(digest
                    .finalize()
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect());
            }
            read => digest.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checksums as `sha256sum` and `git hash-object` print them.
    #[test]
    fn files_are_held_against_their_etag() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "hello\n").unwrap();
        let verdict = |etag: &str, size| {
            verify(
                file.path(),
                &Metadata {
                    etag: etag.into(),
                    size,
                },
            )
            .unwrap()
        };
        let sha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        let git = "ce013625030ba8dba906f756967f9e9ca394464a";
        assert_eq!(verdict(sha256, Some(6)), Ok(()));
        assert_eq!(verdict(git, None), Ok(()));
        assert_eq!(verdict("opaque-1", Some(6)), Ok(()));
        assert_eq!(
            verdict("opaque-1", Some(7)),
            Err("it has 6 bytes instead of 7".into())
        );
        assert_eq!(
            verdict(&git.replace('c', "d"), Some(6)),
            Err(format!(
                "its git SHA-1 is {git} instead of {}",
                git.replace('c', "d")
            ))
        );
        assert!(verdict(&sha256.replace('5', "6"), Some(6)).is_err());
    }
}
