//! Texts of markup, each with the tags that stand in it.

use std::ops::Range;

use super::Options;
use super::entities::Spellings;
use super::token::{Kind, Syntax, Token, attributes, is_one_of};

/// A stretch of markup between others.
pub enum Stretch<'t> {
    /// Stays as it is.
    Kept(&'t str),
    /// A tag, of which attributes may be translated.
    Tag(&'t str),
    /// A text to translate.
    Text(Segment),
}

/// A text with the tags that stand in it.
#[derive(Default)]
pub struct Segment {
    /// Without tags, its entities decoded.
    pub plain: String,
    /// In order.
    pub marks: Vec<Mark>,
    /// How its characters were written.
    pub spellings: Spellings,
}

/// What stands in a text and is none.
pub struct Mark {
    /// Where, in bytes of the plain text.
    pub at: usize,
    /// As it is written, and white space behind it where there is some before it too.
    pub raw: String,
    /// What it is.
    pub kind: MarkKind,
    /// Whether nothing of it is translated.
    pub is_untouched: bool,
}

/// Kinds of [`Mark`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// Begins an element of that name.
    Open(String),
    /// Ends one.
    Close(String),
    /// Stands for itself.
    Atom,
}

/// Elements of HTML that separate texts.
const BLOCKS: [&str; 77] = [
    "address",
    "article",
    "aside",
    "base",
    "blockquote",
    "body",
    "br",
    "canvas",
    "caption",
    "center",
    "col",
    "colgroup",
    "dd",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "frame",
    "frameset",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hgroup",
    "hr",
    "html",
    "iframe",
    "legend",
    "li",
    "link",
    "main",
    "menu",
    "meta",
    "nav",
    "noframes",
    "noscript",
    "object",
    "ol",
    "optgroup",
    "option",
    "p",
    "param",
    "pre",
    "script",
    "search",
    "section",
    "select",
    "source",
    "style",
    "summary",
    "table",
    "tbody",
    "td",
    "template",
    "textarea",
    "tfoot",
    "th",
    "thead",
    "title",
    "tr",
    "track",
    "ul",
    "video",
    "audio",
    "xmp",
    "noembed",
];
/// Elements of HTML that nothing is translated in.
const UNTOUCHED: [&str; 10] = [
    "code", "script", "style", "kbd", "samp", "xmp", "iframe", "noembed", "noframes", "svg",
];

/// Cuts tokens into texts and what lies between them; all of them together are the markup.
pub fn stretches<'t>(markup: &'t str, tokens: &[Token<'t>], options: &Options) -> Vec<Stretch<'t>> {
    let mut cutter = Cutter {
        markup,
        stretches: Vec::new(),
        from: 0,
        segment: Segment::default(),
        reads_attributes: options.attributes,
    };
    let mut at = 0;
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        let is_html = options.syntax == Syntax::Html;
        let name = match token.kind {
            Kind::Open(name) | Kind::Void(name) | Kind::Close(name) => name,
            Kind::Text | Kind::Other => "",
        };
        let mut count = 1;
        let is_whole =
            matches!(token.kind, Kind::Open(_)) && is_untouched(token.raw, name, options);
        if is_whole {
            count = element(&tokens[index..], name);
        }
        let end = at
            + tokens[index..index + count]
                .iter()
                .map(|token| token.raw.len())
                .sum::<usize>();
        if is_html && is_one_of(name, &BLOCKS) {
            cutter.flush(at);
            let reads = options.attributes && !is_whole;
            cutter.keep(at..end, reads);
            cutter.from = end;
        } else if end == markup.len() && (is_whole || token.kind == Kind::Other) {
            // It may never end: whatever came to stand behind it would be lost in it.
            cutter.flush(at);
            cutter.keep(at..end, false);
            cutter.from = end;
        } else if is_whole {
            cutter.mark(&markup[at..end], MarkKind::Atom, true);
        } else {
            match token.kind {
                Kind::Text => cutter.text(token.raw),
                Kind::Open(name) => cutter.mark(token.raw, MarkKind::Open(name.to_owned()), false),
                Kind::Close(name) => {
                    cutter.mark(token.raw, MarkKind::Close(name.to_owned()), false)
                }
                Kind::Void(_) => cutter.mark(token.raw, MarkKind::Atom, false),
                Kind::Other => cutter.mark(token.raw, MarkKind::Atom, true),
            }
        }
        at = end;
        index += count;
    }
    cutter.flush(at);
    cutter.stretches
}

fn is_untouched(tag: &str, name: &str, options: &Options) -> bool {
    let is_ignored = options
        .ignored_tags
        .iter()
        .any(|one| one.eq_ignore_ascii_case(name));
    if is_ignored || options.syntax == Syntax::Html && is_one_of(name, &UNTOUCHED) {
        return true;
    }
    attributes(tag).into_iter().any(|(name, value)| {
        let value = &tag[value];
        name.eq_ignore_ascii_case("translate") && value.eq_ignore_ascii_case("no")
            || name.eq_ignore_ascii_case("class")
                && value
                    .split_ascii_whitespace()
                    .any(|class| class == "notranslate")
    })
}

/// How many tokens an element has, from its first on; all, where it never ends.
fn element(tokens: &[Token<'_>], name: &str) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open(other) if other.eq_ignore_ascii_case(name) => depth += 1,
            Kind::Close(other) if other.eq_ignore_ascii_case(name) => {
                depth -= 1;
                if depth == 0 {
                    return index + 1;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

struct Cutter<'t> {
    markup: &'t str,
    stretches: Vec<Stretch<'t>>,
    /// Where the segment begins.
    from: usize,
    segment: Segment,
    reads_attributes: bool,
}

impl<'t> Cutter<'t> {
    /// Ends the segment, which ends at `at`.
    fn flush(&mut self, at: usize) {
        let segment = std::mem::take(&mut self.segment);
        let reads = |mark: &Mark| {
            self.reads_attributes && !mark.is_untouched && !attributes(&mark.raw).is_empty()
        };
        if segment.plain.chars().any(char::is_alphabetic) || segment.marks.iter().any(reads) {
            self.stretches.push(Stretch::Text(segment));
        } else {
            self.keep(self.from..at, false);
        }
    }

    fn keep(&mut self, at: Range<usize>, reads: bool) {
        if at.is_empty() {
            return;
        }
        let raw = &self.markup[at];
        self.stretches.push(if reads {
            Stretch::Tag(raw)
        } else {
            Stretch::Kept(raw)
        });
    }

    fn text(&mut self, raw: &str) {
        let Segment {
            plain,
            marks,
            spellings,
        } = &mut self.segment;
        // One space is enough for the model; the other stays with the tag between them.
        let text = raw.trim_ascii_start();
        let space = &raw[..raw.len() - text.len()];
        match marks.last_mut() {
            Some(mark)
                if mark.at == plain.len()
                    && !plain.ends_with(|c: char| !c.is_ascii_whitespace()) =>
            {
                mark.raw.push_str(space);
                spellings.decode(text, plain);
            }
            _ => spellings.decode(raw, plain),
        }
    }

    fn mark(&mut self, raw: &str, kind: MarkKind, is_untouched: bool) {
        self.segment.marks.push(Mark {
            at: self.segment.plain.len(),
            raw: raw.to_owned(),
            kind,
            is_untouched,
        });
    }
}
