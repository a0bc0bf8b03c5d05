//! `t5-gpu translate`

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::{Map, Value};
use t5_gpu::markup::{Options, Syntax};
use t5_gpu::pipeline::{Output, Pending, Request};
use t5_gpu::text::{Glossary, Newlines};
use t5_gpu::translation::{Splitting, Streamed, UnderWay};
use t5_gpu::{Error, Result, Translator};

use super::Outcome;
use super::args::LanguageArgs;
use super::console::Console;
use super::generate::{TextArgs, ahead};
use super::generating::{Generating, fields_of};
use super::lines::{Answerer, answer_as_they_come};
use super::stream::{Streaming, print_as_decided};

/// Translate text of any length
///
/// Each line is cut into sentences, which are translated and joined again. White space, bullets, numbers, addresses, names of
/// files, placeholders such as %s and {name}, and code in back quotes stay as they are.
#[derive(Args)]
pub struct Translate {
    #[command(flatten)]
    languages: LanguageArgs,
    /// Take all of stdin as one text, whose line breaks stay
    #[arg(long, conflicts_with_all = ["texts", "jsonl", "with_score"])]
    whole: bool,
    /// With --whole: lines are broken to fit a width, so that sentences go on from one to the next
    #[arg(long, requires = "whole")]
    wrapped: bool,
    /// What texts are: in HTML and XML, tags stay, around what comes from what they were around
    #[arg(long, value_enum, default_value = "text", conflicts_with = "stream")]
    format: Format,
    /// Give the model each line as it stands
    #[arg(long)]
    no_split: bool,
    /// Terms and their translations, TERM<tab>TRANSLATION or TERM,TRANSLATION a line; a TERM alone stays as it is
    #[arg(long, value_name = "FILE")]
    glossary: Option<PathBuf>,
    #[command(flatten)]
    text: TextArgs,
}

impl Translate {
    pub fn run(self) -> Outcome {
        let glossary = self.glossary.as_deref().map(read_glossary).transpose()?;
        let request = &self.text.request;
        let console = request.console();
        let (files, plan) = request.plan(|files| self.languages.task(files), &console)?;
        let lines = (!self.whole).then(|| request.lines(&console));
        let generating = self.text.write(request.load(&files, plan, &console)?);
        let mut translator = Translator::with(
            &generating.pipeline,
            generating.prefix.clone(),
            generating.options.clone(),
            &self.languages.from,
        );
        let markup = self.format.markup();
        // In markup a line break is a space.
        let newlines = if self.wrapped || markup.is_some() {
            Newlines::Wrap
        } else {
            Newlines::End
        };
        translator = translator.splitting(match self.no_split {
            true => Splitting::None,
            false => Splitting::Sentences(newlines),
        });
        if let Some(glossary) = glossary {
            translator = translator.glossary(Arc::new(glossary));
        }
        let translating = Translating {
            generating: &generating,
            translator,
            markup,
            console: &console,
        };
        match lines {
            None => translating.whole(self.text.stream),
            Some(lines) if self.text.stream => answer_as_they_come(
                &Streaming(&translating),
                &lines,
                0,
                |source| translating.submit(source, true),
                |begun| print_as_decided(|sink| translating.stream(begun, sink)),
                &console,
            ),
            Some(lines) => answer_as_they_come(
                &translating,
                &lines,
                ahead(&generating.pipeline),
                |source| translating.submit(source, false),
                |begun| translating.outputs(begun),
                &console,
            ),
        }
    }
}

/// What texts are.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    Text,
    Html,
    Xml,
}

impl Format {
    fn markup(self) -> Option<Options> {
        let syntax = match self {
            Format::Text => return None,
            Format::Html => Syntax::Html,
            Format::Xml => Syntax::Xml,
        };
        Some(Options {
            syntax,
            ..Options::default()
        })
    }
}

fn read_glossary(path: &Path) -> Result<Glossary> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })?;
    Glossary::parse(&text).map_err(|error| Error::File {
        path: path.to_owned(),
        message: error.to_string(),
    })
}

/// A translator behind lines.
struct Translating<'g> {
    generating: &'g Generating,
    translator: Translator<'g>,
    markup: Option<Options>,
    console: &'g Console,
}

/// What is to be translated.
enum Source {
    /// A text; the request has all but the ids.
    Text(String, Request),
    /// Ids, which are the model's bare input.
    Ids(Request),
}

/// A translation that has begun.
enum Begun<'t> {
    Text(UnderWay<'t>),
    Streamed(Streamed<'t>),
    Ids(Pending),
}

impl Translating<'_> {
    fn submit(&self, source: &Source, streams: bool) -> Result<Begun<'_>> {
        let pipeline = &self.generating.pipeline;
        let translator = &self.translator;
        Ok(match source {
            Source::Text(text, request) => {
                let (text, options) = (text.clone(), request.options.clone());
                match &self.markup {
                    Some(markup) => Begun::Text(translator.submit_markup(text, markup, options)),
                    None if streams => {
                        Begun::Streamed(translator.submit_to_stream(&text, &options)?)
                    }
                    None => {
                        let logprobs = request.token_logprobs;
                        Begun::Text(translator.submit(text, options, logprobs))
                    }
                }
            }
            Source::Ids(request) if streams => {
                Begun::Ids(pipeline.submit_to_stream(request, None)?)
            }
            Source::Ids(request) => Begun::Ids(pipeline.submit(request, None)?),
        })
    }

    fn outputs(&self, begun: Begun<'_>) -> Result<Vec<Output>> {
        match begun {
            Begun::Text(under_way) => {
                let translation = under_way.translation()?;
                self.console.notes(translation.notes);
                Ok(translation.outputs)
            }
            Begun::Ids(pending) => pending.outputs(),
            Begun::Streamed(streamed) => {
                let mut text = String::new();
                self.console.notes(streamed.stream(&mut |new| {
                    text.push_str(new);
                    Ok(())
                })?);
                Ok(vec![Output::of_text(text)])
            }
        }
    }

    fn stream(&self, begun: Begun<'_>, sink: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        match begun {
            Begun::Streamed(streamed) => {
                self.console.notes(streamed.stream(sink)?);
                Ok(())
            }
            Begun::Ids(pending) => pending.stream(sink).map(drop),
            Begun::Text(_) => {
                for output in self.outputs(begun)? {
                    sink(output.text.as_deref().unwrap_or_default())?;
                }
                Ok(())
            }
        }
    }

    /// All of stdin as one text.
    fn whole(&self, streams: bool) -> Outcome {
        let mut bytes = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut bytes);
        read.map_err(|source| Error::Io {
            path: "stdin".into(),
            source,
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to() + 1;
            Error::Invalid(format!(
                "stdin: invalid UTF-8 at byte {at}: convert the input to UTF-8"
            ))
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned();
        let source = self.read_text(&text)?;
        let begun = self.submit(&source, streams)?;
        let mut out = io::stdout().lock();
        let mut print = |text: &str| {
            let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            written.map_err(|source| Error::write("stdout", source))
        };
        Ok(self.stream(begun, &mut print)?)
    }
}

impl Answerer for Translating<'_> {
    type Request = Source;
    type Answer = Vec<Output>;

    fn read_text(&self, text: &str) -> Result<Source> {
        Ok(Source::Text(
            text.to_owned(),
            self.generating.read_options(Map::new())?,
        ))
    }

    fn read_json(&self, mut fields: Map<String, Value>) -> Result<Source> {
        match fields.remove("text") {
            Some(Value::String(text)) if !fields.contains_key("input_ids") => {
                Ok(Source::Text(text, self.generating.read_options(fields)?))
            }
            other => {
                fields.extend(other.map(|text| ("text".to_owned(), text)));
                Ok(Source::Ids(self.generating.read_json(fields)?))
            }
        }
    }

    fn write_text(&self, _: &Source, outputs: &Vec<Output>) -> String {
        self.generating.lines_of(outputs)
    }

    fn write_json(&self, _: &Source, outputs: &Vec<Output>) -> Map<String, Value> {
        fields_of(outputs)
    }
}
