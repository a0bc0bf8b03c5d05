//! What checkpoints are known to give: published values that no arithmetic of this crate had a part in.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::pipeline::{Request, ScoreRequest};
use crate::task::Task;
use crate::{Error, Pipeline, Result, WeightDType};

/// The answers that come with the crate.
const PUBLISHED: &str = include_str!("../../models/known-answers.json");

/// How far a value may be from one that is known to four decimals, where the file says nothing else.
const TOLERANCE: f64 = 1e-4;

/// Something that a checkpoint is known to give, for f32 weights.
#[derive(Clone, Debug, Deserialize)]
pub struct KnownAnswer {
    /// The checkpoint's id on the hub; any checkpoint's where there is none.
    pub model: Option<String>,
    /// Where it is known from.
    pub source: Option<String>,
    text: Option<String>,
    /// In place of the text; for the kind `input_ids` the answer.
    input_ids: Option<Vec<u32>>,
    #[serde(flatten)]
    answer: Answer,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Answer {
    InputIds,
    Generate {
        #[serde(default)]
        options: Map<String, Value>,
        task: Option<String>,
        output: Option<String>,
        /// In place of the output's text.
        token_ids: Option<Vec<u32>>,
    },
    Encoder {
        /// `[1, tokens, d_model]`
        shape: Vec<usize>,
        #[serde(default = "default_tolerance")]
        tolerance: f64,
        /// By position.
        rows: BTreeMap<String, Ends>,
    },
    Score {
        target: Option<String>,
        /// In place of the target's text.
        labels: Option<Vec<u32>>,
        /// The sum of the labels' log-probabilities.
        score: f64,
        /// Of one label.
        #[serde(default = "default_tolerance")]
        tolerance: f64,
    },
}

/// Both ends of a row.
#[derive(Clone, Debug, Deserialize)]
struct Ends {
    first: Vec<f64>,
    last: Vec<f64>,
}

#[derive(Deserialize)]
struct File {
    answers: Vec<KnownAnswer>,
}

fn default_tolerance() -> f64 {
    TOLERANCE
}

/// How a known answer was met.
#[derive(Clone, Debug)]
pub struct Check {
    /// `generate "Hello there"`
    pub what: String,
    /// What became of it.
    pub verdict: Verdict,
}

/// Whether a known answer is given.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The answer is given.
    Met,
    /// What was expected and what came instead.
    Missed(String),
    /// Why it says nothing about this run.
    NotChecked(&'static str),
}

/// The answers known for published checkpoints.
pub fn published() -> Vec<KnownAnswer> {
    let file: File = serde_json::from_str(PUBLISHED).expect("the file in the crate is well-formed");
    file.answers
}

/// Reads a file of the same form as `models/known-answers.json`.
///
/// # Errors
/// [`Error::Io`], [`Error::File`].
pub fn read(path: &Path) -> Result<Vec<KnownAnswer>> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })?;
    let file: File = serde_json::from_str(&text).map_err(|error| Error::File {
        path: path.to_owned(),
        message: format!("not a file of known answers: {error}"),
    })?;
    Ok(file.answers)
}

impl KnownAnswer {
    /// Whether it is about the checkpoint of that id.
    pub fn is_about(&self, id: Option<&str>) -> bool {
        match &self.model {
            Some(model) => Some(model.as_str()) == id,
            None => true,
        }
    }

    /// Asks the model. What goes wrong on the way is an answer that was not met.
    pub fn check(&self, pipeline: &Pipeline) -> Check {
        let rounded = pipeline.model().dtype() != WeightDType::F32;
        let verdict = if rounded && !matches!(self.answer, Answer::InputIds) {
            Verdict::NotChecked("known for f32 weights")
        } else {
            match self.compare(pipeline) {
                Ok(None) => Verdict::Met,
                Ok(Some(difference)) => Verdict::Missed(difference),
                Err(error) => Verdict::Missed(error.to_string()),
            }
        };
        Check {
            what: self.describe(),
            verdict,
        }
    }

    fn describe(&self) -> String {
        let kind = match self.answer {
            Answer::InputIds => "input ids",
            Answer::Generate { .. } => "generate",
            Answer::Encoder { .. } => "encoder",
            Answer::Score { .. } => "score",
        };
        match (&self.text, &self.input_ids) {
            (Some(text), _) => format!("{kind} {text:?}"),
            (None, Some(ids)) => format!("{kind} {ids:?}"),
            (None, None) => kind.into(),
        }
    }

    /// `None` where the model gives what is known, else the difference in words.
    fn compare(&self, pipeline: &Pipeline) -> Result<Option<String>> {
        match &self.answer {
            Answer::InputIds => {
                let Some(expected) = &self.input_ids else {
                    return Err(lacks("input_ids"));
                };
                let found = encode(pipeline, self.text.as_deref(), "")?;
                Ok(unequal(expected, &found))
            }
            Answer::Generate {
                options,
                task,
                output,
                token_ids,
            } => {
                let task = match task {
                    Some(name) => Task::named(pipeline.config(), name)?,
                    None => Task::default(),
                };
                let mut config = pipeline.generation().clone();
                config.apply_json(&task.options)?;
                config.apply_json(options)?;
                let request = Request::new(self.input(pipeline, &task.prefix)?, config);
                let outputs = one(|done| pipeline.generate_each(&[request], done))?;
                let found = &outputs[0];
                match (output, token_ids) {
                    (Some(expected), _) => {
                        let text = found.text.as_deref().unwrap_or_default();
                        Ok(unequal(expected.as_str(), text))
                    }
                    (None, Some(expected)) => Ok(unequal(expected, &found.token_ids)),
                    (None, None) => Err(lacks("output or token_ids")),
                }
            }
            Answer::Encoder {
                shape,
                tolerance,
                rows,
            } => {
                let input = self.input(pipeline, "")?;
                let width = pipeline.config().d_model;
                let found_shape = vec![1, input.len(), width];
                if *shape != found_shape {
                    return Ok(unequal(shape, &found_shape));
                }
                let hidden = one(|done| pipeline.encode_each(&[input], done))?;
                for (position, ends) in rows {
                    let row = position.parse().ok();
                    let Some(row) = row.and_then(|row| hidden.chunks_exact(width).nth(row)) else {
                        return Ok(Some(format!("there is no row {position}")));
                    };
                    let tail = row.len().saturating_sub(ends.last.len());
                    let all = ends.first.iter().zip(row);
                    for (&expected, &found) in all.chain(ends.last.iter().zip(&row[tail..])) {
                        if let Some(difference) = far(expected, f64::from(found), *tolerance) {
                            return Ok(Some(format!("row {position}: {difference}")));
                        }
                    }
                }
                Ok(None)
            }
            Answer::Score {
                target,
                labels,
                score,
                tolerance,
            } => {
                let labels = match labels {
                    Some(labels) => labels.clone(),
                    None => encode(pipeline, target.as_deref(), "")?,
                };
                let count = labels.len() as f64;
                let request = ScoreRequest {
                    input_ids: self.input(pipeline, "")?,
                    labels,
                };
                let found = one(|done| pipeline.score_each(&[request], done))?;
                let found = found.token_logprobs.iter().map(|&x| f64::from(x)).sum();
                Ok(far(*score, found, tolerance * count))
            }
        }
    }

    fn input(&self, pipeline: &Pipeline, prefix: &str) -> Result<Vec<u32>> {
        match &self.input_ids {
            Some(ids) => Ok(ids.clone()),
            None => encode(pipeline, self.text.as_deref(), prefix),
        }
    }
}

fn encode(pipeline: &Pipeline, text: Option<&str>, prefix: &str) -> Result<Vec<u32>> {
    let text = text.ok_or_else(|| lacks("text"))?;
    let tokenizer = pipeline
        .tokenizer()
        .ok_or_else(|| Error::Invalid("there is no tokenizer for this text".into()))?;
    tokenizer.encode(&format!("{prefix}{text}"))
}

fn lacks(field: &str) -> Error {
    Error::Invalid(format!("the known answer lacks {field}"))
}

/// The answer to the only request of a call.
fn one<T>(ask: impl FnOnce(&mut dyn FnMut(usize, Result<T>) -> ControlFlow<()>)) -> Result<T> {
    let mut told = None;
    ask(&mut |_, answer| {
        told = Some(answer);
        ControlFlow::Break(())
    });
    told.expect("every request is answered")
}

fn unequal<T: PartialEq + std::fmt::Debug + ?Sized>(expected: &T, found: &T) -> Option<String> {
    (expected != found).then(|| format!("expected {expected:?}, found {found:?}"))
}

/// No number is near to what is none.
fn far(expected: f64, found: f64, tolerance: f64) -> Option<String> {
    let is_near = (expected - found).abs() <= tolerance;
    (!is_near).then(|| format!("expected {expected} within {tolerance:.1e}, found {found:.5}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_answers_are_of_every_kind() {
        let answers = published();
        let small: Vec<_> = answers
            .iter()
            .filter(|answer| answer.is_about(Some("google-t5/t5-small")))
            .collect();
        for kind in ["input ids", "generate", "encoder", "score"] {
            assert!(
                small
                    .iter()
                    .any(|answer| answer.describe().starts_with(kind)),
                "{kind}"
            );
        }
        assert!(answers.iter().all(|answer| !answer.is_about(None)));
    }

    #[test]
    fn nearness_is_both_ways_and_not_of_nan() {
        assert_eq!(far(1.0, 1.00005, 1e-4), None);
        assert!(far(1.0, 1.0002, 1e-4).is_some());
        assert!(far(1.0, 0.9998, 1e-4).is_some());
        assert!(far(1.0, f64::NAN, 1e-4).is_some());
    }
}
