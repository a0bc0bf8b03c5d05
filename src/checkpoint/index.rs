//! An index of shards: the list of files that weights are spread over.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::{Error, Result, foreign};

/// The files that the index at `path` names, relative to it, in the order in which they are read: by name, a tensor of
/// several files being that of the last. Which tensor it says to be where is of no consequence, as in transformers.
pub(crate) fn shards(path: &Path) -> Result<Vec<String>> {
    let fault = |message: String| Error::File {
        path: path.to_owned(),
        message,
    };
    let text = std::fs::read(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })?;
    foreign::check(path, &text)?;
    let index: Value = serde_json::from_slice(&text)
        .map_err(|error| fault(format!("not a JSON index of shards: {error}")))?;
    let map = index["weight_map"]
        .as_object()
        .ok_or_else(|| fault("the index of shards has no weight_map".into()))?;
    let mut names = BTreeSet::new();
    for (tensor, name) in map {
        names.insert(
            name.as_str()
                .ok_or_else(|| fault(format!("the index of shards names no file for {tensor}")))?,
        );
    }
    if names.is_empty() {
        return Err(fault("the index of shards names no file".into()));
    }
    names
        .into_iter()
        .map(|name| {
            below(name).ok_or_else(|| {
                fault(format!(
                    "the index names \"{name}\", which is no file beside it or below"
                ))
            })
        })
        .collect()
}

/// The path without steps that lead nowhere; `None` where it leads out of its directory.
pub(super) fn below(name: &str) -> Option<String> {
    if name.starts_with('/') || name.contains(['\\', ':', '\0']) {
        return None;
    }
    let steps: Vec<&str> = name
        .split('/')
        .filter(|step| !matches!(*step, "" | "."))
        .collect();
    (!steps.is_empty() && !steps.contains(&"..")).then(|| steps.join("/"))
}
