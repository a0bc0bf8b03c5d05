//! What a model's files say about generation: `generation_config.json`, and `config.json` where there is none.

use std::path::Path;

use serde_json::{Map, Value};

use super::GenerationConfig;
use crate::{Error, Result, foreign};

/// A model's own generation options, and what its files say that they do not follow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GenerationDefaults {
    /// The options.
    pub options: GenerationConfig,
    /// What a person should know, a line each: options that this crate does not have, an end of sequence that transformers
    /// does not read.
    pub notes: Vec<String>,
}

const CONFIG: &str = "config.json";
const OWN: &str = "generation_config.json";

impl GenerationConfig {
    /// The options of [`GenerationDefaults::from_model_dir`].
    ///
    /// # Errors
    /// As there.
    pub fn from_model_dir(dir: &Path) -> Result<Self> {
        Ok(GenerationDefaults::from_model_dir(dir)?.options)
    }
}

impl GenerationDefaults {
    /// The generation defaults of a model directory: those of its `generation_config.json`, or, where there is none,
    /// those its `config.json` holds.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] for files that cannot be read or do not hold what they should.
    pub fn from_model_dir(dir: &Path) -> Result<Self> {
        let paths = [dir.join(CONFIG), dir.join(OWN)];
        let [model, own] = paths.each_ref().map(|path| {
            let object = path.exists().then(|| read_object(path));
            object.transpose()
        });
        let (model, own) = (model?.unwrap_or_default(), own?);
        let in_that = if own.is_some() { &paths[1] } else { &paths[0] };
        Self::of(&model, own).map_err(|error| in_file(in_that, &error))
    }

    /// Those of a `config.json` and, where there is one, a `generation_config.json`, of which transformers asks the latter
    /// alone.
    pub(crate) fn of(model: &Map<String, Value>, own: Option<Map<String, Value>>) -> Result<Self> {
        let mut defaults = Self::default();
        match own {
            Some(own) => {
                defaults.apply(OWN, own)?;
                let mut tokens = model.clone();
                tokens.retain(|name, _| name == "model_type" || name.ends_with("_token_id"));
                defaults.fill_in_tokens(&Self::of(&tokens, None)?.options);
            }
            None => {
                let options = &mut defaults.options;
                // What transformers' config classes give to those that are not named.
                options.eos_token_id = vec![1];
                options.pad_token_id = Some(0);
                let has_start = |kind: &Value| kind == "mt5" || kind == "umt5";
                if model.get("model_type").is_some_and(has_start) {
                    options.decoder_start_token_id = Some(0);
                }
                let mut model = model.clone();
                if has_no_token(&model, "decoder_start_token_id") {
                    model.remove("decoder_start_token_id");
                }
                for name in ["eos_token_id", "pad_token_id"] {
                    if model.get(name).is_some_and(Value::is_null) {
                        defaults.clear(name);
                    }
                }
                defaults.apply(CONFIG, model)?;
            }
        }
        Ok(defaults)
    }

    /// null in these files means "not said".
    fn apply(&mut self, file: &str, mut options: Map<String, Value>) -> Result<()> {
        options.retain(|_, value| !value.is_null());
        for name in self.options.apply_defaults(&options)? {
            self.notes.push(not_supported(file, &name));
        }
        Ok(())
    }

    fn clear(&mut self, name: &str) {
        match name {
            "eos_token_id" => self.options.eos_token_id.clear(),
            _ => self.options.pad_token_id = None,
        }
    }

    /// Where `generation_config.json` names no token to start from, transformers does not generate, and that of `config.json`
    /// does for it; where it names none to end with, nothing ends an output.
    fn fill_in_tokens(&mut self, model: &GenerationConfig) {
        let options = &mut self.options;
        if options
            .decoder_start_token_id
            .or(options.bos_token_id)
            .is_none()
        {
            options.decoder_start_token_id = model.decoder_start_token_id;
            options.bos_token_id = model.bos_token_id;
        }
        if options.eos_token_id.is_empty() && !model.eos_token_id.is_empty() {
            self.notes.push(format!(
                "{OWN} has no eos_token_id, so outputs go on to their longest, as in transformers: that of {CONFIG}, {:?}, \
                 does not count beside it; put it there to end outputs at it",
                model.eos_token_id
            ));
        }
    }
}

/// What to say of an option of a model's file.
pub fn not_supported(file: &str, option: &str) -> String {
    format!("{option} in {file} is not supported: outputs may differ from transformers'")
}

/// Negative ids stand for none.
fn has_no_token(fields: &Map<String, Value>, name: &str) -> bool {
    fields
        .get(name)
        .and_then(Value::as_i64)
        .is_some_and(|id| id < 0)
}

pub(super) fn read_object(path: &Path) -> Result<Map<String, Value>> {
    let text = std::fs::read(path).map_err(|source| Error::Io {
        path: path.into(),
        source,
    })?;
    foreign::check(path, &text)?;
    serde_json::from_slice(&text).map_err(|error| Error::File {
        path: path.into(),
        message: format!("not a JSON object: {error}"),
    })
}

pub(super) fn in_file(path: &Path, error: &Error) -> Error {
    Error::File {
        path: path.into(),
        message: error.to_string(),
    }
}
