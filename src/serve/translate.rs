//! What a service stands on: something that translates. Models do, and the stand-ins of tests.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use futures_util::Stream;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use crate::Result;
use crate::engine::Gauges;
use crate::markup;
use crate::pipeline::Progress;
use crate::text::Glossary;
use crate::translation::{Admission, Splitting};

/// Something that translates.
pub trait Translate: Send + Sync + 'static {
    /// Out of which language into which, by the codes that the models use.
    fn pairs(&self) -> Vec<(String, String)>;

    /// Translates texts, together: the outputs of each, the best one first, which may be fewer than were asked for. Dropping
    /// it ends that.
    ///
    /// # Errors
    /// [`crate::Error::QueueFull`] where there is no room for the first, and what makes that impossible.
    fn translate(&self, ask: Ask) -> BoxFuture<'_, Result<Vec<Vec<String>>>>;

    /// Begins to answer a `--jsonl` object of `generate`, without waiting; `streamed` where its text is wanted as it is
    /// decided.
    ///
    /// # Errors
    /// [`crate::Error::QueueFull`], and fields that cannot be used.
    fn generate(
        &self,
        fields: Map<String, Value>,
        streamed: bool,
        deadline: Instant,
    ) -> Result<Running>;

    /// Which word of a translation comes from which word of its text: pairs of the text's word and the translation's, by
    /// number. Words are what white space separates. It takes its time, on the caller's thread.
    ///
    /// # Errors
    /// As [`Translate::generate`].
    fn align(&self, pair: &Pair, text: &str, translation: &str) -> Result<Vec<(usize, usize)>>;

    /// What is going on.
    fn gauges(&self) -> Gauges;

    /// Whether there is a device to run on.
    fn is_ready(&self) -> bool;
}

/// Out of which language into which, by codes of [`Translate::pairs`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pair {
    /// Out of which.
    pub from: String,
    /// Into which.
    pub to: String,
}

/// Texts to be translated.
pub struct Ask {
    /// Each with its languages.
    pub texts: Vec<(Pair, String)>,
    /// What they are, where they are markup.
    pub markup: Option<markup::Options>,
    /// How they are cut.
    pub splitting: Splitting,
    /// Terms that are given.
    pub glossary: Option<Arc<Glossary>>,
    /// How many outputs. Markup has one.
    pub outputs: usize,
    /// How their sentences come to the models.
    pub admission: Admission,
}

/// A request's way; dropping it ends the request.
pub type Running = Pin<Box<dyn Stream<Item = Result<Progress>> + Send>>;
