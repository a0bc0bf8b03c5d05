//! Text of any length from one language to another: cut into sentences, each translated, what lies between them kept.

mod admission;
mod aligned;
mod cut;
mod output;
mod sentence;
mod streamed;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use futures_util::future::{FutureExt, MaybeDone, maybe_done};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use pollster::block_on;

pub use self::admission::{Admission, Watcher};
pub use self::streamed::Streamed;

use self::cut::Part;
use self::output::joined;
use self::sentence::Sentence;
use crate::language::Language;
use crate::markup::Link;
use crate::pipeline::{Output, Pipeline, Request};
use crate::text::{Glossary, Newlines, Piece};
use crate::{Error, GenerationConfig, Result};

/// How texts are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Splitting {
    /// Into sentences, which line breaks end as `Newlines` says.
    Sentences(Newlines),
    /// Not at all, unless it is too long for the model. White space around it stays.
    Whole,
    /// Not at all: the model gets the text as it stands.
    None,
}

impl Default for Splitting {
    fn default() -> Self {
        Splitting::Sentences(Newlines::End)
    }
}

/// Translates texts of any length between two languages.
///
/// White space, line breaks, bullets and list numbers stay as they are. Numbers, addresses, names of files, placeholders of
/// programs and code come out as they went in, each as often; terms of the glossary come out as it says.
///
/// ```
/// # #[cfg(feature = "embedded-model")]
/// # fn main() -> t5_gpu::Result<()> {
/// use t5_gpu::{Pipeline, Translator};
///
/// let pipeline = Pipeline::embedded()?;
/// let translation = Translator::new(&pipeline, "en", "de")?.translate("- I love you.  She reads.\n")?;
/// assert_eq!(translation.text(), "- Ich liebe dich.  Sie liest.\n");
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "embedded-model"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct Translator<'p> {
    pipeline: &'p Pipeline,
    /// What goes in front of each sentence.
    prefix: String,
    options: GenerationConfig,
    /// Of the source, by its code.
    language: String,
    splitting: Splitting,
    glossary: Option<Arc<Glossary>>,
    admission: Admission,
}

/// A text in another language.
#[derive(Clone, Debug, PartialEq)]
pub struct Translation {
    /// The best one first, as many as `num_return_sequences`. A text of several sentences has their tokens one after the
    /// other, and the mean of their scores. Where something was put back into a sentence, its tokens are the model's.
    pub outputs: Vec<Output>,
    /// What a reader should know: sentences that were too long, outputs that ran away.
    pub notes: Vec<String>,
}

impl Translation {
    /// The best text.
    pub fn text(&self) -> &str {
        let first = self.outputs.first();
        first
            .and_then(|output| output.text.as_deref())
            .unwrap_or_default()
    }
}

/// Sentences of a text that are under way together at most, so that a book leaves room for others.
const TOGETHER: usize = 256;

impl<'p> Translator<'p> {
    /// A translator with the task and the options that the model has for two languages, given by code or English name.
    ///
    /// # Errors
    /// A language that is unknown or that the model does not have.
    pub fn new(pipeline: &'p Pipeline, from: &str, to: &str) -> Result<Translator<'p>> {
        let (task, options) = pipeline.translation(from, to)?;
        Ok(Translator::with(pipeline, task.prefix, options, from))
    }

    /// A translator that puts `prefix` in front of sentences of language `from`.
    pub fn with(
        pipeline: &'p Pipeline,
        prefix: String,
        options: GenerationConfig,
        from: &str,
    ) -> Translator<'p> {
        Translator {
            pipeline,
            prefix,
            options,
            language: Language::find(from)
                .map_or(from, |language| language.code)
                .to_owned(),
            splitting: Splitting::default(),
            glossary: None,
            admission: Admission::default(),
        }
    }

    /// Takes other options than the model's.
    pub fn options(self, options: GenerationConfig) -> Self {
        Translator { options, ..self }
    }

    /// Cuts texts otherwise.
    pub fn splitting(self, splitting: Splitting) -> Self {
        Translator { splitting, ..self }
    }

    /// Translates by a glossary.
    pub fn glossary(self, glossary: Arc<Glossary>) -> Self {
        Translator {
            glossary: Some(glossary),
            ..self
        }
    }

    /// Lets sentences come to the engine otherwise.
    pub fn admission(self, admission: Admission) -> Self {
        Translator { admission, ..self }
    }

    /// Translates a text.
    ///
    /// # Errors
    /// As [`Pipeline::submit`] and [`crate::pipeline::Pending::outputs`].
    pub fn translate(&self, text: &str) -> Result<Translation> {
        block_on(self.translate_async(text))
    }

    /// [`Translator::translate`] for a task of any runtime.
    ///
    /// # Errors
    /// As there.
    pub async fn translate_async(&self, text: &str) -> Result<Translation> {
        let template = Request::new(Vec::new(), self.options.clone());
        self.text(text, &template).await
    }

    /// Hands a text's sentences on to be translated, with these options in place of the translator's.
    pub fn submit<'t>(
        &'t self,
        text: String,
        options: GenerationConfig,
        token_logprobs: bool,
    ) -> UnderWay<'t> {
        let template = Request {
            token_logprobs,
            ..Request::new(Vec::new(), options)
        };
        UnderWay::begin(async move { self.text(&text, &template).await })
    }

    /// Translates a text; requests are as the template but for their source.
    async fn text(&self, text: &str, template: &Request) -> Result<Translation> {
        let (done, notes) = self.done(text, template).await?;
        Ok(Translation {
            outputs: joined(done),
            notes,
        })
    }

    /// A text's parts in the other language, and what a reader should know.
    async fn done(&self, text: &str, template: &Request) -> Result<(Vec<Done>, Vec<String>)> {
        let is_whole = self.is_whole(template);
        let pieces = self.pieces(text, is_whole).into_iter();
        let pieces: Vec<_> = pieces
            .map(|piece| self.piece(piece, is_whole, template))
            .collect();
        all(pieces).await
    }

    /// Whether a text is not cut. Where the output's beginning is given, it is that of the whole text.
    fn is_whole(&self, template: &Request) -> bool {
        self.splitting == Splitting::None || !template.options.decoder_input_ids.is_empty()
    }

    /// Translates a sentence, in parts where it is too long.
    async fn piece(
        &self,
        piece: Piece<'_>,
        is_whole: bool,
        template: &Request,
    ) -> Result<(Vec<Done>, Vec<String>)> {
        let text = match piece {
            Piece::Kept(text) => return Ok((vec![Done::kept(text)], Vec::new())),
            Piece::Sentence(text) => text,
        };
        let (parts, note) = self.parts(text, is_whole)?;
        let parts = parts.into_iter().map(|part| self.part(part, template));
        let (done, mut notes) = all(parts.collect()).await?;
        notes.splice(0..0, note);
        Ok((done, notes))
    }

    async fn part(&self, part: Part<'_>, template: &Request) -> Result<(Vec<Done>, Vec<String>)> {
        match part {
            Part::Kept(text) => Ok((vec![Done::kept(text)], Vec::new())),
            Part::Sentence(text, ids) => {
                let sentence = Sentence::begin(self, text, ids, template).await?;
                let translated = sentence.translated().await?;
                let done = Done {
                    source: text.len(),
                    what: What::Outputs(translated.outputs, translated.links),
                };
                Ok((vec![done], translated.notes))
            }
        }
    }

    /// The ids of a text with the prefix. Line breaks within a sentence are spaces.
    fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let tokenizer = self.pipeline.tokenizer().ok_or_else(|| {
            Error::Invalid("this model has no tokenizer: add its tokenizer.json or spiece.model, or give token ids (generate_each, or input_ids with --jsonl)".into())
        })?;
        tokenizer.encode(&self.prefixed(text))
    }

    /// What the model reads of a text.
    fn prefixed(&self, text: &str) -> String {
        let mut prefixed = format!("{}{text}", self.prefix);
        if self.splitting != Splitting::None && text.contains(['\n', '\r']) {
            prefixed = prefixed.replace(['\n', '\r'], " ");
        }
        prefixed
    }
}

impl Pipeline {
    /// Translates texts of any length between languages given by code or English name, as a [`Translator`] does by itself.
    ///
    /// # Errors
    /// As [`Translator::new`], and the first text's that fails.
    pub fn translate(
        &self,
        texts: &[impl AsRef<str>],
        from: &str,
        to: &str,
    ) -> Result<Vec<String>> {
        let translator = Translator::new(self, from, to)?;
        let submit =
            |text: &str| translator.submit(text.to_owned(), translator.options.clone(), false);
        let under_way: Vec<_> = texts.iter().map(|text| submit(text.as_ref())).collect();
        let translations = under_way.into_iter().map(UnderWay::translation);
        translations
            .map(|translation| Ok(translation?.text().to_owned()))
            .collect()
    }
}

/// A text that is being translated. Dropping it ends that.
pub struct UnderWay<'t>(MaybeDone<Translating<'t>>);

type Translating<'t> = Pin<Box<dyn Future<Output = Result<Translation>> + Send + 't>>;

impl<'t> UnderWay<'t> {
    /// Goes as far as there is no need to wait: what can be submitted is.
    fn begin(translating: impl Future<Output = Result<Translation>> + Send + 't) -> UnderWay<'t> {
        let mut translating = maybe_done(translating.boxed());
        let _ = translating.poll_unpin(&mut Context::from_waker(Waker::noop()));
        UnderWay(translating)
    }

    /// Waits for all of it.
    ///
    /// # Errors
    /// As [`Pipeline::submit`], and the first sentence's that fails.
    pub fn translation(mut self) -> Result<Translation> {
        block_on(&mut self.0);
        let done = Pin::new(&mut self.0).take_output();
        done.unwrap_or(Err(Error::Stopped))
    }
}

/// Does some works, many of them together, and puts what comes of them one behind the other.
async fn all(
    works: Vec<impl Future<Output = Result<(Vec<Done>, Vec<String>)>>>,
) -> Result<(Vec<Done>, Vec<String>)> {
    let mut works = stream::iter(works).buffered(TOGETHER);
    let (mut done, mut notes) = (Vec::new(), Vec::new());
    while let Some((of_one, notes_of_one)) = works.try_next().await? {
        done.extend(of_one);
        notes.extend(notes_of_one);
    }
    Ok((done, notes))
}

/// What became of a part.
struct Done {
    /// Its bytes in the source.
    source: usize,
    what: What,
}

enum What {
    Kept(String),
    /// What it is in the other language, and what of the best comes from where, as far as that was asked for.
    Outputs(Vec<Output>, Vec<Link>),
}

impl Done {
    fn kept(text: &str) -> Done {
        Done {
            source: text.len(),
            what: What::Kept(text.to_owned()),
        }
    }

    /// What is best.
    fn text(&self) -> &str {
        match &self.what {
            What::Kept(text) => text,
            What::Outputs(outputs, _) => {
                let best = outputs.first().and_then(|output| output.text.as_deref());
                best.unwrap_or_default()
            }
        }
    }
}
