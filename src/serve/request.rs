//! The one kind of request that lies under all dialects, and its answers.

use std::sync::Arc;
use std::time::Instant;

use futures_util::{Stream, TryStreamExt};

use super::languages::{Detected, Known, Languages};
use super::meters::Clock;
use super::refusal::Refusal;
use super::service::{Caller, Service};
use super::settings::Settings;
use super::translate::{Ask, Pair, Running};
use crate::Result;
use crate::markup;
use crate::pipeline::Progress;
use crate::text::Glossary;
use crate::translation::{Admission, Splitting};

/// Texts to be translated.
#[derive(Default)]
pub struct Request {
    pub texts: Vec<String>,
    /// A code; none where it is to be found out.
    pub source: Option<String>,
    pub target: String,
    /// What the texts are, where they are markup.
    pub markup: Option<markup::Options>,
    /// How each is cut.
    pub splitting: Splitting,
    /// Terms that are given.
    pub glossary: Option<Arc<Glossary>>,
    /// How many more outputs than the best.
    pub alternatives: usize,
}

/// A text in another language.
#[derive(Debug)]
pub struct Answer {
    pub text: String,
    /// Others than the text, without repetitions.
    pub alternatives: Vec<String>,
    /// Where the source was to be found out.
    pub detected: Option<Detected>,
    /// The source's code.
    pub source: String,
}

impl Request {
    /// Answers all texts together, in their order.
    pub async fn answer(&self, service: &Service, caller: &Caller) -> Result<Vec<Answer>, Refusal> {
        let loaded = service.loaded()?;
        let ways = self.ways(&loaded.languages)?;
        let characters = self.texts.iter().map(|text| text.chars().count() as u64);
        if let Some(key) = caller
            && !key.spend(characters.sum())
        {
            return Err(Refusal::Quota);
        }
        // A text in the language that is asked for is its own translation.
        let needed: Vec<bool> = ways
            .iter()
            .map(|way| way.pair.from != way.pair.to)
            .collect();
        let texts = self.texts.iter().zip(&ways).zip(&needed);
        let texts = texts.filter(|(_, needed)| **needed);
        let meters = service.meters.clone();
        let ask = Ask {
            texts: texts
                .map(|((text, way), _)| (way.pair.clone(), text.clone()))
                .collect(),
            markup: self.markup.clone(),
            splitting: self.splitting,
            glossary: self.glossary.clone(),
            outputs: self.alternatives + 1,
            admission: Admission::of_tasks(Instant::now() + service.settings.timeout).watched(
                move || {
                    let mut clock = meters.clock();
                    Box::new(move |progress| clock.note(progress))
                },
            ),
        };
        let mut translated = loaded.translate.translate(ask).await?.into_iter();
        let answers = (self.texts.iter().zip(ways).zip(needed)).map(|((text, way), needed)| {
            let outputs = match needed {
                true => translated.next().unwrap_or_default(),
                false => vec![text.clone()],
            };
            Answer::new(outputs, way)
        });
        Ok(answers.collect())
    }

    /// Out of which language into which, a text each.
    fn ways(&self, languages: &Languages) -> Result<Vec<Way>, Refusal> {
        let from = self.source.as_ref().map(|code| languages.find(code));
        let from = from.transpose()?;
        let to = languages.find(&self.target)?;
        if let Some(from) = from {
            let way = Way::new(languages, from, to, None)?;
            return Ok(vec![way; self.texts.len()]);
        }
        let detected = languages.detect_each(&self.texts).into_iter();
        detected
            .map(|detected| {
                let from = languages.find(&detected.language)?;
                Way::new(languages, from, to, Some(detected))
            })
            .collect()
    }
}

impl Answer {
    fn new(outputs: Vec<String>, way: Way) -> Answer {
        let mut outputs = outputs.into_iter();
        let text = outputs.next().unwrap_or_default();
        let mut alternatives: Vec<String> = Vec::new();
        for output in outputs {
            if output != text && !output.is_empty() && !alternatives.contains(&output) {
                alternatives.push(output);
            }
        }
        Answer {
            text,
            alternatives,
            detected: way.detected,
            source: way.pair.from,
        }
    }
}

/// Out of which language into which.
#[derive(Clone)]
struct Way {
    pair: Pair,
    detected: Option<Detected>,
}

impl Way {
    fn new(
        languages: &Languages,
        from: &Known,
        to: &Known,
        detected: Option<Detected>,
    ) -> Result<Way, Refusal> {
        if !languages.are_pair(from, to) {
            let named = |known: &Known| (known.name.clone(), known.code.clone());
            return Err(Refusal::NoPair {
                from: named(from),
                to: named(to),
            });
        }
        Ok(Way {
            pair: Pair {
                from: from.code.clone(),
                to: to.code.clone(),
            },
            detected,
        })
    }
}

/// Tells a clock what becomes of a text.
pub fn metered(
    running: Running,
    mut clock: Clock,
) -> impl Stream<Item = Result<Progress>> + Send + Unpin {
    running.inspect_ok(move |progress| clock.note(progress))
}

/// Whether texts are not too many, and none too long.
pub fn check(texts: &[String], settings: &Settings) -> Result<(), Refusal> {
    let within = |size: usize, limit: Option<usize>| match limit {
        Some(limit) if size > limit => Err(Refusal::TooLong { size, limit }),
        _ => Ok(()),
    };
    within(texts.len(), settings.batch_limit)?;
    let mut sizes = texts.iter().map(|text| text.chars().count());
    sizes.try_for_each(|size| within(size, settings.char_limit))
}
