//! Typed reading of a JSON object's fields: absent and null are `None`, a wrong type is an error that names the field.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{Error, Result};

/// A JSON object whose fields are read one by one.
pub(crate) struct Fields<'a>(pub &'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// The field, unless absent or null.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Whether the field is there and null.
    pub fn is_null(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(Value::is_null)
    }

    fn typed<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        self.get(name)
            .map(|value| {
                read(value).ok_or_else(|| {
                    Error::Invalid(format!("{name} is {value}, but must be {expected}"))
                })
            })
            .transpose()
    }

    pub fn size(&self, name: &str) -> Result<Option<usize>> {
        self.typed(name, "a whole number", |v| {
            v.as_u64().and_then(|n| usize::try_from(n).ok())
        })
    }

    pub fn number(&self, name: &str) -> Result<Option<f64>> {
        self.typed(name, "a number", Value::as_f64)
    }

    pub fn bool(&self, name: &str) -> Result<Option<bool>> {
        self.typed(name, "true or false", Value::as_bool)
    }

    pub fn string(&self, name: &str) -> Result<Option<&'a str>> {
        self.typed(name, "a string", Value::as_str)
    }

    /// A token id; a negative one, which no text has, is none.
    pub fn token(&self, name: &str) -> Result<Option<u32>> {
        Ok(self.typed(name, "a token id", token)?.flatten())
    }

    /// One token id or a list of them, without negative ones; null is an empty list, absent is `None`.
    pub fn tokens(&self, name: &str) -> Result<Option<Vec<u32>>> {
        if self.is_null(name) {
            return Ok(Some(Vec::new()));
        }
        self.typed(name, "a token id or a list of token ids", tokens)
    }

    /// The objects of an object; what is something else is no block.
    pub fn blocks(&self, name: &str) -> BTreeMap<String, Map<String, Value>> {
        let entries = self.get(name).and_then(Value::as_object).into_iter();
        entries
            .flatten()
            .filter_map(|(key, block)| Some((key.clone(), block.as_object()?.clone())))
            .collect()
    }
}

/// A token id; `Some(None)` for a negative one, by which configs say that there is none.
fn token(value: &Value) -> Option<Option<u32>> {
    match value.as_i64() {
        Some(..0) => Some(None),
        _ => value.as_u64()?.try_into().ok().map(Some),
    }
}

/// One token id or a list of them, without negative ones.
fn tokens(value: &Value) -> Option<Vec<u32>> {
    let ids: Option<Vec<Option<u32>>> = match value {
        Value::Array(ids) => ids.iter().map(token).collect(),
        id => token(id).map(|id| vec![id]),
    };
    Some(ids?.into_iter().flatten().collect())
}
