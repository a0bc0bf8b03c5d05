//! Special and added tokens, as the files of a tokenizer describe them.

use serde_json::Value;
use tokenizers::AddedToken;

use super::fields::Field;
use super::settings::strange;
use crate::Result;

/// A token by its name alone, or with its properties.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub content: String,
    /// `None` where no more than the name is given.
    properties: Option<Properties>,
}

#[derive(Clone, Debug, PartialEq)]
struct Properties {
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    /// Whether it is looked for in normalized text; said by nobody, the opposite of `special`.
    normalized: Option<bool>,
    special: bool,
}

impl Token {
    pub fn named(content: impl Into<String>) -> Token {
        Token {
            content: content.into(),
            properties: None,
        }
    }

    /// A token of a vocabulary that is looked for in the text as it stands.
    pub fn verbatim(content: impl Into<String>, special: bool) -> Token {
        Token::with(content, Some(false), special)
    }

    /// A token of `added_tokens.json`.
    pub fn added(content: impl Into<String>, special: bool) -> Token {
        Token::with(content, Some(!special), special)
    }

    fn with(content: impl Into<String>, normalized: Option<bool>, special: bool) -> Token {
        Token {
            content: content.into(),
            properties: Some(Properties {
                single_word: false,
                lstrip: false,
                rstrip: false,
                normalized,
                special,
            }),
        }
    }

    /// Reads a token; null is none.
    pub fn read(field: &Field) -> Result<Option<Token>> {
        match field {
            Field::Other(value) => Token::from_value(value),
            Field::Object(fields) => Token::from_properties(|name| match fields.get(name)? {
                Field::Other(value) => Some(value),
                Field::Object(_) => Some(&Value::Null),
            })
            .map(Some),
        }
    }

    pub fn from_value(value: &Value) -> Result<Option<Token>> {
        match value {
            Value::Null => Ok(None),
            Value::String(content) => Ok(Some(Token::named(content))),
            Value::Object(fields) => Token::from_properties(|name| fields.get(name)).map(Some),
            _ => Err(strange("a special token")),
        }
    }

    fn from_properties<'v>(get: impl Fn(&str) -> Option<&'v Value>) -> Result<Token> {
        let content = get("content").and_then(Value::as_str);
        let content = content.ok_or_else(|| strange("a special token"))?;
        let set = |name| match get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(set)) => Ok(Some(*set)),
            Some(_) => Err(strange(&format!("{name} of the token {content}"))),
        };
        Ok(Token {
            content: content.into(),
            properties: Some(Properties {
                single_word: set("single_word")?.unwrap_or(false),
                lstrip: set("lstrip")?.unwrap_or(false),
                rstrip: set("rstrip")?.unwrap_or(false),
                normalized: set("normalized")?,
                special: set("special")?.unwrap_or(false),
            }),
        })
    }

    /// Whether no more than its name is given.
    pub fn is_plain(&self) -> bool {
        self.properties.is_none()
    }

    pub fn into_special(mut self) -> Token {
        if let Some(properties) = &mut self.properties {
            properties.special = true;
        }
        self
    }
}

/// For the tokenizers library; a token by its name alone is special.
impl From<Token> for AddedToken {
    fn from(token: Token) -> AddedToken {
        let Some(own) = token.properties else {
            return AddedToken::from(token.content, true);
        };
        let normalized = own.normalized.unwrap_or(!own.special);
        AddedToken::from(token.content, own.special)
            .single_word(own.single_word)
            .lstrip(own.lstrip)
            .rstrip(own.rstrip)
            .normalized(normalized)
    }
}
