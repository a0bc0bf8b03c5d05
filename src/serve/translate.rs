//! What a service stands on: something that translates. Models do, and the stand-ins of tests.

use std::pin::Pin;
use std::time::Instant;

use futures_util::Stream;
use serde_json::{Map, Value};

use crate::Result;
use crate::engine::Gauges;
use crate::pipeline::Progress;

/// Something that translates.
pub trait Translate: Send + Sync + 'static {
    /// Out of which language into which, by the codes that the models use.
    fn pairs(&self) -> Vec<(String, String)>;

    /// Begins to translate a piece of text, without waiting.
    ///
    /// # Errors
    /// [`crate::Error::QueueFull`], and what makes that impossible.
    fn translate(&self, ask: &Ask) -> Result<Running>;

    /// Begins to answer a `--jsonl` object of `generate`, without waiting; `streamed` where its text is wanted as it is
    /// decided.
    ///
    /// # Errors
    /// As [`Translate::translate`], and fields that cannot be used.
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
    /// As [`Translate::translate`].
    fn align(&self, pair: &Pair, text: &str, translation: &str) -> Result<Vec<(usize, usize)>>;

    /// What is going on.
    fn gauges(&self) -> Gauges;

    /// Whether there is a device to run on.
    fn is_ready(&self) -> bool;
}

/// Out of which language into which, by codes of [`Translate::pairs`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Out of which.
    pub from: String,
    /// Into which.
    pub to: String,
}

/// A piece of text to be translated.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Out of which language into which.
    pub pair: Pair,
    /// A line or less.
    pub text: String,
    /// How many outputs, the best one first.
    pub outputs: usize,
    /// Whether the text is wanted as it is decided.
    pub streamed: bool,
    /// By when.
    pub deadline: Instant,
}

/// A request's way; dropping it ends the request.
pub type Running = Pin<Box<dyn Stream<Item = Result<Progress>> + Send>>;
