//! Which parts of a translation come from where, and markup by that.

use std::ops::Range;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use pollster::block_on;

use super::{Done, TOGETHER, Translation, Translator, UnderWay};
use crate::alignment::Alignment;
use crate::markup::{Aligned, Document, Link, Options, Source};
use crate::model::TraceOptions;
use crate::pipeline::{Forward, ForwardRequest, Output, Request};
use crate::{Error, GenerationConfig, Result};

/// A sentence with its translation, and where both stand.
struct Pair {
    /// Of which text.
    text: usize,
    source: String,
    target: String,
    /// Bytes before them.
    source_at: usize,
    target_at: usize,
}

impl Translator<'_> {
    /// Translates markup: its tags stay, each once, around what comes from what they were around. The output has no tokens.
    ///
    /// Elements are placed by the decoder's cross-attention (the mean over layers and heads), for which a text with tags goes
    /// through the model once more.
    ///
    /// # Errors
    /// As [`Translator::translate`].
    pub fn translate_markup(&self, markup: &str, options: &Options) -> Result<Translation> {
        block_on(self.translate_markup_async(markup, options))
    }

    /// [`Translator::translate_markup`] for a task of any runtime.
    ///
    /// # Errors
    /// As there.
    pub async fn translate_markup_async(
        &self,
        markup: &str,
        options: &Options,
    ) -> Result<Translation> {
        let template = Request::new(Vec::new(), self.options.clone());
        self.markup(markup, options, &template).await
    }

    /// Hands the texts of markup on to be translated, with these options in place of the translator's.
    pub fn submit_markup<'t>(
        &'t self,
        markup: String,
        options: &'t Options,
        generation: GenerationConfig,
    ) -> UnderWay<'t> {
        let template = Request::new(Vec::new(), generation);
        UnderWay::begin(async move { self.markup(&markup, options, &template).await })
    }

    async fn markup(
        &self,
        markup: &str,
        options: &Options,
        template: &Request,
    ) -> Result<Translation> {
        let document = Document::parse(markup, options);
        let mut notes = Vec::new();
        let translations = self.aligned(document.texts(), template, &mut notes).await?;
        Ok(Translation {
            outputs: vec![Output::of_text(document.fill(translations))],
            notes,
        })
    }

    /// The translations of texts, aligned where they have marks.
    async fn aligned(
        &self,
        sources: &[Source],
        template: &Request,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Aligned>> {
        let done = sources
            .iter()
            .map(|source| self.done(&source.text, template));
        let done: Vec<_> = done.collect();
        let done: Vec<_> = stream::iter(done).buffered(TOGETHER).try_collect().await?;
        let mut translations = Vec::new();
        let mut pairs = Vec::new();
        for (text, (source, (done, more))) in sources.iter().zip(done).enumerate() {
            notes.extend(more);
            let mut aligned = Aligned::default();
            let mut source_at = 0;
            for part in done {
                let target_at = aligned.text.len();
                let length = match part {
                    Done::Kept(kept) => {
                        aligned.text.push_str(&kept);
                        aligned.links.push(Link {
                            target: target_at..aligned.text.len(),
                            source: source_at..source_at + kept.len(),
                        });
                        kept.len()
                    }
                    Done::Outputs(length, outputs) => {
                        let best = outputs.into_iter().next().and_then(|output| output.text);
                        let target = best.unwrap_or_default();
                        aligned.text.push_str(&target);
                        if source.is_marked && !target.is_empty() {
                            pairs.push(Pair {
                                text,
                                source: source.text[source_at..source_at + length].to_owned(),
                                target,
                                source_at,
                                target_at,
                            });
                        }
                        length
                    }
                };
                source_at += length;
            }
            translations.push(aligned);
        }
        for (text, links) in self.links(&pairs)? {
            translations[text].links.extend(links);
        }
        for aligned in &mut translations {
            aligned.links.sort_by_key(|link| link.target.start);
        }
        Ok(translations)
    }

    /// The links of each pair, with its text.
    fn links(&self, pairs: &[Pair]) -> Result<Vec<(usize, Vec<Link>)>> {
        let requests = pairs
            .iter()
            .map(|pair| {
                Ok(ForwardRequest {
                    input_ids: self.encode(&pair.source)?,
                    labels: Some(ids(self.offsets(&pair.target)?)),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let trace = TraceOptions {
            hidden_states: false,
            attentions: true,
        };
        let mut links = Vec::new();
        let mut outcome = Ok(());
        self.pipeline
            .forward_each(&requests, trace, &mut |index, forward| {
                let of_pair = forward.and_then(|forward| self.links_of(&pairs[index], &forward));
                match of_pair {
                    Ok(of_pair) => links.push((pairs[index].text, of_pair)),
                    Err(error) => outcome = Err(error),
                }
                if outcome.is_ok() {
                    std::ops::ControlFlow::Continue(())
                } else {
                    std::ops::ControlFlow::Break(())
                }
            });
        outcome.map(|()| links)
    }

    /// Each token of the translation from the token of the source that it attends to most, neither the prefix nor `</s>`.
    fn links_of(&self, pair: &Pair, forward: &Forward) -> Result<Vec<Link>> {
        let sources = self.offsets(&self.prefixed(&pair.source))?;
        let targets = self.offsets(&pair.target)?;
        let layers = forward
            .decoder
            .as_ref()
            .map_or(&[][..], |decoder| &decoder.cross_attentions);
        let attention = Alignment::mean(layers, targets.len(), sources.len());
        let own: Vec<(usize, Range<usize>)> = sources
            .into_iter()
            .enumerate()
            .filter(|(_, (_, at))| at.end > self.prefix.len())
            .map(|(index, (_, at))| {
                (
                    index,
                    at.start.max(self.prefix.len()) - self.prefix.len()..at.end - self.prefix.len(),
                )
            })
            .collect();
        let links = targets
            .into_iter()
            .zip(attention.rows())
            .filter_map(|((_, target), row)| {
                let (_, source) = own
                    .iter()
                    .max_by(|(a, _), (b, _)| row[*a].total_cmp(&row[*b]))?;
                (!target.is_empty()).then(|| Link {
                    target: target.start + pair.target_at..target.end + pair.target_at,
                    source: source.start + pair.source_at..source.end + pair.source_at,
                })
            });
        Ok(links.collect())
    }

    fn offsets(&self, text: &str) -> Result<Vec<(u32, Range<usize>)>> {
        match self.pipeline.tokenizer() {
            Some(tokenizer) => tokenizer.offsets(text),
            None => Err(Error::Stopped),
        }
    }
}

fn ids(tokens: Vec<(u32, Range<usize>)>) -> Vec<u32> {
    tokens.into_iter().map(|(id, _)| id).collect()
}
