//! What a user may call a model: a hub id, an id at a revision, or a well-known checkpoint's short name.

use crate::{Error, Result};

/// The short names: a stem with the sizes published under it, and the organisation that publishes them.
const SHORT_NAMES: &[(&str, &[&str], &str)] = &[
    ("t5", &["small", "base", "large", "3b", "11b"], "google-t5"),
    (
        "t5-v1_1",
        &["small", "base", "large", "xl", "xxl"],
        "google",
    ),
    (
        "flan-t5",
        &["small", "base", "large", "xl", "xxl"],
        "google",
    ),
    ("mt5", &["small", "base", "large", "xl", "xxl"], "google"),
    ("umt5", &["small", "base", "xl", "xxl"], "google"),
    ("byt5", &["small", "base", "large", "xl", "xxl"], "google"),
    (
        "madlad400",
        &["3b-mt", "7b-mt", "7b-mt-bt", "10b-mt"],
        "google",
    ),
    ("codet5", &["small", "base", "large"], "Salesforce"),
];

/// A model on the hub, at a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelId {
    /// `organisation/name`.
    pub id: String,
    /// A branch, a tag or a commit; `main` unless given.
    pub revision: String,
}

impl ModelId {
    /// Reads `org/name`, `org/name@revision`, `short-name` or `short-name@revision`.
    pub fn parse(spec: &str) -> Result<Self> {
        let (name, revision) = match spec.split_once('@') {
            Some((name, revision)) => (name, revision),
            None => (spec, "main"),
        };
        let id = match name.split('/').collect::<Vec<_>>()[..] {
            [short] if is_name(short) => {
                let org = organisation(short).ok_or_else(|| unknown_short_name(short))?;
                format!("{org}/{short}")
            }
            [org, model] if is_name(org) && is_name(model) => name.to_owned(),
            _ => {
                return Err(Error::Invalid(format!(
                    "no model \"{spec}\": there is no such directory, and it is not a hub id such as google-t5/t5-small"
                )));
            }
        };
        // A revision becomes a path below `refs/`; it must not lead out of it.
        if revision.is_empty()
            || revision
                .split('/')
                .any(|part| matches!(part, "" | "." | ".."))
        {
            return Err(Error::Invalid(format!(
                "\"{revision}\" in \"{spec}\" is not a revision: give a branch, a tag or a commit after the @"
            )));
        }
        Ok(Self {
            id,
            revision: revision.to_owned(),
        })
    }

    /// The revision is a full commit id, which names the same files for ever.
    pub fn is_commit(&self) -> bool {
        is_commit(&self.revision)
    }
}

impl std::fmt::Display for ModelId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.revision.as_str() {
            "main" => f.write_str(&self.id),
            revision => write!(f, "{}@{revision}", self.id),
        }
    }
}

/// Forty hexadecimal digits.
pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// One half of a hub id: letters, digits, `-`, `_` and `.`, not starting with a dot.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn organisation(short: &str) -> Option<&'static str> {
    SHORT_NAMES.iter().find_map(|(stem, sizes, org)| {
        let size = short.strip_prefix(stem)?.strip_prefix('-')?;
        sizes.contains(&size).then_some(*org)
    })
}

fn unknown_short_name(short: &str) -> Error {
    let known: Vec<_> = SHORT_NAMES
        .iter()
        .map(|(stem, sizes, _)| format!("{stem}-{{{}}}", sizes.join(",")))
        .collect();
    Error::Invalid(format!(
        "no model \"{short}\": there is no such directory, and the short names are {}; \
         any other model goes by its full hub id, organisation/name",
        known.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(spec: &str) -> (String, String) {
        let model = ModelId::parse(spec).unwrap();
        (model.id, model.revision)
    }

    #[test]
    fn short_names_expand_to_their_publisher() {
        for (short, id) in [
            ("t5-small", "google-t5/t5-small"),
            ("t5-11b", "google-t5/t5-11b"),
            ("t5-v1_1-base", "google/t5-v1_1-base"),
            ("flan-t5-xxl", "google/flan-t5-xxl"),
            ("mt5-small", "google/mt5-small"),
            ("umt5-base", "google/umt5-base"),
            ("byt5-small", "google/byt5-small"),
            ("madlad400-3b-mt", "google/madlad400-3b-mt"),
            ("codet5-base", "Salesforce/codet5-base"),
        ] {
            assert_eq!(parsed(short), (id.to_owned(), "main".to_owned()));
        }
    }

    #[test]
    fn ids_and_revisions_are_taken_as_given() {
        assert_eq!(
            parsed("Org_1/my.model-2"),
            ("Org_1/my.model-2".into(), "main".into())
        );
        assert_eq!(parsed("a/b@refs/pr/3"), ("a/b".into(), "refs/pr/3".into()));
        assert_eq!(
            parsed("t5-small@v1.0"),
            ("google-t5/t5-small".into(), "v1.0".into())
        );
        assert_eq!(ModelId::parse("a/b@v2").unwrap().to_string(), "a/b@v2");
        assert_eq!(ModelId::parse("a/b").unwrap().to_string(), "a/b");
    }

    #[test]
    fn unknown_short_names_list_the_known_ones() {
        let message = ModelId::parse("t5-smal").unwrap_err().to_string();
        assert!(message.contains("no model \"t5-smal\""), "{message}");
        assert!(
            message.contains("t5-{small,base,large,3b,11b}"),
            "{message}"
        );
        assert!(!message.contains('\n'));
    }

    #[test]
    fn paths_and_escapes_are_refused() {
        for spec in [
            "", "/", "./model", "../model", "a/b/c", "a/", "/a", "a/..", "a\\b", "a b/c", "a/b@",
            "a/b@../x",
        ] {
            assert!(ModelId::parse(spec).is_err(), "{spec:?} was accepted");
        }
    }
}
