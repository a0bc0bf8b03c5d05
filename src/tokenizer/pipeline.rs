//! Tokenizers of Hugging Face's tokenizers library: normalize, split, look up, decode.

use std::path::Path;

use serde::Deserialize;
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::sequence::Sequence as DecoderSequence;
use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{
    Lowercase, NormalizerWrapper, Precompiled, Replace, Sequence as NormalizerSequence,
};
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, ModelWrapper, PostProcessor, TruncationDirection};

use super::settings::{Class, Settings, sentinel};
use super::{Side, Vocabulary, fault};
use crate::{Error, Result};

/// A tokenizer as the tokenizers library runs it.
pub(super) struct Pipeline(pub tokenizers::Tokenizer);

/// Sentinels of a T5 tokenizer that says nothing of them.
pub(super) const T5_SENTINELS: usize = 100;

/// transformers takes this id for what T5's vocabulary does not have, whatever the files say; and no bytes instead.
pub(super) const T5_UNKNOWN: usize = 2;

/// The part of `tokenizer.json` that its own parser does not give back.
#[derive(Deserialize)]
struct Header {
    model: ModelHeader,
}

#[derive(Deserialize)]
struct ModelHeader {
    unk_id: Option<usize>,
    #[serde(default)]
    byte_fallback: bool,
}

impl Pipeline {
    /// Reads a `tokenizer.json`. Where the class is T5's, only the vocabulary and the character map count.
    pub fn from_json(path: &Path, json: &[u8], settings: &Settings) -> Result<Self> {
        let broken = |e| fault(path, format!("not a tokenizer that can be read: {e}"));
        let mut tokenizer = tokenizers::Tokenizer::from_bytes(json).map_err(broken)?;
        // Files may carry the truncation and padding of the run that saved them.
        tokenizer.with_truncation(None).map_err(broken)?;
        tokenizer.with_padding(None);
        let mut extra = Vec::new();
        let mut t5 = false;
        if settings.class == Class::SentencePiece
            && let ModelWrapper::Unigram(model) = tokenizer.get_model()
        {
            t5 = true;
            let header: Header = serde_json::from_slice(json)
                .map_err(|e| fault(path, format!("not a tokenizer that can be read: {e}")))?;
            if header.model.unk_id != Some(T5_UNKNOWN) || header.model.byte_fallback {
                let vocabulary = model.iter().cloned().collect();
                let model = Unigram::from(vocabulary, Some(T5_UNKNOWN), false).map_err(broken)?;
                tokenizer.with_model(model);
            }
            let charsmap = tokenizer.get_normalizer().and_then(precompiled).cloned();
            if settings.extra.is_none() {
                let count = settings.sentinels(T5_SENTINELS);
                extra.extend((0..count).map(|n| AddedToken::from(sentinel(n), true)));
            }
            set_up_t5(&mut tokenizer, charsmap).map_err(broken)?;
        }
        add_tokens(&mut tokenizer, settings, extra).map_err(broken)?;
        if t5 {
            append_end(&mut tokenizer, settings).map_err(broken)?;
        }
        Ok(Pipeline(tokenizer))
    }
}

/// The character map among a file's normalizers.
fn precompiled(normalizer: &NormalizerWrapper) -> Option<&Precompiled> {
    match normalizer {
        NormalizerWrapper::Precompiled(charsmap) => Some(charsmap),
        NormalizerWrapper::Sequence(parts) => parts.as_ref().iter().find_map(precompiled),
        _ => None,
    }
}

/// Normalizer, pre-tokenizer and decoder of T5's class.
pub(super) fn set_up_t5(
    tokenizer: &mut tokenizers::Tokenizer,
    charsmap: Option<Precompiled>,
) -> tokenizers::Result<()> {
    let metaspace = metaspace();
    tokenizer.with_normalizer(charsmap)?;
    tokenizer.with_pre_tokenizer(Some(Sequence::new(vec![
        WhitespaceSplit.into(),
        metaspace.clone().into(),
    ])));
    tokenizer.with_decoder(Some(metaspace));
    Ok(())
}

/// Normalizer, pre-tokenizer and decoder as SentencePiece itself works: spaces alone separate words, and bytes may stand
/// for a character.
pub(super) fn set_up_sentence_piece(
    tokenizer: &mut tokenizers::Tokenizer,
    charsmap: Option<Precompiled>,
) -> tokenizers::Result<()> {
    let replace = |pattern: &str, with| Replace::new(ReplacePattern::Regex(pattern.into()), with);
    let mut normalizers: Vec<NormalizerWrapper> = Vec::new();
    normalizers.extend(charsmap.map(Into::into));
    normalizers.push(replace("^ +| +$", "")?.into());
    normalizers.push(replace(" {2,}", " ")?.into());
    tokenizer.with_normalizer(Some(NormalizerSequence::new(normalizers)))?;
    tokenizer.with_pre_tokenizer(Some(metaspace()));
    let decoders = vec![ByteFallback::new().into(), metaspace().into()];
    tokenizer.with_decoder(Some(DecoderSequence::new(decoders)));
    Ok(())
}

fn metaspace() -> Metaspace {
    Metaspace::new('▁', PrependScheme::Always, true)
}

/// Adds what is not there yet: tokens that the files added, special tokens, and `extra` ones of the class's own.
pub(super) fn add_tokens(
    tokenizer: &mut tokenizers::Tokenizer,
    settings: &Settings,
    extra: Vec<AddedToken>,
) -> tokenizers::Result<()> {
    let mut known: Vec<String> = tokenizer
        .get_added_tokens_decoder()
        .into_values()
        .map(|token| token.content)
        .collect();
    let wanted = settings.added.values().chain(settings.specials());
    for token in wanted.cloned().chain(extra) {
        if !known.contains(&token.content) {
            known.push(token.content.clone());
            tokenizer.add_tokens([token])?;
        }
    }
    Ok(())
}

/// Puts the end of sequence after every text.
pub(super) fn append_end(
    tokenizer: &mut tokenizers::Tokenizer,
    settings: &Settings,
) -> tokenizers::Result<()> {
    let end = settings
        .role("eos_token")
        .map(|token| token.content.clone());
    let end = end.unwrap_or("</s>".into());
    let id = tokenizer.token_to_id(&end);
    let id = id.ok_or_else(|| format!("it has no end of sequence, {end}"))?;
    let template = TemplateProcessing::builder()
        .try_single(vec!["$A".to_owned(), end.clone()])?
        .try_pair(vec![
            "$A".to_owned(),
            end.clone(),
            "$B".to_owned(),
            end.clone(),
        ])?
        .special_tokens(vec![(end, id)])
        .build()?;
    tokenizer.with_post_processor(Some(template));
    Ok(())
}

impl Vocabulary for Pipeline {
    fn encode(&self, text: &str, most: usize, side: Side) -> Result<(Vec<u32>, usize)> {
        let failed = |e| Error::Invalid(format!("cannot tokenize the text: {e}"));
        let mut encoding = self.0.encode_fast(text, false).map_err(failed)?;
        let processor = self.0.get_post_processor();
        let special = processor.map_or(0, |processor| processor.added_tokens(false));
        let most = most.saturating_sub(special);
        let cut = encoding.len().saturating_sub(most);
        let direction = match side {
            Side::Left => TruncationDirection::Left,
            Side::Right => TruncationDirection::Right,
        };
        encoding.truncate(most, 0, direction);
        let encoding = self.0.post_process(encoding, None, true).map_err(failed)?;
        Ok((encoding.get_ids().to_vec(), cut))
    }

    fn decode(&self, ids: &[u32], skip_special_tokens: bool) -> Result<String> {
        let text = self.0.decode(ids, skip_special_tokens);
        text.map_err(|e| Error::Invalid(format!("cannot decode the token ids: {e}")))
    }

    fn token(&self, id: u32) -> Option<String> {
        self.0.id_to_token(id)
    }

    fn is_special(&self, id: u32) -> bool {
        let token = self.0.id_to_token(id);
        token.is_some_and(|token| self.0.get_added_vocabulary().is_special_token(&token))
    }

    fn size(&self) -> usize {
        self.0.get_vocab_size(true)
    }

    fn lower_case(&mut self) -> Result<()> {
        let mut normalizers: Vec<NormalizerWrapper> = vec![Lowercase.into()];
        normalizers.extend(self.0.get_normalizer().cloned());
        let normalizer = NormalizerSequence::new(normalizers);
        match self.0.with_normalizer(Some(normalizer)) {
            Ok(_) => Ok(()),
            Err(e) => Err(Error::Invalid(format!(
                "cannot write text in small letters: {e}"
            ))),
        }
    }

    fn keeps_spaces(&self) -> bool {
        matches!(self.0.get_model(), ModelWrapper::BPE(_))
    }
}
