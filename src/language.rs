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
    /// Finds a language by one of its codes of ISO 639 (`de`, `deu`, `ger`) or its English name, in any case. A region
    /// may follow (`de-DE`, `pt_BR`), but not where it decides the script, nor a script itself: those make another
    /// language of it.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no such language.
    pub fn find(text: &str) -> Result<Language> {
        let found = Language::named(text).or_else(|| Language::named(without_region(text)?));
        found.ok_or_else(|| {
            Error::Invalid(format!(
                "unknown language \"{text}\": give a code such as de or an English name such as German"
            ))
        })
    }

    /// As [`Language::find`], without a region.
    fn named(text: &str) -> Option<Language> {
        let is = |name: &str| name.eq_ignore_ascii_case(text);
        let (code, _, name) = LANGUAGES.iter().find(|(code, others, name)| {
            is(code) || is(name) || others.split_whitespace().any(is)
        })?;
        Some(Language { code, name })
    }

    /// Of `codes`, the one that `text` means: the same in any case and with - or _; another code of the same language; or
    /// that of the language without the region that `text` names. Nothing narrower or wider is taken for it.
    pub fn choose<T>(
        text: &str,
        codes: impl IntoIterator<Item = (T, impl AsRef<str>)>,
    ) -> Option<T> {
        let ranked = codes
            .into_iter()
            .filter_map(|(item, code)| Some((distance(text, code.as_ref())?, item)));
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, item)| item)
    }
}

/// How far `code` is from what `text` says; `None` where it is something else.
pub(crate) fn distance(text: &str, code: &str) -> Option<u8> {
    if tag(text) == tag(code) {
        return Some(0);
    }
    let language = Language::named(code)?;
    if Language::named(text) == Some(language) {
        return Some(1);
    }
    (Language::find(text).ok() == Some(language)).then_some(2)
}

fn tag(text: &str) -> String {
    text.to_ascii_lowercase().replace('_', "-")
}

/// `de-DE` -> `de`
fn without_region(text: &str) -> Option<&str> {
    let (language, region) = text.split_once(['-', '_'])?;
    let letters = region.len() == 2 && region.bytes().all(|byte| byte.is_ascii_alphabetic());
    let digits = region.len() == 3 && region.bytes().all(|byte| byte.is_ascii_digit());
    // Chinese is written differently from region to region.
    let is_chinese = Language::named(language)?.code == "zh";
    (language.len() <= 3 && (letters || digits) && !is_chinese).then_some(language)
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Code, further codes (ISO 639-2 and -3, and those in use before), English name.
#[rustfmt::skip]
const LANGUAGES: &[(&str, &str, &str)] = &[
    ("af", "afr", "Afrikaans"), ("am", "amh", "Amharic"), ("ar", "ara", "Arabic"), ("az", "aze", "Azerbaijani"),
    ("be", "bel", "Belarusian"), ("bg", "bul", "Bulgarian"), ("bn", "ben", "Bengali"), ("bs", "bos", "Bosnian"),
    ("ca", "cat", "Catalan"), ("ceb", "", "Cebuano"), ("co", "cos", "Corsican"), ("cs", "ces cze", "Czech"),
    ("cy", "cym wel", "Welsh"), ("da", "dan", "Danish"), ("de", "deu ger", "German"), ("el", "ell gre", "Greek"),
    ("en", "eng", "English"), ("eo", "epo", "Esperanto"), ("es", "spa", "Spanish"), ("et", "est", "Estonian"),
    ("eu", "eus baq", "Basque"), ("fa", "fas per", "Persian"), ("fi", "fin", "Finnish"), ("fil", "", "Filipino"),
    ("fr", "fra fre", "French"), ("fy", "fry", "Frisian"), ("ga", "gle", "Irish"),
    ("gd", "gla", "Scottish Gaelic"), ("gl", "glg", "Galician"), ("gu", "guj", "Gujarati"), ("ha", "hau", "Hausa"),
    ("haw", "", "Hawaiian"), ("he", "heb iw", "Hebrew"), ("hi", "hin", "Hindi"), ("hmn", "", "Hmong"),
    ("hr", "hrv", "Croatian"), ("ht", "hat", "Haitian Creole"), ("hu", "hun", "Hungarian"),
    ("hy", "hye arm", "Armenian"), ("id", "ind in", "Indonesian"), ("ig", "ibo", "Igbo"),
    ("is", "isl ice", "Icelandic"), ("it", "ita", "Italian"), ("ja", "jpn", "Japanese"),
    ("jv", "jav jw", "Javanese"), ("ka", "kat geo", "Georgian"), ("kk", "kaz", "Kazakh"), ("km", "khm", "Khmer"),
    ("kn", "kan", "Kannada"), ("ko", "kor", "Korean"), ("ku", "kur", "Kurdish"), ("ky", "kir", "Kyrgyz"),
    ("la", "lat", "Latin"), ("lb", "ltz", "Luxembourgish"), ("lo", "lao", "Lao"), ("lt", "lit", "Lithuanian"),
    ("lv", "lav", "Latvian"), ("mg", "mlg", "Malagasy"), ("mi", "mri mao", "Maori"),
    ("mk", "mkd mac", "Macedonian"), ("ml", "mal", "Malayalam"), ("mn", "mon", "Mongolian"),
    ("mr", "mar", "Marathi"), ("ms", "msa may", "Malay"), ("mt", "mlt", "Maltese"), ("my", "mya bur", "Burmese"),
    ("ne", "nep", "Nepali"), ("nl", "nld dut", "Dutch"), ("no", "nor", "Norwegian"), ("ny", "nya", "Chichewa"),
    ("pa", "pan", "Punjabi"), ("pl", "pol", "Polish"), ("ps", "pus", "Pashto"), ("pt", "por", "Portuguese"),
    ("ro", "ron rum", "Romanian"), ("ru", "rus", "Russian"), ("sd", "snd", "Sindhi"), ("si", "sin", "Sinhala"),
    ("sk", "slk slo", "Slovak"), ("sl", "slv", "Slovenian"), ("sm", "smo", "Samoan"), ("sn", "sna", "Shona"),
    ("so", "som", "Somali"), ("sq", "sqi alb", "Albanian"), ("sr", "srp", "Serbian"), ("st", "sot", "Sotho"),
    ("su", "sun", "Sundanese"), ("sv", "swe", "Swedish"), ("sw", "swa", "Swahili"), ("ta", "tam", "Tamil"),
    ("te", "tel", "Telugu"), ("tg", "tgk", "Tajik"), ("th", "tha", "Thai"), ("tr", "tur", "Turkish"),
    ("uk", "ukr", "Ukrainian"), ("ur", "urd", "Urdu"), ("uz", "uzb", "Uzbek"), ("vi", "vie", "Vietnamese"),
    ("xh", "xho", "Xhosa"), ("yi", "yid ji", "Yiddish"), ("yo", "yor", "Yoruba"), ("zh", "zho chi", "Chinese"),
    ("zu", "zul", "Zulu"),
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
        for text in [
            "de", "DE", "German", "german", "deu", "ger", "GER", "de-DE", "de_at", "deu-CH",
        ] {
            assert_eq!(Language::find(text).unwrap(), german, "{text}");
        }
        assert_eq!(Language::find("iw").unwrap().code, "he");
        assert_eq!(Language::find("es-419").unwrap().code, "es");
        for text in [
            "xx",
            "",
            "-",
            "de-",
            "de-D",
            "de-Latn",
            "sr-Latn",
            "zh-TW",
            "zh_Hant",
            "German-DE",
            "de-DE-1996",
        ] {
            let error = Language::find(text).unwrap_err().to_string();
            assert!(error.contains(&format!("\"{text}\"")), "{error}");
        }
    }

    #[test]
    fn codes_are_chosen_without_guessing() {
        let choose = |text, codes: &[&'static str]| {
            Language::choose(text, codes.iter().map(|&code| (code, code)))
        };
        let codes = ["pt", "pt_BR", "zh_Hant", "nds", "iw"];
        for (text, code) in [
            ("pt-br", "pt_BR"),
            ("PT_BR", "pt_BR"),
            ("pt-PT", "pt"),
            ("Portuguese", "pt"),
            ("zh-hant", "zh_Hant"),
            ("NDS", "nds"),
            ("Hebrew", "iw"),
            ("he", "iw"),
            ("he-IL", "iw"),
        ] {
            assert_eq!(choose(text, &codes), Some(code), "{text}");
        }
        for text in ["zh", "Chinese", "zh-TW", "nds-NL", "de", "xx", ""] {
            assert_eq!(choose(text, &codes), None, "{text}");
        }
        assert_eq!(choose("pt", &["pt-BR", "pt-PT"]), None);
        assert_eq!(choose("pt-BR", &["pt-PT"]), None);
    }

    #[test]
    fn codes_and_names_are_unambiguous() {
        let names = |&(code, others, name): &(&'static str, &'static str, &'static str)| {
            let others = others.split_whitespace();
            others.chain([code, name]).collect::<Vec<_>>()
        };
        let mut all: Vec<&str> = LANGUAGES.iter().flat_map(names).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
