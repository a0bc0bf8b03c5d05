//! Languages by code and by English name.

use std::fmt;

use crate::{Error, Result};

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
}
