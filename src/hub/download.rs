//! Fetching what a model needs into the cache.

use std::path::PathBuf;
use std::time::Duration;

use super::cache::Repo;
use super::client::Client;
use super::names::ModelId;
use super::options::Options;
use super::transfer::Transfer;
use super::{Failure, files};

/// Fetches what is needed of `model`, at `commit` or at what its revision stands for now, and returns the snapshot.
pub(super) fn fetch(
    model: &ModelId,
    commit: Option<&str>,
    options: &Options,
) -> Result<PathBuf, Failure> {
    let download = Download {
        client: Client::new(model, options),
        repo: Repo::new(&options.cache, &model.id),
        options,
    };
    let revision = commit.unwrap_or(&model.revision);
    let listing = retrying(options, || download.client.listing(revision))?;
    let (commit, published) = (listing.commit.as_str(), |file: &str| {
        listing.files.iter().any(|name| name == file)
    });
    if !published(files::CONFIG) {
        return Err(download
            .client
            .refusal("it publishes no config.json, so it is not a transformers model".into()));
    }
    let weights = files::weights(published);
    if weights.is_none() && options.weights {
        return Err(download.client.refusal(
            "it publishes no weights that can be read: neither model.safetensors nor pytorch_model.bin, whole or sharded"
                .into(),
        ));
    }

    for file in files::small(published) {
        download.file(commit, file)?;
    }
    if let Some(weights) = weights.filter(|_| options.weights) {
        let weights_path = download.file(commit, weights)?;
        if files::is_index(weights) {
            for shard in files::shards(&weights_path).map_err(Failure::Final)? {
                download.file(commit, &shard)?;
            }
        }
    }
    for file in files::candidates().filter(|file| !published(file)) {
        download.repo.note_absent(commit, file);
    }
    // Last, so that a branch never points at a commit less complete than the one before.
    download
        .repo
        .set_commit(model, commit)
        .map_err(Failure::Final)?;
    Ok(download.repo.snapshot(commit))
}

struct Download<'a> {
    client: Client<'a>,
    repo: Repo,
    options: &'a Options,
}

impl Download<'_> {
    /// Puts `file` into the commit's snapshot unless it is there, and returns its path.
    fn file(&self, commit: &str, file: &str) -> Result<PathBuf, Failure> {
        let path = self.repo.snapshot(commit).join(file);
        if path.is_file() {
            return Ok(path);
        }
        let metadata = retrying(self.options, || self.client.metadata(commit, file))?;
        let blob = self.repo.blob(&metadata.etag);
        let _lock = self.repo.lock(&metadata.etag).map_err(Failure::Final)?;
        if !blob.is_file() {
            Transfer::new(&self.client, self.options, commit, file, &metadata, &blob).run()?;
        }
        self.repo
            .link(commit, file, &metadata.etag)
            .map_err(Failure::Final)?;
        Ok(path)
    }
}

/// Asks again, with growing pauses, as long as a failure may pass. An unreachable hub stays so.
fn retrying<T>(options: &Options, ask: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
    let mut failures = 0;
    loop {
        match ask() {
            Err(Failure::Transient(reason)) if failures < options.retries => {
                failures += 1;
                tracing::debug!("{reason}; asking again");
                pause(options, failures);
            }
            Err(Failure::Transient(reason)) => {
                return Err(Failure::Transient(format!(
                    "no answer after {} tries ({reason})",
                    failures + 1
                )));
            }
            answer => return answer,
        }
    }
}

/// Waits before try number `failures + 1`.
pub(super) fn pause(options: &Options, failures: u32) {
    let longest = Duration::from_secs(30);
    std::thread::sleep(
        options
            .retry_delay
            .saturating_mul(1 << (failures - 1).min(16))
            .min(longest),
    );
}
