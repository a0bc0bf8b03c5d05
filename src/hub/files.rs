//! Which of a model's published files are needed, and which of them a directory lacks. Files are named by their way from the
//! top of the model, with slashes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use crate::Result;
use crate::checkpoint::shards;
use crate::embedding::Modules;
use crate::model_files::Directory;

/// The one file no model goes without, besides its weights.
pub(super) const CONFIG: &str = "config.json";

/// What says that a model is spread over several folders, where it is published: sentence-transformers' list and the
/// settings beside it, diffusers' list.
pub(super) const LISTS: [&str; 3] = [Modules::LIST, Modules::SETTINGS, Directory::DIFFUSERS];

/// Taken where they are published.
const OPTIONAL: [&str; 5] = [
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "sentence_bert_config.json",
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

/// A folder that some of a model's files are in.
pub(super) struct Folder {
    /// What goes before the name of a file in it: nothing, or `2_Dense/`.
    prefix: String,
    /// It cannot do without a config.
    pub config: bool,
    /// It cannot do without weights.
    pub weights: bool,
}

/// The folders of the model in `root`, as far as what lists them is there; the model's own comes first.
pub(super) fn folders(root: &Path) -> Result<Vec<Folder>> {
    if !root.is_dir() {
        let prefix = String::new();
        return Ok(vec![Folder {
            prefix,
            config: true,
            weights: true,
        }]);
    }
    let folders = Directory::find(root)?.folders().into_iter();
    Ok(folders
        .map(|folder| {
            let steps = folder.path.strip_prefix(root).into_iter().flatten();
            Folder {
                prefix: steps
                    .map(|step| format!("{}/", step.to_string_lossy()))
                    .collect(),
                config: folder.config,
                weights: folder.weights,
            }
        })
        .collect())
}

impl Folder {
    /// The file of this name in the folder.
    pub fn file(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The small files to fetch, of those for which `has` holds, the config first.
    pub fn small(&self, has: impl Fn(&str) -> bool) -> Vec<String> {
        let has = |name: &str| has(&self.file(name));
        let tokenizer = TOKENIZERS
            .into_iter()
            .find(|files| files.iter().all(|file| has(file)))
            .unwrap_or(&[]);
        [CONFIG]
            .into_iter()
            .chain(OPTIONAL)
            .filter(|file| has(file))
            .chain(tokenizer.iter().copied())
            .map(|file| self.file(file))
            .collect()
    }

    /// Every file that the folder is looked through for, except weights: what a complete listing settles the absence of.
    pub fn candidates(&self) -> impl Iterator<Item = String> {
        OPTIONAL
            .into_iter()
            .chain(TOKENIZERS.into_iter().flatten().copied())
            .map(|file| self.file(file))
    }

    /// The weights to fetch, of those for which `has` holds: one file, or an index, whose [`Folder::shards`] belong to it.
    /// The config in the model's directory `root` may name another than the usual ones.
    pub fn weights(&self, root: &Path, has: impl Fn(&str) -> bool) -> Option<String> {
        let config = std::fs::read(root.join(self.file(CONFIG))).unwrap_or_default();
        let config: Value = serde_json::from_slice(&config).unwrap_or_default();
        match config["transformers_weights"].as_str() {
            Some(name) => Some(self.file(name)).filter(|file| is_below(file)),
            None => WEIGHTS
                .into_iter()
                .map(|file| self.file(file))
                .find(|file| has(file)),
        }
    }

    /// The files that the weights in `file` are spread over, where it is an index of them; none where it is not.
    pub fn shards(&self, root: &Path, file: &str) -> Result<Vec<String>> {
        if !file.ends_with(".index.json") {
            return Ok(Vec::new());
        }
        let names = shards(&root.join(file))?;
        Ok(names.iter().map(|name| self.file(name)).collect())
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

/// A way to a file that does not lead out of where it starts.
pub(super) fn is_below(file: &str) -> bool {
    file.split('/').all(is_plain)
}

/// What a directory lacks that a model cannot run without: its config and, where they are `wanted`, its weights and shards
/// of them.
pub(super) fn missing(root: &Path, wanted: bool) -> Result<Vec<String>> {
    let has = |file: &str| root.join(file).is_file();
    let mut missing = Vec::new();
    for folder in folders(root)? {
        let config = folder.file(CONFIG);
        if folder.config && !has(&config) {
            missing.push(config);
        }
        if !(wanted && folder.weights) {
            continue;
        }
        match folder.weights(root, has) {
            None => missing.push(folder.file(WEIGHTS[0])),
            Some(file) if !has(&file) => missing.push(file),
            Some(file) => {
                let shards = folder.shards(root, &file)?;
                missing.extend(shards.into_iter().filter(|shard| !has(shard)));
            }
        }
    }
    Ok(missing)
}

/// Whether `root` has each optional file and a tokenizer, or `absent` says that the model has none.
pub(super) fn is_settled(root: &Path, absent: impl Fn(&str) -> bool) -> bool {
    let has = |file: &str| root.join(file).is_file();
    let settled = |file: &str| has(file) || absent(file);
    let [modules, whole, _] = LISTS;
    let of_folder = |folder: &Folder| {
        let file = |name: &&str| folder.file(name);
        OPTIONAL.iter().map(&file).all(|file| settled(&file))
            && (TOKENIZERS
                .into_iter()
                .any(|form| form.iter().map(&file).all(|file| has(&file)))
                || TOKENIZERS
                    .into_iter()
                    .all(|form| form.iter().map(&file).any(|file| absent(&file))))
    };
    settled(modules)
        && (absent(modules) || settled(whole))
        && folders(root).is_ok_and(|folders| folders.iter().all(of_folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: Folder = Folder {
        prefix: String::new(),
        config: true,
        weights: true,
    };

    fn weights(has: impl Fn(&str) -> bool) -> Option<String> {
        TOP.weights(Path::new("/nowhere"), has)
    }

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
            TOP.small(t5),
            [
                "config.json",
                "generation_config.json",
                "tokenizer_config.json",
                "tokenizer.json"
            ]
        );
        assert_eq!(weights(t5).as_deref(), Some("model.safetensors"));

        let codet5 = in_list(&[
            "added_tokens.json",
            "config.json",
            "merges.txt",
            "pytorch_model.bin",
            "vocab.json",
        ]);
        assert_eq!(
            TOP.small(codet5),
            [
                "config.json",
                "added_tokens.json",
                "vocab.json",
                "merges.txt"
            ]
        );
        assert_eq!(weights(codet5).as_deref(), Some("pytorch_model.bin"));

        let sharded = in_list(&[
            "pytorch_model.bin.index.json",
            "model.safetensors.index.json",
            "vocab.json",
        ]);
        assert_eq!(
            weights(sharded).as_deref(),
            Some("model.safetensors.index.json")
        );
        assert!(TOP.small(sharded).is_empty(), "half a tokenizer is none");
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
        let index = "model.safetensors.index.json";
        for (text, wanted) in [
            (r#"{"weight_map": {"a": "../../x"}}"#, "\"../../x\""),
            (r#"{"weight_map": {}}"#, "names no file"),
            (r#"{}"#, "no weight_map"),
            ("{", "not a JSON index"),
        ] {
            std::fs::write(directory.path().join(index), text).unwrap();
            let message = TOP.shards(directory.path(), index).unwrap_err().to_string();
            assert!(message.contains(wanted), "{message}");
        }
        for file in ["../x", "a/../x", "/x", "a//x", "a\\x", "c:x", ""] {
            assert!(!is_below(file), "{file}");
        }
        assert!(is_below("a/b.c"));
    }
}
