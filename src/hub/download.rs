//! Fetching what a model needs into the cache.

use std::path::{Path, PathBuf};

use super::cache::Repo;
use super::client::{Client, Metadata};
use super::failure::Failure;
use super::files;
use super::names::ModelId;
use super::options::Options;
use super::retry::retrying;
use super::transfer::Transfer;
use crate::foreign;

/// Fetches what is needed of `model`, at `commit` or at what its revision stands for now, and returns the snapshot.
/// `again` asks for files of another size than the hub's, too, and not only for missing ones.
pub(super) fn fetch(
    model: &ModelId,
    commit: Option<&str>,
    again: bool,
    options: &Options,
) -> Result<PathBuf, Failure> {
    let download = Download {
        client: Client::new(model, options)?,
        repo: Repo::new(options, &model.id),
        options,
        again,
    };
    let revision = commit.unwrap_or(&model.revision);
    let listing = retrying(options, || download.client.listing(revision))?;
    let (commit, published) = (listing.commit.as_str(), |file: &str| {
        listing.files.iter().any(|name| name == file)
    });
    let instead = match foreign::publishes(&model.id, &listing.files) {
        Some(what) => format!("; {what}"),
        None => String::new(),
    };
    let root = download.repo.snapshot(commit);
    let [modules, whole, index] = files::LISTS;
    for list in [modules, whole, index] {
        // An image model's parts matter where it is no model by itself.
        if published(list) && (list != index || !published(files::CONFIG)) {
            download.file(commit, list)?;
        }
    }
    for folder in files::folders(&root)? {
        let config = folder.file(files::CONFIG);
        if folder.config && !published(&config) {
            return Err(download.client.refusal(format!(
                "it publishes no {config}, so it is not a transformers model{instead}"
            )));
        }
        for file in folder.small(published) {
            download.file(commit, &file)?;
        }
        for file in folder.candidates().filter(|file| !published(file)) {
            download.repo.note_absent(commit, &file);
        }
        if !(folder.weights && options.weights) {
            continue;
        }
        let Some(weights) = folder.weights(&root, published) else {
            return Err(download.client.refusal(format!(
                "it publishes no weights that can be read{}: neither model.safetensors nor pytorch_model.bin, whole or sharded{instead}",
                match folder.file("") {
                    top if top.is_empty() => String::new(),
                    below => format!(" in {below}"),
                }
            )));
        };
        if !published(&weights) {
            return Err(download.client.refusal(format!(
                "its config names the weights {weights}, which it does not publish"
            )));
        }
        download.file(commit, &weights)?;
        for shard in folder.shards(&root, &weights)? {
            download.file(commit, &shard)?;
        }
    }
    for list in [modules, whole] {
        if !published(list) {
            download.repo.note_absent(commit, list);
        }
    }
    // Last, so that a branch never points at a commit less complete than the one before.
    download.repo.set_commit(model, commit)?;
    Ok(root)
}

struct Download<'a> {
    client: Client<'a>,
    repo: Repo,
    options: &'a Options,
    again: bool,
}

impl Download<'_> {
    /// Puts `file` into the commit's snapshot unless it is there, and returns its path.
    fn file(&self, commit: &str, file: &str) -> Result<PathBuf, Failure> {
        let path = self.repo.snapshot(commit).join(file);
        if path.is_file() && !self.again {
            return Ok(path);
        }
        let metadata = retrying(self.options, || self.client.metadata(commit, file))?;
        if is_whole(&path, &metadata) {
            return Ok(path);
        }
        let lock = self.repo.lock(&metadata.etag, file)?;
        // Whoever held the lock before may have brought it. Others may be reading it by now, so it is left as it is.
        if is_whole(&path, &metadata) {
            return Ok(path);
        }
        let blob = self.repo.blob(&metadata.etag);
        if !is_whole(&blob, &metadata) {
            let partial = self.repo.partial(&metadata.etag, lock.as_ref());
            let transfer = Transfer::new(
                &self.client,
                self.options,
                commit,
                file,
                &metadata,
                &blob,
                &partial,
            );
            let outcome = transfer.run();
            if outcome.is_err() && lock.is_none() {
                // Nobody would find it to go on with.
                let _ = std::fs::remove_file(&partial);
            }
            outcome?;
        }
        self.repo.link(commit, file, &metadata.etag)?;
        Ok(path)
    }
}

/// There is such a file, of the size that the hub says.
fn is_whole(path: &Path, metadata: &Metadata) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|found| found.is_file() && metadata.size.is_none_or(|size| size == found.len()))
}
