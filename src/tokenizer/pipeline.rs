//! Tokenizers of Hugging Face's tokenizers library: normalize, split, look up, decode.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

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
use tokenizers::{ModelWrapper, PostProcessor, TruncationDirection};

use super::settings::{Class, Header, ModelHeader, SENTINEL, Settings};
use super::token::Token;
use super::trusted::{check_normalizer, check_processor};
use super::{Side, Vocabulary, byte_pair, fault};
use crate::{Error, Result};

/// A tokenizer as the tokenizers library runs it.
pub(super) struct Pipeline(pub tokenizers::Tokenizer);

/// Sentinels of a T5 tokenizer that says nothing of them.
pub(super) const T5_SENTINELS: usize = 100;

/// transformers takes this id for what T5's vocabulary does not have, whatever the files say; and no bytes instead.
pub(super) const T5_UNKNOWN: usize = 2;

impl Pipeline {
    /// Reads a `tokenizer.json`. Where the class is T5's, only the vocabulary and the character map count; where it is one
    /// of byte pairs, only the vocabulary and, with GPT-2's, what goes around a text.
    pub fn from_json(
        path: &Path,
        json: &[u8],
        header: &Header,
        settings: &Settings,
    ) -> Result<Self> {
        let broken = |e| fault(path, format!("not a tokenizer that can be read: {e}"));
        check_normalizer(&header.normalizer).map_err(|e| broken(e.into()))?;
        let file = tokenizers::Tokenizer::from_bytes(json).map_err(broken)?;
        let tokenizer = match (settings.class, file.get_model()) {
            (Class::SentencePiece, ModelWrapper::Unigram(model)) => {
                t5_from_json(&file, model, &header.model, settings)
            }
            (Class::Roberta | Class::Gpt2, ModelWrapper::BPE(model)) => {
                byte_pair::from_json(&file, model.clone(), settings)
            }
            _ => as_it_stands(file, settings),
        };
        let tokenizer = tokenizer.map_err(broken)?;
        let processor = serde_json::to_value(tokenizer.get_post_processor());
        let processor = processor.map_err(|e| broken(e.into()))?;
        check_processor(&processor).map_err(|e| broken(e.into()))?;
        Ok(Pipeline(tokenizer))
    }
}

fn as_it_stands(
    mut tokenizer: tokenizers::Tokenizer,
    settings: &Settings,
) -> tokenizers::Result<tokenizers::Tokenizer> {
    // Files may carry the truncation and padding of the run that saved them.
    tokenizer.with_truncation(None)?;
    tokenizer.with_padding(None);
    add_tokens(
        &mut tokenizer,
        settings,
        settings.additional.clone().unwrap_or_default(),
    )?;
    Ok(tokenizer)
}

fn t5_from_json(
    file: &tokenizers::Tokenizer,
    model: &Unigram,
    header: &ModelHeader,
    settings: &Settings,
) -> tokenizers::Result<tokenizers::Tokenizer> {
    let model = match header.unk_id == Some(T5_UNKNOWN) && !header.byte_fallback {
        true => model.clone(),
        false => Unigram::from(model.iter().cloned().collect(), Some(T5_UNKNOWN), false)?,
    };
    let mut tokenizer = tokenizers::Tokenizer::new(model);
    set_up_t5(
        &mut tokenizer,
        file.get_normalizer().and_then(precompiled).cloned(),
    )?;
    let mut own = settings.additional.clone().unwrap_or_default();
    if !own.iter().any(|token| token.content.contains(SENTINEL)) {
        own.extend(settings.sentinels(T5_SENTINELS).map(Token::named));
    }
    add_tokens(&mut tokenizer, settings, own)?;
    append_end(&mut tokenizer, settings)?;
    Ok(tokenizer)
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

/// Adds the tokens that the files added, special tokens, and `own` ones of the class where the files leave them to it;
/// and settles what becomes of special tokens in a text.
pub(super) fn add_tokens(
    tokenizer: &mut tokenizers::Tokenizer,
    settings: &Settings,
    own: Vec<Token>,
) -> tokenizers::Result<()> {
    let known: Vec<String> = tokenizer
        .get_added_tokens_decoder()
        .into_values()
        .map(|token| token.content)
        .collect();
    let tokens = settings.tokens_to_add(&known, own).into_iter();
    tokenizer.add_tokens(tokens.map(Into::into))?;
    tokenizer.set_encode_special_tokens(settings.split_special_tokens);
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

    fn offsets(&self, text: &str) -> Result<Vec<(u32, Range<usize>)>> {
        let encoding = self.0.encode(text, true);
        let encoding =
            encoding.map_err(|e| Error::Invalid(format!("cannot tokenize the text: {e}")))?;
        let offsets = encoding.get_offsets().iter();
        let ranges = offsets.map(|(start, end)| *start..*end);
        Ok(encoding.get_ids().iter().copied().zip(ranges).collect())
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

    fn tokens(&self) -> BTreeMap<u32, String> {
        let vocabulary = self.0.get_vocab(true).into_iter();
        vocabulary.map(|(token, id)| (id, token)).collect()
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
