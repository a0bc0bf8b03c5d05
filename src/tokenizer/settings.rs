//! What the small files beside a vocabulary say of it: its class and its special tokens.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use tokenizers::AddedToken;

use super::fault;
use crate::{Error, Result};

/// Who sets up a tokenizer, by transformers' class names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// T5Tokenizer.
    SentencePiece,
    /// ByT5Tokenizer.
    Byte,
    /// RobertaTokenizer, which CodeT5 has.
    Roberta,
    /// `tokenizer.json` itself.
    Generic,
}

impl Class {
    /// transformers trusts the class that the files name; UMT5 models alone are read as their `tokenizer.json` stands,
    /// though they name T5's class.
    fn new(model_type: Option<&str>, tokenizer_class: Option<&str>) -> Self {
        let name = tokenizer_class.map(|name| name.strip_suffix("Fast").unwrap_or(name));
        match name {
            Some("ByT5Tokenizer") => Class::Byte,
            _ if model_type == Some("umt5") => Class::Generic,
            None | Some("T5Tokenizer") => Class::SentencePiece,
            Some("RobertaTokenizer") => Class::Roberta,
            Some(_) => Class::Generic,
        }
    }
}

/// The parsed files, where there are.
#[derive(Default)]
pub(super) struct SettingsFiles {
    pub tokenizer_config: Option<Value>,
    /// The model's `config.json`.
    pub model_config: Option<Value>,
    pub special_tokens_map: Option<Value>,
    pub added_tokens: Option<Value>,
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

/// Lists of special tokens without a role, under their new name and the old.
const UNNAMED: [&str; 2] = ["extra_special_tokens", "additional_special_tokens"];

/// Settings of a tokenizer.
pub(super) struct Settings {
    pub class: Class,
    /// The class's name, for messages.
    pub class_name: Option<String>,
    pub clean_up_spaces: bool,
    /// Whether byte-pair tokenizers put a space before the text.
    pub add_prefix_space: bool,
    /// Special tokens by role; `special` is set for all.
    roles: BTreeMap<&'static str, AddedToken>,
    /// Roles given by name alone, with no word on spaces.
    plain: Vec<&'static str>,
    /// Special tokens without a role that `tokenizer_config.json` lists; `None` where it leaves them to the class.
    pub extra: Option<Vec<AddedToken>>,
    /// Such tokens of the older `special_tokens_map.json`.
    pub mapped: Vec<AddedToken>,
    /// How many `<extra_id_N>` the files ask for.
    pub extra_ids: Option<usize>,
    /// Tokens added to the vocabulary, by the ids they had.
    pub added: BTreeMap<u32, AddedToken>,
}

impl Settings {
    pub fn from_files(files: SettingsFiles) -> Result<Self> {
        let config = files.tokenizer_config.unwrap_or_default();
        let model = files.model_config.unwrap_or_default();
        let class_name = [&config, &model]
            .iter()
            .find_map(|file| file["tokenizer_class"].as_str());
        let class = Class::new(model["model_type"].as_str(), class_name);
        let mut settings = Settings {
            class,
            class_name: class_name.map(str::to_owned),
            clean_up_spaces: config["clean_up_tokenization_spaces"] == true,
            add_prefix_space: config["add_prefix_space"] == true,
            roles: BTreeMap::new(),
            plain: Vec::new(),
            extra: None,
            mapped: Vec::new(),
            extra_ids: config["extra_ids"].as_u64().map(|n| n as usize),
            added: BTreeMap::new(),
        };
        let defaults: &[(&str, &str)] = match class {
            Class::SentencePiece | Class::Byte => &T5_TOKENS,
            Class::Roberta => &ROBERTA_TOKENS,
            Class::Generic => &[],
        };
        for &(role, token) in defaults {
            settings.set_role(role, &token.into())?;
        }
        settings.read_roles(&config)?;
        settings.extra = unnamed_tokens(&config)?;
        if let Some(added) = config["added_tokens_decoder"].as_object() {
            for (id, value) in added {
                let id = id.parse().map_err(|_| strange("added_tokens_decoder"))?;
                let token = token(value)?.ok_or_else(|| strange("added_tokens_decoder"))?;
                settings.added.insert(id, token);
            }
            // A role's token is one of these, spaces and all.
            for token in settings.added.values() {
                for (role, named) in &mut settings.roles {
                    if named.content == token.content {
                        *named = token.clone().special(true);
                        settings.plain.retain(|plain| plain != role);
                    }
                }
            }
        } else {
            // Two files of older versions.
            let map = files.special_tokens_map.unwrap_or_default();
            settings.read_roles(&map)?;
            settings.mapped = unnamed_tokens(&map)?.unwrap_or_default();
            let added = files.added_tokens.unwrap_or_default();
            for (content, id) in added.as_object().into_iter().flatten() {
                let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
                let id = id.ok_or_else(|| strange("added_tokens.json"))?;
                // As in transformers, which does not see here that a token without a role is special if
                // tokenizer_config.json gives more than its name.
                let special = settings.roles.values().chain(&settings.mapped);
                let special = special
                    .map(|token| &token.content)
                    .any(|name| name == content)
                    || UNNAMED.iter().any(|list| {
                        let list = config[list].as_array();
                        list.into_iter().flatten().any(|name| name == content)
                    });
                settings
                    .added
                    .insert(id, AddedToken::from(content.as_str(), special));
            }
        }
        Ok(settings)
    }

    fn read_roles(&mut self, file: &Value) -> Result<()> {
        for role in ROLES {
            self.set_role(role, &file[role])?;
        }
        Ok(())
    }

    fn set_role(&mut self, role: &str, value: &Value) -> Result<()> {
        let role = ROLES.into_iter().find(|known| *known == role);
        if let (Some(role), Some(token)) = (role, token(value)?) {
            self.roles.insert(role, token.special(true));
            self.plain.retain(|plain| *plain != role);
            if value.is_string() {
                self.plain.push(role);
            }
        }
        Ok(())
    }

    /// The special token of a role, such as "eos_token".
    pub fn role(&self, role: &str) -> Option<&AddedToken> {
        self.roles.get(role)
    }

    /// Whether the files only name the role's token and leave its treatment of spaces to the class.
    pub fn is_plain(&self, role: &str) -> bool {
        self.plain.contains(&role)
    }

    /// Every special token that the files name, in the order in which transformers adds them.
    pub fn specials(&self) -> impl Iterator<Item = &AddedToken> {
        let roles = ROLES.iter().filter_map(|role| self.roles.get(role));
        let unnamed = self.extra.iter().flatten().chain(&self.mapped);
        roles.chain(unnamed)
    }

    /// How many `<extra_id_N>` there are, where the class has so many when nothing is said.
    pub fn sentinels(&self, default: usize) -> usize {
        // An absurd number would only take memory.
        self.extra_ids.unwrap_or(default).min(1 << 16)
    }

    /// The error for a file that only another class could read.
    pub fn unsupported(&self, path: &Path) -> Error {
        let error = Error::Unsupported {
            what: "tokenizer_class",
            found: self.class_name.clone().unwrap_or("(none)".into()),
            supported: "T5Tokenizer with spiece.model, RobertaTokenizer with vocab.json and merges.txt, ByT5Tokenizer, \
                        and any with a tokenizer.json"
                .into(),
        };
        fault(path, error.to_string())
    }
}

const T5_TOKENS: [(&str, &str); 3] = [
    ("eos_token", "</s>"),
    ("unk_token", "<unk>"),
    ("pad_token", "<pad>"),
];

const ROBERTA_TOKENS: [(&str, &str); 7] = [
    ("bos_token", "<s>"),
    ("eos_token", "</s>"),
    ("unk_token", "<unk>"),
    ("sep_token", "</s>"),
    ("pad_token", "<pad>"),
    ("cls_token", "<s>"),
    ("mask_token", "<mask>"),
];

/// `<extra_id_N>`, what spans of text are masked by.
pub(super) fn sentinel(number: usize) -> String {
    format!("<extra_id_{number}>")
}

/// Special tokens without a role; `None` where the file does not speak of them.
fn unnamed_tokens(file: &Value) -> Result<Option<Vec<AddedToken>>> {
    let lists = UNNAMED.map(|name| file.get(name));
    if lists == [None, None] {
        return Ok(None);
    }
    let lists = lists.into_iter().flatten().filter_map(Value::as_array);
    let mut tokens = Vec::new();
    for value in lists.flatten() {
        tokens.extend(token(value)?.map(|token| token.special(true)));
    }
    Ok(Some(tokens))
}

/// A token by name, or with its properties; null is none.
fn token(value: &Value) -> Result<Option<AddedToken>> {
    match value {
        Value::Null => Ok(None),
        Value::String(content) => Ok(Some(AddedToken::from(content.as_str(), true))),
        Value::Object(fields) => {
            let content = fields.get("content").and_then(Value::as_str);
            let content = content.ok_or_else(|| strange("a special token"))?;
            let set = |name, default| fields.get(name).and_then(Value::as_bool).unwrap_or(default);
            let special = set("special", false);
            Ok(Some(
                AddedToken::from(content, special)
                    .single_word(set("single_word", false))
                    .lstrip(set("lstrip", false))
                    .rstrip(set("rstrip", false))
                    .normalized(set("normalized", !special)),
            ))
        }
        _ => Err(strange("a special token")),
    }
}

fn strange(what: &str) -> Error {
    Error::Invalid(format!(
        "the tokenizer's settings give {what} in a way that cannot be understood: save the tokenizer again"
    ))
}
