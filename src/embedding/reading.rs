//! How text is read for an embedding: a prompt in front of it, and no more tokens than the model was trained with.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::json::{self, at, refuse_unknown};
use crate::config::Fields;
use crate::tokenizer::{Side, Tokenizer};
use crate::{Error, Result};

/// What a directory says of the texts that it is given; by default they are taken as they stand.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// By name.
    prompts: BTreeMap<String, String>,
    /// In front of every text, unless another is asked for.
    default_prompt: String,
    /// Tokens that are kept of a text, special ones counted, and which end of it is cut.
    most: Option<usize>,
    side: Side,
}

/// A text's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// With the prompt's in front and `</s>` at the end.
    pub input_ids: Vec<u32>,
    /// How many of them are the prompt's.
    pub prompt_tokens: usize,
    /// How many more there would be, had the text not been cut.
    pub cut: usize,
}

/// Settings of the part that goes from text to hidden states.
const TRANSFORMER: &str = "sentence_bert_config.json";

/// Whether the tokenizer in `directory` is to see small letters only.
pub(super) fn lower_cases(directory: &Path) -> Result<bool> {
    let path = directory.join(TRANSFORMER);
    let fields: Map<String, Value> = json::read(&path)?.unwrap_or_default();
    let found = Fields(&fields).bool("do_lower_case");
    Ok(found.map_err(|error| at(&path, error))?.unwrap_or(false))
}

impl Reading {
    /// From the settings of the whole model, and those beside its transformer.
    pub(super) fn from_settings(whole: &Map<String, Value>, transformer: &Path) -> Result<Reading> {
        let whole = Fields(whole);
        match whole.string("model_type")? {
            None | Some("SentenceTransformer") => (),
            Some(other) => {
                return Err(Error::Unsupported {
                    what: "model_type",
                    found: other.into(),
                    supported: "SentenceTransformer".into(),
                });
            }
        }
        // sentence-transformers has these two names in any model.
        let names = ["query", "document"].map(|name| (name.to_owned(), String::new()));
        let mut prompts = BTreeMap::from(names);
        if let Some(Value::Object(given)) = whole.get("prompts") {
            for (name, prompt) in given {
                let prompt = prompt.as_str().unwrap_or_default();
                prompts.insert(name.clone(), prompt.to_owned());
            }
        }
        let mut reading = Reading {
            prompts,
            ..Reading::default()
        };
        if let Some(name) = whole.string("default_prompt_name")? {
            reading.default_prompt = reading.prompt(name)?.to_owned();
        }
        let path = transformer.join(TRANSFORMER);
        let fields: Map<String, Value> = json::read(&path)?.unwrap_or_default();
        let limit = limit(&fields).map_err(|error| at(&path, error))?;

        let path = transformer.join("tokenizer_config.json");
        let fields: Map<String, Value> = json::read(&path)?.unwrap_or_default();
        // transformers writes 10^30 where there is no limit, and takes 0 for none.
        let own = fields.get("model_max_length").and_then(Value::as_u64);
        reading.most = limit
            .or(own.map(|most| most as usize))
            .filter(|&most| most != 0);
        if fields
            .get("truncation_side")
            .is_some_and(|side| side == "left")
        {
            reading.side = Side::Left;
        }
        Ok(reading)
    }

    /// The prompt of that name.
    ///
    /// # Errors
    /// [`Error::Invalid`] lists the names there are.
    pub fn prompt(&self, name: &str) -> Result<&str> {
        self.prompts.get(name).map(String::as_str).ok_or_else(|| {
            let names: Vec<&str> = self.prompts.keys().map(String::as_str).collect();
            let names = match names.is_empty() {
                true => "none".into(),
                false => names.join(", "),
            };
            Error::Invalid(format!("this model has no prompt \"{name}\", but {names}"))
        })
    }

    /// Reads a text behind this prompt, or the model's own.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn read(&self, tokenizer: &Tokenizer, text: &str, prompt: Option<&str>) -> Result<Source> {
        let prompt = prompt.unwrap_or(&self.default_prompt);
        let most = self.most.unwrap_or(usize::MAX);
        let text = format!("{prompt}{text}");
        let (input_ids, cut) = tokenizer.encode_within(&text, most, self.side)?;
        let mut prompt_tokens = 0;
        if !prompt.is_empty() {
            let (ids, _) = tokenizer.encode_within(prompt, most, self.side)?;
            let ends = ids.last().is_some_and(|&last| tokenizer.is_special(last));
            prompt_tokens = ids.len() - usize::from(ends);
        }
        Ok(Source {
            input_ids,
            prompt_tokens,
            cut,
        })
    }
}

/// Tokens of a text, where `sentence_bert_config.json` says it. What it says of models that are none of text, or that give
/// something else than their last hidden state, is refused.
fn limit(fields: &Map<String, Value>) -> Result<Option<usize>> {
    let only = |what: &'static str, found: Option<&str>, wanted: &str| match found {
        Some(other) if other != wanted => Err(Error::Unsupported {
            what,
            found: other.into(),
            supported: wanted.into(),
        }),
        _ => Ok(()),
    };
    let config = Fields(fields);
    let task = config.string("transformer_task")?;
    only("transformer_task", task, "feature-extraction")?;
    only(
        "module_output_name",
        config.string("module_output_name")?,
        "token_embeddings",
    )?;
    if let Some(modalities) = config.get("modality_config") {
        let text = &modalities["text"];
        only("modality_config", text["method"].as_str(), "forward")?;
        let output = match &text["method_output_name"] {
            Value::String(name) => name.clone(),
            other => other.to_string(),
        };
        only("modality_config", Some(&output), "last_hidden_state")?;
    }
    if let Some(Value::Object(settings)) = config.get("processing_kwargs") {
        refuse_unknown(settings, &[])?;
    }
    let mut own = None;
    for name in ["tokenizer_args", "processor_kwargs"] {
        if let Some(Value::Object(settings)) = config.get(name) {
            let known = [
                "model_max_length",
                "padding_side",
                "trust_remote_code",
                "use_fast",
            ];
            refuse_unknown(settings, &known)?;
            own = own.or(Fields(settings).size("model_max_length")?);
        }
    }
    for name in ["config_args", "config_kwargs"] {
        if let Some(Value::Object(settings)) = config.get(name) {
            refuse_unknown(settings, &["trust_remote_code"])?;
        }
    }
    Ok(own.or(config.size("max_seq_length")?))
}
