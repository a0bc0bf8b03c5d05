//! What a model is asked to do: a prefix for the text and generation options, as the config's `task_specific_params` say.

use std::borrow::Borrow;

use serde_json::{Map, Value};

use crate::language::{Language, distance};
use crate::tokenizer::Tokenizer;
use crate::{Error, Result, T5Config};

/// A task of a multi-task model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Task {
    /// What goes in front of the text: `translate English to German: `.
    pub prefix: String,
    /// The generation options of the task's block, empty where the config has none.
    pub options: Map<String, Value>,
}

impl Task {
    /// The task of that name in the config.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the tasks that the config has.
    pub fn named(config: &T5Config, name: &str) -> Result<Task> {
        Task::listed(config, name, "").ok_or_else(|| {
            let names: Vec<&str> = config
                .task_specific_params
                .keys()
                .map(String::as_str)
                .collect();
            let has = if names.is_empty() {
                "no tasks".into()
            } else {
                names.join(", ")
            };
            Error::Invalid(format!(
                "this model's config has no task \"{name}\", but {has}"
            ))
        })
    }

    /// Summarization, with the prefix that T5 was trained with unless the config has another.
    pub fn summarization(config: &T5Config) -> Task {
        let prefix = "summarize: ";
        Task::listed(config, "summarization", prefix).unwrap_or_else(|| Task::prefixed(prefix))
    }

    /// Translation between languages given by code or English name: as the config lists it; else into a language that
    /// the vocabulary has a token for, which goes in front; else, where neither knows any language, by the prefix that
    /// T5 was trained with, built from the languages' English names. `targets` is asked for only where it is needed.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a language that nobody knows, and where config or vocabulary name languages, but not these:
    /// the message says which.
    pub fn translation<T: Borrow<Targets>>(
        config: &T5Config,
        targets: impl FnOnce() -> Result<T>,
        from: &str,
        to: &str,
    ) -> Result<Task> {
        let names = config.task_specific_params.keys().map(String::as_str);
        let listed: Vec<Listed> = names.filter_map(Listed::new).collect();
        let found = listed.iter().filter_map(|task| {
            let (own_from, own_to) = task.languages?;
            let rank = (distance(to, own_to)?, distance(from, own_from)?);
            Some((rank, task.name))
        });
        if let Some((_, name)) = found.min_by_key(|(rank, _)| *rank) {
            let mut task = Task::listed(config, name, "").unwrap_or_default();
            if !config.task_specific_params[name]
                .get("prefix")
                .is_some_and(Value::is_string)
            {
                task.prefix = match targets()?.borrow().prefix(to) {
                    Some(prefix) => prefix,
                    None => phrase(from, to).unwrap_or_default(),
                };
            }
            return Ok(task);
        }
        let targets = targets()?;
        let targets = targets.borrow();
        if !targets.0.is_empty() {
            if !targets.know(from) {
                Language::find(from)?;
            }
            return match targets.prefix(to) {
                Some(prefix) => Ok(Task::prefixed(&prefix)),
                None => Err(Error::Invalid(format!(
                    "{}: the model's vocabulary has tokens for {}; give one of these by --to",
                    match Language::find(to) {
                        Ok(language) => format!("no token for {language}"),
                        Err(_) => format!("unknown language \"{to}\""),
                    },
                    targets.codes().collect::<Vec<_>>().join(", ")
                ))),
            };
        }
        if listed.is_empty() {
            return phrase(from, to).map(|prefix| Task::prefixed(&prefix));
        }
        let is_listed = |language| {
            let mut codes = listed.iter().filter_map(|task| task.languages);
            codes.any(|(a, b)| distance(language, a).or(distance(language, b)).is_some())
        };
        let mut languages = [from, to].into_iter();
        let unknown = languages.find(|text| Language::find(text).is_err() && !is_listed(text));
        let what = match unknown {
            Some(language) => format!("unknown language \"{language}\""),
            None => format!(
                "this model does not translate {} to {}",
                display(from),
                display(to)
            ),
        };
        let listed: Vec<String> = listed.iter().map(Listed::describe).collect();
        Err(Error::Invalid(format!(
            "{what}: the model's config lists {}; use another model with --model",
            listed.join(", ")
        )))
    }

    /// The translations that a model's config lists, out of which and into which language; none where it lists none.
    pub fn translations(config: &T5Config) -> Vec<(String, String)> {
        let names = config.task_specific_params.keys();
        let listed = names.filter_map(|name| Listed::new(name));
        let languages = listed.filter_map(|task| task.languages);
        languages
            .map(|(from, to)| (from.to_owned(), to.to_owned()))
            .collect()
    }

    fn prefixed(prefix: &str) -> Task {
        Task {
            prefix: prefix.into(),
            options: Map::new(),
        }
    }

    fn listed(config: &T5Config, name: &str, default_prefix: &str) -> Option<Task> {
        let mut options = config.task_specific_params.get(name)?.clone();
        let prefix = match options.remove("prefix") {
            Some(Value::String(prefix)) => prefix,
            _ => default_prefix.into(),
        };
        Some(Task { prefix, options })
    }
}

/// The prefix that T5 was trained with.
fn phrase(from: &str, to: &str) -> Result<String> {
    let (from, to) = (Language::find(from)?, Language::find(to)?);
    Ok(format!("translate {from} to {to}: "))
}

/// A language's English name, or what it was called where that is not known.
fn display(language: &str) -> &str {
    Language::find(language).map_or(language, |language| language.name)
}

/// A translation among the config's tasks.
struct Listed<'c> {
    name: &'c str,
    /// Out of which and into which, where the name says so.
    languages: Option<(&'c str, &'c str)>,
}

impl<'c> Listed<'c> {
    /// `translation_en_to_de`; `None` for tasks of other kinds.
    fn new(name: &'c str) -> Option<Listed<'c>> {
        if !name.starts_with("translat") {
            return None;
        }
        let languages = name
            .split_once('_')
            .and_then(|(_, languages)| languages.split_once("_to_"));
        Some(Listed { name, languages })
    }

    /// `English to German (--from en --to de)`
    fn describe(&self) -> String {
        match self.languages {
            Some((from, to)) => format!(
                "{} to {} (--from {from} --to {to})",
                display(from),
                display(to)
            ),
            None => format!("{0} (t5-gpu generate --task {0})", self.name),
        }
    }
}

/// The tokens by which a vocabulary names languages to translate into, which go in front of the text: `<2de>` as
/// MADLAD-400 has them, or `>>deu<<` as OPUS-MT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets(Vec<String>);

impl Targets {
    /// Those of a tokenizer, by id.
    pub fn of(tokenizer: &Tokenizer) -> Targets {
        let tokens: Vec<String> = tokenizer.vocabulary().collect();
        let marked = |marks: &Marks| {
            let tokens = tokens.iter().filter(|token| code(token, marks).is_some());
            Targets(tokens.cloned().collect())
        };
        let found = MARKS.iter().map(marked);
        found
            .into_iter()
            .find(|targets| !targets.0.is_empty())
            .unwrap_or_default()
    }

    /// Their codes, as the vocabulary writes them.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        let code = |token| MARKS.iter().find_map(|marks| code(token, marks));
        self.0.iter().filter_map(move |token: &String| code(token))
    }

    fn know(&self, language: &str) -> bool {
        self.prefix(language).is_some()
    }

    fn prefix(&self, to: &str) -> Option<String> {
        let token = Language::choose(to, self.0.iter().zip(self.codes()))?;
        Some(format!("{token} "))
    }
}

/// What stands around a language's code in a token.
type Marks = (&'static str, &'static str);

const MARKS: [Marks; 2] = [("<2", ">"), (">>", "<<")];

/// `<2zh_Hant>` -> `zh_Hant`: a code of two or three letters, and subtags.
fn code<'t>(token: &'t str, (before, after): &Marks) -> Option<&'t str> {
    let code = token.strip_prefix(before)?.strip_suffix(after)?;
    let mut subtags = code.split(['_', '-']);
    let language = subtags.next()?;
    let is_language =
        matches!(language.len(), 2 | 3) && language.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_subtag = |tag: &str| {
        matches!(tag.len(), 1..=8) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    (is_language && subtags.all(is_subtag)).then_some(code)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(tasks: Value) -> T5Config {
        let text =
            json!({"model_type": "t5", "decoder_start_token_id": 0, "task_specific_params": tasks});
        T5Config::from_json(&text.to_string()).unwrap()
    }

    fn translation(config: &T5Config, from: &str, to: &str) -> Result<Task> {
        Task::translation(config, || Ok(Targets::default()), from, to)
    }

    fn targets(tokens: &[&str]) -> Targets {
        Targets(tokens.iter().map(|&token| token.into()).collect())
    }

    #[test]
    fn listed_translations_bring_prefix_and_options() {
        let config = config(json!({
            "translation_en_to_de": {"prefix": "en-de: ", "num_beams": 4},
            "translation_en_to_ro": {"num_beams": 2},
            "summarization": {"min_length": 30},
        }));
        let german = translation(&config, "en", "de").unwrap();
        assert_eq!(german.prefix, "en-de: ");
        assert_eq!(Value::Object(german.options), json!({"num_beams": 4}));
        assert_eq!(
            translation(&config, "en", "ro").unwrap().prefix,
            "translate English to Romanian: "
        );
        let message = translation(&config, "de", "en").unwrap_err().to_string();
        assert!(message.contains("German to English"), "{message}");
        assert!(
            message.contains("English to German (--from en --to de), English to Romanian"),
            "{message}"
        );
        assert!(!message.contains("summarization"), "{message}");
    }

    /// Whatever codes a config lists, and however they are written.
    #[test]
    fn every_listed_code_works() {
        let config = config(json!({
            "translation_nds_to_de": {"prefix": "nds-de: "},
            "translation_zh-CN_to_pt-BR": {"prefix": "zh-pt: "},
            "translation_eng_Latn_to_pt_PT": {"prefix": "en-pt: "},
            "translation_xx_to_yy": {},
        }));
        for (from, to, prefix) in [
            ("nds", "de", "nds-de: "),
            ("NDS", "German", "nds-de: "),
            ("nds", "de-AT", "nds-de: "),
            ("zh-CN", "pt-BR", "zh-pt: "),
            ("zh_cn", "PT_br", "zh-pt: "),
            ("eng_latn", "pt-pt", "en-pt: "),
            ("xx", "YY", ""),
        ] {
            let task = translation(&config, from, to).unwrap();
            assert_eq!(task.prefix, prefix, "{from} {to}");
        }
        for (from, to) in [("zh", "pt"), ("en", "de"), ("nds", "pt"), ("vv", "ww")] {
            let message = translation(&config, from, to).unwrap_err().to_string();
            assert!(
                message.contains("nds to German (--from nds --to de)"),
                "{message}"
            );
            assert!(message.contains("(--from zh-CN --to pt-BR)"), "{message}");
        }
    }

    #[test]
    fn translations_of_no_languages_are_pointed_to() {
        let config = config(json!({"translation": {"prefix": "to German: "}}));
        let message = translation(&config, "en", "de").unwrap_err().to_string();
        assert!(message.contains("generate --task translation"), "{message}");
    }

    #[test]
    fn a_vocabulary_names_targets() {
        let plain = config(json!(null));
        let madlad = ["<2de>", "<2en>", "<2zh_Hant>", "<2nds>", "<2iw>"];
        let into = |to: &str| {
            Task::translation(&plain, || Ok(targets(&madlad)), "en", to).map(|task| task.prefix)
        };
        for (to, prefix) in [
            ("de", "<2de> "),
            ("German", "<2de> "),
            ("deu", "<2de> "),
            ("de-DE", "<2de> "),
            ("zh-hant", "<2zh_Hant> "),
            ("ZH_HANT", "<2zh_Hant> "),
            ("nds", "<2nds> "),
            ("Hebrew", "<2iw> "),
        ] {
            assert_eq!(into(to).unwrap(), prefix, "{to}");
        }
        for to in ["fr", "zh", "zh-Hans", "xx"] {
            let message = into(to).unwrap_err().to_string();
            assert!(message.contains("de, en, zh_Hant, nds, iw"), "{message}");
        }
        let opus = Task::translation(&plain, || Ok(targets(&[">>deu<<"])), "nds", "de");
        assert!(opus.unwrap_err().to_string().contains("\"nds\""));
        let opus = Task::translation(&plain, || Ok(targets(&[">>deu<<"])), "en", "de");
        assert_eq!(opus.unwrap().prefix, ">>deu<< ");
        // What the config lists comes first; where it gives no prefix, the token.
        let listing = config(json!({
            "translation_en_to_de": {"prefix": "en-de: "},
            "translation_en_to_nds": {"num_beams": 2},
        }));
        let into = |to: &str| {
            Task::translation(&listing, || Ok(targets(&madlad)), "en", to).map(|task| task.prefix)
        };
        assert_eq!(into("de").unwrap(), "en-de: ");
        assert_eq!(into("nds").unwrap(), "<2nds> ");
        assert_eq!(into("zh-Hant").unwrap(), "<2zh_Hant> ");
    }

    #[test]
    fn other_tokens_are_no_targets() {
        let is_target = |token| MARKS.iter().any(|marks| code(token, marks).is_some());
        for token in [
            "<2de>",
            "<2zh_Hant>",
            "<2az_RU>",
            ">>cmn_Hans<<",
            "<2sr-Latn>",
        ] {
            assert!(is_target(token), "{token}");
        }
        for token in [
            "<2>",
            "<2translate>",
            "<2back_translated>",
            "<de>",
            "<2DE>",
            "<2d>",
            "<2de",
            "<2de_>",
            "<2de>>",
            ">>de>>",
            "<22>",
            "▁<2de>",
        ] {
            assert!(!is_target(token), "{token}");
        }
    }

    #[test]
    fn unlisted_translations_are_built_where_none_is_listed() {
        for tasks in [json!(null), json!({"summarization": {"prefix": "sum: "}})] {
            let config = config(tasks);
            let task = translation(&config, "fr", "Welsh").unwrap();
            assert_eq!(task, Task::prefixed("translate French to Welsh: "));
            for (from, to) in [("xx", "de"), ("de", "xx")] {
                let message = translation(&config, from, to).unwrap_err().to_string();
                assert!(message.contains("\"xx\""), "{message}");
            }
        }
    }

    #[test]
    fn summarization_has_a_prefix_either_way() {
        assert_eq!(
            Task::summarization(&config(json!(null))).prefix,
            "summarize: "
        );
        let listed = config(json!({"summarization": {"prefix": "sum: ", "min_length": 30}}));
        let task = Task::summarization(&listed);
        assert_eq!(task.prefix, "sum: ");
        assert_eq!(Value::Object(task.options), json!({"min_length": 30}));
    }

    #[test]
    fn named_tasks_are_looked_up() {
        let config = config(json!({"a": {"prefix": "A: "}, "b": {}}));
        assert_eq!(Task::named(&config, "a").unwrap().prefix, "A: ");
        assert_eq!(Task::named(&config, "b").unwrap(), Task::default());
        assert!(
            Task::named(&config, "c")
                .unwrap_err()
                .to_string()
                .contains("a, b")
        );
    }
}
