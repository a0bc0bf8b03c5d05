//! Which of a model's published files are needed, and which of them a directory lacks.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::embedding::Modules;
use crate::{Error, Result};

/// The one file no model goes without, besides its weights.
pub(super) const CONFIG: &str = "config.json";

/// Taken where they are published.
const OPTIONAL: [&str; 5] = [
    Modules::LIST,
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
];

/// The forms a tokenizer comes in, best first. ByT5 has none of them.
const TOKENIZERS: [&[&str]; 3] = [
    &["tokenizer.json"],
    &["spiece.model"],
    &["vocab.json", "merges.txt"],
];

/// The forms weights come in, best first; an index names the shards beside it.
const WEIGHTS: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// Every file a model is looked through for, except shards: what a complete listing settles the absence of.
pub(super) fn candidates() -> impl Iterator<Item = &'static str> {
    OPTIONAL
        .into_iter()
        .chain(TOKENIZERS.into_iter().flatten().copied())
        .chain(Modules::SETTINGS)
}

/// The small files to fetch, of those for which `has` holds, the config first.
pub(super) fn small(has: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let tokenizer = TOKENIZERS
        .into_iter()
        .find(|files| files.iter().all(|file| has(file)))
        .unwrap_or(&[]);
    [CONFIG]
        .into_iter()
        .chain(OPTIONAL)
        .filter(|file| has(file))
        .chain(tokenizer.iter().copied())
        .collect()
}

/// The weights to fetch: one file, or an index, whose [`shards`] belong to it.
pub(super) fn weights(has: impl Fn(&str) -> bool) -> Option<&'static str> {
    WEIGHTS.into_iter().find(|file| has(file))
}

/// What a model of sentence-transformers has besides, of that for which `has` holds, as the list in `directory` says: the
/// settings of its modules and, where they are `wanted`, the weights of its layers.
pub(super) fn of_modules(
    directory: &Path,
    wanted: bool,
    has: impl Fn(&str) -> bool,
) -> Result<Vec<String>> {
    let Some(modules) = Modules::read(directory)? else {
        return Ok(Vec::new());
    };
    let mut files: Vec<String> = Modules::SETTINGS.map(str::to_owned).into();
    for (module, has_weights) in modules.directories() {
        let inside = |file: &str| format!("{module}/{file}");
        files.push(inside(CONFIG));
        let mut weights = WEIGHTS.map(inside).into_iter();
        files.extend(weights.find(|file| wanted && has_weights && has(file)));
    }
    files.retain(|file| has(file));
    Ok(files)
}

/// The file is an index and not weights by itself.
pub(super) fn is_index(file: &str) -> bool {
    file.ends_with(".index.json")
}

/// The files that an index at `path` spreads the weights over.
pub(super) fn shards(path: &Path) -> Result<Vec<String>> {
    let names = crate::checkpoint::shards(path)?;
    // The cache has no folders below a model's files.
    match names.iter().find(|name| !is_plain(name)) {
        Some(name) => Err(Error::File {
            path: path.to_owned(),
            message: format!("the index names \"{name}\", which is not a file beside it"),
        }),
        None => Ok(names),
    }
}

/// The few lines that Git keeps in place of a large file that Git LFS has.
pub(super) fn is_lfs_pointer(path: &Path) -> bool {
    let mut start = [0; POINTER.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == *POINTER
}

const POINTER: &[u8; 24] = b"version https://git-lfs.";

/// A file name without a directory part.
pub(super) fn is_plain(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\\', ':', '\0'])
}

/// What a directory lacks that a model cannot run without: its config and, where they are `wanted`, its weights and shards
/// of them.
pub(super) fn missing(directory: &Path, wanted: bool) -> Result<Vec<String>> {
    let has = |file: &str| directory.join(file).is_file();
    let mut missing = Vec::new();
    if !has(CONFIG) {
        missing.push(CONFIG.to_owned());
    }
    match weights(has) {
        _ if !wanted => {}
        None => missing.push(WEIGHTS[0].to_owned()),
        Some(index) if is_index(index) => {
            missing.extend(
                shards(&directory.join(index))?
                    .into_iter()
                    .filter(|shard| !has(shard)),
            );
        }
        Some(_) => {}
    }
    for (module, has_weights) in Modules::read(directory)?
        .iter()
        .flat_map(Modules::directories)
    {
        let inside = |file: &str| format!("{module}/{file}");
        if !has(&inside(CONFIG)) {
            missing.push(inside(CONFIG));
        }
        if wanted && has_weights && !WEIGHTS.iter().any(|file| has(&inside(file))) {
            missing.push(inside(WEIGHTS[0]));
        }
    }
    Ok(missing)
}

/// Whether `directory` has each optional file and a tokenizer, or `absent` says that the model has none.
pub(super) fn is_settled(directory: &Path, absent: impl Fn(&str) -> bool) -> bool {
    let has = |file: &str| directory.join(file).is_file();
    OPTIONAL.into_iter().all(|file| has(file) || absent(file))
        && (absent(Modules::LIST)
            || (Modules::SETTINGS.iter()).all(|file| has(file) || absent(file)))
        && (TOKENIZERS
            .into_iter()
            .any(|files| files.iter().all(|file| has(file)))
            || TOKENIZERS
                .into_iter()
                .all(|files| files.iter().any(|file| absent(file))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_list<'a>(list: &'a [&'a str]) -> impl Fn(&str) -> bool + Copy + 'a {
        move |file| list.contains(&file)
    }

    #[test]
    fn one_tokenizer_and_one_form_of_weights_are_chosen() {
        let t5 = in_list(&[
            "README.md",
            "config.json",
            "flax_model.msgpack",
            "generation_config.json",
            "model.safetensors",
            "pytorch_model.bin",
            "spiece.model",
            "tf_model.h5",
            "tokenizer.json",
            "tokenizer_config.json",
        ]);
        assert_eq!(
            small(t5),
            [
                "config.json",
                "generation_config.json",
                "tokenizer_config.json",
                "tokenizer.json"
            ]
        );
        assert_eq!(weights(t5), Some("model.safetensors"));

        let codet5 = in_list(&[
            "added_tokens.json",
            "config.json",
            "merges.txt",
            "pytorch_model.bin",
            "vocab.json",
        ]);
        assert_eq!(
            small(codet5),
            [
                "config.json",
                "added_tokens.json",
                "vocab.json",
                "merges.txt"
            ]
        );
        assert_eq!(weights(codet5), Some("pytorch_model.bin"));

        let sharded = in_list(&[
            "pytorch_model.bin.index.json",
            "model.safetensors.index.json",
            "vocab.json",
        ]);
        assert_eq!(weights(sharded), Some("model.safetensors.index.json"));
        assert!(small(sharded).is_empty(), "half a tokenizer is none");
        assert_eq!(weights(in_list(&["tf_model.h5"])), None);
    }

    #[test]
    fn missing_shards_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        assert_eq!(
            missing(directory.path(), true).unwrap(),
            ["config.json", "model.safetensors"]
        );
        write("config.json", "{}");
        write(
            "model.safetensors.index.json",
            r#"{"weight_map": {"a": "2.safetensors", "b": "1.safetensors", "c": "1.safetensors"}}"#,
        );
        write("1.safetensors", "");
        assert_eq!(missing(directory.path(), true).unwrap(), ["2.safetensors"]);
        assert!(missing(directory.path(), false).unwrap().is_empty());
        write("2.safetensors", "");
        assert!(missing(directory.path(), true).unwrap().is_empty());
    }

    #[test]
    fn an_index_cannot_lead_out_of_its_directory() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.safetensors.index.json");
        for (text, wanted) in [
            (r#"{"weight_map": {"a": "../../x"}}"#, "\"../../x\""),
            (r#"{"weight_map": {}}"#, "names no file"),
            (r#"{}"#, "no weight_map"),
            ("{", "not a JSON index"),
        ] {
            std::fs::write(&path, text).unwrap();
            let message = shards(&path).unwrap_err().to_string();
            assert!(message.contains(wanted), "{message}");
        }
    }
}
