//! One sentence: translated, looked at, and translated otherwise where something of it is lost.

use super::output::joined;
use super::{Done, Translator};
use crate::Result;
use crate::pipeline::{Output, Pending, Request};
use crate::text::{
    Names, Protected, are_kept, around, is_runaway, protected, put_back, with_stand_ins,
};

/// A sentence under way.
pub struct Sentence<'t> {
    translator: &'t Translator<'t>,
    text: String,
    /// What has to come out as it went in.
    protected: Vec<Protected>,
    /// All but the source.
    template: Request,
    /// What is tried at present, and how.
    attempt: Attempt,
    source: Vec<u32>,
    pending: Pending,
}

/// Ways to hand protected stretches through, in the order in which they are tried.
enum Attempt {
    /// The model copies them.
    Plain,
    /// It copies these names in their places.
    StandIns(Names, Vec<(String, String)>),
}

impl<'t> Sentence<'t> {
    pub fn begin(
        translator: &'t Translator<'t>,
        text: &str,
        template: &Request,
    ) -> Result<Sentence<'t>> {
        let protected = protected(text, translator.glossary.as_deref());
        let mut sentence_text = text;
        let masked;
        let mut attempt = Attempt::Plain;
        // What the vocabulary cannot spell need not be tried.
        if !protected.iter().all(|one| can_spell(translator, one)) {
            let (text, names) = with_stand_ins(text, &protected, Names::Numbers);
            masked = text;
            sentence_text = &masked;
            attempt = Attempt::StandIns(Names::Numbers, names);
        }
        let source = translator.encode(sentence_text)?;
        let pending = submit(translator, source.clone(), template)?;
        Ok(Sentence {
            translator,
            text: text.to_owned(),
            protected,
            template: template.clone(),
            attempt,
            source,
            pending,
        })
    }

    /// What is being translated.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Waits for the outputs, best first, all of which have all that is protected.
    pub fn outputs(self, notes: &mut Vec<String>) -> Result<Vec<Output>> {
        let Sentence {
            translator,
            text,
            protected,
            template,
            mut attempt,
            mut source,
            mut pending,
        } = self;
        loop {
            let outputs = calm(
                translator,
                &template,
                &source,
                pending.outputs()?,
                &text,
                notes,
            )?;
            if protected.is_empty() {
                return Ok(outputs);
            }
            let given: Option<Vec<Output>> = outputs
                .into_iter()
                .map(|output| {
                    let text = output.text.as_deref().unwrap_or_default();
                    let text = match &attempt {
                        Attempt::Plain => text.to_owned(),
                        Attempt::StandIns(_, names) => put_back(text, names)?,
                    };
                    are_kept(&protected, &text).then_some(Output {
                        text: Some(text),
                        ..output
                    })
                })
                .collect();
            if let Some(given) = given {
                return Ok(given);
            }
            let names = match attempt {
                Attempt::Plain => Names::Numbers,
                Attempt::StandIns(Names::Numbers, _) => Names::Letters,
                Attempt::StandIns(Names::Letters, _) => {
                    return go_round(translator, &text, &protected, &template, notes);
                }
            };
            let (masked, pairs) = with_stand_ins(&text, &protected, names);
            source = translator.encode(&masked)?;
            pending = submit(translator, source.clone(), &template)?;
            attempt = Attempt::StandIns(names, pairs);
        }
    }

    /// Waits for the one output and gives `sink` its text, as it is decided where nothing is protected.
    pub fn stream(
        self,
        sink: &mut dyn FnMut(&str) -> Result<()>,
        notes: &mut Vec<String>,
    ) -> Result<()> {
        if self.protected.is_empty() {
            return self.pending.stream(sink).map(drop);
        }
        let outputs = self.outputs(notes)?;
        sink(
            outputs
                .first()
                .and_then(|output| output.text.as_deref())
                .unwrap_or_default(),
        )
    }
}

fn submit(translator: &Translator<'_>, source: Vec<u32>, template: &Request) -> Result<Pending> {
    let request = Request {
        input_ids: source,
        ..template.clone()
    };
    translator.pipeline.submit(&request, None)
}

/// Whether the model could write it, for all that its vocabulary has.
fn can_spell(translator: &Translator<'_>, one: &Protected) -> bool {
    let Some(tokenizer) = translator.pipeline.tokenizer() else {
        return false;
    };
    let written = tokenizer
        .encode(&one.becomes)
        .and_then(|ids| tokenizer.decode(&ids, true));
    written.is_ok_and(|written| written == one.becomes)
}

/// The parts around what is protected, each translated by itself, and that between them.
fn go_round(
    translator: &Translator<'_>,
    text: &str,
    protected: &[Protected],
    template: &Request,
    notes: &mut Vec<String>,
) -> Result<Vec<Output>> {
    let (parts, between) = around(text, protected);
    let mut sources = Vec::new();
    for part in &parts {
        let core = part.trim();
        let begun = if core.chars().any(char::is_alphabetic) {
            let source = translator.encode(core)?;
            Some((submit(translator, source.clone(), template)?, source, core))
        } else {
            None
        };
        sources.push(begun);
    }
    let mut done = Vec::new();
    let mut between = between.into_iter();
    for (part, begun) in parts.into_iter().zip(sources) {
        let core = part.trim();
        let (start, rest) = part.split_at(part.len() - part.trim_start().len());
        done.push(Done::Kept(start.to_owned()));
        match begun {
            Some((pending, source, core)) => {
                let outputs = calm(
                    translator,
                    template,
                    &source,
                    pending.outputs()?,
                    core,
                    notes,
                )?;
                done.push(Done::Outputs(outputs));
            }
            None => done.push(Done::Kept(core.to_owned())),
        }
        done.push(Done::Kept(rest[core.len()..].to_owned()));
        done.extend(between.next().map(Done::Kept));
    }
    Ok(joined(done))
}

/// The outputs, unless the best of them is a runaway: then those of a second try that may not repeat itself nor be much
/// longer than its source, if the best of these is none, or else has the better score.
fn calm(
    translator: &Translator<'_>,
    template: &Request,
    source: &[u32],
    outputs: Vec<Output>,
    text: &str,
    notes: &mut Vec<String>,
) -> Result<Vec<Output>> {
    let is_wild = |outputs: &[Output]| {
        let best = outputs.first();
        best.is_some_and(|best| is_runaway(source, &best.token_ids))
    };
    if !is_wild(&outputs) {
        return Ok(outputs);
    }
    let mut bounded = template.clone();
    bounded.options.no_repeat_ngram_size = 3;
    let prompt = bounded.options.decoder_prompt()?.len();
    let own = bounded.options.length_limits(prompt)?.max_length - prompt;
    bounded.options.max_new_tokens = Some(own.min(2 * source.len() + 10));
    let again = submit(translator, source.to_vec(), &bounded)?.outputs()?;
    let start: String = text.chars().take(30).collect();
    notes.push(format!(
        "the translation of \"{start}\" ran away: it was translated again without repetitions"
    ));
    let kept = match is_wild(&again) && score(&outputs) > score(&again) {
        true => outputs,
        false => again,
    };
    Ok(kept)
}

/// What beam search thinks of its best; of other outputs nothing is known.
fn score(outputs: &[Output]) -> f32 {
    let best = outputs.first();
    best.and_then(|best| best.score)
        .unwrap_or(f32::NEG_INFINITY)
}
