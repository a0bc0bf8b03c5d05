//! Numbers, addresses, names of files, placeholders of programs and code: what is the same in every language.

use std::sync::LazyLock;

use regex::Regex;

use super::{Kind, Protected, is_pictograph};

/// Finds them in a text, in order, in time that is linear in its length.
pub fn verbatim(text: &str) -> Vec<Protected> {
    let mut scanner = Scanner {
        text,
        found: Vec::new(),
        no_path_before: 0,
    };
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        at = scanner.step(at, c);
    }
    scanner.found
}

/// Placeholders of Python, C, Java and web frameworks, at the beginning.
static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    let kinds = [
        r"%\([^()\s]+\)[#0+-]*\d*(?:\.\d+)?[a-zA-Z]",
        r"%(?:\d+\$)?[#0+-]*(?:\d+|\*)?(?:\.\d+)?(?:hh|h|ll|l|L|z|j|t)?[diouxXeEfFgGaAcspn@]",
        r"\{\{[^{}\n]*\}\}",
        r"[$#]\{[^{}\n]*\}",
        r"\{[^{}\s]*\}",
        r"</?\d+/?>",
        // A tag: its attributes have values, which "a<b and c>d" has not.
        r#"</?[A-Za-z][\w:-]*(?:\s+[\w:-]+=(?:"[^"<>\n]*"|'[^'<>\n]*'|[^\s"'<>]+))*\s*/?>"#,
        r":[a-z_]\w+:?",
    ];
    Regex::new(&format!("^(?:{})", kinds.join("|"))).expect("a valid expression")
});

/// Names of files and of hosts by what they end with.
static NAME: LazyLock<Regex> = LazyLock::new(|| {
    let ends = concat!(
        r"(?i:txt|pdf|docx?|xlsx?|pptx?|odt|ods|odp|csv|tsv|jsonl?|ya?ml|toml|xml|html?|css|js|ts|",
        r"py|rs|go|c|h|cpp|java|rb|php|sh|bat|exe|dll|so|zip|tar|gz|xz|7z|rar|png|jpe?g|gif|svg|webp|bmp|tiff?|mp[34]|",
        r"wav|ogg|avi|mkv|mov|md|log|ini|cfg|conf|iso|img|deb|rpm|apk|sql|db|po|pot|srt|vtt|epub|bak|tmp)|",
        r"com|org|net|edu|gov|info|io|eu|de|ch|uk",
    );
    Regex::new(&format!(r"\w[\w-]*(?:\.[\w-]+)*\.(?:{ends})(?-u:\b)")).expect("a valid expression")
});

struct Scanner<'t> {
    text: &'t str,
    found: Vec<Protected>,
    /// Up to here no path of a file begins: it was looked for.
    no_path_before: usize,
}

impl Scanner<'_> {
    /// Takes what begins with the character at a place, and gives the next place.
    fn step(&mut self, at: usize, c: char) -> usize {
        let length = match c {
            _ if is_of_name(c) => return self.name(at),
            '`' => return self.code(at),
            '#' => self.placeholder(at).or_else(|| self.handle(at)),
            '@' => self.handle(at),
            '%' | '{' | '$' | '<' | ':' => self.placeholder(at),
            _ if is_pictograph(c) => Some(length_of(&self.text[at..], is_pictograph)),
            '/' | '~' if self.stands_alone(at) => {
                let start = usize::from(c == '~');
                path(&self.text[at + start..]).map(|length| start + length)
            }
            _ => None,
        };
        match length {
            Some(length) => self.keep(at, at + length, Kind::Placeholder),
            None => at + c.len_utf8(),
        }
    }

    fn keep(&mut self, start: usize, end: usize, kind: Kind) -> usize {
        self.found.push(Protected {
            at: start..end,
            becomes: self.text[start..end].to_owned(),
            kind,
        });
        end
    }

    /// Whether what begins with a sign is more than a sign by what stands before it: "100%of", "and/or" and "7:am" have none.
    fn stands_alone(&self, at: usize) -> bool {
        let before = self.text[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == ':' || c == '/')
    }

    fn placeholder(&self, at: usize) -> Option<usize> {
        let rest = &self.text[at..];
        let may_be = match rest.as_bytes()[0] {
            b'%' => !self.text[..at].ends_with(|c: char| c.is_ascii_digit()),
            b':' => self.stands_alone(at),
            _ => true,
        };
        may_be
            .then(|| PLACEHOLDER.find(rest))
            .flatten()
            .map(|found| found.end())
    }

    /// `@somebody`, `@somebody@where.org`, `#something`
    fn handle(&self, at: usize) -> Option<usize> {
        let name = &self.text[at + 1..];
        let is_named = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if !is_named || !self.stands_alone(at) {
            return None;
        }
        let length = length_of(name, is_of_word);
        let length = match name[length..].strip_prefix('@').and_then(host) {
            Some(host) if self.text[at..].starts_with('@') => length + 1 + host,
            _ => length,
        };
        Some(1 + length)
    }

    /// Takes back quotes, what is between them, and back quotes.
    fn code(&mut self, at: usize) -> usize {
        let text = &self.text[at..];
        let open = length_of(text, |c| c == '`');
        let inner = length_of(&text[open..], |c| c != '`' && c != '\n');
        let close = length_of(&text[open + inner..], |c| c == '`');
        if inner == 0 || close == 0 {
            return at + open;
        }
        self.keep(at, at + open + inner + close, Kind::Placeholder)
    }

    /// Takes a run of the characters that names are made of, of which some may be one with what comes behind it.
    fn name(&mut self, start: usize) -> usize {
        let text = self.text;
        let end = start + length_of(&text[start..], is_of_name);
        let (run, after) = (&text[start..end], &text[end..]);
        if after.starts_with('@')
            && run.ends_with(is_of_word)
            && let Some(host) = host(&after[1..])
        {
            let signs = length_of(run, |c| !is_of_word(c));
            return self.keep(start + signs, end + 1 + host, Kind::Placeholder);
        }
        if let Some((before, length)) = address(run, after) {
            self.numbers(start, start + before);
            return self.keep(start + before, start + before + length, Kind::Placeholder);
        }
        let alone = self.stands_alone(start);
        if alone
            && matches!(run, "." | "..")
            && let Some(length) = path(after)
        {
            return self.keep(start, end + length, Kind::Placeholder);
        }
        if alone
            && run.len() == 1
            && let Some(length) = windows_path(after)
        {
            return self.keep(start, end + length, Kind::Placeholder);
        }
        if after.starts_with('/')
            && let Some(path_end) = self.path_of_file(start)
        {
            return self.keep(start, path_end, Kind::Placeholder);
        }
        let mut from = start;
        if alone && let Some(length) = option(run) {
            from = self.keep(start, start + length, Kind::Placeholder);
        } else if run.trim_end_matches('.').contains('.') {
            for name in NAME.find_iter(run) {
                self.numbers(from, start + name.start());
                let mut name_end = start + name.end();
                // What is asked of a host.
                if name_end == end {
                    name_end += path(after).unwrap_or_default();
                }
                from = self.keep(start + name.start(), name_end, Kind::Placeholder);
            }
        }
        self.numbers(from, end)
    }

    /// The end of the path that begins here, of a file that is known by its name's end: src/main.rs.
    fn path_of_file(&mut self, start: usize) -> Option<usize> {
        if start < self.no_path_before {
            return None;
        }
        let is_of_path = |c: char| is_of_name(c) || matches!(c, '/' | '@' | '~');
        let end = start + length_of(&self.text[start..], is_of_path);
        let whole = &self.text[start..end];
        let last = whole.rfind('/').map_or(0, |slash| slash + 1);
        let name = NAME.find(&whole[last..]);
        match name {
            Some(name) if name.start() == 0 && last > 0 => Some(start + last + name.end()),
            _ => {
                self.no_path_before = end;
                None
            }
        }
    }

    /// Takes the numbers that begin in a range, the last of which may go on behind it: 14:30 and 1,250.50.
    fn numbers(&mut self, start: usize, end: usize) -> usize {
        let mut at = start;
        while at < end {
            let before = length_of(&self.text[at..end], |c| !is_digit(c));
            at += before;
            let length = number(&self.text[at..]);
            if length > 0 && at < end {
                at = self.keep(at, at + length, Kind::Number);
            }
        }
        at.max(end)
    }
}

/// The bytes of a text up to the first character that is not `of` a kind.
fn length_of(text: &str, of: impl Fn(char) -> bool) -> usize {
    text.find(|c| !of(c)).unwrap_or(text.len())
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_of_name(c: char) -> bool {
    is_of_word(c) || matches!(c, '.' | '+' | '-')
}

/// Digits of any script, without the small ones of Latin-1 such as those of m².
fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || c > '\u{ff}' && c.is_numeric()
}

fn number(text: &str) -> usize {
    let mut end = length_of(text, is_digit);
    while end > 0
        && text[end..].starts_with(['.', ',', ':', '/'])
        && let more @ 1.. = length_of(&text[end + 1..], is_digit)
    {
        end += 1 + more;
    }
    end
}

/// example.org
fn host(text: &str) -> Option<usize> {
    let label = |text: &str| {
        let begins = text.starts_with(is_of_word);
        begins.then(|| length_of(text, |c| is_of_word(c) || c == '-'))
    };
    let first = label(text)?;
    let mut end = first;
    while text[end..].starts_with('.')
        && let Some(length) = label(&text[end + 1..])
    {
        end += 1 + length;
    }
    (end > first).then_some(end)
}

/// Where an address begins in a run of names, and how long it is with what comes behind: https://example.org/a?b=c
fn address(run: &str, after: &str) -> Option<(usize, usize)> {
    let is_one_of =
        |word: &str, words: &[&str]| words.iter().any(|one| word.eq_ignore_ascii_case(one));
    let start = run
        .trim_end_matches(|c: char| c.is_ascii_alphabetic())
        .len();
    let word = &run[start..];
    let schemes = ["http", "https", "ftp", "ftps", "file", "ssh", "git"];
    let signs = if after.starts_with("://") && is_one_of(word, &schemes) {
        3
    } else if after.starts_with(':') && is_one_of(word, &["mailto"]) {
        1
    } else if run.get(..4).is_some_and(|head| is_one_of(head, &["www."])) {
        let length = match body(after) {
            0 => length_without_stops(&run[4..]),
            more => run.len() - 4 + more,
        };
        return (length > 0).then_some((0, 4 + length));
    } else {
        return None;
    };
    let body = body(&after[signs..]);
    (body > 0).then_some((start, word.len() + signs + body))
}

/// How long the rest of an address is: up to a space or a quote, without the stops that end a sentence.
fn body(text: &str) -> usize {
    let end = length_of(text, |c| !c.is_whitespace() && !"<>\"'`".contains(c));
    length_without_stops(&text[..end])
}

fn length_without_stops(text: &str) -> usize {
    text.trim_end_matches(|c: char| ".,;:!?)]}…”’»".contains(c))
        .len()
}

/// /home/me/new.txt
fn path(text: &str) -> Option<usize> {
    let mut end = 0;
    while let Some(rest) = text[end..].strip_prefix('/') {
        let part = length_of(rest, |c| {
            is_of_word(c) || matches!(c, '.' | '-' | '@' | '~')
        });
        let part = rest[..part].trim_end_matches('.').len();
        if part == 0 {
            break;
        }
        end += 1 + part;
    }
    (end > 0).then(|| end + usize::from(text[end..].starts_with('/')))
}

/// :\Windows\notepad.exe behind a drive's letter.
fn windows_path(text: &str) -> Option<usize> {
    let rest = text.strip_prefix(":\\")?;
    let length = length_of(rest, |c| {
        is_of_word(c) || matches!(c, '.' | '-' | '~' | '\\')
    });
    let length = rest[..length].trim_end_matches('.').len();
    (length > 0).then_some(2 + length)
}

/// --no-preserve-root
fn option(run: &str) -> Option<usize> {
    let name = run.strip_prefix("--")?;
    let length = length_of(name, |c| is_of_word(c) || c == '-');
    let length = name[..length].trim_end_matches('-').len();
    (length > 1 && name.starts_with(|c: char| c.is_ascii_lowercase())).then_some(2 + length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let found = verbatim(text).into_iter();
        found.map(|one| &text[one.at]).collect()
    }

    #[test]
    fn placeholders_addresses_files_and_numbers_are_found() {
        for (text, expected) in [
            ("Deleted %s of %d files.", &["%s", "%d"][..]),
            (
                "%(count)d files in %(folder)s, %1$s and %2$-5.3f",
                &["%(count)d", "%(folder)s", "%1$s", "%2$-5.3f"],
            ),
            (
                "Hello {0}, {name}, {{user.name}}, ${amount} and #{x}!",
                &["{0}", "{name}", "{{user.name}}", "${amount}", "#{x}"],
            ),
            (
                "The :attribute must be <0>short</0>.",
                &[":attribute", "<0>", "</0>"],
            ),
            (
                "A <b>bold</b> <a href='x y' id=z>word</a><br/>, a<b and c>d.",
                &["<b>", "</b>", "<a href='x y' id=z>", "</a>", "<br/>"],
            ),
            (
                "Write to jane.doe+x@mail.example.org.",
                &["jane.doe+x@mail.example.org"],
            ),
            (
                "-jane@a.de, mailto:b@c.de or é@ü.de",
                &["jane@a.de", "mailto:b@c.de", "é@ü.de"],
            ),
            (
                "See https://example.org/a?b=c#d, or (www.example.org). WWW.A.DE!",
                &["https://example.org/a?b=c#d", "www.example.org", "WWW.A.DE"],
            ),
            (
                "12https://a.b/7, www.a.b/c?d=1; http://",
                &["12", "https://a.b/7", "www.a.b/c?d=1"],
            ),
            (
                "Visit example.com, or github.com/a/b.",
                &["example.com", "github.com/a/b"],
            ),
            (
                "Open Bericht-2.final.pdf in ~/Documents/new.",
                &["Bericht-2.final.pdf", "~/Documents/new"],
            ),
            (
                "See src/text/mod.rs, ./a, ../b/c.d/ and /etc/fstab; the a.pdf-Datei",
                &["src/text/mod.rs", "./a", "../b/c.d/", "/etc/fstab", "a.pdf"],
            ),
            (
                r"C:\Windows\notepad.exe starts `rm -rf` with --no-preserve-root.",
                &[r"C:\Windows\notepad.exe", "`rm -rf`", "--no-preserve-root"],
            ),
            (
                "It costs 1,250.50 at 14:30 on 1/2/2026, 3 for 2.",
                &["1,250.50", "14:30", "1/2/2026", "3", "2"],
            ),
            (
                "T5 is the 1st of 2a-3b, ٣٤ or m².",
                &["5", "1", "2", "3", "٣٤"],
            ),
            ("100%of 50% %", &["100", "50"]),
            (
                "@bob and @jane@social.example.org like #books, C#, # and @ 5.",
                &["@bob", "@jane@social.example.org", "#books", "5"],
            ),
            ("I ❤️ my 👩‍🚀👍🏽 dog", &["❤️", "👩‍🚀👍🏽"]),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn plain_text_has_none() {
        for text in [
            "She and/or he came: one by one.",
            "All of it, i.e. everything... or not?",
            "He said: \"Come!\" - and went (home).",
            "Well-known e.g. as U.S. law",
            "No: 'tis not :D -- or is it? a@b",
            "``",
            "",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }

    /// Ten times as much takes ten times as long, not a hundred times: quadratic time would be hours.
    #[test]
    fn hostile_text_takes_linear_time() {
        let signs = [
            "1", "a", "ä", "-", ".", "@", "/", ":", "{", "}", "%", "`", "<", "(", "+", " ", "~",
            "\\", "$", "www.", "http://", "a.c", "--a",
        ];
        let begin = std::time::Instant::now();
        for one in signs {
            for other in signs {
                let text = format!("{one}{other}").repeat(1 << 15);
                verbatim(&text);
                verbatim(&format!("1{}", text.replace(' ', "_")));
            }
        }
        assert!(begin.elapsed().as_secs() < 120);
    }

    proptest! {
        /// In order, apart from each other, and whatever stands in a text of its own is found there again as often.
        #[test]
        fn what_is_found_is_in_order(
            text in r"([a-zA-Z0-9äß_.,:;/@%{}<>`$#()+~\\ -]|www\.|https://|\.pdf|--|\PC){0,60}",
        ) {
            let mut end = 0;
            for one in verbatim(&text) {
                prop_assert!(one.at.start >= end && one.at.end > one.at.start);
                prop_assert_eq!(&one.becomes, &text[one.at.clone()]);
                end = one.at.end;
            }
        }
    }
}
