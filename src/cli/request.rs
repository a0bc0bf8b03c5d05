//! What commands read out of `--jsonl` objects.

use serde_json::{Map, Value};
use t5_gpu::Result;
pub use t5_gpu::pipeline::json::{encode, no_tokenizer, refuse_unknown, take_tokens};
use t5_gpu::tokenizer::Tokenizer;

/// Takes `input_ids`, or `text` run through the tokenizer with `prefix` in front, out of the fields.
pub fn take_source(
    fields: &mut Map<String, Value>,
    tokenizer: Option<&Tokenizer>,
    prefix: &str,
) -> Result<Vec<u32>> {
    take_tokens(fields, ["text", "input_ids"], tokenizer, prefix)
}
