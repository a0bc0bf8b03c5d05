//! Text <-> token ids, as the tokenizer files of a model directory say: `tokenizer.json`, `spiece.model`, `vocab.json` with
//! `merges.txt`, or, for ByT5, none.

mod byte_pair;
mod bytes;
mod clean_up;
mod fields;
mod pipeline;
mod sentence_piece;
mod settings;
mod token;
mod trusted;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use self::bytes::ByteVocabulary;
use self::pipeline::Pipeline;
use self::settings::{Class, Header, Settings, SettingsFiles};
use crate::{Error, Result, foreign};

/// A model's tokenizer.
pub struct Tokenizer {
    vocabulary: Box<dyn Vocabulary>,
    /// Whether decoded text loses the spaces that tokenization put before punctuation.
    clean_up_spaces: bool,
}

/// What the kinds of tokenizers differ in.
trait Vocabulary: Send + Sync {
    /// Ids of `text`, with the special tokens that the model expects around it: no more than `most`, for which the text is
    /// cut at this side; and how many are left out for that.
    fn encode(&self, text: &str, most: usize, side: Side) -> Result<(Vec<u32>, usize)>;
    /// Ids as by `encode`, with the bytes of the text that each stands for.
    fn offsets(&self, text: &str) -> Result<Vec<(u32, Range<usize>)>>;
    /// Text of `ids`; ids that stand for nothing are left out.
    fn decode(&self, ids: &[u32], skip_special_tokens: bool) -> Result<String>;
    /// The token that `id` stands for.
    fn token(&self, id: u32) -> Option<String>;
    /// Whether decoded text goes without that token.
    fn is_special(&self, id: u32) -> bool;
    /// Every token by its id.
    fn tokens(&self) -> BTreeMap<u32, String>;
    /// Number of different tokens, special ones included.
    fn size(&self) -> usize {
        self.tokens().into_values().collect::<BTreeSet<_>>().len()
    }
    /// Has all text but special tokens written in small letters first.
    fn lower_case(&mut self) -> Result<()>;
    /// Whether tokens carry their own spaces, which stay as they are whatever the settings say.
    fn keeps_spaces(&self) -> bool {
        false
    }
}

/// An end of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// Its beginning.
    Left,
    /// Its end.
    #[default]
    Right,
}

const TOKENIZER: &str = "tokenizer.json";
const SENTENCE_PIECE: &str = "spiece.model";
const OTHER_SENTENCE_PIECE: &str = "tokenizer.model";
const VOCABULARY: &str = "vocab.json";
const MERGES: &str = "merges.txt";
const CONFIG: &str = "tokenizer_config.json";

impl Tokenizer {
    /// Reads the tokenizer of a model directory; `None` where the directory has none.
    ///
    /// `tokenizer.json` comes before the files it can be made from. What they mean depends, as in transformers, on the
    /// tokenizer class that `tokenizer_config.json` or `config.json` names, and on the model type: T5's class sets up
    /// everything but the vocabulary by itself, whatever `tokenizer.json` says.
    ///
    /// # Errors
    /// [`Error::File`] and [`Error::Io`] name the file that cannot be read or understood, or that only a class of
    /// tokenizer could read that is not offered.
    pub fn from_dir(dir: &Path) -> Result<Option<Self>> {
        // What is there and cannot be read, such as a link to nothing, is an error and not left out.
        let found =
            |name| Some(dir.join(name)).filter(|path: &PathBuf| path.symlink_metadata().is_ok());
        let file = found(TOKENIZER)
            .map(|path| Ok::<_, Error>((read(&path)?, path)))
            .transpose()?;
        let header = file.as_ref().map(|(text, path)| header(path, text));
        let header = header.transpose()?;
        let files = SettingsFiles {
            tokenizer_config: json_file(found(CONFIG))?,
            model_config: json_file(found("config.json"))?,
            special_tokens_map: json_file(found("special_tokens_map.json"))?,
            added_tokens: json_file(found("added_tokens.json"))?,
            tokenizer: header.as_ref(),
        };
        let settings = Settings::from_files(files).map_err(|e| fault(dir, e.to_string()))?;
        if settings.class == Class::Byte {
            return Ok(Some(Self::bytes(&settings)));
        }
        let has_pairs = matches!(settings.class, Class::Roberta | Class::Gpt2);
        let pairs = found(VOCABULARY).zip(found(MERGES));
        let pieces = found(SENTENCE_PIECE).or_else(|| found(OTHER_SENTENCE_PIECE));
        let pipeline = match (file.zip(header), pairs, pieces) {
            (Some(((text, path), header)), ..) => {
                Pipeline::from_json(&path, &text, &header, &settings)?
            }
            (None, Some((vocabulary, merges)), pieces) if has_pairs || pieces.is_none() => {
                for file in [&vocabulary, &merges] {
                    read(file)?;
                }
                byte_pair::read(&vocabulary, &merges, &settings)?
            }
            (None, _, Some(path)) => sentence_piece::read(&path, &read(&path)?, &settings)?,
            (None, _, None) => return Ok(None),
        };
        Ok(Some(Self::pipeline(pipeline, &settings)))
    }

    /// The error for text where [`Tokenizer::from_dir`] found no tokenizer in `dir`.
    pub fn missing(dir: &Path) -> Error {
        Error::File {
            path: dir.to_owned(),
            message: format!(
                "no tokenizer here (looked for {TOKENIZER}, {SENTENCE_PIECE}, {VOCABULARY} with {MERGES}, and a {CONFIG} \
                 that names ByT5Tokenizer): give token ids, or add the file"
            ),
        }
    }

    /// Reads the texts of a `tokenizer.json` and of the `tokenizer_config.json` that lay beside it.
    ///
    /// # Errors
    /// [`Error::File`] names the part that cannot be understood.
    pub fn from_bytes(tokenizer: &[u8], config: Option<&[u8]>) -> Result<Self> {
        let path = Path::new(TOKENIZER);
        let header = header(path, tokenizer)?;
        let config = config.map(|text| json(Path::new(CONFIG), text));
        let files = SettingsFiles {
            tokenizer_config: config.transpose()?,
            tokenizer: Some(&header),
            ..Default::default()
        };
        let settings =
            Settings::from_files(files).map_err(|e| fault(Path::new(CONFIG), e.to_string()))?;
        let pipeline = Pipeline::from_json(path, tokenizer, &header, &settings)?;
        Ok(Self::pipeline(pipeline, &settings))
    }

    fn pipeline(pipeline: Pipeline, settings: &Settings) -> Self {
        Tokenizer {
            clean_up_spaces: settings.clean_up_spaces
                && (!pipeline.keeps_spaces() || settings.clean_up_byte_pairs),
            vocabulary: Box::new(pipeline),
        }
    }

    fn bytes(settings: &Settings) -> Self {
        Tokenizer {
            vocabulary: Box::new(ByteVocabulary::new(settings)),
            clean_up_spaces: settings.clean_up_spaces,
        }
    }

    /// Ids of `text`, with `</s>` at the end.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the tokenizer cannot represent the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.encode_within(text, usize::MAX, Side::Right)?.0)
    }

    /// As [`Tokenizer::encode`], but no more than `most` ids, as transformers truncates: where there would be more, the text
    /// is cut at that side, and special tokens stay. Also tells how many are left out.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_within(&self, text: &str, most: usize, side: Side) -> Result<(Vec<u32>, usize)> {
        self.vocabulary.encode(text, most, side)
    }

    /// As [`Tokenizer::encode`], with the bytes of the text that each id stands for: none for special tokens that are put around
    /// it.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn offsets(&self, text: &str) -> Result<Vec<(u32, Range<usize>)>> {
        self.vocabulary.offsets(text)
    }

    /// Text of `ids`. Ids past the vocabulary (a model may have more rows than its tokenizer) are left out.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the tokenizer's decoder fails.
    pub fn decode(&self, ids: &[u32], skip_special_tokens: bool) -> Result<String> {
        let text = self.vocabulary.decode(ids, skip_special_tokens)?;
        Ok(if self.clean_up_spaces {
            clean_up::spaces(text)
        } else {
            text
        })
    }

    /// The token of each id; `[ID]` for one past the vocabulary.
    pub fn tokens(&self, ids: &[u32]) -> Vec<String> {
        let token = |&id| {
            self.vocabulary
                .token(id)
                .unwrap_or_else(|| format!("[{id}]"))
        };
        ids.iter().map(token).collect()
    }

    /// Whether `id` is a special token, which decoding can skip.
    pub fn is_special(&self, id: u32) -> bool {
        self.vocabulary.is_special(id)
    }

    /// The same tokenizer, by which all text is written in small letters first. Bytes stay as they are, as in transformers.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the tokenizer's settings do not allow it.
    pub fn lower_casing(mut self) -> Result<Self> {
        self.vocabulary.lower_case()?;
        Ok(self)
    }

    /// Every token, by id.
    pub fn vocabulary(&self) -> impl Iterator<Item = String> {
        self.vocabulary.tokens().into_values()
    }

    /// Number of tokens, special ones included; a model's embedding may have more rows.
    pub fn vocab_size(&self) -> usize {
        self.vocabulary.size()
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })?;
    foreign::check(path, &bytes)?;
    Ok(bytes)
}

fn json<T: DeserializeOwned>(path: &Path, text: &[u8]) -> Result<T> {
    serde_json::from_slice(text)
        .map_err(|error| fault(path, format!("not valid JSON for what it is: {error}")))
}

fn json_file<T: DeserializeOwned>(path: Option<PathBuf>) -> Result<Option<T>> {
    path.map(|path| json(&path, &read(&path)?)).transpose()
}

/// What a `tokenizer.json` says besides what its parser gives back.
fn header(path: &Path, text: &[u8]) -> Result<Header> {
    serde_json::from_slice(text)
        .map_err(|error| fault(path, format!("not a tokenizer that can be read: {error}")))
}

fn fault(path: &Path, message: String) -> Error {
    Error::File {
        path: path.to_owned(),
        message,
    }
}
