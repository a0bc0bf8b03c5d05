//! What a model is asked to do: a prefix for the text and generation options, as the config's `task_specific_params` say.

use serde_json::{Map, Value};

use crate::language::Language;
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

    /// Translation, as the config lists it; where it lists no translation at all, the prefix that T5 was trained with, built
    /// from the languages' English names.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the config lists translations, but not this one; the message names those it has.
    pub fn translation(config: &T5Config, from: Language, to: Language) -> Result<Task> {
        let prefix = format!("translate {from} to {to}: ");
        let name = format!("{TRANSLATION}{}_to_{}", from.code, to.code);
        if let Some(task) = Task::listed(config, &name, &prefix) {
            return Ok(task);
        }
        let listed: Vec<String> = config
            .task_specific_params
            .keys()
            .filter_map(|name| describe_translation(name))
            .collect();
        if listed.is_empty() {
            return Ok(Task::prefixed(&prefix));
        }
        Err(Error::Invalid(format!(
            "this model does not translate {from} to {to}: its config lists {}; use another model with --model",
            listed.join(", ")
        )))
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

const TRANSLATION: &str = "translation_";

/// `translation_en_to_de` -> `English to German (--from en --to de)`
fn describe_translation(name: &str) -> Option<String> {
    let (from, to) = name.strip_prefix(TRANSLATION)?.split_once("_to_")?;
    let name = |code| Language::find(code).map_or(code, |language| language.name);
    Some(format!(
        "{} to {} (--from {from} --to {to})",
        name(from),
        name(to)
    ))
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
        Task::translation(
            config,
            Language::find(from).unwrap(),
            Language::find(to).unwrap(),
        )
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

    #[test]
    fn unlisted_translations_are_built_where_none_is_listed() {
        for tasks in [json!(null), json!({"summarization": {"prefix": "sum: "}})] {
            let task = translation(&config(tasks), "fr", "Welsh").unwrap();
            assert_eq!(task, Task::prefixed("translate French to Welsh: "));
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
