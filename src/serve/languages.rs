//! The languages of a service, by code in any case, and which of them a text is in.

use std::collections::BTreeSet;

use whatlang::{Detector, Lang};

use super::refusal::Refusal;
use crate::language::Language;

/// The languages that there are models for.
pub struct Languages {
    all: Vec<Known>,
    /// Languages that a text may be found to be in, as whatlang calls them.
    detectable: Vec<(Lang, usize)>,
    detector: Detector,
}

/// A language that there is a model for.
#[derive(Clone, Debug)]
pub struct Known {
    /// As the models write it, in LibreTranslate's way: `de`, `pt-BR`.
    pub code: String,
    /// English name.
    pub name: String,
    /// Indices of the languages that it is translated into, itself among them.
    targets: BTreeSet<usize>,
}

/// Which language a text is in.
#[derive(Clone, Debug, PartialEq)]
pub struct Detected {
    /// Its code.
    pub language: String,
    /// In percent.
    pub confidence: f64,
}

impl Languages {
    /// English first, the others by name.
    pub fn new(pairs: Vec<(String, String)>) -> Languages {
        let codes: BTreeSet<&String> = pairs.iter().flat_map(|(from, to)| [from, to]).collect();
        let mut all: Vec<Known> = codes.into_iter().map(|code| Known::new(code)).collect();
        all.sort_by_key(|known| (known.code != "en", known.name.clone(), known.code.clone()));
        all.dedup_by(|a, b| a.code == b.code);
        let index = |code: &str| all.iter().position(|known| known.code == written(code));
        let pairs: Vec<_> = pairs
            .iter()
            .filter_map(|(from, to)| Some((index(from)?, index(to)?)))
            .collect();
        for (from, to) in pairs {
            all[from].targets.insert(to);
        }
        for (index, known) in all.iter_mut().enumerate() {
            known.targets.insert(index);
        }
        let index_of = |lang: Lang| {
            let code = Language::find(iso(lang)).ok()?.code;
            let codes = all.iter().map(|known| known.code.as_str());
            Language::choose(code, codes.enumerate())
        };
        let detectable: Vec<(Lang, usize)> = Lang::all()
            .iter()
            .filter_map(|&lang| Some((lang, index_of(lang)?)))
            .collect();
        let detector = Detector::with_allowlist(detectable.iter().map(|&(lang, _)| lang).collect());
        Languages {
            all,
            detectable,
            detector,
        }
    }

    /// All of them.
    pub fn all(&self) -> &[Known] {
        &self.all
    }

    /// Codes of the languages that this one is translated into.
    pub fn targets(&self, known: &Known) -> Vec<&str> {
        let mut codes: Vec<&str> = (known.targets.iter())
            .map(|&index| self.all[index].code.as_str())
            .collect();
        codes.sort_unstable();
        codes
    }

    /// The language that a code in any case means, with a region or without.
    pub fn find(&self, code: &str) -> Result<&Known, Refusal> {
        let codes = self.all.iter().map(|known| (known, known.code.as_str()));
        Language::choose(code, codes).ok_or_else(|| Refusal::Language(code.to_owned()))
    }

    /// Whether there is a model for the pair.
    pub fn are_pair(&self, from: &Known, to: &Known) -> bool {
        let target = self.all.iter().position(|known| known.code == to.code);
        target.is_some_and(|target| from.targets.contains(&target))
    }

    /// The language that a text is most likely in, and how sure that is. Where there is nothing to go by: the first
    /// language, and not sure at all.
    pub fn detect(&self, text: &str) -> Detected {
        self.guess(text).unwrap_or_else(|| Detected {
            language: self
                .all
                .first()
                .map_or("en", |known| &known.code)
                .to_owned(),
            confidence: 0.0,
        })
    }

    /// The language of each text of a list; where a text says little by itself, that of all together.
    pub fn detect_each(&self, texts: &[String]) -> Vec<Detected> {
        let together = self.detect(&texts.join("\n"));
        let each = texts.iter().map(|text| match self.guess(text) {
            Some(detected) if texts.len() == 1 || detected.confidence >= SURE => detected,
            Some(_) => together.clone(),
            None => Detected {
                confidence: 0.0,
                ..together.clone()
            },
        });
        each.collect()
    }

    fn guess(&self, text: &str) -> Option<Detected> {
        // What it reads beyond that changes nothing.
        let start: String = text.chars().take(MOST_CHARACTERS).collect();
        let info = self.detector.detect(&start)?;
        let (_, index) = self
            .detectable
            .iter()
            .find(|(lang, _)| *lang == info.lang())?;
        Some(Detected {
            language: self.all[*index].code.clone(),
            confidence: (info.confidence() * 1000.0).round() / 10.0,
        })
    }
}

/// Percent from which a text of a list is taken at its word.
const SURE: f64 = 90.0;
/// Characters that say enough.
const MOST_CHARACTERS: usize = 5_000;

impl Known {
    fn new(code: &str) -> Known {
        let code = written(code);
        Known {
            name: Language::find(&code).map_or(code.clone(), |language| language.name.to_owned()),
            code,
            targets: BTreeSet::new(),
        }
    }
}

/// A model's code as LibreTranslate would write it: `pt_BR` is `pt-BR`.
fn written(code: &str) -> String {
    code.replace('_', "-")
}

/// The code by which [`Language`] knows it: ISO 639-3 has some that are narrower.
fn iso(lang: Lang) -> &'static str {
    match lang.code() {
        "cmn" => "zh",
        "nob" => "no",
        "pes" => "fa",
        "arb" => "ar",
        "lvs" => "lv",
        "azj" => "az",
        code => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn languages(pairs: &[(&str, &str)]) -> Languages {
        let pairs = pairs.iter().map(|&(a, b)| (a.to_owned(), b.to_owned()));
        Languages::new(pairs.collect())
    }

    #[test]
    fn codes_are_found_in_any_case_and_with_regions() {
        let languages = languages(&[("de", "en"), ("en", "pt_BR"), ("en", "zh_Hant")]);
        for (code, found) in [
            ("EN-US", "en"),
            ("en-GB", "en"),
            ("DE", "de"),
            ("German", "de"),
            ("pt-br", "pt-BR"),
            ("zh-hant", "zh-Hant"),
        ] {
            assert_eq!(languages.find(code).unwrap().code, found, "{code}");
        }
        for code in ["fr", "", "xx", "auto", "zh"] {
            assert!(languages.find(code).is_err(), "{code}");
        }
    }

    #[test]
    fn a_language_is_a_target_of_itself() {
        let languages = languages(&[("en", "de")]);
        let targets: Vec<_> = languages
            .all()
            .iter()
            .map(|known| (known.code.as_str(), languages.targets(known)))
            .collect();
        assert_eq!(targets, [("en", vec!["de", "en"]), ("de", vec!["de"])]);
    }

    #[test]
    fn texts_are_detected_among_the_languages_of_the_models() {
        let two = languages(&[("en", "de")]);
        let english = "This is a simple sentence about the weather of today.";
        let german = "Das ist ein einfacher Satz über das Wetter von heute.";
        let french = "Ceci est une phrase simple à propos du temps qu'il fait.";
        assert_eq!(two.detect(english).language, "en");
        assert_eq!(two.detect(german).language, "de");
        assert!(["en", "de"].contains(&two.detect(french).language.as_str()));
        for nothing in ["", " ", "123", "😀"] {
            let detected = two.detect(nothing);
            assert_eq!(
                (detected.language.as_str(), detected.confidence),
                ("en", 0.0)
            );
        }
        let each = two.detect_each(&[german.into(), "OK".into(), german.into()]);
        assert!(
            each.iter().all(|detected| detected.language == "de"),
            "{each:?}"
        );
        let mixed = two.detect_each(&[german.into(), english.into()]);
        assert_eq!(mixed[0].language, "de");
        assert_eq!(mixed[1].language, "en");
    }
}
