//! Directories that are no model, or not a whole one.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// Endings of files that other programs keep models in, and what to do about them.
const FOREIGN: [(&str, &str); 20] = [
    (
        ".h5",
        "TensorFlow's: have transformers 4 load it with from_tf=True and save_pretrained it",
    ),
    (
        ".msgpack",
        "Flax's: have transformers 4 load it with from_flax=True and save_pretrained it",
    ),
    (".gguf", "llama.cpp's: use the model that it was made from"),
    (
        ".onnx",
        "ONNX Runtime's: use the model that it was made from",
    ),
    (".ot", "rust-bert's: use the model that it was made from"),
    (
        "openvino_encoder_model.xml",
        "OpenVINO's: use the model that it was made from",
    ),
    (
        "openvino_model.xml",
        "OpenVINO's: use the model that it was made from",
    ),
    (
        "shared_vocabulary.json",
        "CTranslate2's: use the model that it was made from",
    ),
    (
        "shared_vocabulary.txt",
        "CTranslate2's: use the model that it was made from",
    ),
    (
        ".tflite",
        "TensorFlow Lite's: use the model that it was made from",
    ),
    (
        ".mlpackage",
        "Core ML's: use the model that it was made from",
    ),
    (".engine", "TensorRT's: use the model that it was made from"),
    (
        "saved_model.pb",
        "TensorFlow's: use the model that it was made from",
    ),
    (
        "operative_config.gin",
        "of T5X or Mesh TensorFlow: convert it with transformers' convert_t5x_checkpoint_to_pytorch.py",
    ),
    (
        "_CHECKPOINT_METADATA",
        "Orbax's, which Flax models are trained with: save_pretrained the model",
    ),
    (
        "zero_to_fp32.py",
        "DeepSpeed's, whose training left its state here: run `python zero_to_fp32.py . .` in the directory",
    ),
    (
        ".distcp",
        "of a distributed PyTorch training: run `accelerate merge-weights` on the directory",
    ),
    (
        ".ckpt",
        "a training's checkpoint: load it there and save_pretrained the model",
    ),
    (
        ".pth",
        "PyTorch's under another name: save_pretrained the model that it belongs to",
    ),
    (
        ".pt",
        "PyTorch's under another name: save_pretrained the model that it belongs to",
    ),
];

/// Endings of files that are still being fetched, or whose fetching broke off.
const UNFINISHED: [&str; 5] = [".incomplete", ".part", ".crdownload", ".aria2", ".download"];

/// Endings of files that hold files.
const ARCHIVES: [&str; 5] = [".zip", ".tar", ".tar.gz", ".tgz", ".7z"];

/// The weights that peft saves.
const ADAPTERS: [&str; 2] = ["adapter_model.safetensors", "adapter_model.bin"];

const ADAPTER_CONFIG: &str = "adapter_config.json";

/// For messages: that a model's directory holds an adapter besides, which transformers would load with it.
pub(crate) fn adapter_beside(dir: &Path) -> Option<String> {
    let has = |name: &str| dir.join(name).is_file();
    let file = ADAPTERS
        .into_iter()
        .find(|file| has(file) && has(ADAPTER_CONFIG))?;
    Some(format!(
        "{file} is an adapter for this model, which is not applied here: merge it with peft's merge_and_unload and \
         save_pretrained the model, or move the adapter's files away"
    ))
}

/// What peft trains beside a model's weights, and cannot merge into them.
const PROMPTS: [&str; 5] = [
    "PROMPT_TUNING",
    "MULTITASK_PROMPT_TUNING",
    "PREFIX_TUNING",
    "P_TUNING",
    "ADAPTION_PROMPT",
];

/// For messages: what a directory that lacks files of a model holds instead, and what to do.
pub(crate) fn holds(dir: &Path) -> String {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    if names.is_empty() {
        return "the directory is empty".into();
    }
    let directory = Directory { dir, names };
    directory
        .adapter()
        .or_else(|| directory.cache())
        .or_else(|| directory.lost_link())
        .or_else(|| directory.below())
        .or_else(|| directory.named_otherwise())
        .unwrap_or_else(|| directory.list())
}

/// For messages: what a model of this id publishes in place of the files that it should, if that is known.
#[cfg(feature = "hub")]
pub(crate) fn publishes(id: &str, files: &[String]) -> Option<String> {
    let mut names = files.to_vec();
    names.sort();
    let dir = Path::new(id);
    let directory = Directory { dir, names };
    directory.adapter().or_else(|| directory.named_otherwise())
}

struct Directory<'a> {
    dir: &'a Path,
    /// Sorted.
    names: Vec<String>,
}

impl Directory<'_> {
    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|found| found == name)
    }

    /// A file whose name has one of these endings, but for what trainings write beside weights.
    fn ending(&self, endings: &[&str]) -> Option<&str> {
        const STATE: [&str; 5] = [
            "optimizer.",
            "scheduler.",
            "scaler.",
            "rng_state",
            "training_args.",
        ];
        let mut names = self.names.iter().map(String::as_str);
        names.find(|name| {
            endings.iter().any(|ending| name.ends_with(ending))
                && !STATE.iter().any(|start| name.starts_with(start))
        })
    }

    /// peft's, or that of AdapterHub's library.
    fn adapter(&self) -> Option<String> {
        let weights = self.ending(&ADAPTERS);
        if !self.has(ADAPTER_CONFIG) && weights.is_none() {
            return None;
        }
        let config = json(&self.dir.join(ADAPTER_CONFIG)).unwrap_or_default();
        let text = |name: &str| config.get(name).and_then(Value::as_str);
        let said = |before: &str, text: Option<&str>, after: &str| match text {
            Some(text) => format!("{before}{text}{after}"),
            None => String::new(),
        };
        let kind = text("peft_type");
        let base = text("base_model_name_or_path").or_else(|| text("model_name"));
        let what = format!(
            "it holds an adapter{}{}{} and no model",
            said(" (", kind, ")"),
            said(" of ", base, ""),
            said(" in ", weights, "")
        );
        if kind.is_some_and(|kind| PROMPTS.contains(&kind)) {
            return Some(format!(
                "{what}, of a kind that cannot be merged into its weights: not supported"
            ));
        }
        if kind.is_none() && weights.is_none() {
            return Some(format!(
                "{what}: merge it with the library that trained it and save_pretrained the model"
            ));
        }
        Some(format!(
            "{what}: in Python, peft.AutoPeftModelForSeq2SeqLM.from_pretrained({:?}).merge_and_unload().save_pretrained(NEW), \
             add the tokenizer's files and name NEW",
            self.dir.display().to_string()
        ))
    }

    /// All of the hub's cache.
    fn cache(&self) -> Option<String> {
        let name = self
            .names
            .iter()
            .find_map(|name| name.strip_prefix("models--"))?;
        Some(format!(
            "it is a cache of the hub: name a model by its id, such as {}",
            name.replace("--", "/")
        ))
    }

    /// A link of the hub's cache whose file is gone.
    fn lost_link(&self) -> Option<String> {
        let is_lost = |name: &&String| {
            let path = self.dir.join(name);
            path.is_symlink() && !path.exists()
        };
        let name = self.names.iter().find(is_lost)?;
        Some(format!(
            "{name} is a link to a file that is not there: fetch the model again"
        ))
    }

    /// A model, or several, one or two folders below.
    fn below(&self) -> Option<String> {
        let folders = |dir: &Path| -> Vec<PathBuf> {
            let entries = std::fs::read_dir(dir).into_iter().flatten();
            let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
            paths.filter(|path| path.is_dir()).collect()
        };
        let marked = |mark: &str| -> Vec<PathBuf> {
            let near = folders(self.dir);
            let far = near.iter().flat_map(|folder| folders(folder));
            let mut found: Vec<PathBuf> = near.iter().cloned().chain(far).collect();
            found.retain(|folder| folder.join(mark).is_file() && has_weights(folder));
            // A training numbers its checkpoints: 500 comes before 1000.
            found.sort_by_key(|folder| (folder.as_os_str().len(), folder.clone()));
            found
        };
        for (mark, what) in [
            ("config.json", "the model is"),
            (ADAPTER_CONFIG, "an adapter is"),
        ] {
            let found = marked(mark);
            if let Some(last) = found.last() {
                return Some(match found.len() {
                    1 => format!("{what} in {}, name that", last.display()),
                    count => format!(
                        "there are {count} below it, such as {}: name one",
                        last.display()
                    ),
                });
            }
        }
        None
    }

    /// Weights that other programs read, or under another name, or in part.
    fn named_otherwise(&self) -> Option<String> {
        let is_shard = |name: &&String| name.contains("-of-") && !name.ends_with(".json");
        if let Some(shard) = self.names.iter().find(is_shard) {
            let stem = if shard.ends_with(".bin") {
                "pytorch_model.bin"
            } else {
                "model.safetensors"
            };
            return Some(format!(
                "{shard} is one of several shards, whose index {stem}.index.json is missing: fetch it"
            ));
        }
        if let Some(file) = self.ending(&UNFINISHED) {
            return Some(format!(
                "{file} is not fetched to its end: fetch the model again"
            ));
        }
        let foreign = |(ending, what): (&str, &str)| {
            Some(format!(
                "{} is not read, it is {what}",
                self.ending(&[ending])?
            ))
        };
        if let Some(found) = FOREIGN.into_iter().find_map(foreign) {
            return Some(found);
        }
        for (ending, name) in [
            (".safetensors", "model.safetensors"),
            (".bin", "pytorch_model.bin"),
        ] {
            if let Some(file) = self.ending(&[ending]).filter(|file| *file != name) {
                return Some(format!("if {file} holds the weights, call it {name}"));
            }
        }
        if let Some(file) = self.ending(&ARCHIVES) {
            return Some(format!("if {file} holds the model, unpack it"));
        }
        if self.has("optimizer.pt") || self.has("trainer_state.json") {
            return Some(
                "it holds the state of a training, which did not save its model here".into(),
            );
        }
        None
    }

    fn list(&self) -> String {
        let some: Vec<&str> = self.names.iter().map(String::as_str).take(4).collect();
        let more = if self.names.len() > some.len() {
            ", ..."
        } else {
            ""
        };
        format!("it holds {}{more}", some.join(", "))
    }
}

/// Whether a directory has a file that may be weights.
fn has_weights(dir: &Path) -> bool {
    let names = std::fs::read_dir(dir).into_iter().flatten();
    names
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .any(|name| name.ends_with(".safetensors") || name.ends_with(".bin"))
}

fn json(path: &Path) -> Option<Map<String, Value>> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}
