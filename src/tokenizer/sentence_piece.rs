//! `spiece.model`: a vocabulary as SentencePiece writes it, set up as T5's tokenizer.

use std::path::Path;

use prost::Message;
use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::Precompiled;

use super::fault;
use super::pipeline::{self, Pipeline, T5_SENTINELS, T5_UNKNOWN};
use super::settings::{Class, SENTINEL, Settings};
use super::token::Token;
use super::trusted::check_charsmap;
use crate::Result;

/// The parts of SentencePiece's protobuf message that matter here.
#[derive(Message)]
struct Model {
    #[prost(message, repeated, tag = "1")]
    pieces: Vec<Piece>,
    #[prost(message, optional, tag = "2")]
    trainer: Option<Trainer>,
    #[prost(message, optional, tag = "3")]
    normalizer: Option<Normalizer>,
}

#[derive(Message)]
struct Piece {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
    #[prost(float, optional, tag = "2")]
    score: Option<f32>,
    #[prost(int32, optional, tag = "3")]
    kind: Option<i32>,
}

#[derive(Message)]
struct Trainer {
    /// What kind of model it is.
    #[prost(int32, optional, tag = "3")]
    kind: Option<i32>,
    #[prost(int32, optional, tag = "40")]
    unknown_id: Option<i32>,
    #[prost(bool, optional, tag = "35")]
    byte_fallback: Option<bool>,
}

#[derive(Message)]
struct Normalizer {
    #[prost(bytes = "vec", optional, tag = "2")]
    charsmap: Option<Vec<u8>>,
}

/// Kinds of pieces that are matched before any other: what stands for the unknown, those that only control, and those that
/// a user asked for.
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;

/// The kind of model that chooses the likeliest pieces.
const UNIGRAM: i32 = 1;

/// Reads a `spiece.model`.
pub(super) fn read(path: &Path, bytes: &[u8], settings: &Settings) -> Result<Pipeline> {
    // Other classes number the pieces, or cut text into them, in ways of their own.
    if !matches!(settings.class, Class::SentencePiece | Class::Umt5) {
        return Err(settings.unsupported(path));
    }
    let broken = |what| {
        let message = format!(
            "not a whole SentencePiece model ({what}): truncated or corrupt, fetch it again"
        );
        fault(path, message)
    };
    let model = Model::decode(bytes).map_err(|error| broken(error.to_string()))?;
    // The last part of every file.
    if model.pieces.is_empty() || model.normalizer.is_none() {
        return Err(broken("its pieces or its normalizer are missing".into()));
    }
    build(model, settings)
        .map_err(|e| fault(path, format!("not a vocabulary that can be used: {e}")))
}

fn build(model: Model, settings: &Settings) -> tokenizers::Result<Pipeline> {
    let is_t5 = settings.class == Class::SentencePiece;
    let mut vocabulary = Vec::with_capacity(model.pieces.len());
    let mut own = Vec::new();
    for piece in model.pieces {
        let text = piece.text.unwrap_or_default();
        match piece.kind {
            Some(kind @ (CONTROL | USER_DEFINED)) => {
                own.push(Token::verbatim(&text, kind == CONTROL));
            }
            Some(UNKNOWN) if !is_t5 => own.push(Token::verbatim(&text, true)),
            _ => {}
        }
        vocabulary.push((text, piece.score.unwrap_or_default().into()));
    }

    let (unknown, byte_fallback) = if is_t5 {
        // The last of the vocabulary is the first sentinel.
        let sentinels = settings.sentinels(T5_SENTINELS);
        vocabulary.extend(sentinels.clone().rev().map(|token| (token, 0.0)));
        if !own.iter().any(|token| token.content.contains(SENTINEL)) {
            own.extend(sentinels.map(Token::named));
        }
        (T5_UNKNOWN, false)
    } else {
        // transformers has no answer for these without a tokenizer.json: as the model says itself.
        let trainer = model.trainer.unwrap_or_default();
        if trainer.kind.is_some_and(|kind| kind != UNIGRAM) {
            return Err("its pieces are merged, not chosen: add the model's tokenizer.json".into());
        }
        let unknown = usize::try_from(trainer.unknown_id.unwrap_or(0))?;
        (unknown, trainer.byte_fallback.unwrap_or(false))
    };
    let charsmap = model.normalizer.and_then(|normalizer| normalizer.charsmap);
    let charsmap = charsmap.filter(|charsmap| !charsmap.is_empty());
    charsmap.as_deref().map_or(Ok(()), check_charsmap)?;
    let charsmap = charsmap
        .map(|charsmap| Precompiled::from(&charsmap))
        .transpose()?;

    let model = Unigram::from(vocabulary, Some(unknown), byte_fallback)?;
    let mut tokenizer = tokenizers::Tokenizer::new(model);
    match is_t5 {
        true => pipeline::set_up_t5(&mut tokenizer, charsmap)?,
        false => pipeline::set_up_sentence_piece(&mut tokenizer, charsmap)?,
    }
    pipeline::add_tokens(&mut tokenizer, settings, own)?;
    pipeline::append_end(&mut tokenizer, settings)?;
    Ok(Pipeline(tokenizer))
}
