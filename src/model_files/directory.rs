//! Which part of a directory holds what: of a model's own, of sentence-transformers', of diffusers'.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::embedding::Modules;
use crate::{Error, Result, foreign};

/// Where a model's parts are.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    /// `config.json`, `generation_config.json` and the weights.
    pub model: PathBuf,
    /// The tokenizer's files.
    pub tokenizer: PathBuf,
    /// Where sentence-transformers wrote it: what follows the encoder.
    pub modules: Option<Modules>,
}

impl Directory {
    /// What diffusers lists the parts of an image model in.
    pub const DIFFUSERS: &str = "model_index.json";

    /// Finds them below `root`.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] for a list of parts that cannot be understood, or that has no text encoder of the
    /// family.
    pub fn find(root: &Path) -> Result<Directory> {
        let modules = Modules::read(root)?;
        let index = root.join(Self::DIFFUSERS);
        let model = match &modules {
            Some(modules) => modules.transformer(),
            None if index.is_file() && !root.join(CONFIG).is_file() => {
                root.join(text_encoder(&index)?)
            }
            None => root.to_owned(),
        };
        Ok(Directory {
            tokenizer: tokenizer_beside(&model).unwrap_or_else(|| model.clone()),
            model,
            modules,
        })
    }

    /// The folders that files are read from, whether or not they are there yet. The model's own comes first.
    pub fn folders(&self) -> Vec<Folder> {
        let folder = |path, config, weights| Folder {
            path,
            config,
            weights,
        };
        let mut folders = vec![folder(self.model.clone(), true, true)];
        folders.extend(tokenizer_of(&self.model).map(|path| folder(path, false, false)));
        let modules = self.modules.iter().flat_map(Modules::folders);
        folders.extend(modules.map(|(path, weights)| folder(path, true, weights)));
        folders
    }

    /// The model's `config.json`.
    ///
    /// # Errors
    /// [`Error::File`] where there is none, with what the directory holds instead.
    pub fn config(&self) -> Result<PathBuf> {
        let path = self.model.join(CONFIG);
        match path.is_file() {
            true => Ok(path),
            false => Err(Error::File {
                path: self.model.clone(),
                message: format!("no {CONFIG} here: {}", foreign::holds(&self.model)),
            }),
        }
    }
}

/// A folder that files are read from.
pub(crate) struct Folder {
    pub path: PathBuf,
    /// It cannot do without a `config.json`.
    pub config: bool,
    /// It cannot do without weights.
    pub weights: bool,
}

const CONFIG: &str = "config.json";

/// The text encoder of the family among the parts of an image model.
fn text_encoder(index: &Path) -> Result<String> {
    let fault = |message: String| Error::File {
        path: index.to_owned(),
        message,
    };
    let text = std::fs::read(index).map_err(|source| Error::Io {
        path: index.to_owned(),
        source,
    })?;
    let parts: BTreeMap<String, Value> = serde_json::from_slice(&text)
        .map_err(|error| fault(format!("not a list of an image model's parts: {error}")))?;
    let of_family = |(name, part): &(&String, &Value)| {
        let class = part[1].as_str().unwrap_or_default();
        name.starts_with(TEXT_ENCODER) && class.ends_with("T5EncoderModel")
    };
    let found = parts.iter().find(of_family);
    found
        .map(|(name, _)| name.clone())
        .ok_or_else(|| fault("lists no text encoder of the T5 family".into()))
}

const TEXT_ENCODER: &str = "text_encoder";

/// Where an image model's text encoder has its tokenizer: `tokenizer_2` is `text_encoder_2`'s.
fn tokenizer_beside(model: &Path) -> Option<PathBuf> {
    tokenizer_of(&model.canonicalize().ok()?).filter(|tokenizer| tokenizer.is_dir())
}

fn tokenizer_of(model: &Path) -> Option<PathBuf> {
    let number = model.file_name()?.to_str()?.strip_prefix(TEXT_ENCODER)?;
    Some(model.with_file_name(format!("tokenizer{number}")))
}
