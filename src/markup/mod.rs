//! Markup around a translation: tags are taken out of texts, the texts are translated, and the tags come back by the alignment.
//! Knows no model: what translates is given.

mod entities;
mod place;
mod segment;
pub(crate) mod token;
mod tree;

use std::ops::Range;

pub use token::Syntax;

use self::entities::Spellings;
use self::place::{DEEPEST, place};
use self::segment::{Segment, Stretch, stretches};
use self::token::{attributes, is_one_of, tokens};
use self::tree::Tree;
use crate::text::has_letters;

/// What markup is like, and what of it is translated.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// HTML or XML.
    pub syntax: Syntax,
    /// Elements in which nothing is translated, besides those that say so themselves (`translate="no"`,
    /// `class="notranslate"`) and, in HTML, code, scripts and styles.
    pub ignored_tags: Vec<String>,
    /// Whether `alt`, `title`, `placeholder` and `aria-label` are translated.
    pub attributes: bool,
}

/// A text to translate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Without tags and entities.
    pub text: String,
    /// Whether tags stand in it, so that its translation has to be aligned.
    pub is_marked: bool,
}

impl Source {
    fn plain(text: String) -> Source {
        Source {
            text,
            is_marked: false,
        }
    }
}

/// A part of a translation and what of the source it comes from, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// In the translation.
    pub target: Range<usize>,
    /// In the source.
    pub source: Range<usize>,
}

/// A translation with its alignment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aligned {
    /// The translation.
    pub text: String,
    /// What comes from where, in the order of the translation. What no link is for goes with what is before it.
    pub links: Vec<Link>,
}

/// Attributes that people read.
const READ: [&str; 4] = ["alt", "title", "placeholder", "aria-label"];

/// Markup of any kind, well formed or not, with the texts in it.
///
/// Tags, comments and what is not translated stay byte for byte, each once. Elements hold what comes from what they held; those
/// within each other in the source are so in the translation. Entities are written as in the source, and nothing that was text
/// becomes a tag.
pub struct Document<'t> {
    parts: Vec<Part<'t>>,
    texts: Vec<Source>,
}

impl<'t> Document<'t> {
    /// Finds the texts.
    pub fn parse(markup: &'t str, options: &Options) -> Document<'t> {
        let tokens = tokens(markup, options.syntax);
        let mut texts = Vec::new();
        let stretches = stretches(markup, &tokens, options).into_iter();
        let parts = stretches.map(|stretch| match stretch {
            Stretch::Kept(raw) => Part::Kept(raw),
            Stretch::Tag(raw) => Part::Tag(raw, values(raw, &mut texts)),
            Stretch::Text(segment) => Part::segment(segment, options, &mut texts),
        });
        Document {
            parts: parts.collect(),
            texts,
        }
    }

    /// What there is to translate, without tags and entities.
    pub fn texts(&self) -> &[Source] {
        &self.texts
    }

    /// The markup with a translation in place of each text; what lacks one is left out.
    pub fn fill(self, mut translations: Vec<Aligned>) -> String {
        translations.resize_with(self.texts.len(), Aligned::default);
        let mut out = String::new();
        for part in self.parts {
            match part {
                Part::Kept(raw) => out.push_str(raw),
                Part::Tag(raw, values) => out.push_str(&with_values(raw, &values, &translations)),
                Part::Segment(mut segment, text, values) => {
                    for (mark, values) in values {
                        let mark = &mut segment.marks[mark].raw;
                        *mark = with_values(mark, &values, &translations);
                    }
                    match text {
                        Text::Whole(index, tree) => {
                            out.push_str(&place(&segment, &tree, &translations[index]));
                        }
                        Text::Pieces(pieces) => {
                            piece_by_piece(&segment, &pieces, &translations, &mut out)
                        }
                    }
                }
            }
        }
        out
    }
}

/// A stretch of markup, with what of it is translated by its place among the texts.
enum Part<'t> {
    Kept(&'t str),
    Tag(&'t str, Vec<Value>),
    Segment(Segment, Text, Vec<(usize, Vec<Value>)>),
}

/// How the text of a segment is translated.
enum Text {
    /// As a whole, by its place among the texts.
    Whole(usize, Tree),
    /// What lies between tags by itself: its bytes and, if there is something to translate, its place among the texts.
    Pieces(Vec<(Range<usize>, Option<usize>)>),
}

/// The value of an attribute: its bytes in the tag, its place among the texts, and how it was written.
struct Value {
    at: Range<usize>,
    text: usize,
    spellings: Spellings,
}

impl<'t> Part<'t> {
    fn segment(segment: Segment, options: &Options, texts: &mut Vec<Source>) -> Part<'t> {
        let marks = segment.marks.iter().enumerate();
        let values = match options.attributes {
            true => marks
                .filter(|(_, mark)| !mark.is_untouched)
                .map(|(index, mark)| (index, values(&mark.raw, texts)))
                .filter(|(_, values)| !values.is_empty())
                .collect(),
            false => Vec::new(),
        };
        let tree = Tree::new(&segment.marks);
        let text = if tree.depth() > DEEPEST || !has_letters(&segment.plain) {
            Text::Pieces(pieces(&segment, texts))
        } else {
            let inside = 1..segment.plain.trim_end().len();
            texts.push(Source {
                text: segment.plain.clone(),
                is_marked: segment.marks.iter().any(|mark| inside.contains(&mark.at)),
            });
            Text::Whole(texts.len() - 1, tree)
        };
        Part::Segment(segment, text, values)
    }
}

/// The texts between the marks of a segment.
fn pieces(segment: &Segment, texts: &mut Vec<Source>) -> Vec<(Range<usize>, Option<usize>)> {
    let mut from = 0;
    let ends = segment.marks.iter().map(|mark| mark.at);
    ends.chain([segment.plain.len()])
        .map(|end| {
            let at = from..end;
            from = end;
            let piece = &segment.plain[at.clone()];
            let text = has_letters(piece).then(|| {
                texts.push(Source::plain(piece.to_owned()));
                texts.len() - 1
            });
            (at, text)
        })
        .collect()
}

/// A segment whose tags stay where they are.
fn piece_by_piece(
    segment: &Segment,
    pieces: &[(Range<usize>, Option<usize>)],
    translations: &[Aligned],
    out: &mut String,
) {
    let mut writer = segment.spellings.writer();
    let mut marks = segment.marks.iter();
    for (at, text) in pieces {
        match text {
            Some(index) => writer.write(&translations[*index].text, out),
            None => writer.write(&segment.plain[at.clone()], out),
        }
        if let Some(mark) = marks.next() {
            out.push_str(&mark.raw);
        }
    }
}

/// The values of a tag that people read.
fn values(tag: &str, texts: &mut Vec<Source>) -> Vec<Value> {
    let read = attributes(tag).into_iter();
    read.filter(|(name, at)| is_one_of(name, &READ) && has_letters(&tag[at.clone()]))
        .map(|(_, at)| {
            let (mut spellings, mut plain) = (Spellings::default(), String::new());
            spellings.decode(&tag[at.clone()], &mut plain);
            texts.push(Source::plain(plain));
            Value {
                at,
                text: texts.len() - 1,
                spellings,
            }
        })
        .collect()
}

/// A tag with the translations of its values; quotes in them do not end them.
fn with_values(tag: &str, values: &[Value], translations: &[Aligned]) -> String {
    let mut out = String::with_capacity(tag.len());
    let mut from = 0;
    for value in values {
        out.push_str(&tag[from..value.at.start]);
        let mut text = String::new();
        value
            .spellings
            .writer()
            .write(&translations[value.text].text, &mut text);
        match out.chars().next_back() {
            Some('"') => out.push_str(&text.replace('"', "&quot;")),
            Some('\'') => out.push_str(&text.replace('\'', "&#39;")),
            // A value without quotes needs them now.
            _ => {
                out.push('"');
                out.push_str(&text.replace('"', "&quot;"));
                out.push('"');
            }
        }
        from = value.at.end;
    }
    out.push_str(&tag[from..]);
    out
}

#[cfg(test)]
mod tests;
