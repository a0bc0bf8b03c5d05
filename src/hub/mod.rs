//! Models by name: a directory, a hub id or a short name becomes a directory with a model's files, from the
//! Hugging Face cache where they are there and from the hub where they are not.
//!
//! Fetching is what the cargo feature `hub` adds; without it the cache is all there is.

#![cfg_attr(not(feature = "hub"), allow(dead_code))]

mod cache;
#[cfg(feature = "hub")]
mod client;
#[cfg(feature = "hub")]
mod download;
mod files;
mod names;
mod options;
#[cfg(feature = "hub")]
mod transfer;

use std::path::{Path, PathBuf};

pub use cache::{CachedModel, cached};
pub use names::ModelId;
pub use options::Options;

use crate::{Error, Result};
use cache::Repo;

/// The directory of the model that `spec` names: a directory's path, which is returned as it is, `org/name`,
/// `org/name@revision`, or a short name such as `t5-small`.
///
/// What the cache has complete is used without asking the hub; the rest is fetched. Use [`pull`] for the newest.
pub fn resolve(spec: &str, options: &Options) -> Result<PathBuf> {
    let path = Path::new(spec);
    if path.is_dir() {
        return Ok(path.to_owned());
    }
    if path.exists() {
        return Err(Error::File {
            path: path.to_owned(),
            message: "is no directory: name the one that holds config.json and the weights".into(),
        });
    }
    let model = ModelId::parse(spec)?;
    let repo = Repo::new(&options.cache, &model.id);
    let Some(commit) = repo.commit(&model) else {
        return fetch(&model, None, options)
            .map_err(|failure| failure.into_error(&model, &repo, None, options));
    };

    let snapshot = repo.snapshot(&commit);
    let complete = files::missing(&snapshot, options.weights)?.is_empty();
    if complete && (options.offline || repo.is_settled(&commit)) {
        return Ok(snapshot);
    }
    // The rest of a commit comes from that commit, not from whatever its branch has become.
    match fetch(&model, Some(&commit), options) {
        Err(failure) if complete => {
            tracing::warn!(
                "{model}: using the cached files; the hub was asked for optional ones: {failure:?}"
            );
            Ok(snapshot)
        }
        fetched => {
            fetched.map_err(|failure| failure.into_error(&model, &repo, Some(&commit), options))
        }
    }
}

/// Fetches what the hub has under `spec` now, all that is not in the cache yet, and returns its directory.
/// With [`Options::offline`], as [`resolve`].
pub fn pull(spec: &str, options: &Options) -> Result<PathBuf> {
    if options.offline || Path::new(spec).is_dir() {
        return resolve(spec, options);
    }
    let model = ModelId::parse(spec)?;
    let repo = Repo::new(&options.cache, &model.id);
    fetch(&model, None, options).map_err(|failure| {
        failure.into_error(&model, &repo, repo.commit(&model).as_deref(), options)
    })
}

#[cfg(feature = "hub")]
fn fetch(model: &ModelId, commit: Option<&str>, options: &Options) -> Result<PathBuf, Failure> {
    if options.offline {
        return Err(Failure::Unreachable("HF_HUB_OFFLINE is set".into()));
    }
    download::fetch(model, commit, options)
}

#[cfg(not(feature = "hub"))]
fn fetch(_: &ModelId, _: Option<&str>, options: &Options) -> Result<PathBuf, Failure> {
    Err(Failure::Unreachable(match options.offline {
        true => "HF_HUB_OFFLINE is set".into(),
        false => "this build cannot fetch (cargo feature hub)".into(),
    }))
}

/// Why a model could not be fetched.
#[derive(Debug)]
enum Failure {
    /// There is no hub to talk to, and why.
    Unreachable(String),
    /// The hub or the way to it failed in a manner that may pass.
    Transient(String),
    /// Nothing that trying again would change.
    Final(Error),
}

impl Failure {
    fn into_error(
        self,
        model: &ModelId,
        repo: &Repo,
        commit: Option<&str>,
        options: &Options,
    ) -> Error {
        let message = match self {
            Self::Final(error) => return error,
            Self::Transient(reason) => {
                format!("{reason}: run the same command again to go on from there")
            }
            Self::Unreachable(reason) => {
                let (place, missing) = match commit {
                    Some(commit) => {
                        let snapshot = repo.snapshot(commit);
                        let missing = files::missing(&snapshot, options.weights)
                            .unwrap_or_default()
                            .join(", ");
                        (snapshot, missing)
                    }
                    None => (
                        repo.snapshots(),
                        match options.weights {
                            true => "config.json, the weights and the tokenizer",
                            false => "config.json and the tokenizer",
                        }
                        .to_owned(),
                    ),
                };
                let remedy = match options.offline {
                    true => "unset HF_HUB_OFFLINE",
                    false => "connect to the network, set HF_ENDPOINT to a mirror",
                };
                format!(
                    "not complete in the cache, and {reason}; missing: {missing}, which would go to {}: \
                     {remedy}, or give a directory with --model",
                    place.display()
                )
            }
        };
        Error::Hub {
            model: model.to_string(),
            message,
        }
    }
}
