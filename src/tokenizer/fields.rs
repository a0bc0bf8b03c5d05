//! JSON objects as they stand in a file: the order in which special tokens are named decides their ids.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// A JSON object, its fields in the order of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Vec<(String, Field)>);

/// The value of a field.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(untagged)]
pub(super) enum Field {
    Object(Fields),
    Other(Value),
}

impl Fields {
    /// The field of that name; the last of several, as in Python.
    pub fn get(&self, name: &str) -> Option<&Field> {
        let mut fields = self.0.iter().rev();
        fields.find(|(key, _)| key == name).map(|(_, field)| field)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Field)> {
        self.0.iter().map(|(key, field)| (key.as_str(), field))
    }
}

impl Field {
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Field::Other(value) => value.as_str(),
            Field::Object(_) => None,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Field::Other(Value::Null))
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    fields.push(entry);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}
