//! Requests and outputs as JSON: the objects of `--jsonl` and of the service.

use serde_json::{Map, Value, json};

use super::{Output, Request};
use crate::tokenizer::Tokenizer;
use crate::{Error, GenerationConfig, Result};

/// Reads a request out of an object's fields: `input_ids`, or `text` with `prefix` in front, `token_logprobs` and any
/// generation option, on top of `options`.
///
/// # Errors
/// [`Error::Invalid`] names the field that is missing, unknown or of the wrong type.
pub fn read_request(
    mut fields: Map<String, Value>,
    tokenizer: Option<&Tokenizer>,
    prefix: &str,
    options: GenerationConfig,
    token_logprobs: bool,
) -> Result<Request> {
    let input_ids = take_tokens(&mut fields, ["text", "input_ids"], tokenizer, prefix)?;
    Ok(Request {
        input_ids,
        ..read_options(fields, options, token_logprobs)?
    })
}

/// [`read_request`] for an object without a source.
///
/// # Errors
/// As there.
pub fn read_options(
    mut fields: Map<String, Value>,
    mut options: GenerationConfig,
    token_logprobs: bool,
) -> Result<Request> {
    let token_logprobs = match fields.remove("token_logprobs") {
        None => token_logprobs,
        Some(Value::Bool(wanted)) => wanted,
        Some(_) => {
            return Err(Error::Invalid(
                "token_logprobs must be true or false".into(),
            ));
        }
    };
    refuse_unknown(&options.apply_json(&fields)?)?;
    Ok(Request {
        token_logprobs,
        ..Request::new(Vec::new(), options)
    })
}

/// Outputs as the field `outputs` of an object.
pub fn write_outputs(outputs: &[Output]) -> Map<String, Value> {
    let output = |output: &Output| {
        let mut fields = Map::from_iter([("token_ids".to_owned(), json!(output.token_ids))]);
        let mut put = |name: &str, value: Option<Value>| {
            fields.extend(value.map(|value| (name.to_owned(), value)));
        };
        put("text", output.text.as_ref().map(|text| json!(text)));
        put("score", output.score.map(|score| json!(score)));
        put(
            "token_logprobs",
            output.token_logprobs.as_ref().map(|all| json!(all)),
        );
        Value::Object(fields)
    };
    Map::from_iter([("outputs".into(), outputs.iter().map(output).collect())])
}

/// Takes token ids, or a text run through the tokenizer with `prefix` in front, out of the fields of these two names.
///
/// # Errors
/// [`Error::Invalid`] where there is neither or both, or something else than text and ids.
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
///
/// # Errors
/// Where there is no tokenizer, and as [`Tokenizer::encode`].
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

/// Refuses fields that nothing asked for.
///
/// # Errors
/// [`Error::Invalid`] names the first.
pub fn refuse_unknown<'a>(names: impl IntoIterator<Item = &'a String>) -> Result<()> {
    match names.into_iter().next() {
        Some(name) => Err(Error::Invalid(format!("unknown field {name}"))),
        None => Ok(()),
    }
}
