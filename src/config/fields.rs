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

    pub fn token(&self, name: &str) -> Result<Option<u32>> {
        self.typed(name, "a token id", token)
    }

    /// One token id or a list of them; null is an empty list, absent is `None`.
    pub fn tokens(&self, name: &str) -> Result<Option<Vec<u32>>> {
        if self.0.get(name).is_some_and(Value::is_null) {
            return Ok(Some(Vec::new()));
        }
        self.typed(name, "a token id or a list of token ids", |v| match v {
            Value::Array(ids) => ids.iter().map(token).collect(),
            id => token(id).map(|id| vec![id]),
        })
    }

    /// An object of objects.
    pub fn blocks(&self, name: &str) -> Result<BTreeMap<String, Map<String, Value>>> {
        let blocks = self.typed(name, "an object of objects", |v| {
            v.as_object()?
                .iter()
                .map(|(key, block)| Some((key.clone(), block.as_object()?.clone())))
                .collect()
        })?;
        Ok(blocks.unwrap_or_default())
    }
}

fn token(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|id| u32::try_from(id).ok())
}
