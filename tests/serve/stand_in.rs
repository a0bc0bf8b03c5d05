//! What stands in for models: translating is writing in capitals, which anybody can check.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use futures_util::future::{BoxFuture, FutureExt, poll_fn, ready, try_join_all};
use futures_util::stream;
use serde_json::{Map, Value};
use t5_gpu::engine::Gauges;
use t5_gpu::markup::{Aligned, Document, Link};
use t5_gpu::pipeline::{Output, Progress};
use t5_gpu::serve::{Ask, Pair, Running, Translate};
use t5_gpu::text::protected;
use t5_gpu::{Error, Result};

/// English, German, French and Brazilian Portuguese; not all pairs.
#[derive(Default)]
pub struct StandIn {
    /// Requests for translations.
    pub asked: AtomicUsize,
    /// Requests that ended because nobody waited for them.
    pub dropped: Arc<AtomicUsize>,
    /// There is no room for anybody.
    pub is_full: AtomicBool,
    /// There is no device.
    pub is_lost: AtomicBool,
}

/// A text that is never done.
pub const ENDLESS: &str = "endless";

/// A text that is translated by how it is cut.
pub const HOW: &str = "how";

impl Translate for StandIn {
    fn pairs(&self) -> Vec<(String, String)> {
        let pairs = [("en", "de"), ("en", "fr"), ("fr", "en"), ("en", "pt_BR")];
        let pairs = pairs.iter().map(|&(a, b)| (a.to_owned(), b.to_owned()));
        pairs.collect()
    }

    fn translate(&self, ask: Ask) -> BoxFuture<'_, Result<Vec<Vec<String>>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let texts: Vec<_> = ask
            .texts
            .iter()
            .map(|(pair, text)| {
                assert_ne!(pair.from, pair.to);
                self.text(text, &ask)
            })
            .collect();
        async move { try_join_all(texts).await }.boxed()
    }

    fn generate(&self, fields: Map<String, Value>, streamed: bool, _: Instant) -> Result<Running> {
        let Some(Value::String(text)) = fields.get("text") else {
            return Err(Error::Invalid(
                "neither text nor input_ids: give one of them".into(),
            ));
        };
        if let Some(name) = fields
            .keys()
            .find(|name| !["text", "num_beams"].contains(&name.as_str()))
        {
            return Err(Error::Invalid(format!("unknown field {name}")));
        }
        let text = text.to_uppercase();
        let words = text.split_inclusive(' ').map(str::to_owned);
        Ok(done(
            if streamed {
                words.collect()
            } else {
                Vec::new()
            },
            vec![text],
        ))
    }

    /// Word by word.
    fn align(&self, pair: &Pair, text: &str, translation: &str) -> Result<Vec<(usize, usize)>> {
        assert_eq!((pair.from.as_str(), pair.to.as_str()), ("en", "de"));
        let count = |text: &str| text.split_whitespace().count();
        let words = 0..count(translation);
        Ok(words
            .map(|word| (word.min(count(text) - 1), word))
            .collect())
    }

    fn gauges(&self) -> Gauges {
        Gauges {
            running_rows: 3,
            cancelled_rows: self.dropped.load(Ordering::SeqCst) as u64,
            ..Gauges::default()
        }
    }

    fn is_ready(&self) -> bool {
        !self.is_lost.load(Ordering::SeqCst)
    }
}

impl StandIn {
    /// In capitals; terms of a glossary are given.
    fn text(&self, text: &str, ask: &Ask) -> BoxFuture<'static, Result<Vec<String>>> {
        if self.is_full.load(Ordering::SeqCst) {
            let full = Error::QueueFull {
                tokens: 1,
                waiting: 1,
                limit: 1,
            };
            return ready(Err(full)).boxed();
        }
        if text == ENDLESS {
            let gone = Gone(self.dropped.clone());
            let endless = poll_fn(move |_| {
                let _ = &gone;
                std::task::Poll::Pending
            });
            return endless.boxed();
        }
        if text == "broken" {
            return ready(Err(Error::Gpu("it is on fire".into()))).boxed();
        }
        let capitals = |text: &str| {
            let terms = ask.glossary.iter();
            let terms = terms.flat_map(|glossary| protected(text, Some(&**glossary)));
            terms.fold(text.to_uppercase(), |capitals, term| {
                capitals.replace(&text[term.at].to_uppercase(), &term.becomes)
            })
        };
        if text == HOW {
            return ready(Ok(vec![format!("{:?}", ask.splitting)])).boxed();
        }
        let text = match &ask.markup {
            None => capitals(text),
            Some(markup) => {
                let document = Document::parse(text, markup);
                let texts = document.texts().iter();
                let texts = texts.map(|source| itself(capitals(&source.text))).collect();
                document.fill(texts)
            }
        };
        // The second is the first again, as beams may be once they are text.
        let output = |index: usize| match index {
            0 | 1 => text.clone(),
            index => {
                let lines = text.lines().map(|line| format!("{line} {index}"));
                lines.collect::<Vec<_>>().join("\n")
            }
        };
        let texts: Vec<String> = (0..ask.outputs).map(output).collect();
        if let Some(mut watcher) = ask.admission.watcher() {
            watcher(&Progress::Entered);
            watcher(&Progress::Done {
                outputs: Vec::new(),
                text: String::new(),
            });
        }
        ready(Ok(texts)).boxed()
    }
}

/// A text that is its own translation.
fn itself(text: String) -> Aligned {
    let link = |(at, c): (usize, char)| Link {
        target: at..at + c.len_utf8(),
        source: at..at + c.len_utf8(),
    };
    Aligned {
        links: text.char_indices().map(link).collect(),
        text,
    }
}

struct Gone(Arc<AtomicUsize>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn done(pieces: Vec<String>, texts: Vec<String>) -> Running {
    let output = |text: String| Output {
        token_ids: vec![7, 1],
        ..Output::of_text(text)
    };
    let tokens = pieces.into_iter().enumerate();
    let tokens = tokens.map(|(token, text)| Progress::Token {
        token: token as u32,
        text,
    });
    let end = Progress::Done {
        outputs: texts.into_iter().map(output).collect(),
        text: String::new(),
    };
    let all: Vec<Result<Progress>> = std::iter::once(Progress::Entered)
        .chain(tokens)
        .chain([end])
        .map(Ok)
        .collect();
    Box::pin(stream::iter(all))
}
