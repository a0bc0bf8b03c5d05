//! Tags stay where they are and what is between them is translated, until the room `markup` does better. Entities come out
//! as they went in, and what was escaped stays so.

/// What of a text with tags is text.
#[derive(Clone, Debug, Default)]
pub struct Markup {
    /// Elements whose content stays as it is, besides scripts and styles.
    pub ignored: Vec<String>,
}

/// A part of a text with tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'t> {
    Kept(&'t str),
    Text(&'t str),
}

/// Elements that hold no text.
const CODE: [&str; 2] = ["script", "style"];

/// A text's parts, in order.
pub fn pieces<'t>(text: &'t str, markup: &Markup) -> Vec<Piece<'t>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, tag)) = next_tag(rest) {
        push_text(&mut pieces, before);
        let mut kept = tag.len();
        let after = &rest[before.len() + kept..];
        let name = name(tag);
        let is_ignored = |own: &str| own.eq_ignore_ascii_case(name);
        if !name.is_empty()
            && !tag.ends_with("/>")
            && (CODE.iter().any(|own| is_ignored(own))
                || markup.ignored.iter().any(|own| is_ignored(own)))
        {
            kept += content(after, name);
        }
        pieces.push(Piece::Kept(&rest[before.len()..before.len() + kept]));
        rest = &rest[before.len() + kept..];
    }
    push_text(&mut pieces, rest);
    pieces
}

/// Text between tags; in parts, where it holds entities that the model cannot read.
fn push_text<'t>(pieces: &mut Vec<Piece<'t>>, text: &'t str) {
    let parts = entities(text);
    let is_unreadable =
        |piece: &Piece<'_>| matches!(piece, Piece::Kept(entity) if character(entity).is_none());
    if parts.iter().any(is_unreadable) {
        pieces.extend(parts);
    } else if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
}

/// What is in front of the next tag, and the tag.
fn next_tag(text: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    loop {
        let start = from + text[from..].find('<')?;
        match tag_length(&text[start..]) {
            Some(length) => return Some((&text[..start], &text[start..start + length])),
            None => from = start + 1,
        }
    }
}

/// How long the tag, comment or declaration is that a text begins with; a `<` alone is none.
fn tag_length(text: &str) -> Option<usize> {
    let ends = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")];
    for (start, end) in ends {
        if let Some(inside) = text.strip_prefix(start) {
            let length = inside.find(end).map(|at| start.len() + at + end.len());
            return Some(length.unwrap_or(text.len()));
        }
    }
    let inside = &text[1..];
    let first = inside.trim_start_matches(['/', '!']).chars().next()?;
    if !first.is_ascii_alphabetic() {
        return None;
    }
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match quote {
            Some(own) if c == own => quote = None,
            Some(_) => {}
            None if c == '>' => return Some(at + 1),
            None if c == '"' || c == '\'' => quote = Some(c),
            None => {}
        }
    }
    // A tag that never ends is kept to the end.
    Some(text.len())
}

/// An opening tag's name; empty for all others.
fn name(tag: &str) -> &str {
    let inside = &tag[1..];
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | ':' | '.');
    let end = inside.find(|c| !is_name(c)).unwrap_or(inside.len());
    &inside[..end]
}

/// How much of a text belongs to an element that was opened in front of it, its end tag included.
fn content(text: &str, name: &str) -> usize {
    if CODE.iter().any(|own| own.eq_ignore_ascii_case(name)) {
        // There are no tags in code.
        let end = format!("</{}", name.to_ascii_lowercase());
        let at = text.to_ascii_lowercase().find(&end);
        let length = at.and_then(|at| Some(at + tag_length(&text[at..])?));
        return length.unwrap_or(text.len());
    }
    let mut depth = 1;
    let mut rest = text;
    while let Some((before, tag)) = next_tag(rest) {
        rest = &rest[before.len() + tag.len()..];
        let closed = tag.strip_prefix("</");
        let closed = closed.map(|tag| tag.trim_end_matches('>').trim());
        if closed.is_some_and(|closed| closed.eq_ignore_ascii_case(name)) {
            depth -= 1;
        } else if self::name(tag).eq_ignore_ascii_case(name) && !tag.ends_with("/>") {
            depth += 1;
        }
        if depth == 0 {
            break;
        }
    }
    match depth {
        0 => text.len() - rest.len(),
        _ => text.len(),
    }
}

/// A text's parts between its entities.
pub fn entities(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut from = 0;
    while let Some(at) = rest[from..].find('&').map(|at| from + at) {
        let Some(length) = entity_length(&rest[at..]) else {
            from = at + 1;
            continue;
        };
        if at > 0 {
            pieces.push(Piece::Text(&rest[..at]));
        }
        pieces.push(Piece::Kept(&rest[at..at + length]));
        rest = &rest[at + length..];
        from = 0;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// `&amp;`, `&#39;`, `&#x27;`
fn entity_length(text: &str) -> Option<usize> {
    let end = text
        .bytes()
        .take(MOST_BYTES)
        .position(|byte| byte == b';')?;
    let name = &text[1..end];
    let digits = name.strip_prefix('#').unwrap_or(name);
    let is_entity = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_entity.then_some(end + 1)
}

/// No entity is longer.
const MOST_BYTES: usize = 34;

/// The character of an entity that the model can read, one of those that people write for want of a keyboard or because
/// they have to.
fn character(entity: &str) -> Option<char> {
    let name = &entity[1..entity.len() - 1];
    let number = name.strip_prefix('#').map(|digits| {
        let hexadecimal = digits.strip_prefix(['x', 'X']);
        match hexadecimal {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => digits.parse(),
        }
    });
    match number {
        Some(number) => {
            let c = char::from_u32(number.ok()?)?;
            // The model would lose them.
            (!c.is_whitespace() && !c.is_control()).then_some(c)
        }
        None => Some(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => return None,
        }),
    }
}

/// A text as the model reads it: entities are the characters that they stand for.
pub fn unescaped(text: &str) -> String {
    let pieces = entities(text).into_iter();
    pieces
        .map(|piece| match piece {
            Piece::Kept(entity) => {
                character(entity).map_or_else(|| entity.to_owned(), String::from)
            }
            Piece::Text(text) => text.to_owned(),
        })
        .collect()
}

/// A translation of `source`, escaped as that was; `None` where not every entity came through.
pub fn escaped_as(text: &str, source: &str) -> Option<String> {
    let mut escapes: Vec<(char, &str)> = Vec::new();
    for piece in entities(source) {
        if let Piece::Kept(entity) = piece {
            escapes.push((character(entity)?, entity));
        }
    }
    let mut output = String::new();
    for c in text.chars() {
        match escapes.iter().position(|(own, _)| *own == c) {
            Some(index) => output.push_str(escapes.remove(index).1),
            None => push_escaped(&mut output, c),
        }
    }
    escapes.is_empty().then_some(output)
}

/// What a model says, so that it is text and nothing else.
pub fn escaped(text: &str) -> String {
    let mut output = String::new();
    text.chars().for_each(|c| push_escaped(&mut output, c));
    output
}

fn push_escaped(output: &mut String, c: char) {
    match c {
        '<' => output.push_str("&lt;"),
        '>' => output.push_str("&gt;"),
        '&' => output.push_str("&amp;"),
        c => output.push(c),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Piece::{Kept, Text};
    use super::*;

    fn plain(text: &str) -> Vec<Piece<'_>> {
        pieces(text, &Markup::default())
    }

    #[test]
    fn tags_stay_and_what_is_between_them_is_text() {
        assert_eq!(
            plain("<p class=\"a>b\">Hello <b>world</b>!</p>"),
            [
                Kept("<p class=\"a>b\">"),
                Text("Hello "),
                Kept("<b>"),
                Text("world"),
                Kept("</b>"),
                Text("!"),
                Kept("</p>"),
            ]
        );
        assert_eq!(plain("a < b and 1<2"), [Text("a < b and 1<2")]);
        assert_eq!(
            plain("<!-- no > text -->yes<br/>"),
            [Kept("<!-- no > text -->"), Text("yes"), Kept("<br/>")]
        );
        assert_eq!(plain("x <a href='"), [Text("x "), Kept("<a href='")]);
    }

    #[test]
    fn scripts_and_ignored_elements_stay() {
        assert_eq!(
            plain("<script>if (a<b) {}</script>Hi"),
            [Kept("<script>if (a<b) {}</script>"), Text("Hi")]
        );
        let markup = Markup {
            ignored: vec!["x".into()],
        };
        assert_eq!(
            pieces("a<X id=1>b<x>c</x>d</X>e", &markup),
            [Text("a"), Kept("<X id=1>b<x>c</x>d</X>"), Text("e")]
        );
        assert_eq!(
            pieces("<x/>b<x>c", &markup),
            [Kept("<x/>"), Text("b"), Kept("<x>c")]
        );
    }

    #[test]
    fn entities_come_out_as_they_went_in() {
        let source = "Tom &amp; Jerry&#39;s &lt;b&gt;";
        assert_eq!(unescaped(source), "Tom & Jerry's <b>");
        assert_eq!(escaped_as(&unescaped(source), source).unwrap(), source);
        assert_eq!(
            escaped_as("Jerrys <Käse> & Tom's", "Tom &amp; Jerry&#39;s").unwrap(),
            "Jerrys &lt;Käse&gt; &amp; Tom&#39;s"
        );
        // Some did not come through, or could not.
        assert_eq!(escaped_as("Tom und Jerry", "Tom &amp; Jerry"), None);
        assert_eq!(escaped_as("a b", "a&nbsp;b"), None);
        assert_eq!(
            entities("a&nbsp;b & c;"),
            [Text("a"), Kept("&nbsp;"), Text("b & c;")]
        );
    }

    proptest! {
        /// Nothing is lost, and nothing that a model says becomes a tag.
        #[test]
        fn any_text_is_cut_and_escaped(text in "[a<>/&;#39 \"'!-]{0,40}") {
            for pieces in [plain(&text), entities(&text)] {
                let whole: String = pieces.iter().map(|piece| match piece {
                    Kept(text) | Text(text) => *text,
                }).collect();
                prop_assert_eq!(whole, text.clone());
            }
            let safe = escaped(&text);
            prop_assert!(!safe.contains(['<', '>']));
            prop_assert_eq!(unescaped(&safe), text.clone());
            if let Some(safe) = escaped_as(&text, "a &amp; b") {
                prop_assert!(!safe.contains(['<', '>']));
            }
        }
    }
}
