//! Where a model's files are: a directory in Hugging Face's layout, or the binary itself.

mod directory;

use std::path::Path;

use serde_json::{Map, Value};

pub(crate) use self::directory::Directory;
use crate::checkpoint::Checkpoint;
use crate::config::GenerationDefaults;
use crate::embedding::{Embedding, Modules, Reading};
use crate::tokenizer::Tokenizer;
use crate::{Error, GenerationConfig, Result, T5Config, foreign};

/// A model's files, each read when it is asked for: a directory without weights still tokenizes.
#[derive(Clone, Debug)]
pub struct ModelFiles(Place);

#[derive(Clone, Debug)]
enum Place {
    Directory(Directory),
    #[cfg(feature = "embedded-model")]
    Embedded,
}

impl ModelFiles {
    /// What the model that comes with the crate is called; empty in builds without one.
    pub const EMBEDDED_NAME: &str = env!("T5_GPU_EMBEDDED_NAME");

    /// A model directory: `config.json`, `generation_config.json`, a tokenizer's files, safetensors; or one of
    /// sentence-transformers or diffusers with such a directory inside.
    ///
    /// # Errors
    /// [`Error::File`] where there is no such directory, and where what lists its parts cannot be understood.
    pub fn open(directory: impl AsRef<Path>) -> Result<ModelFiles> {
        let directory = directory.as_ref();
        if directory.is_dir() {
            return Ok(ModelFiles(Place::Directory(Directory::find(directory)?)));
        }
        Err(Error::File {
            path: directory.to_owned(),
            message: "no such directory: name the one that holds config.json and the weights"
                .into(),
        })
    }

    /// The model that comes with the crate: English to German, if the build was not told of another.
    ///
    /// # Errors
    /// [`Error::Invalid`] in builds without the feature `embedded-model`.
    pub fn embedded() -> Result<ModelFiles> {
        #[cfg(feature = "embedded-model")]
        return Ok(ModelFiles(Place::Embedded));
        #[cfg(not(feature = "embedded-model"))]
        return Err(Error::Invalid(
            "this build holds no model: name a model directory".into(),
        ));
    }

    /// `config.json` as it stands in the file.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`].
    pub fn config_json(&self) -> Result<Map<String, Value>> {
        match &self.0 {
            Place::Directory(directory) => {
                let path = directory.config()?;
                let text = std::fs::read(&path).map_err(|source| Error::Io {
                    path: path.clone(),
                    source,
                })?;
                foreign::check(&path, &text)?;
                serde_json::from_slice(&text).map_err(|error| Error::File {
                    path,
                    message: format!("not a JSON object: {error}"),
                })
            }
            #[cfg(feature = "embedded-model")]
            Place::Embedded => parse(crate::embedded::CONFIG),
        }
    }

    /// The architecture.
    ///
    /// # Errors
    /// As [`T5Config::from_file`].
    pub fn config(&self) -> Result<T5Config> {
        match &self.0 {
            Place::Directory(directory) => T5Config::from_file(&directory.config()?),
            #[cfg(feature = "embedded-model")]
            Place::Embedded => T5Config::from_json(crate::embedded::CONFIG),
        }
    }

    /// The generation defaults.
    ///
    /// # Errors
    /// As [`GenerationDefaults::from_model_dir`].
    pub fn generation(&self) -> Result<GenerationConfig> {
        Ok(self.generation_defaults()?.options)
    }

    /// The generation defaults, and what the files say that they do not follow.
    ///
    /// # Errors
    /// As [`GenerationDefaults::from_model_dir`].
    pub fn generation_defaults(&self) -> Result<GenerationDefaults> {
        match &self.0 {
            Place::Directory(directory) => GenerationDefaults::from_model_dir(&directory.model),
            #[cfg(feature = "embedded-model")]
            Place::Embedded => GenerationDefaults::of(
                &parse(crate::embedded::CONFIG)?,
                Some(parse(crate::embedded::GENERATION_CONFIG)?),
            ),
        }
    }

    /// The tokenizer, or `None` where the directory holds none.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] for files that are there but cannot be used.
    pub fn tokenizer(&self) -> Result<Option<Tokenizer>> {
        match &self.0 {
            Place::Directory(directory) => {
                let tokenizer = Tokenizer::from_dir(&directory.tokenizer)?;
                let lower_case = match &directory.modules {
                    Some(modules) => modules.lower_case()?,
                    None => false,
                };
                match tokenizer {
                    Some(tokenizer) if lower_case => tokenizer.lower_casing().map(Some),
                    tokenizer => Ok(tokenizer),
                }
            }
            #[cfg(feature = "embedded-model")]
            Place::Embedded => {
                let config = Some(crate::embedded::TOKENIZER_CONFIG);
                Tokenizer::from_bytes(crate::embedded::TOKENIZER, config).map(Some)
            }
        }
    }

    /// How text is read for an embedding.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] for settings of sentence-transformers that cannot be understood or heeded.
    pub fn reading(&self) -> Result<Reading> {
        match self.modules() {
            Some(modules) => modules.reading(),
            None => Ok(Reading::default()),
        }
    }

    /// What makes a vector of a text's hidden states of `d_model` dimensions, where sentence-transformers wrote the
    /// directory; else `None`.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] for modules that cannot be read or run.
    pub fn embedding(&self, d_model: usize) -> Result<Option<Embedding>> {
        self.modules()
            .map(|modules| modules.embedding(d_model))
            .transpose()
    }

    fn modules(&self) -> Option<&Modules> {
        match &self.0 {
            Place::Directory(directory) => directory.modules.as_ref(),
            #[cfg(feature = "embedded-model")]
            Place::Embedded => None,
        }
    }

    /// Whether there are weights to open.
    pub fn has_weights(&self) -> bool {
        match &self.0 {
            Place::Directory(directory) => {
                Checkpoint::is_in(&directory.model)
                    || (self.config_json()).is_ok_and(|config| named_weights(&config).is_some())
            }
            #[cfg(feature = "embedded-model")]
            Place::Embedded => true,
        }
    }

    /// The weights.
    ///
    /// # Errors
    /// As [`Checkpoint::open`]; [`Error::Unsupported`] where the config says that they are quantised.
    pub fn weights(&self) -> Result<Checkpoint> {
        match &self.0 {
            Place::Directory(directory) => {
                let config = self.config_json()?;
                let quantisation = config.get("quantization_config");
                if let Some(quantisation) = quantisation.filter(|value| !value.is_null()) {
                    let method = quantisation["quant_method"].as_str();
                    return Err(Error::quantised(method.unwrap_or("quantization_config")));
                }
                let weights = match named_weights(&config) {
                    Some(name) => Checkpoint::open_named(&directory.model, name)?,
                    None => Checkpoint::open(&directory.model)?,
                };
                match foreign::adapter_beside(&directory.model) {
                    None => Ok(weights),
                    Some(message) => Err(Error::File {
                        path: directory.model.clone(),
                        message,
                    }),
                }
            }
            #[cfg(feature = "embedded-model")]
            Place::Embedded => Checkpoint::from_bytes(crate::embedded::WEIGHTS),
        }
    }
}

/// The file that a config names as the weights, where they do not go by a usual name.
fn named_weights(config: &Map<String, Value>) -> Option<&str> {
    config.get("transformers_weights")?.as_str()
}

#[cfg(feature = "embedded-model")]
fn parse(text: &str) -> Result<Map<String, Value>> {
    serde_json::from_str(text).map_err(|error| {
        Error::Invalid(format!("the embedded model is broken, build anew: {error}"))
    })
}
