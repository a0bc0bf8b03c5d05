//! Text of markup: what its entities stand for, and the same text as markup again.

use std::borrow::Cow;
use std::collections::HashMap;

use html_escape::decode_html_entities;

/// How the characters of a text were written that are not always written as they are.
#[derive(Clone, Debug, Default)]
pub struct Spellings {
    /// Of each such character, in order.
    of: HashMap<char, Vec<String>>,
}

/// Signs that mean something in markup.
const SIGNS: [char; 3] = ['<', '>', '&'];

impl Spellings {
    /// Puts the text that markup stands for behind `plain`, and keeps how it was written.
    pub fn decode(&mut self, markup: &str, plain: &mut String) {
        let mut rest = markup;
        while let Some(at) = rest.find(|c| SIGNS.contains(&c)) {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            let length = match entity(rest) {
                Some((raw, decoded)) => {
                    // Of the few entities of two characters the first stands for both.
                    let mut chars = decoded.chars();
                    if let Some(first) = chars.next() {
                        self.note(first, raw);
                        chars.for_each(|more| self.note(more, ""));
                    }
                    plain.push_str(&decoded);
                    raw.len()
                }
                None => {
                    let sign = rest.chars().next().unwrap_or_default();
                    self.note(sign, &rest[..sign.len_utf8()]);
                    plain.push(sign);
                    sign.len_utf8()
                }
            };
            rest = &rest[length..];
        }
        plain.push_str(rest);
    }

    fn note(&mut self, of: char, raw: &str) {
        self.of.entry(of).or_default().push(raw.to_owned());
    }

    /// The same characters written as in the source, as far as it had them, in its order.
    pub fn writer(&self) -> Writer<'_> {
        Writer {
            spellings: self,
            used: HashMap::new(),
        }
    }
}

/// Writes text as markup.
pub struct Writer<'s> {
    spellings: &'s Spellings,
    used: HashMap<char, usize>,
}

impl Writer<'_> {
    /// Puts `text` behind `markup`: no tag and no entity comes of it that was none.
    pub fn write(&mut self, text: &str, markup: &mut String) {
        for (at, sign) in text.char_indices() {
            let spelling = self.spelling(sign);
            let after = &text[at + sign.len_utf8()..];
            let spelling = match (sign, spelling) {
                ('<', None | Some("<")) if !after.starts_with([' ', '=']) => "&lt;",
                ('&', None | Some("&")) if !after.is_empty() && !after.starts_with(' ') => "&amp;",
                ('<', None) => "&lt;",
                ('&', None) => "&amp;",
                ('>', None) => "&gt;",
                (_, Some(spelling)) => spelling,
                (_, None) => {
                    markup.push(sign);
                    continue;
                }
            };
            markup.push_str(spelling);
        }
    }

    /// How the source wrote the character when it came so many times.
    fn spelling(&mut self, of: char) -> Option<&str> {
        let all = self.spellings.of.get(&of)?;
        let used = self.used.entry(of).or_default();
        let index = (*used).min(all.len() - 1);
        *used += 1;
        Some(&all[index])
    }
}

/// The longest name of an entity, with its signs.
const LONGEST: usize = 34;

/// The entity that a text begins with, and what it stands for.
fn entity(text: &str) -> Option<(&str, Cow<'_, str>)> {
    let most = text.floor_char_boundary(LONGEST);
    let raw = &text[..=text[..most].find(';')?];
    if !raw.starts_with('&') || raw[1..].contains('&') {
        return None;
    }
    let decoded = decode_html_entities(raw);
    (decoded != raw).then_some((raw, decoded))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(markup: &str) -> (String, Spellings) {
        let (mut spellings, mut plain) = (Spellings::default(), String::new());
        spellings.decode(markup, &mut plain);
        (plain, spellings)
    }

    fn written(spellings: &Spellings, text: &str) -> String {
        let mut markup = String::new();
        spellings.writer().write(text, &mut markup);
        markup
    }

    #[test]
    fn entities_come_back_as_they_were() {
        let (plain, spellings) =
            decoded("5&nbsp;&euro; &amp; &#x41; &lt;b&gt; R & D, x &bogus; 3 > 2");
        assert_eq!(plain, "5\u{a0}€ & A <b> R & D, x &bogus; 3 > 2");
        assert_eq!(
            written(&spellings, "<i> 7\u{a0}€ & x"),
            "&lt;i&gt; 7&nbsp;&euro; &amp; x"
        );
    }

    #[test]
    fn nothing_comes_alive() {
        let (_, none) = decoded("plain");
        assert_eq!(written(&none, "a<script>&lt;"), "a&lt;script&gt;&amp;lt;");
        let (_, bare) = decoded("a < b & c");
        assert_eq!(written(&bare, "x <b &amp"), "x &lt;b &amp;amp");
        assert_eq!(written(&bare, "x < y & z"), "x < y & z");
    }

    proptest! {
        #[test]
        fn the_same_text_is_the_same_text(markup in r"(&amp;|&lt;|&gt;|&nbsp;|&eacute;|&#65;|&quot;|&|[<>a-z ;#é]){0,40}") {
            let (plain, spellings) = decoded(&markup);
            let again = written(&spellings, &plain);
            // What it stands for is the same, and no tag is in it.
            prop_assert_eq!(decoded(&again).0, plain);
            use crate::markup::token::{Kind, Syntax, tokens};
            let had = tokens(&markup, Syntax::Html).iter().all(|token| token.kind == Kind::Text);
            let has = tokens(&again, Syntax::Html).iter().all(|token| token.kind == Kind::Text);
            prop_assert!(has || !had, "{}", again);
        }
    }
}
