//! One sentence: translated, looked at, and translated otherwise where something of it is lost.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use pollster::block_on;

use super::admission::UnderWay;
use super::aligned::{linked, with_copies};
use super::output::joined;
use super::{Done, TOGETHER, Translator, What};
use crate::Result;
use crate::markup::Link;
use crate::pipeline::{Output, Request};
use crate::text::{
    Masked, Names, Protected, are_kept, around, has_letters, is_runaway, protected, put_back,
    with_stand_ins,
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
    under_way: UnderWay,
}

/// A sentence in the other language.
pub struct Translated {
    /// Best first; all of them have all that is protected.
    pub outputs: Vec<Output>,
    /// What of the best comes from where, as far as that was asked for.
    pub links: Vec<Link>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// Ways to hand protected stretches through, in the order in which they are tried.
enum Attempt {
    /// The model copies them.
    Plain,
    /// It copies names in their places.
    StandIns(Names, Masked),
}

impl<'t> Sentence<'t> {
    /// `ids` are the text's.
    pub async fn begin(
        translator: &'t Translator<'t>,
        text: &str,
        ids: Vec<u32>,
        template: &Request,
    ) -> Result<Sentence<'t>> {
        let protected = protected(text, translator.glossary.as_deref());
        let mut attempt = Attempt::Plain;
        let mut source = ids;
        // What the vocabulary cannot spell need not be tried.
        if !protected.iter().all(|one| can_spell(translator, one)) {
            let masked = with_stand_ins(text, &protected, Names::Numbers);
            source = translator.encode(&masked.text)?;
            attempt = Attempt::StandIns(Names::Numbers, masked);
        }
        let under_way = submit(translator, source.clone(), template).await?;
        Ok(Sentence {
            translator,
            text: text.to_owned(),
            protected,
            template: template.clone(),
            attempt,
            source,
            under_way,
        })
    }

    /// Waits for it.
    pub async fn translated(self) -> Result<Translated> {
        let Sentence {
            translator,
            text,
            protected,
            template,
            mut attempt,
            mut source,
            mut under_way,
        } = self;
        let mut notes = Vec::new();
        loop {
            let outputs = under_way.outputs().await?;
            let (outputs, note) = calm(translator, &template, &source, outputs, &text).await?;
            notes.extend(note);
            let read = match &attempt {
                Attempt::Plain => &text,
                Attempt::StandIns(_, masked) => &masked.text,
            };
            let links = match outputs.first() {
                Some(best) => translator.links(read, best)?,
                None => Vec::new(),
            };
            if let Some((outputs, mut links)) = attempt.given(outputs, links, &protected) {
                if let Some(Output {
                    text: Some(target), ..
                }) = outputs.first().filter(|_| template.alignment)
                {
                    links = with_copies(links, &text, target, &protected);
                }
                return Ok(Translated {
                    outputs,
                    links,
                    notes,
                });
            }
            let names = match attempt {
                Attempt::Plain => Names::Numbers,
                Attempt::StandIns(Names::Numbers, _) => Names::Letters,
                Attempt::StandIns(Names::Letters, _) => {
                    let mut translated = go_round(translator, &text, &protected, &template).await?;
                    notes.append(&mut translated.notes);
                    return Ok(Translated {
                        notes,
                        ..translated
                    });
                }
            };
            let masked = with_stand_ins(&text, &protected, names);
            source = translator.encode(&masked.text)?;
            under_way = submit(translator, source.clone(), &template).await?;
            attempt = Attempt::StandIns(names, masked);
        }
    }

    /// Waits for the one output and gives `sink` its text, as it is decided where nothing is protected.
    pub fn stream(self, sink: &mut dyn FnMut(&str) -> Result<()>) -> Result<Vec<String>> {
        if self.protected.is_empty() {
            self.under_way.pending.stream(sink)?;
            return Ok(Vec::new());
        }
        let translated = block_on(self.translated())?;
        let best = translated.outputs.first();
        sink(
            best.and_then(|output| output.text.as_deref())
                .unwrap_or_default(),
        )?;
        Ok(translated.notes)
    }
}

impl Attempt {
    /// The outputs and links with all that is protected in its place, if it is all there.
    fn given(
        &self,
        outputs: Vec<Output>,
        mut links: Vec<Link>,
        protected: &[Protected],
    ) -> Option<(Vec<Output>, Vec<Link>)> {
        if protected.is_empty() {
            return Some((outputs, links));
        }
        let mut given = Vec::new();
        for output in outputs {
            let text = output.text.as_deref().unwrap_or_default();
            let text = match self {
                Attempt::Plain => text.to_owned(),
                Attempt::StandIns(_, masked) => {
                    let (text, moved) = put_back(text, &masked.names)?;
                    if given.is_empty() {
                        for link in &mut links {
                            link.target = moved.range(link.target.clone());
                            link.source = masked.moved.range(link.source.clone());
                        }
                    }
                    text
                }
            };
            if !are_kept(protected, &text) {
                return None;
            }
            given.push(Output {
                text: Some(text),
                ..output
            });
        }
        Some((given, links))
    }
}

async fn submit(
    translator: &Translator<'_>,
    source: Vec<u32>,
    template: &Request,
) -> Result<UnderWay> {
    let request = Request {
        input_ids: source,
        ..template.clone()
    };
    let admission = &translator.admission;
    admission.submit(translator.pipeline, &request).await
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
async fn go_round(
    translator: &Translator<'_>,
    text: &str,
    protected: &[Protected],
    template: &Request,
) -> Result<Translated> {
    let (parts, between) = around(text, protected);
    let parts: Vec<_> = parts
        .into_iter()
        .map(|part| alone(translator, part, template))
        .collect();
    let parts: Vec<_> = stream::iter(parts).buffered(TOGETHER).try_collect().await?;
    let mut between = between.into_iter();
    let (mut done, mut notes) = (Vec::new(), Vec::new());
    for (part, note) in parts {
        done.extend(part);
        done.extend(between.next().map(|(source, becomes)| Done {
            source,
            what: What::Kept(becomes),
        }));
        notes.extend(note);
    }
    Ok(Translated {
        links: linked(&done),
        outputs: joined(done),
        notes,
    })
}

/// A part of a sentence by itself.
async fn alone(
    translator: &Translator<'_>,
    part: &str,
    template: &Request,
) -> Result<([Done; 3], Option<String>)> {
    let core = part.trim();
    let (start, rest) = part.split_at(part.len() - part.trim_start().len());
    let (mut done, mut note) = (Done::kept(core), None);
    if has_letters(core) {
        let source = translator.encode(core)?;
        let under_way = submit(translator, source.clone(), template).await?;
        let outputs = under_way.outputs().await?;
        let (outputs, of_it) = calm(translator, template, &source, outputs, core).await?;
        let links = match outputs.first() {
            Some(best) => translator.links(core, best)?,
            None => Vec::new(),
        };
        done.what = What::Outputs(outputs, links);
        note = of_it;
    }
    let after = Done::kept(&rest[core.len()..]);
    Ok(([Done::kept(start), done, after], note))
}

/// The outputs, unless the best of them is a runaway: then those of a second try that may not repeat itself nor be much
/// longer than its source, if the best of these is none, or else has the better score; and a word about that.
async fn calm(
    translator: &Translator<'_>,
    template: &Request,
    source: &[u32],
    outputs: Vec<Output>,
    text: &str,
) -> Result<(Vec<Output>, Option<String>)> {
    let is_wild = |outputs: &[Output]| {
        let best = outputs.first();
        best.is_some_and(|best| is_runaway(source, &best.token_ids))
    };
    if !is_wild(&outputs) {
        return Ok((outputs, None));
    }
    let mut bounded = template.clone();
    bounded.options.no_repeat_ngram_size = 3;
    let prompt = bounded.options.decoder_prompt()?.len();
    let own = bounded.options.length_limits(prompt)?.max_length - prompt;
    bounded.options.max_new_tokens = Some(own.min(2 * source.len() + 10));
    let again = submit(translator, source.to_vec(), &bounded).await?;
    let again = again.outputs().await?;
    let start: String = text.chars().take(30).collect();
    let note = format!(
        "the translation of \"{start}\" ran away: it was translated again without repetitions"
    );
    let kept = match is_wild(&again) && score(&outputs) > score(&again) {
        true => outputs,
        false => again,
    };
    Ok((kept, Some(note)))
}

/// What beam search thinks of its best; of other outputs nothing is known.
fn score(outputs: &[Output]) -> f32 {
    let best = outputs.first();
    best.and_then(|best| best.score)
        .unwrap_or(f32::NEG_INFINITY)
}
