//! What commands read out of `--jsonl` objects.

use serde_json::{Map, Value};
use t5_gpu::tokenizer::Tokenizer;
use t5_gpu::{Error, Result};

/// Takes `input_ids`, or `text` run through the tokenizer with `prefix` in front, out of the fields.
pub fn take_source(
    fields: &mut Map<String, Value>,
    tokenizer: Option<&Tokenizer>,
    prefix: &str,
) -> Result<Vec<u32>> {
    take_tokens(fields, ["text", "input_ids"], tokenizer, prefix)
}

/// Takes token ids, or a text run through the tokenizer, out of the fields of these two names.
pub fn take_tokens(
    fields: &mut Map<String, Value>,
    [text_name, ids_name]: [&str; 2],
    tokenizer: Option<&Tokenizer>,
    prefix: &str,
) -> Result<Vec<u32>> {
    let invalid = |message: String| Err(Error::Invalid(message));
    match (fields.remove(text_name), fields.remove(ids_name)) {
        (Some(Value::String(text)), None) => encode(tokenizer, &format!("{prefix}{text}")),
        (Some(_), None) => invalid(format!("{text_name} must be a string")),
        (None, Some(ids)) => match serde_json::from_value::<Vec<u32>>(ids) {
            Ok(ids) if ids.is_empty() => {
                invalid(format!("{ids_name} is empty: give at least one token id"))
            }
            Ok(ids) => Ok(ids),
            Err(_) => invalid(format!("{ids_name} must be a list of token ids")),
        },
        (None, None) => invalid(format!(
            "neither {text_name} nor {ids_name}: give one of them"
        )),
        (Some(_), Some(_)) => invalid(format!("both {text_name} and {ids_name}: give one of them")),
    }
}

/// Text to ids, with `</s>`.
pub fn encode(tokenizer: Option<&Tokenizer>, text: &str) -> Result<Vec<u32>> {
    match tokenizer {
        Some(tokenizer) => tokenizer.encode(text),
        None => Err(no_tokenizer()),
    }
}

/// The model directory has no tokenizer.
pub fn no_tokenizer() -> Error {
    Error::Invalid(
        "this model directory has no tokenizer: add its tokenizer.json or spiece.model, or give input_ids with --jsonl".into(),
    )
}

/// Fields that nothing asked for.
pub fn refuse_unknown<'a>(names: impl IntoIterator<Item = &'a String>) -> Result<()> {
    match names.into_iter().next() {
        Some(name) => Err(Error::Invalid(format!("unknown field {name}"))),
        None => Ok(()),
    }
}
