//! Which parts of a translation come from where, and markup by that.

use std::collections::BTreeMap;
use std::ops::Range;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use pollster::block_on;

use super::output::joined;
use super::{Done, TOGETHER, Translation, Translator, UnderWay, What};
use crate::markup::{Aligned, Document, Link, Options, Source};
use crate::pipeline::{Output, Request};
use crate::text::Protected;
use crate::tokenizer::Tokenizer;
use crate::{GenerationConfig, Result};

impl Translator<'_> {
    /// Translates markup: its tags stay, each once, around what comes from what they were around. The output has no tokens.
    ///
    /// Elements are placed by the decoder's cross-attention while it chose each token, the mean over layers and heads.
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
        let [plain, marked] = [false, true].map(|alignment| Request {
            alignment,
            ..template.clone()
        });
        let done = sources.iter().map(|source| {
            let template = if source.is_marked { &marked } else { &plain };
            self.done(&source.text, template)
        });
        let done: Vec<_> = done.collect();
        let done: Vec<_> = stream::iter(done).buffered(TOGETHER).try_collect().await?;
        let aligned = done.into_iter().map(|(done, more)| {
            notes.extend(more);
            let links = linked(&done);
            let best = joined(done).into_iter().next();
            Aligned {
                text: best.and_then(|output| output.text).unwrap_or_default(),
                links,
            }
        });
        Ok(aligned.collect())
    }

    /// Each token of an output from the token of the source that it attended to most, neither of the prefix nor `</s>`.
    pub(super) fn links(&self, source: &str, output: &Output) -> Result<Vec<Link>> {
        let (Some(alignment), Some(tokenizer)) = (&output.alignment, self.pipeline.tokenizer())
        else {
            return Ok(Vec::new());
        };
        let before = self.prefix.len();
        let sources = tokenizer.offsets(&self.prefixed(source))?;
        let own: Vec<(usize, Range<usize>)> = sources
            .into_iter()
            .enumerate()
            .filter(|(_, (_, at))| at.end > before)
            .map(|(index, (_, at))| (index, at.start.max(before) - before..at.end - before))
            .collect();
        let text = output.text.as_deref().unwrap_or_default();
        let targets = written(tokenizer, &output.token_ids, text)?;
        let links = targets
            .into_iter()
            .zip(alignment.rows())
            .filter_map(|(target, row)| {
                let weight = |index: usize| row.get(index).copied().unwrap_or_default();
                let (_, source) = own
                    .iter()
                    .max_by(|(a, _), (b, _)| weight(*a).total_cmp(&weight(*b)))?;
                (!target.is_empty()).then(|| Link {
                    target,
                    source: source.clone(),
                })
            });
        Ok(links.collect())
    }
}

/// What of a text each of its tokens wrote.
fn written(tokenizer: &Tokenizer, ids: &[u32], text: &str) -> Result<Vec<Range<usize>>> {
    let mut written = Vec::new();
    let mut end = 0;
    for count in 1..=ids.len() {
        // Of a character whose bytes are not all there, nothing is.
        let so_far = tokenizer.decode(&ids[..count], true)?;
        let same = text.char_indices().zip(so_far.chars());
        let same = same.take_while(|((_, a), b)| a == b).last();
        let until = same.map_or(0, |((at, c), _)| at + c.len_utf8()).max(end);
        written.push(end..until);
        end = until;
    }
    Ok(written)
}

/// The links with each character of what was copied from its own, whatever the model looked at: a tag may stand in an address.
pub(super) fn with_copies(
    mut links: Vec<Link>,
    source: &str,
    target: &str,
    protected: &[Protected],
) -> Vec<Link> {
    let copies = protected
        .iter()
        .filter(|one| source[one.at.clone()] == one.becomes);
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for one in copies {
        places.entry(&one.becomes).or_default().push(one.at.start);
    }
    for (copy, from) in places {
        let to: Vec<usize> = target.match_indices(copy).map(|(at, _)| at).collect();
        // Which is which is not to be known otherwise.
        if to.len() != from.len() {
            continue;
        }
        for (from, to) in from.into_iter().zip(to) {
            let own = to..to + copy.len();
            links.retain(|link| link.target.end <= own.start || own.end <= link.target.start);
            links.extend(copy.char_indices().map(|(at, c)| Link {
                target: to + at..to + at + c.len_utf8(),
                source: from + at..from + at + c.len_utf8(),
            }));
        }
    }
    links.sort_by_key(|link| link.target.start);
    links
}

/// What of a whole, put together of its parts, comes from where.
pub(super) fn linked(parts: &[Done]) -> Vec<Link> {
    let (mut source, mut target) = (0, 0);
    let mut links = Vec::new();
    for part in parts {
        let length = part.text().len();
        match &part.what {
            What::Kept(_) => links.push(Link {
                target: target..target + length,
                source: source..source + part.source,
            }),
            What::Outputs(_, of_part) => links.extend(of_part.iter().map(|link| Link {
                target: link.target.start + target..link.target.end + target,
                source: link.source.start + source..link.source.end + source,
            })),
        }
        (source, target) = (source + part.source, target + length);
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::protected;

    #[test]
    fn what_is_copied_comes_from_itself() {
        let source = "See https://a.org, 5 or 7.";
        let target = "7 oder 5: https://a.org.";
        let link = |target, source| Link { target, source };
        // The model looked elsewhere; the last link is of nothing that is copied.
        let links = vec![link(0..1, 19..20), link(10..16, 0..3), link(2..6, 21..23)];
        let links = with_copies(links, source, target, &protected(source, None));
        let of = |at: usize| {
            let mut own = links.iter().filter(|link| link.target.contains(&at));
            let link = own.next().expect("one link");
            assert_eq!(own.next(), None);
            link.source.start
        };
        assert_eq!(of(0), 24);
        assert_eq!(of(2), 21);
        assert_eq!(of(7), 19);
        assert_eq!([of(10), of(18)], [4, 12]);
        assert!(links.is_sorted_by_key(|link| link.target.start));
    }
}
