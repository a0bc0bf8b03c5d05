//! Markup as tokens that are, one after the other, the markup.

/// Which rules markup follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Syntax {
    /// Names in any case, elements without an end, scripts, some elements that separate texts.
    #[default]
    Html,
    /// Every element has an end, and none of them is known.
    Xml,
}

/// A stretch of markup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token<'t> {
    /// As it is written.
    pub raw: &'t str,
    /// What it is.
    pub kind: Kind<'t>,
}

/// Kinds of [`Token`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind<'t> {
    /// Text with its entities.
    Text,
    /// `<name ...>`
    Open(&'t str),
    /// `<name ... />`, or a tag of an element that has no content.
    Void(&'t str),
    /// `</name>`
    Close(&'t str),
    /// A comment, a declaration, a processing instruction, a script; a tag that never ends.
    Other,
}

const VOID: [&str; 16] = [
    "area", "base", "basefont", "br", "col", "embed", "frame", "hr", "img", "input", "link",
    "meta", "param", "source", "track", "wbr",
];
/// Elements whose content is no markup, and no text for a reader.
const RAW: [&str; 6] = ["script", "style", "xmp", "iframe", "noembed", "noframes"];

/// Cuts markup into tokens, without loss and in linear time, whatever it is.
pub fn tokens(markup: &str, syntax: Syntax) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut rest = markup;
    // Where text began that no tag has ended yet.
    let mut text = 0;
    while let Some(at) = rest[text..].find('<').map(|at| text + at) {
        let Some((length, kind)) = tag(&rest[at..], syntax) else {
            text = at + 1;
            continue;
        };
        if at > 0 {
            tokens.push(Token {
                raw: &rest[..at],
                kind: Kind::Text,
            });
        }
        let raw = &rest[at..at + length];
        rest = &rest[at + length..];
        text = 0;
        let element = match kind {
            Kind::Open(name) if syntax == Syntax::Html && is_one_of(name, &RAW) => Some(name),
            _ => None,
        };
        tokens.push(Token { raw, kind });
        if let Some(name) = element {
            let content = &rest[..raw_end(rest, name)];
            if !content.is_empty() {
                tokens.push(Token {
                    raw: content,
                    kind: Kind::Other,
                });
            }
            rest = &rest[content.len()..];
        }
    }
    if !rest.is_empty() {
        tokens.push(Token {
            raw: rest,
            kind: Kind::Text,
        });
    }
    tokens
}

/// Whether a name is one of these, in any case.
pub fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|one| one.eq_ignore_ascii_case(name))
}

/// The length of what begins with `<`, and what it is; `None` where the sign is text.
fn tag(text: &str, syntax: Syntax) -> Option<(usize, Kind<'_>)> {
    let until = |end: &str| text.find(end).map_or(text.len(), |at| at + end.len());
    let inner = &text[1..];
    if inner.starts_with("!--") {
        // "<!-->" is one.
        return Some((
            text[2..].find("-->").map_or(text.len(), |at| at + 5),
            Kind::Other,
        ));
    }
    if inner.starts_with("![CDATA[") {
        return Some((until("]]>"), Kind::Other));
    }
    if inner.starts_with('?') {
        let end = if syntax == Syntax::Xml { "?>" } else { ">" };
        return Some((until(end), Kind::Other));
    }
    if inner.starts_with('!') {
        return Some((until(">"), Kind::Other));
    }
    let (is_close, named) = match inner.strip_prefix('/') {
        Some(named) => (true, named),
        None => (false, inner),
    };
    let starts_name = |c: char| {
        c.is_ascii_alphabetic()
            || syntax == Syntax::Xml && (c.is_alphabetic() || c == '_' || c.is_ascii_digit())
    };
    if !named.starts_with(starts_name) {
        return None;
    }
    let ends_name = |c: char| c.is_whitespace() || "/><\"'=".contains(c);
    let name = &named[..named.find(ends_name).unwrap_or(named.len())];
    let Some(length) = tag_end(text) else {
        return Some((text.len(), Kind::Other));
    };
    let closes_itself = text[..length].ends_with("/>") && (syntax == Syntax::Xml || !is_close);
    let kind = if is_close {
        Kind::Close(name)
    } else if closes_itself || syntax == Syntax::Html && is_one_of(name, &VOID) {
        Kind::Void(name)
    } else {
        Kind::Open(name)
    };
    Some((length, kind))
}

/// Behind the `>` that ends a tag: none in a quoted value.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut after_equals = false;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => continue,
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') if after_equals => quote = Some(byte),
            _ => {}
        }
        after_equals = byte == b'=' || after_equals && byte.is_ascii_whitespace();
    }
    None
}

/// Where the content of a script ends.
fn raw_end(text: &str, name: &str) -> usize {
    let ends = |at: usize| {
        let after = text.get(at + 2..at + 2 + name.len());
        after.is_some_and(|after| after.eq_ignore_ascii_case(name))
    };
    let mut closes = text.match_indices("</").map(|(at, _)| at);
    closes.find(|&at| ends(at)).unwrap_or(text.len())
}

/// The attributes of a tag: names with the bytes of their values in it, quotes not counted.
pub fn attributes(tag: &str) -> Vec<(&str, std::ops::Range<usize>)> {
    let mut found = Vec::new();
    let bytes = tag.as_bytes();
    let is_space = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_whitespace);
    let end = tag.len() - usize::from(tag.ends_with('>'));
    let mut at = tag.find(|c: char| c.is_ascii_whitespace()).unwrap_or(end);
    while at < end {
        while at < end && (is_space(at) || bytes[at] == b'/') {
            at += 1;
        }
        let from = at;
        while at < end && !is_space(at) && !matches!(bytes[at], b'=' | b'/')
            || at == from && at < end
        {
            at += 1;
        }
        let name = tag.get(from..at).unwrap_or_default();
        while is_space(at) {
            at += 1;
        }
        if at >= end || bytes[at] != b'=' {
            continue;
        }
        at += 1;
        while is_space(at) {
            at += 1;
        }
        let value = match bytes.get(at) {
            Some(&quote @ (b'"' | b'\'')) if at < end => {
                let length = tag[at + 1..end].find(quote as char).unwrap_or(end - at - 1);
                let value = at + 1..at + 1 + length;
                at = (value.end + 1).min(end);
                value
            }
            _ => {
                let from = at;
                while at < end && !is_space(at) {
                    at += 1;
                }
                from..at
            }
        };
        found.push((name, value));
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kinds(markup: &str) -> Vec<(&str, Kind<'_>)> {
        let tokens = tokens(markup, Syntax::Html).into_iter();
        tokens.map(|token| (token.raw, token.kind)).collect()
    }

    #[test]
    fn tags_are_told_from_text() {
        assert_eq!(
            kinds("a < b<B class='>'>c</b ><br><x/><!-- <b> --><?php x ?>1<2 &lt;</ d<3"),
            [
                ("a < b", Kind::Text),
                ("<B class='>'>", Kind::Open("B")),
                ("c", Kind::Text),
                ("</b >", Kind::Close("b")),
                ("<br>", Kind::Void("br")),
                ("<x/>", Kind::Void("x")),
                ("<!-- <b> -->", Kind::Other),
                ("<?php x ?>", Kind::Other),
                ("1<2 &lt;</ d<3", Kind::Text),
            ]
        );
    }

    #[test]
    fn scripts_and_what_never_ends_are_no_text() {
        assert_eq!(
            kinds("<script>if (a<b) x('</i>')</SCRIPT>y<a href=\"z"),
            [
                ("<script>", Kind::Open("script")),
                ("if (a<b) x('</i>')", Kind::Other),
                ("</SCRIPT>", Kind::Close("SCRIPT")),
                ("y", Kind::Text),
                ("<a href=\"z", Kind::Other),
            ]
        );
    }

    #[test]
    fn attributes_are_found_in_their_places() {
        let tag = "<img alt=\"a > b\" title = 'c' hidden data-x=1/2 ä=ö/>";
        let found: Vec<(&str, &str)> = attributes(tag)
            .into_iter()
            .map(|(name, at)| (name, &tag[at]))
            .collect();
        assert_eq!(
            found,
            [
                ("alt", "a > b"),
                ("title", "c"),
                ("data-x", "1/2"),
                ("ä", "ö/")
            ]
        );
        assert!(attributes("<b>").is_empty());
    }

    #[test]
    fn hostile_markup_takes_linear_time() {
        for word in [
            "<",
            "<a ",
            "<b>",
            "</b>",
            "<!--",
            "<script>",
            "<a b=\"",
            "</",
            "<a b='>",
            "&lt;<",
            "<![CDATA[",
        ] {
            let markup = word.repeat((1 << 20) / word.len());
            let begin = std::time::Instant::now();
            for syntax in [Syntax::Html, Syntax::Xml] {
                for token in tokens(&markup, syntax) {
                    attributes(token.raw);
                }
            }
            assert!(begin.elapsed().as_secs() < 10, "{word:?}");
        }
    }

    proptest! {
        #[test]
        fn tokens_are_the_markup(markup in r#"(</?(a|b|br|script|ü)( x="[<>]?"| y='| z)?/?>|<!--|-->|<!\[CDATA\[|\]\]>|[<>/="' a&;]|\PC){0,60}"#, xml in any::<bool>()) {
            let syntax = if xml { Syntax::Xml } else { Syntax::Html };
            let tokens = tokens(&markup, syntax);
            let whole: String = tokens.iter().map(|token| token.raw).collect();
            prop_assert_eq!(&whole, &markup);
            for token in tokens {
                prop_assert!(!token.raw.is_empty());
                for (_, value) in attributes(token.raw) {
                    prop_assert!(token.raw.get(value).is_some());
                }
            }
        }
    }
}
