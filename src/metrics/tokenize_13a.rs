//! The tokenizer of mteval-v13a, the script that WMT scored with, as sacreBLEU has it.

use super::is_space;

/// Splits a line into the words and marks that BLEU counts, as sacreBLEU's `13a` tokenizer does.
///
/// Symbols stand alone; periods and commas too unless between digits; a dash behind a digit. Four HTML entities are
/// read as what they stand for.
///
/// ```
/// let tokens = t5_gpu::metrics::tokenize_13a("It's 1,000.5 km -- \"far\".");
/// assert_eq!(tokens, ["It's", "1,000.5", "km", "--", "\"", "far", "\"", "."]);
/// ```
pub fn tokenize_13a(line: &str) -> Vec<String> {
    let mut text = line
        .trim_end_matches(is_space)
        .replace("<skipped>", "")
        .replace("-\n", "")
        .replace('\n', " ");
    for (entity, symbol) in [
        ("&quot;", "\""),
        ("&amp;", "&"),
        ("&lt;", "<"),
        ("&gt;", ">"),
    ] {
        text = text.replace(entity, symbol);
    }
    let mut text = format!(" {text} ");
    text = text.chars().fold(String::new(), |mut spaced, c| {
        if is_symbol(c) {
            spaced.extend([' ', c, ' ']);
        } else {
            spaced.push(c);
        }
        spaced
    });
    text = respace(&text, |a, b| {
        (!a.is_ascii_digit() && is_point(b)).then_some([a, ' ', b, ' '])
    });
    text = respace(&text, |a, b| {
        (is_point(a) && !b.is_ascii_digit()).then_some([' ', a, ' ', b])
    });
    text = respace(&text, |a, b| {
        (a.is_ascii_digit() && b == '-').then_some([a, ' ', b, ' '])
    });
    text.split(is_space)
        .filter(|token| !token.is_empty())
        .map(str::to_owned)
        .collect()
}

/// ASCII's punctuation but for the apostrophe and what is looked at in its context.
fn is_symbol(c: char) -> bool {
    c.is_ascii_punctuation() && !matches!(c, '\'' | ',' | '-' | '.')
}

fn is_point(c: char) -> bool {
    matches!(c, '.' | ',')
}

/// Puts in, for two neighbours at a time, what `rule` makes of them; those that were replaced are no one's neighbours.
fn respace(text: &str, rule: impl Fn(char, char) -> Option<[char; 4]>) -> String {
    let mut spaced = String::new();
    let mut rest = text.chars();
    while let Some(a) = rest.next() {
        let mut ahead = rest.clone();
        match ahead.next().and_then(|b| rule(a, b)) {
            Some(replacement) => {
                spaced.extend(replacement);
                rest = ahead;
            }
            None => spaced.push(a),
        }
    }
    spaced
}
