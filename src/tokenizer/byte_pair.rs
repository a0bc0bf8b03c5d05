//! `vocab.json` and `merges.txt`: byte-level pairs, set up as RoBERTa's tokenizer, which CodeT5 has.

use std::path::Path;

use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::roberta::RobertaProcessing;

use super::fault;
use super::pipeline::{self, Pipeline};
use super::settings::{Class, Settings};
use crate::Result;

/// Reads the two files.
pub(super) fn read(vocabulary: &Path, merges: &Path, settings: &Settings) -> Result<Pipeline> {
    if settings.class != Class::Roberta {
        return Err(settings.unsupported(vocabulary));
    }
    let broken = |e| {
        let merges = merges.display();
        fault(
            vocabulary,
            format!("not a vocabulary that goes with {merges}: {e}"),
        )
    };
    let (Some(vocabulary), Some(merges)) = (vocabulary.to_str(), merges.to_str()) else {
        return Err(broken("the path is not text".into()));
    };
    build(vocabulary, merges, settings).map_err(broken)
}

fn build(vocabulary: &str, merges: &str, settings: &Settings) -> tokenizers::Result<Pipeline> {
    let model = BPE::from_file(vocabulary, merges).build()?;
    let mut tokenizer = tokenizers::Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(ByteLevel::new(settings.add_prefix_space, true, true)));
    tokenizer.with_decoder(Some(ByteLevel::default()));
    pipeline::add_tokens(&mut tokenizer, settings, Vec::new())?;
    let end = |role: &str| {
        let token = settings.role(role).map(|token| token.content.clone());
        let token = token.ok_or_else(|| format!("{role} is not set"))?;
        let id = tokenizer.token_to_id(&token);
        let id = id.ok_or_else(|| format!("{role} is {token}, which has no id"))?;
        Ok::<_, String>((token, id))
    };
    let processor = RobertaProcessing::new(end("sep_token")?, end("cls_token")?)
        .add_prefix_space(settings.add_prefix_space);
    tokenizer.with_post_processor(Some(processor));
    Ok(Pipeline(tokenizer))
}
