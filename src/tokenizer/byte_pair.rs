//! Byte-level pairs out of `vocab.json` and `merges.txt`, or of the `tokenizer.json` made from them, set up as RoBERTa's
//! tokenizer, which CodeT5 and BART have, or as GPT-2's.

use std::path::Path;

use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::processors::template::TemplateProcessing;

use super::fault;
use super::pipeline::{self, Pipeline};
use super::settings::{Class, Settings};
use crate::Result;

/// Reads the two files.
pub(super) fn read(vocabulary: &Path, merges: &Path, settings: &Settings) -> Result<Pipeline> {
    if !matches!(settings.class, Class::Roberta | Class::Gpt2) {
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
    let model = BPE::from_file(vocabulary, merges).build();
    let tokenizer = model.and_then(|model| set_up(model, settings));
    let around = |mut tokenizer| {
        if settings.class == Class::Gpt2 {
            surround(&mut tokenizer, settings)?;
        }
        Ok(Pipeline(tokenizer))
    };
    tokenizer.and_then(around).map_err(broken)
}

/// Takes a file's pairs, and of GPT-2's what goes around a text.
pub(super) fn from_json(
    file: &tokenizers::Tokenizer,
    mut model: BPE,
    settings: &Settings,
) -> tokenizers::Result<tokenizers::Tokenizer> {
    model.dropout = None;
    model.unk_token = None;
    model.fuse_unk = false;
    model.byte_fallback = false;
    model.ignore_merges = false;
    let mut tokenizer = set_up(model, settings)?;
    if settings.class == Class::Gpt2 {
        tokenizer.with_post_processor(file.get_post_processor().cloned());
    }
    Ok(tokenizer)
}

fn set_up(model: BPE, settings: &Settings) -> tokenizers::Result<tokenizers::Tokenizer> {
    let mut tokenizer = tokenizers::Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(ByteLevel::new(settings.add_prefix_space, true, true)));
    tokenizer.with_decoder(Some(ByteLevel::default()));
    let own = settings.additional.clone().unwrap_or_default();
    pipeline::add_tokens(&mut tokenizer, settings, own)?;
    if settings.class == Class::Roberta {
        let (end, begin) = (
            role(&tokenizer, settings, "sep_token")?,
            role(&tokenizer, settings, "cls_token")?,
        );
        let processor =
            RobertaProcessing::new(end, begin).add_prefix_space(settings.add_prefix_space);
        tokenizer.with_post_processor(Some(processor));
    }
    Ok(tokenizer)
}

/// Puts GPT-2's begin and end around every text, where the settings ask for them.
fn surround(tokenizer: &mut tokenizers::Tokenizer, settings: &Settings) -> tokenizers::Result<()> {
    let wanted = |name, wanted: bool| match wanted && settings.role(name).is_some() {
        true => role(tokenizer, settings, name).map(Some),
        false => Ok(None),
    };
    let begin = wanted("bos_token", settings.add_bos)?;
    let end = wanted("eos_token", settings.add_eos)?;
    let name = |token: &Option<(String, u32)>| token.as_ref().map(|(name, _)| name.clone());
    let single = [name(&begin), Some("$A".into()), name(&end)];
    let single: Vec<String> = single.into_iter().flatten().collect();
    let template = TemplateProcessing::builder()
        .try_single(single)?
        .special_tokens(begin.into_iter().chain(end).collect::<Vec<_>>())
        .build()?;
    tokenizer.with_post_processor(Some(template));
    Ok(())
}

/// A role's token and its id.
fn role(
    tokenizer: &tokenizers::Tokenizer,
    settings: &Settings,
    role: &str,
) -> tokenizers::Result<(String, u32)> {
    let token = settings.role(role).map(|token| token.content.clone());
    let token = token.ok_or_else(|| format!("{role} is not set"))?;
    let id = tokenizer.token_to_id(&token);
    let id = id.ok_or_else(|| format!("{role} is {token}, which has no id"))?;
    Ok((token, id))
}
