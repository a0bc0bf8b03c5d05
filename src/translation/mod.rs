//! Text of any length from one language to another: cut into sentences, each translated, what lies between them kept.

mod aligned;
mod output;
mod sentence;

use std::sync::Arc;

use self::output::joined;
use self::sentence::Sentence;
use crate::language::Language;
use crate::pipeline::{Output, Pipeline, Request};
use crate::task::{Targets, Task};
use crate::text::{Glossary, Newlines, Piece, parts, pieces};
use crate::{Error, GenerationConfig, Result};

/// How texts are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Splitting {
    /// Into sentences, which line breaks end as `Newlines` says.
    Sentences(Newlines),
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

impl<'p> Translator<'p> {
    /// A translator with the task and the options that the model has for two languages, given by code or English name.
    ///
    /// # Errors
    /// A language that is unknown or that the model does not have.
    pub fn new(pipeline: &'p Pipeline, from: &str, to: &str) -> Result<Translator<'p>> {
        let targets = || Ok(pipeline.tokenizer().map(Targets::of).unwrap_or_default());
        let task = Task::translation(pipeline.config(), targets, from, to)?;
        let mut options = pipeline.generation().clone();
        options.apply_defaults(&task.options)?;
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

    /// Translates a text.
    ///
    /// # Errors
    /// As [`Pipeline::submit`] and [`crate::pipeline::Pending::outputs`].
    pub fn translate(&self, text: &str) -> Result<Translation> {
        self.submit(text, &self.options, false)?.translation()
    }

    /// Hands a text's sentences on to be translated, with these options in place of the translator's.
    ///
    /// # Errors
    /// As [`Pipeline::submit`].
    pub fn submit<'t>(
        &'t self,
        text: &str,
        options: &GenerationConfig,
        token_logprobs: bool,
    ) -> Result<UnderWay<'t>> {
        let mut under_way = UnderWay {
            parts: Vec::new(),
            notes: Vec::new(),
        };
        let template = Request {
            token_logprobs,
            ..Request::new(Vec::new(), options.clone())
        };
        // Where the output's beginning is given, it is that of the whole text.
        let whole = [Piece::Sentence(text)];
        let pieces = match self.splitting {
            _ if !options.decoder_input_ids.is_empty() => whole.to_vec(),
            Splitting::None => whole.to_vec(),
            Splitting::Sentences(newlines) => pieces(text, &self.language, newlines),
        };
        for piece in pieces {
            match piece {
                Piece::Kept(text) => under_way.parts.push(Part::Kept(text.to_owned())),
                Piece::Sentence(text) => self.begin(text, &template, &mut under_way)?,
            }
        }
        Ok(under_way)
    }

    /// Begins a sentence, in parts where it is too long.
    fn begin<'t>(
        &'t self,
        text: &str,
        template: &Request,
        under_way: &mut UnderWay<'t>,
    ) -> Result<()> {
        let is_whole =
            self.splitting == Splitting::None || !template.options.decoder_input_ids.is_empty();
        let most = self.pipeline.config().n_positions.min(MOST_TOKENS);
        let most_bytes = most * BYTES_A_TOKEN;
        if is_whole || text.len() <= most_bytes && self.encode(text)?.len() <= most {
            let sentence = Sentence::begin(self, text, template)?;
            under_way.parts.push(Part::Sentence(Box::new(sentence)));
            return Ok(());
        }
        let mut failure = None;
        let mut fits = |part: &str| match self.encode(part) {
            Ok(ids) => ids.len() <= most,
            Err(error) => {
                failure = Some(error);
                true
            }
        };
        let parts = parts(text, most_bytes, &mut fits);
        if let Some(error) = failure {
            return Err(error);
        }
        let start: String = text.chars().take(30).collect();
        under_way.notes.push(format!(
            "the sentence that begins with \"{start}\" has more than {most} tokens: it was translated in {} parts",
            parts.len()
        ));
        for part in parts {
            let core = part.trim();
            let (before, after) = part.split_at(part.len() - part.trim_start().len());
            under_way.parts.push(Part::Kept(before.to_owned()));
            if !core.is_empty() {
                let sentence = Sentence::begin(self, core, template)?;
                under_way.parts.push(Part::Sentence(Box::new(sentence)));
            }
            under_way
                .parts
                .push(Part::Kept(after[core.len()..].to_owned()));
        }
        Ok(())
    }

    /// The ids of a text with the prefix. Line breaks within a sentence are spaces.
    fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let tokenizer = self.pipeline.tokenizer().ok_or_else(|| {
            Error::Invalid("this model has no tokenizer: add its tokenizer.json or spiece.model, or give token ids (generate_each, or input_ids with --jsonl)".into())
        })?;
        if text.contains(['\n', '\r']) && self.splitting != Splitting::None {
            let text = text.replace(['\n', '\r'], " ");
            return tokenizer.encode(&format!("{}{text}", self.prefix));
        }
        tokenizer.encode(&format!("{}{text}", self.prefix))
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
        let under_way: Vec<UnderWay<'_>> = texts
            .iter()
            .map(|text| translator.submit(text.as_ref(), &translator.options, false))
            .collect::<Result<_>>()?;
        let translations = under_way.into_iter().map(UnderWay::translation);
        translations
            .map(|translation| Ok(translation?.text().to_owned()))
            .collect()
    }
}

/// Tokens of a sentence at most, where the model was not trained on fewer.
const MOST_TOKENS: usize = 400;
/// More bytes than this a token no sentence has, as far as it is worth to ask.
const BYTES_A_TOKEN: usize = 16;

/// A text whose sentences are being translated. Dropping it ends that.
pub struct UnderWay<'t> {
    parts: Vec<Part<'t>>,
    notes: Vec<String>,
}

enum Part<'t> {
    Kept(String),
    Sentence(Box<Sentence<'t>>),
}

impl UnderWay<'_> {
    /// Waits for all of it.
    ///
    /// # Errors
    /// The first sentence's that fails.
    pub fn translation(self) -> Result<Translation> {
        let mut notes = self.notes;
        let mut done = Vec::new();
        for part in self.parts {
            done.push(match part {
                Part::Kept(text) => Done::Kept(text),
                Part::Sentence(sentence) => Done::Outputs(sentence.outputs(&mut notes)?),
            });
        }
        Ok(Translation {
            outputs: joined(done),
            notes,
        })
    }

    /// Waits for all of it and gives `sink` the text piece by piece, sentences as they are decided; one in which something
    /// is protected, when it is done. Gives the notes.
    ///
    /// # Errors
    /// As [`UnderWay::translation`] and [`Pipeline::generate_streaming`].
    pub fn stream(self, sink: &mut dyn FnMut(&str) -> Result<()>) -> Result<Vec<String>> {
        let mut notes = self.notes;
        for part in self.parts {
            match part {
                Part::Kept(text) => sink(&text)?,
                Part::Sentence(sentence) => sentence.stream(sink, &mut notes)?,
            }
        }
        Ok(notes)
    }
}

/// What became of a part.
enum Done {
    Kept(String),
    Outputs(Vec<Output>),
}
