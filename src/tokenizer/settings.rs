//! What the small files beside a vocabulary say of it: its class, its special and added tokens, how text goes through it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::fault;
use super::fields::{Field, Fields};
use super::token::Token;
use crate::{Error, Result};

/// Who sets up a tokenizer, by transformers' class names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// T5Tokenizer.
    SentencePiece,
    /// ByT5Tokenizer.
    Byte,
    /// RobertaTokenizer, which CodeT5 has, and BartTokenizer, which is the same.
    Roberta,
    /// GPT2Tokenizer.
    Gpt2,
    /// A UMT5 model's: `tokenizer.json` itself, though T5's class is named.
    Umt5,
    /// Any other: `tokenizer.json` itself.
    Generic,
}

impl Class {
    /// transformers trusts the class that the files name; UMT5 models alone are read as their `tokenizer.json` stands.
    fn new(model_type: Option<&str>, tokenizer_class: Option<&str>, has_json: bool) -> Self {
        let name = tokenizer_class.map(|name| name.strip_suffix("Fast").unwrap_or(name));
        match name {
            Some("ByT5Tokenizer") => Class::Byte,
            None | Some("T5Tokenizer") if model_type == Some("umt5") => Class::Umt5,
            _ if model_type == Some("umt5") => Class::Generic,
            None | Some("T5Tokenizer") => Class::SentencePiece,
            // Another name for T5's, which transformers no longer knows.
            Some("MT5Tokenizer") if !has_json => Class::SentencePiece,
            Some("RobertaTokenizer" | "BartTokenizer") => Class::Roberta,
            Some("GPT2Tokenizer") => Class::Gpt2,
            Some(_) => Class::Generic,
        }
    }

    /// Special tokens that the class names where the files do not.
    fn named(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Class::SentencePiece | Class::Byte => &[
                ("eos_token", "</s>"),
                ("unk_token", "<unk>"),
                ("pad_token", "<pad>"),
            ],
            Class::Roberta => &[
                ("bos_token", "<s>"),
                ("eos_token", "</s>"),
                ("unk_token", "<unk>"),
                ("sep_token", "</s>"),
                ("pad_token", "<pad>"),
                ("cls_token", "<s>"),
                ("mask_token", "<mask>"),
            ],
            Class::Gpt2 => &[
                ("bos_token", "<|endoftext|>"),
                ("eos_token", "<|endoftext|>"),
                ("unk_token", "<|endoftext|>"),
            ],
            Class::Umt5 | Class::Generic => &[],
        }
    }
}

/// The parsed files, where there are.
#[derive(Default)]
pub(super) struct SettingsFiles<'f> {
    pub tokenizer_config: Option<Fields>,
    /// The model's `config.json`.
    pub model_config: Option<Fields>,
    pub special_tokens_map: Option<Fields>,
    pub added_tokens: Option<Fields>,
    pub tokenizer: Option<&'f Header>,
}

/// The parts of `tokenizer.json` that its own parser does not give back, or not as they stand.
#[derive(Deserialize)]
pub(super) struct Header {
    pub model: ModelHeader,
    #[serde(default)]
    pub normalizer: Value,
    /// Looked at here because the file's parser panics where this part is not valid JSON.
    #[serde(default, rename = "decoder")]
    _decoder: Value,
    #[serde(default)]
    added_tokens: Vec<Value>,
    padding: Option<Padding>,
}

#[derive(Deserialize)]
pub(super) struct ModelHeader {
    pub unk_id: Option<usize>,
    #[serde(default)]
    pub byte_fallback: bool,
}

#[derive(Deserialize)]
struct Padding {
    pad_token: String,
}

/// Roles of special tokens, in the order in which transformers adds them to a vocabulary.
const ROLES: [&str; 7] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];

/// Special tokens without a role, by the name of today and by that of old.
const EXTRA: &str = "extra_special_tokens";
const ADDITIONAL: &str = "additional_special_tokens";

/// Settings of a tokenizer.
pub(super) struct Settings {
    pub class: Class,
    /// The class's name, for messages.
    class_name: Option<String>,
    pub clean_up_spaces: bool,
    /// Whether the text of byte-pair tokenizers is cleaned up as well.
    pub clean_up_byte_pairs: bool,
    /// Whether byte-pair tokenizers put a space before the text.
    pub add_prefix_space: bool,
    /// Whether special tokens that stand in a text are read as any text.
    pub split_special_tokens: bool,
    /// Whether GPT-2's tokenizer puts the text between its tokens for begin and end.
    pub add_bos: bool,
    pub add_eos: bool,
    /// Special tokens by role, then those by a name of the model's own.
    named: Vec<(String, Token)>,
    /// Special tokens without a role; `None` where the files leave them to the class.
    extra: Option<Vec<Token>>,
    /// The same under their old name, where the files give that beside, or in `special_tokens_map.json`.
    pub additional: Option<Vec<Token>>,
    /// How many `<extra_id_N>` the files ask for.
    extra_ids: Option<usize>,
    /// Tokens added to the vocabulary, by the ids they had.
    pub added: BTreeMap<u32, Token>,
}

impl Settings {
    /// Goes through the files as transformers does, step by step; what one step leaves the next may not see.
    pub fn from_files(files: SettingsFiles<'_>) -> Result<Self> {
        let config = files.tokenizer_config.unwrap_or_default();
        let model = files.model_config.unwrap_or_default();
        let name = |file: &Fields, name: &str| file.get(name)?.as_str().map(str::to_owned);
        let class_name = name(&config, "tokenizer_class");
        let class_name = class_name.or_else(|| name(&model, "tokenizer_class"));
        let class = Class::new(
            name(&model, "model_type").as_deref(),
            class_name.as_deref(),
            files.tokenizer.is_some(),
        );
        let flag = |name| flag(&config, name);
        // A tokenizer.json says by itself what goes around a text.
        let around = files.tokenizer.is_none();
        let mut settings = Settings {
            class,
            class_name,
            clean_up_spaces: flag("clean_up_tokenization_spaces")?,
            clean_up_byte_pairs: flag(
                "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output",
            )?,
            add_prefix_space: flag("add_prefix_space")?,
            split_special_tokens: flag("split_special_tokens")?,
            add_bos: flag("add_bos_token")? && around,
            add_eos: flag("add_eos_token")? && around,
            named: Vec::new(),
            extra: None,
            additional: None,
            extra_ids: extra_ids(&config)?,
            added: BTreeMap::new(),
        };

        // Where there is nothing under the new name, what is under the old one moves there.
        let mut own_named = Vec::new();
        let mut extra = config.get(EXTRA);
        let mut additional = config.get(ADDITIONAL);
        if additional.is_some() && extra.is_none_or(is_empty) {
            extra = additional.take();
        }
        for (key, field) in config.iter().filter(|(key, _)| is_own_role(key)) {
            if let Some(token) = field.as_str() {
                own_named.push((key.to_owned(), Token::named(token)));
            }
        }
        if let Some(Field::Object(roles)) = extra {
            for (key, field) in roles.iter() {
                let token = Token::read(field)?.ok_or_else(|| strange(EXTRA))?;
                own_named.push((key.to_owned(), token));
            }
            extra = None;
        }
        settings.extra = extra.map(tokens).transpose()?;
        let additional = additional.filter(|list| !list.is_null());
        settings.additional = additional.map(tokens).transpose()?;

        let added = config.get("added_tokens_decoder");
        let map = match added {
            Some(_) => Fields::default(),
            // Files of older versions.
            None => files.special_tokens_map.unwrap_or_default(),
        };
        settings.read_named(&config, &map, own_named, files.tokenizer)?;
        match added {
            Some(Field::Object(added)) => {
                for (id, field) in added.iter() {
                    let id = id.parse().map_err(|_| strange("added_tokens_decoder"))?;
                    let token = match field {
                        Field::Object(_) => Token::read(field)?,
                        Field::Other(_) => None,
                    };
                    let token = token.ok_or_else(|| strange("added_tokens_decoder"))?;
                    settings.added.insert(id, token);
                }
            }
            Some(_) => return Err(strange("added_tokens_decoder")),
            None => {
                let plain = settings
                    .extra
                    .iter()
                    .flatten()
                    .filter(|token| token.is_plain());
                let mut listed: Vec<Token> = plain.cloned().collect();
                if let Some(list @ Field::Other(_)) = map.get(EXTRA) {
                    listed.extend(tokens(list)?);
                }
                settings.read_map(&map)?;
                let added = files.added_tokens.unwrap_or_default();
                let special = special_names(&config, &map, &listed);
                settings.read_added(&added, &special)?;
                for token in files
                    .tokenizer
                    .into_iter()
                    .flat_map(|file| &file.added_tokens)
                {
                    let id = token["id"].as_u64().and_then(|id| u32::try_from(id).ok());
                    let id = id.ok_or_else(|| strange("added_tokens"))?;
                    let token = Token::from_value(token)?.ok_or_else(|| strange("added_tokens"))?;
                    settings.added.insert(id, token);
                }
            }
        }
        // A role's token is one of the added ones, spaces and all, unless it is the class that names it.
        for (role, named) in &mut settings.named {
            let said = config.get(role).is_some() || map.get(role).is_some();
            let mut added = settings.added.values().rev();
            let same = added.find(|token| token.content == named.content);
            if let (Some(token), true, true) = (same, said, ROLES.contains(&role.as_str())) {
                *named = token.clone();
            }
        }
        Ok(settings)
    }

    /// Special tokens with a role or another name: those of `special_tokens_map.json` before those of
    /// `tokenizer_config.json` before the class's own.
    fn read_named(
        &mut self,
        config: &Fields,
        map: &Fields,
        mut own: Vec<(String, Token)>,
        tokenizer: Option<&Header>,
    ) -> Result<()> {
        for role in ROLES {
            let said = map.get(role).map(|field| (field, true));
            let said = said.or_else(|| Some((config.get(role)?, false)));
            let token = match said {
                Some((field, in_map)) => Token::read(field)?.map(|token| match in_map {
                    true => token.into_special(),
                    false => token,
                }),
                None => {
                    let mut named = self.class.named().iter();
                    let named = named.find(|(known, _)| *known == role);
                    // Of a class of its own, the token that the file pads with.
                    let padding = tokenizer
                        .and_then(|file| file.padding.as_ref())
                        .filter(|_| role == "pad_token" && self.class.named().is_empty());
                    named
                        .map(|&(_, token)| token)
                        .or(padding.map(|padding| padding.pad_token.as_str()))
                        .map(Token::named)
                }
            };
            self.named
                .extend(token.map(|token| (role.to_owned(), token)));
        }
        // Those by name alone in the config come last, but keep their token where they come first as well.
        let is_object = |field: Option<&Field>| matches!(field, Some(Field::Object(_)));
        let in_config = config
            .iter()
            .filter(|&(_, field)| is_object(Some(field)))
            .map(|(key, field)| (key, map.get(key).unwrap_or(field)));
        let in_map = map.iter().filter(|(key, _)| !is_object(config.get(key)));
        for (key, field) in in_config.chain(in_map) {
            let names_token = field.as_str().is_some() || matches!(field, Field::Object(_));
            if !is_own_role(key) || !names_token {
                continue;
            }
            let token = match own.iter().position(|(known, _)| known == key) {
                Some(index) => Some(own.remove(index).1),
                None => Token::read(field)?,
            };
            self.named
                .extend(token.map(|token| (key.to_owned(), token)));
        }
        self.named.extend(own);
        Ok(())
    }

    /// Special tokens without a role of `special_tokens_map.json`.
    fn read_map(&mut self, map: &Fields) -> Result<()> {
        match map.get(EXTRA) {
            Some(Field::Object(roles)) => {
                for (key, field) in roles.iter() {
                    let token = Token::read(field)?.ok_or_else(|| strange(EXTRA))?;
                    self.named.push((key.to_owned(), token));
                }
                self.extra = None;
            }
            Some(list) => {
                let mut all = self.extra.take().unwrap_or_default();
                for token in tokens(list)?.into_iter().map(Token::into_special) {
                    if !all.contains(&token) {
                        all.push(token);
                    }
                }
                self.extra = Some(all);
            }
            None => {}
        }
        if let Some(list) = map.get(ADDITIONAL) {
            self.additional = (!list.is_null()).then(|| tokens(list)).transpose()?;
        }
        Ok(())
    }

    /// `added_tokens.json`.
    fn read_added(&mut self, file: &Fields, special: &[String]) -> Result<()> {
        for (content, id) in file.iter() {
            let id = match id {
                Field::Other(id) => id.as_u64().and_then(|id| u32::try_from(id).ok()),
                Field::Object(_) => None,
            };
            let id = id.ok_or_else(|| strange("added_tokens.json"))?;
            let token = Token::added(content, special.iter().any(|name| name == content));
            self.added.insert(id, token);
        }
        Ok(())
    }

    /// The special token of a role, such as "eos_token".
    pub fn role(&self, role: &str) -> Option<&Token> {
        let mut named = self.named.iter();
        named
            .find(|(known, _)| known == role)
            .map(|(_, token)| token)
    }

    /// Special tokens in the order in which transformers adds them: those with a role, and those without, which are
    /// `own` where the files leave them to the class.
    pub fn specials(&self, own: Vec<Token>) -> impl Iterator<Item = Token> {
        let named = self.named.iter().map(|(_, token)| token.clone());
        let extra = self.extra.clone().unwrap_or(own);
        named.chain(extra).collect::<Vec<_>>().into_iter()
    }

    /// What has to be added to a vocabulary that knows the added tokens `known`: tokens that the files added, then
    /// special ones.
    pub fn tokens_to_add(&self, known: &[String], own: Vec<Token>) -> Vec<Token> {
        let mut tokens: Vec<Token> = self.added.values().cloned().collect();
        let listed: Vec<&str> = self
            .added
            .values()
            .map(|token| token.content.as_str())
            .collect();
        for token in self.specials(own) {
            let is_known = |name: &str| name == token.content;
            if !known.iter().any(|name| is_known(name))
                && !listed.iter().any(|name| is_known(name))
                && !tokens.contains(&token)
            {
                tokens.push(token);
            }
        }
        let has_role = |token: &Token| self.named.iter().any(|(_, it)| it.content == token.content);
        let special = |token: Token| match has_role(&token) {
            true => token.into_special(),
            false => token,
        };
        tokens.into_iter().map(special).collect()
    }

    /// How many `<extra_id_N>` there are, where the class has so many when nothing is said.
    pub fn sentinels(&self, default: usize) -> impl DoubleEndedIterator<Item = String> + Clone {
        // An absurd number would only take memory.
        let count = self.extra_ids.unwrap_or(default).min(1 << 16);
        (0..count).map(|number| format!("{SENTINEL}{number}>"))
    }

    /// The error for a file that only another class could read.
    pub fn unsupported(&self, path: &Path) -> Error {
        let error = Error::Unsupported {
            what: "tokenizer_class",
            found: self.class_name.clone().unwrap_or("(none)".into()),
            supported: "T5Tokenizer with spiece.model, RobertaTokenizer, BartTokenizer and GPT2Tokenizer with vocab.json \
                        and merges.txt, ByT5Tokenizer, and any with a tokenizer.json, which transformers' \
                        AutoTokenizer.from_pretrained(...).save_pretrained(...) writes"
                .into(),
        };
        fault(path, error.to_string())
    }
}

/// What the name of a token that spans of text are masked by begins with: `<extra_id_N>`.
pub(super) const SENTINEL: &str = "<extra_id_";

/// A role that only this model has, such as "image_token".
fn is_own_role(key: &str) -> bool {
    key.ends_with("_token") && !ROLES.contains(&key)
}

/// What Python takes for nothing.
fn is_empty(field: &Field) -> bool {
    match field {
        Field::Object(fields) => fields.iter().next().is_none(),
        Field::Other(Value::Array(list)) => list.is_empty(),
        Field::Other(value) => value.is_null(),
    }
}

/// A list of tokens; null is an empty one.
fn tokens(list: &Field) -> Result<Vec<Token>> {
    let Field::Other(Value::Array(list)) = list else {
        return match list.is_null() {
            true => Ok(Vec::new()),
            false => Err(strange("a list of special tokens")),
        };
    };
    let read = |value| Token::from_value(value)?.ok_or_else(|| strange("a special token"));
    list.iter().map(read).collect()
}

/// Names that `added_tokens.json` may add as special tokens. As in transformers, which at this point does not see tokens
/// of `tokenizer_config.json` that come with their properties.
fn special_names(config: &Fields, map: &Fields, extra: &[Token]) -> Vec<String> {
    let content = |role| match (map.get(role), config.get(role)) {
        (Some(field), _) => Token::read(field).ok().flatten(),
        (None, Some(field)) => field.as_str().map(Token::named),
        (None, None) => None,
    };
    let roles = ROLES.into_iter().filter_map(content);
    let names = roles.chain(extra.iter().cloned());
    names.map(|token| token.content).collect()
}

fn flag(file: &Fields, name: &str) -> Result<bool> {
    match file.get(name) {
        None | Some(Field::Other(Value::Null)) => Ok(false),
        Some(Field::Other(Value::Bool(set))) => Ok(*set),
        Some(_) => Err(strange(name)),
    }
}

fn extra_ids(file: &Fields) -> Result<Option<usize>> {
    match file.get("extra_ids") {
        None => Ok(None),
        Some(Field::Other(Value::Number(count))) if count.is_u64() => {
            Ok(count.as_u64().and_then(|count| usize::try_from(count).ok()))
        }
        Some(_) => Err(strange("extra_ids")),
    }
}

pub(super) fn strange(what: &str) -> Error {
    Error::Invalid(format!(
        "the tokenizer's settings give {what} in a way that cannot be understood: save the tokenizer again"
    ))
}
