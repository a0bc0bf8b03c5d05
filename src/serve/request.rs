//! The one kind of request that lies under all dialects, and its answers.

use std::time::Instant;

use futures_util::stream::FuturesUnordered;
use futures_util::{Stream, StreamExt, TryStreamExt};

use super::languages::{Detected, Known, Languages};
use super::lines::{self, Cut};
use super::markup::{self, Markup};
use super::meters::Clock;
use super::refusal::Refusal;
use super::service::{Caller, Loaded, Service};
use super::settings::Settings;
use super::translate::{Ask, Pair, Running};
use crate::pipeline::{Output, Progress};
use crate::{Error, Result};

/// Texts to be translated.
pub struct Request {
    pub texts: Vec<String>,
    /// A code; none where it is to be found out.
    pub source: Option<String>,
    pub target: String,
    /// Whether there are tags in the texts.
    pub markup: Option<Markup>,
    /// How each is cut.
    pub cut: Cut,
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
        let texts: Vec<Vec<Segment>> = (self.texts.iter().zip(&ways))
            .map(|(text, way)| self.cut(text, &way.from))
            .collect();
        let mut work = Work {
            service,
            loaded,
            ways: &ways,
            outputs: self.alternatives + 1,
            deadline: Instant::now() + service.settings.timeout,
        };
        let texts = work.translate(texts).await?;
        let answers = texts.into_iter().zip(ways).map(|(mut outputs, way)| {
            let text = outputs.remove(0);
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
                source: way.from,
            }
        });
        Ok(answers.collect())
    }

    /// Out of which language into which, a text each.
    fn ways(&self, languages: &Languages) -> Result<Vec<Way>, Refusal> {
        let find = |code: &String| {
            let known = languages.find(code);
            known.ok_or_else(|| Refusal::Language(code.clone()))
        };
        let from = self.source.as_ref().map(find).transpose()?;
        let to = find(&self.target)?;
        if let Some(from) = from {
            let way = Way::new(languages, from, to, None)?;
            return Ok(vec![way; self.texts.len()]);
        }
        let detected = languages.detect_each(&self.texts).into_iter();
        detected
            .map(|detected| {
                let from = find(&detected.language)?;
                Way::new(languages, from, to, Some(detected))
            })
            .collect()
    }

    fn cut(&self, text: &str, language: &str) -> Vec<Segment> {
        let is_escaped = self.markup.is_some();
        let pieces = match &self.markup {
            Some(markup) => markup::pieces(text, markup),
            None => vec![markup::Piece::Text(text)],
        };
        let mut segments = Vec::new();
        for piece in pieces {
            match piece {
                markup::Piece::Kept(text) => segments.push(Segment::Kept(text.to_owned())),
                markup::Piece::Text(text) => {
                    let parts = lines::cut(text, self.cut, language).into_iter();
                    segments.extend(parts.map(|(text, is_kept)| match is_kept {
                        true => Segment::Kept(text.to_owned()),
                        false => Segment::Text {
                            text: text.to_owned(),
                            is_escaped,
                        },
                    }));
                }
            }
        }
        segments
    }
}

/// Out of which language into which.
#[derive(Clone)]
struct Way {
    from: String,
    to: String,
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
            from: from.code.clone(),
            to: to.code.clone(),
            detected,
        })
    }
}

/// A part of a text.
enum Segment {
    Kept(String),
    Text { text: String, is_escaped: bool },
}

/// The work that a request makes.
struct Work<'a> {
    service: &'a Service,
    loaded: &'a Loaded,
    ways: &'a [Way],
    outputs: usize,
    deadline: Instant,
}

impl Work<'_> {
    /// The outputs of each text, the best one first.
    async fn translate(&mut self, texts: Vec<Vec<Segment>>) -> Result<Vec<Vec<String>>, Refusal> {
        let mut asks = Vec::new();
        for (segments, way) in texts.iter().zip(self.ways) {
            for segment in segments {
                if let Segment::Text { text, is_escaped } = segment
                    && way.from != way.to
                {
                    let text = match is_escaped {
                        true => markup::unescaped(text),
                        false => text.clone(),
                    };
                    asks.push(self.ask(way, text));
                }
            }
        }
        let mut answers = self.run(asks).await?.into_iter();
        let mut all = Vec::new();
        for (segments, way) in texts.iter().zip(self.ways) {
            let mut outputs = vec![String::new(); self.outputs];
            for segment in segments {
                let (text, is_escaped) = match segment {
                    Segment::Kept(text) => (text, None),
                    Segment::Text { text, .. } if way.from == way.to => (text, None),
                    Segment::Text { text, is_escaped } => (text, Some(*is_escaped)),
                };
                let Some(is_escaped) = is_escaped else {
                    outputs.iter_mut().for_each(|output| output.push_str(text));
                    continue;
                };
                let answer = answers.next().unwrap_or_default();
                for (index, output) in outputs.iter_mut().enumerate() {
                    let Some(new) = answer.get(index).or(answer.last()) else {
                        continue;
                    };
                    if !is_escaped {
                        output.push_str(new);
                        continue;
                    }
                    match markup::escaped_as(new, text) {
                        Some(new) => output.push_str(&new),
                        None => output.push_str(&self.between_entities(way, text).await?),
                    }
                }
            }
            all.push(outputs);
        }
        Ok(all)
    }

    /// A text in which each entity stays where it is, and what is between them is translated.
    async fn between_entities(&self, way: &Way, text: &str) -> Result<String, Refusal> {
        let pieces = markup::entities(text);
        let mut asks = Vec::new();
        for piece in &pieces {
            if let markup::Piece::Text(text) = piece {
                let parts = lines::cut(text, Cut::Whole, &way.from).into_iter();
                let words = parts.filter(|(_, is_kept)| !is_kept);
                asks.extend(words.map(|(text, _)| self.ask(way, text.to_owned())));
            }
        }
        let mut answers = self.run(asks).await?.into_iter();
        let mut output = String::new();
        for piece in pieces {
            match piece {
                markup::Piece::Kept(text) => output.push_str(text),
                markup::Piece::Text(text) => {
                    for (text, is_kept) in lines::cut(text, Cut::Whole, &way.from) {
                        match is_kept {
                            true => output.push_str(text),
                            false => {
                                let answer = answers.next().unwrap_or_default();
                                let new = answer.first().map_or("", String::as_str);
                                output.push_str(&markup::escaped(new));
                            }
                        }
                    }
                }
            }
        }
        Ok(output)
    }

    fn ask(&self, way: &Way, text: String) -> Ask {
        Ask {
            pair: Pair {
                from: way.from.clone(),
                to: way.to.clone(),
            },
            text,
            outputs: self.outputs,
            streamed: false,
            deadline: self.deadline,
        }
    }

    /// Runs all at once, or as many as there is room for and others as these are done.
    async fn run(&self, asks: Vec<Ask>) -> Result<Vec<Vec<String>>, Refusal> {
        let mut answers = vec![Vec::new(); asks.len()];
        let mut running = FuturesUnordered::new();
        for (index, ask) in asks.iter().enumerate() {
            let one = loop {
                match self.loaded.translate.translate(ask) {
                    Ok(one) => break one,
                    Err(Error::QueueFull { .. }) if !running.is_empty() => {
                        if let Some((index, outputs)) = running.try_next().await? {
                            answers[index] = texts(outputs);
                        }
                    }
                    Err(error) => return Err(error.into()),
                }
            };
            let service = self.service;
            running.push(async move { Ok::<_, Refusal>((index, outputs(one, service).await?)) });
            // Others get a turn between texts, which take their time to be read.
            tokio::task::yield_now().await;
        }
        while let Some((index, outputs)) = running.try_next().await? {
            answers[index] = texts(outputs);
        }
        Ok(answers)
    }
}

fn texts(outputs: Vec<Output>) -> Vec<String> {
    let texts = outputs.into_iter().map(|output| output.text);
    texts.map(Option::unwrap_or_default).collect()
}

/// Waits for a text's outputs.
async fn outputs(running: Running, service: &Service) -> Result<Vec<Output>> {
    let mut running = metered(running, service.meters.clock());
    while let Some(progress) = running.next().await {
        if let Progress::Done { outputs, .. } = progress? {
            return Ok(outputs);
        }
    }
    Err(Error::Stopped)
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
