//! Models by name: a directory, a hub id or a short name becomes a directory with a model's files, from the
//! Hugging Face cache where they are there and from the hub where they are not.
//!
//! Fetching is what the cargo feature `hub` adds; without it the cache is all there is.

#![cfg_attr(not(feature = "hub"), allow(dead_code))]

#[cfg(feature = "hub")]
mod address;
mod cache;
#[cfg(feature = "hub")]
mod certificates;
#[cfg(feature = "hub")]
mod client;
#[cfg(feature = "hub")]
mod connection;
#[cfg(feature = "hub")]
mod download;
mod failure;
mod files;
#[cfg(feature = "hub")]
mod http;
mod names;
mod network;
mod note;
mod options;
#[cfg(feature = "hub")]
mod proxy;
#[cfg(feature = "hub")]
mod retry;
mod setting;
#[cfg(feature = "hub")]
mod tls;
mod token;
#[cfg(feature = "hub")]
mod transfer;

use std::path::{Path, PathBuf};

pub use cache::{CachedModel, cached};
#[cfg(all(feature = "fuzzing", feature = "hub"))]
pub(crate) use client::Listing;
pub use names::ModelId;
pub use network::Network;
pub use options::Options;
pub use token::Token;

use crate::{Error, Result};
use cache::Repo;
use failure::Failure;
use names::is_commit;
use note::note;

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
    let repo = Repo::new(options, &model.id);
    let Some(commit) = repo.commit(&model) else {
        return fetch(&model, None, false, options)
            .map_err(|failure| explain(failure, &model, &repo, None, options));
    };

    let snapshot = repo.snapshot(&commit);
    let complete = files::missing(&snapshot, options.weights)?.is_empty();
    if complete && (options.offline || repo.is_settled(&commit)) {
        return Ok(snapshot);
    }
    // The rest of a commit comes from that commit, not from whatever its branch has become.
    let same = Some(commit.as_str()).filter(|commit| is_commit(commit));
    if !complete {
        return fetch(&model, same, false, options)
            .map_err(|failure| explain(failure, &model, &repo, Some(&commit), options));
    }
    // All that it asks for is whether the model has files that it can do without: that is not worth a second try.
    let once = Options {
        retries: 0,
        ..options.clone()
    };
    fetch(&model, same, false, &once).or_else(|failure| {
        let reason = match &failure {
            Failure::Unreachable { reason, .. } | Failure::Transient(reason) => reason.clone(),
            Failure::Final(error) => error.to_string(),
        };
        note(
            options.quiet,
            &format!("using {model} as it is in the cache: {reason}"),
        );
        Ok(snapshot)
    })
}

/// Fetches what the hub has under `spec` now, all that is not in the cache yet or is of another size there, and returns its
/// directory. With [`Options::offline`], as [`resolve`].
pub fn pull(spec: &str, options: &Options) -> Result<PathBuf> {
    if options.offline || Path::new(spec).is_dir() {
        return resolve(spec, options);
    }
    let model = ModelId::parse(spec)?;
    let repo = Repo::new(options, &model.id);
    fetch(&model, None, true, options).map_err(|failure| {
        explain(
            failure,
            &model,
            &repo,
            repo.commit(&model).as_deref(),
            options,
        )
    })
}

#[cfg(feature = "hub")]
fn fetch(
    model: &ModelId,
    commit: Option<&str>,
    again: bool,
    options: &Options,
) -> Result<PathBuf, Failure> {
    match options.offline {
        true => Err(offline()),
        false => download::fetch(model, commit, again, options),
    }
}

#[cfg(not(feature = "hub"))]
fn fetch(_: &ModelId, _: Option<&str>, _: bool, options: &Options) -> Result<PathBuf, Failure> {
    Err(match options.offline {
        true => offline(),
        false => Failure::Unreachable {
            reason: "this build cannot fetch (cargo feature hub)".into(),
            remedy: "fetch it with another tool".into(),
        },
    })
}

fn offline() -> Failure {
    Failure::Unreachable {
        reason: "HF_HUB_OFFLINE is set".into(),
        remedy: "unset HF_HUB_OFFLINE".into(),
    }
}

/// A failure in words, with what is missing and where; `commit` is what the model's revision stands for in the cache.
fn explain(
    failure: Failure,
    model: &ModelId,
    repo: &Repo,
    commit: Option<&str>,
    options: &Options,
) -> Error {
    let (reason, remedy) = match failure {
        Failure::Final(error) => return error,
        Failure::Transient(reason) => {
            return Error::Hub {
                model: model.to_string(),
                message: format!("{reason}: run the same command again to go on from there"),
            };
        }
        Failure::Unreachable { reason, remedy } => (reason, remedy),
    };
    let place = commit.map_or_else(|| repo.snapshots(), |commit| repo.snapshot(commit));
    let missing = match commit {
        Some(_) => files::missing(&place, options.weights)
            .unwrap_or_default()
            .join(", "),
        None if options.weights => "config.json, the weights and the tokenizer".into(),
        None => "config.json and the tokenizer".into(),
    };
    if missing.is_empty() {
        return Error::Hub {
            model: model.to_string(),
            message: format!(
                "{reason}; {} has all that the model needs, but whether the hub has a newer one cannot be told: {remedy}, or use \
                 it as it is",
                place.display()
            ),
        };
    }
    // Without its branch, or under another one, a snapshot is still found by its own name.
    let others: Vec<_> = repo
        .complete(options.weights)
        .iter()
        .map(|name| format!("{}@{name}", model.id))
        .collect();
    let instead = match others.as_slice() {
        [] => String::new(),
        others => format!("give {}, which the cache has, ", others.join(" or ")),
    };
    Error::Hub {
        model: model.to_string(),
        message: format!(
            "not complete in the cache, and {reason}; missing: {missing}, which would go to {}: {instead}{remedy}, or give a \
             directory with --model",
            place.display()
        ),
    }
}
