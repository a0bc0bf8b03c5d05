//! Languages by code and by English name, and the prefix that asks a model for a translation.

use std::fmt;

use serde_json::{Map, Value};

use crate::{Error, Result, T5Config};

/// A language that translation prefixes can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Language {
    /// ISO 639 code: `de`.
    pub code: &'static str,
    /// English name: `German`.
    pub name: &'static str,
}

impl Language {
    /// Finds a language by its code or its English name, in any case.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no such language.
    pub fn find(text: &str) -> Result<Language> {
        LANGUAGES
            .iter()
            .find(|(code, name)| code.eq_ignore_ascii_case(text) || name.eq_ignore_ascii_case(text))
            .map(|&(code, name)| Language { code, name })
            .ok_or_else(|| {
                Error::Invalid(format!(
                    "unknown language \"{text}\": give a code such as de or an English name such as German"
                ))
            })
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// How to ask a model for one translation direction.
#[derive(Clone, Debug, PartialEq)]
pub struct TranslationTask {
    /// What goes in front of the text: `translate English to German: `.
    pub prefix: String,
    /// The task's block of generation options in the config's `task_specific_params`, empty where it has none.
    pub options: Map<String, Value>,
}

impl TranslationTask {
    /// The task as the config lists it; where the config lists no translation task at all, the prefix T5 was
    /// trained with, built from the languages' English names.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the config lists translation tasks, but not this one; the message names those it has.
    pub fn find(config: &T5Config, from: Language, to: Language) -> Result<TranslationTask> {
        let prefix = format!("translate {from} to {to}: ");
        let key = format!("{TASK}{}_to_{}", from.code, to.code);
        if let Some(block) = config.task_specific_params.get(&key) {
            let mut options = block.clone();
            let prefix = match options.remove("prefix") {
                Some(Value::String(own)) => own,
                _ => prefix,
            };
            return Ok(TranslationTask { prefix, options });
        }
        let listed: Vec<String> = config
            .task_specific_params
            .keys()
            .filter_map(|key| describe(key))
            .collect();
        if listed.is_empty() {
            return Ok(TranslationTask {
                prefix,
                options: Map::new(),
            });
        }
        Err(Error::Invalid(format!(
            "this model does not translate {from} to {to}: its config lists {}; use another model with --model",
            listed.join(", ")
        )))
    }
}

const TASK: &str = "translation_";

/// `translation_en_to_de` -> `English to German (--from en --to de)`
fn describe(key: &str) -> Option<String> {
    let (from, to) = key.strip_prefix(TASK)?.split_once("_to_")?;
    let name = |code| Language::find(code).map_or(code, |language| language.name);
    Some(format!(
        "{} to {} (--from {from} --to {to})",
        name(from),
        name(to)
    ))
}

#[rustfmt::skip]
const LANGUAGES: &[(&str, &str)] = &[
    ("af", "Afrikaans"), ("am", "Amharic"), ("ar", "Arabic"), ("az", "Azerbaijani"),
    ("be", "Belarusian"), ("bg", "Bulgarian"), ("bn", "Bengali"), ("bs", "Bosnian"),
    ("ca", "Catalan"), ("ceb", "Cebuano"), ("co", "Corsican"), ("cs", "Czech"), ("cy", "Welsh"),
    ("da", "Danish"), ("de", "German"), ("el", "Greek"), ("en", "English"), ("eo", "Esperanto"),
    ("es", "Spanish"), ("et", "Estonian"), ("eu", "Basque"), ("fa", "Persian"), ("fi", "Finnish"),
    ("fil", "Filipino"), ("fr", "French"), ("fy", "Frisian"), ("ga", "Irish"),
    ("gd", "Scottish Gaelic"), ("gl", "Galician"), ("gu", "Gujarati"), ("ha", "Hausa"),
    ("haw", "Hawaiian"), ("he", "Hebrew"), ("hi", "Hindi"), ("hmn", "Hmong"), ("hr", "Croatian"),
    ("ht", "Haitian Creole"), ("hu", "Hungarian"), ("hy", "Armenian"), ("id", "Indonesian"),
    ("ig", "Igbo"), ("is", "Icelandic"), ("it", "Italian"), ("ja", "Japanese"),
    ("jv", "Javanese"), ("ka", "Georgian"), ("kk", "Kazakh"), ("km", "Khmer"), ("kn", "Kannada"),
    ("ko", "Korean"), ("ku", "Kurdish"), ("ky", "Kyrgyz"), ("la", "Latin"),
    ("lb", "Luxembourgish"), ("lo", "Lao"), ("lt", "Lithuanian"), ("lv", "Latvian"),
    ("mg", "Malagasy"), ("mi", "Maori"), ("mk", "Macedonian"), ("ml", "Malayalam"),
    ("mn", "Mongolian"), ("mr", "Marathi"), ("ms", "Malay"), ("mt", "Maltese"), ("my", "Burmese"),
    ("ne", "Nepali"), ("nl", "Dutch"), ("no", "Norwegian"), ("ny", "Chichewa"), ("pa", "Punjabi"),
    ("pl", "Polish"), ("ps", "Pashto"), ("pt", "Portuguese"), ("ro", "Romanian"),
    ("ru", "Russian"), ("sd", "Sindhi"), ("si", "Sinhala"), ("sk", "Slovak"), ("sl", "Slovenian"),
    ("sm", "Samoan"), ("sn", "Shona"), ("so", "Somali"), ("sq", "Albanian"), ("sr", "Serbian"),
    ("st", "Sotho"), ("su", "Sundanese"), ("sv", "Swedish"), ("sw", "Swahili"), ("ta", "Tamil"),
    ("te", "Telugu"), ("tg", "Tajik"), ("th", "Thai"), ("tr", "Turkish"), ("uk", "Ukrainian"),
    ("ur", "Urdu"), ("uz", "Uzbek"), ("vi", "Vietnamese"), ("xh", "Xhosa"), ("yi", "Yiddish"),
    ("yo", "Yoruba"), ("zh", "Chinese"), ("zu", "Zulu"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_by_code_and_by_name() {
        let german = Language {
            code: "de",
            name: "German",
        };
        for text in ["de", "DE", "German", "german"] {
            assert_eq!(Language::find(text).unwrap(), german);
        }
        let error = Language::find("xx").unwrap_err().to_string();
        assert!(error.contains("\"xx\""), "{error}");
    }

    #[test]
    fn codes_and_names_are_unambiguous() {
        for (i, (code, name)) in LANGUAGES.iter().enumerate() {
            for (other_code, other_name) in &LANGUAGES[..i] {
                assert_ne!(code, other_code);
                assert_ne!(name, other_name);
            }
        }
    }

    #[test]
    fn describes_task_keys() {
        assert_eq!(
            describe("translation_en_to_ro").unwrap(),
            "English to Romanian (--from en --to ro)"
        );
        assert_eq!(describe("summarization"), None);
    }
}
