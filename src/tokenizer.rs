//! Text <-> token ids, as the tokenizer files of a model directory say.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{Error, Result};

/// A model's tokenizer.
pub struct Tokenizer {
    vocabulary: Box<dyn Vocabulary>,
    /// Whether decoded text loses the spaces that tokenization put before punctuation.
    clean_up_spaces: bool,
}

/// What the kinds of tokenizers differ in.
trait Vocabulary: Send + Sync {
    /// Ids of `text`, with the special tokens that the model expects around it.
    fn encode(&self, text: &str) -> Result<Vec<u32>>;
    /// Text of `ids`; ids that stand for nothing are left out.
    fn decode(&self, ids: &[u32], skip_special_tokens: bool) -> Result<String>;
    /// The token that `id` stands for.
    fn token(&self, id: u32) -> Option<String>;
    /// Number of tokens, special ones included.
    fn size(&self) -> usize;
}

const TOKENIZER: &str = "tokenizer.json";
const CONFIG: &str = "tokenizer_config.json";

impl Tokenizer {
    /// Reads the tokenizer of a model directory; `None` where the directory has none.
    ///
    /// # Errors
    /// [`Error::File`] and [`Error::Io`] name the file that cannot be read or understood.
    pub fn from_dir(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(TOKENIZER);
        if !path.is_file() {
            return Ok(None);
        }
        let config = dir.join(CONFIG);
        let config = if config.is_file() {
            Some(read(&config)?)
        } else {
            None
        };
        Self::parse(
            &path,
            &read(&path)?,
            config.map(|text| (dir.join(CONFIG), text)),
        )
        .map(Some)
    }

    /// The error for text where [`Tokenizer::from_dir`] found no tokenizer in `dir`.
    pub fn missing(dir: &Path) -> Error {
        Error::File {
            path: dir.to_owned(),
            message: format!(
                "no tokenizer here (looked for {TOKENIZER}): give token ids, or add the file"
            ),
        }
    }

    /// Reads the texts of a `tokenizer.json` and of the `tokenizer_config.json` that lay beside it.
    ///
    /// # Errors
    /// [`Error::File`] names the part that cannot be understood.
    pub fn from_bytes(tokenizer: &[u8], config: Option<&[u8]>) -> Result<Self> {
        let config = config.map(|text| (PathBuf::from(CONFIG), text.to_vec()));
        Self::parse(Path::new(TOKENIZER), tokenizer, config)
    }

    fn parse(path: &Path, tokenizer: &[u8], config: Option<(PathBuf, Vec<u8>)>) -> Result<Self> {
        let fault = |path: &Path, message| Error::File {
            path: path.to_owned(),
            message,
        };
        let vocabulary = TokenizerJson::parse(tokenizer)
            .map_err(|e| fault(path, format!("not a tokenizer that can be read: {e}")))?;
        let config: Value = match config {
            Some((path, text)) => serde_json::from_slice(&text)
                .map_err(|e| fault(&path, format!("not valid JSON: {e}")))?,
            None => Value::Null,
        };
        let wanted = config["clean_up_tokenization_spaces"]
            .as_bool()
            .unwrap_or(false);
        // As in transformers: byte-pair tokens carry their own spaces, which stay as they are.
        let clean_up_spaces = wanted && !vocabulary.is_byte_pair();
        Ok(Tokenizer {
            vocabulary: Box::new(vocabulary),
            clean_up_spaces,
        })
    }

    /// Ids of `text`, with `</s>` at the end.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the tokenizer cannot represent the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        self.vocabulary.encode(text)
    }

    /// Text of `ids`. Ids past the vocabulary (a model may have more rows than its tokenizer) are left out.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the tokenizer's decoder fails.
    pub fn decode(&self, ids: &[u32], skip_special_tokens: bool) -> Result<String> {
        let text = self.vocabulary.decode(ids, skip_special_tokens)?;
        Ok(if self.clean_up_spaces {
            clean_up_spaces(text)
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

    /// Number of tokens, special ones included; a model's embedding may have more rows.
    pub fn vocab_size(&self) -> usize {
        self.vocabulary.size()
    }
}

/// A `tokenizer.json`.
struct TokenizerJson(tokenizers::Tokenizer);

impl TokenizerJson {
    fn parse(json: &[u8]) -> tokenizers::Result<Self> {
        let mut tokenizer = tokenizers::Tokenizer::from_bytes(json)?;
        // Files may carry the truncation and padding of the run that saved them.
        tokenizer.with_truncation(None)?;
        tokenizer.with_padding(None);
        Ok(TokenizerJson(tokenizer))
    }

    fn is_byte_pair(&self) -> bool {
        matches!(self.0.get_model(), tokenizers::ModelWrapper::BPE(_))
    }
}

impl Vocabulary for TokenizerJson {
    fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.0.encode_fast(text, true);
        let encoding =
            encoding.map_err(|e| Error::Invalid(format!("cannot tokenize the text: {e}")))?;
        Ok(encoding.get_ids().to_vec())
    }

    fn decode(&self, ids: &[u32], skip_special_tokens: bool) -> Result<String> {
        let text = self.0.decode(ids, skip_special_tokens);
        text.map_err(|e| Error::Invalid(format!("cannot decode the token ids: {e}")))
    }

    fn token(&self, id: u32) -> Option<String> {
        self.0.id_to_token(id)
    }

    fn size(&self) -> usize {
        self.0.get_vocab_size(true)
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })
}

/// transformers' `clean_up_tokenization`: these replacements, one after the other.
fn clean_up_spaces(text: String) -> String {
    const ENDINGS: [(&str, &str); 10] = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    ENDINGS
        .iter()
        .fold(text, |text, (from, to)| text.replace(from, to))
}
