//! Rules of markup, one a case, and what must hold for any.

use proptest::prelude::*;

use super::*;
use crate::Result;

/// Translates all texts of some markup at once.
fn translate_markup(
    markup: &str,
    options: &Options,
    translate: impl FnOnce(&[Source]) -> Result<Vec<Aligned>>,
) -> Result<String> {
    let document = Document::parse(markup, options);
    let translations = match document.texts() {
        [] => Vec::new(),
        texts => translate(texts)?,
    };
    Ok(document.fill(translations))
}

/// Each word of the translation from the word of the source that `from` gives; words are what white space separates.
fn aligned(source: &str, target: &str, from: &[usize]) -> Aligned {
    let words = |text: &str| -> Vec<Range<usize>> {
        let words = text.split_ascii_whitespace();
        words
            .map(|word| word.as_ptr() as usize - text.as_ptr() as usize)
            .zip(text.split_ascii_whitespace())
            .map(|(at, word)| at..at + word.len())
            .collect()
    };
    let (sources, targets) = (words(source), words(target));
    let links = targets.into_iter().zip(from).map(|(target, &from)| Link {
        target,
        source: sources[from].clone(),
    });
    Aligned {
        text: target.to_owned(),
        links: links.collect(),
    }
}

/// The markup, whose only text is translated so.
fn translated(markup: &str, target: &str, from: &[usize]) -> String {
    let options = Options::default();
    translate_markup(markup, &options, |texts| {
        assert_eq!(texts.len(), 1, "{texts:?}");
        Ok(vec![aligned(&texts[0].text, target, from)])
    })
    .unwrap()
}

/// The texts, each its own translation, character by character.
fn itself(texts: &[Source]) -> Result<Vec<Aligned>> {
    each_itself(texts.iter().map(|source| source.text.clone()))
}

fn each_itself(texts: impl Iterator<Item = String>) -> Result<Vec<Aligned>> {
    let link = |(at, c): (usize, char)| Link {
        target: at..at + c.len_utf8(),
        source: at..at + c.len_utf8(),
    };
    let itself = |text: String| Aligned {
        links: text.char_indices().map(link).collect(),
        text,
    };
    Ok(texts.map(itself).collect())
}

#[test]
fn an_element_goes_where_its_words_go() {
    assert_eq!(
        translated(
            "I <b>saw</b> her <i>yesterday</i>.",
            "Ich habe sie gestern gesehen .",
            &[0, 1, 2, 3, 1, 3]
        ),
        "Ich <b>habe</b> sie <i>gestern</i> gesehen ."
    );
    assert_eq!(
        translated("the <a href='x'>red house</a>", "das rote Haus", &[0, 1, 2]),
        "das <a href='x'>rote Haus</a>"
    );
}

#[test]
fn elements_change_places_and_stay_within_each_other() {
    assert_eq!(
        translated(
            "<b>one <i>two</i></b> <u>three</u>",
            "drei zwei eins",
            &[2, 1, 0]
        ),
        "<u>drei</u> <b><i>zwei</i> eins</b>"
    );
}

#[test]
fn what_has_no_words_stands_before_what_followed_it() {
    assert_eq!(
        translated("a <img src=x> b<wbr>c <b></b>d", "d a b c", &[2, 0, 1, 1]),
        "<wbr><b></b>d a <img src=x> b c"
    );
    assert_eq!(
        translated("no word of <b>this</b>", "nichts davon", &[0, 1]),
        "nichts davon<b></b>"
    );
}

#[test]
fn signs_take_their_own_places() {
    let markup = "Hello <b>world</b>! (<i>You</i>)";
    assert_eq!(
        translate_markup(markup, &Options::default(), itself).unwrap(),
        markup
    );
}

#[test]
fn untouched_elements_are_carried_along() {
    let mut seen: Vec<String> = Vec::new();
    let markup = "<p>Run <code>ls <b>-l</b></code> now</p><script>var a = '<p>';</script><p translate=no>A b</p>\
                  <p class='x notranslate'>C d</p><!-- e --><style>p {}</style><span translate=\"no\">F</span>";
    let out = translate_markup(markup, &Options::default(), |texts| {
        seen = texts.iter().map(|source| source.text.clone()).collect();
        itself(texts)
    });
    assert_eq!(out.unwrap(), markup);
    assert_eq!(seen, ["Run now"]);
}

#[test]
fn blocks_separate_texts() {
    let mut seen: Vec<String> = Vec::new();
    let markup = "<ul>\n <li>One</li>\n <li><b>Two</b><br>three</li></ul> <h1>4</h1>x";
    let out = translate_markup(markup, &Options::default(), |texts| {
        seen = texts.iter().map(|source| source.text.clone()).collect();
        itself(texts)
    });
    assert_eq!(out.unwrap(), markup);
    assert_eq!(seen, ["One", "Two", "three", "x"]);
}

#[test]
fn attributes_are_translated_when_asked() {
    let markup = "<p title='a &amp; b'>x <img alt=\"c\" src=\"d\"></p><input placeholder=e><code title='f'>g</code>";
    let options = Options {
        attributes: true,
        ..Options::default()
    };
    let shout = |texts: &[Source]| {
        let loud = texts
            .iter()
            .map(|source| format!("{}'\"", source.text.to_uppercase()));
        each_itself(loud)
    };
    assert_eq!(
        translate_markup(markup, &options, shout).unwrap(),
        "<p title='A &amp; B&#39;\"'>X <img alt=\"C'&quot;\" src=\"d\">'\"</p><input placeholder=\"E'&quot;\"><code title='f'>g</code>"
    );
    assert_eq!(
        translate_markup(markup, &Options::default(), itself).unwrap(),
        markup
    );
}

#[test]
fn xml_has_no_blocks_and_its_own_ignored_tags() {
    let options = Options {
        syntax: Syntax::Xml,
        ignored_tags: vec!["x".into()],
        attributes: false,
    };
    let mut seen: Vec<String> = Vec::new();
    let markup = "<g id=\"1\">Press <p>the <1>key</1></p></g> <x>not this</x> now<br/>";
    let out = translate_markup(markup, &options, |texts| {
        seen = texts.iter().map(|source| source.text.clone()).collect();
        itself(texts)
    });
    assert_eq!(out.unwrap(), markup);
    assert_eq!(seen, ["Press the key now"]);
}

#[test]
fn what_is_not_balanced_is_carried_through() {
    for markup in [
        "a <b>b",
        "a</i> b",
        "<b><i>a</b> b</i>",
        "<a <b",
        "x <b y",
        "</",
        "<b>a</i></b></u>",
        "<p><b>a</p><p>b</b></p>",
        "<!-- a",
        "1 < 2 & 3 > 2",
    ] {
        assert_eq!(
            translate_markup(markup, &Options::default(), itself).unwrap(),
            markup
        );
    }
}

#[test]
fn what_never_ends_comes_last() {
    for tail in ["<b x", "<!-- x", "<code>x", "<b translate=no>"] {
        let markup = format!("one two {tail}");
        let out = translate_markup(&markup, &Options::default(), |texts| {
            let end = texts[0].text.len();
            // The first word comes from where the text ends.
            let links = vec![Link {
                target: 0..4,
                source: end..end,
            }];
            Ok(vec![Aligned {
                text: "zwei eins ".into(),
                links,
            }])
        });
        assert_eq!(out.unwrap(), format!("zwei eins {tail}"));
    }
}

#[test]
fn hostile_markup_takes_linear_time() {
    let words = [
        "<b>",
        "</b>",
        "<b>x ",
        "x</b>",
        "<b>x</i> ",
        "<br>x",
        "<img>x ",
        "&amp;",
        "<b></b>x ",
        "<i><b>x</i> ",
        "x",
    ];
    for word in words {
        let markup = word.repeat((1 << 19) / word.len());
        let begin = std::time::Instant::now();
        let out = translate_markup(&markup, &Options::default(), itself).unwrap();
        assert_eq!(
            out.matches('<').count(),
            markup.matches('<').count(),
            "{word:?}"
        );
        assert!(begin.elapsed().as_secs() < 20, "{word:?}");
    }
}

/// Markup whose elements hold whole words.
fn nested() -> impl Strategy<Value = String> {
    let word =
        prop_oneof![4 => "[a-zäß]{1,6}", 1 => "&amp;|&lt;b&gt;|[a-z]{1,3}&nbsp;[a-z]|[0-9]{1,3}"];
    let leaf = prop_oneof![6 => word, 1 => Just("<img src='a>b'>".to_owned()), 1 => Just("<code>x <b></code>".to_owned())];
    leaf.prop_recursive(4, 24, 5, |inner| {
        let name = prop_oneof![Just("b"), Just("i"), Just("a href=\"x\""), Just("span")];
        (name, prop::collection::vec(inner, 0..5), any::<bool>()).prop_map(
            |(tag, content, bare)| {
                let content = content.join(" ");
                let name = tag.split(' ').next().unwrap_or_default();
                if bare {
                    content
                } else {
                    format!("<{tag}>{content}</{name}>")
                }
            },
        )
    })
}

/// Tags, in order.
fn tags(markup: &str) -> Vec<String> {
    let all = tokens(markup, Syntax::Html).into_iter();
    all.filter(|token| token.kind != token::Kind::Text)
        .map(|token| token.raw.to_owned())
        .collect()
}

fn is_nested(markup: &str) -> bool {
    let mut open = Vec::new();
    tokens(markup, Syntax::Html)
        .iter()
        .all(|token| match token.kind {
            token::Kind::Open(name) => {
                open.push(name);
                true
            }
            token::Kind::Close(name) => open.pop() == Some(name),
            _ => true,
        })
        && open.is_empty()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn itself_comes_back(markup in nested()) {
        prop_assert_eq!(translate_markup(&markup, &Options::default(), itself).unwrap(), markup);
    }

    /// For any translation with any alignment: every tag once, within each other as they were, and the text is the
    /// translation.
    #[test]
    fn tags_come_back_once_and_nested(
        markup in nested(),
        target in "[a-zäß.,<&> ]{0,60}",
        links in prop::collection::vec((0_usize..60, 0_usize..80, 0_usize..8), 0..30),
    ) {
        let mut plain = String::new();
        let out = translate_markup(&markup, &Options::default(), |texts| {
            let mut links: Vec<Link> = links
                .iter()
                .map(|(at, source, length)| Link {
                    target: target.floor_char_boundary(*at)..target.floor_char_boundary(at + length),
                    source: texts[0].text.floor_char_boundary(*source)..texts[0].text.floor_char_boundary(source + length),
                })
                .collect();
            links.sort_by_key(|link| link.target.start);
            plain = target.clone();
            Ok(vec![Aligned { text: target.clone(), links }])
        }).unwrap();
        let (mut found, mut expected) = (tags(&out), tags(&markup));
        let sorted = |tags: &mut Vec<String>| { tags.sort(); tags.clone() };
        prop_assert_eq!(sorted(&mut found), sorted(&mut expected), "{}", out);
        let inner = |markup: &str| markup.replace("<code>x <b></code>", "<img>");
        prop_assert!(is_nested(&inner(&out)), "{}", out);
        let text: String = tokens(&inner(&out), Syntax::Html)
            .iter()
            .filter(|token| token.kind == token::Kind::Text)
            .map(|token| token.raw)
            .collect();
        let (mut spellings, mut decoded) = (Spellings::default(), String::new());
        spellings.decode(&text, &mut decoded);
        let squeezed = |text: &str| text.replace(' ', "");
        if !plain.is_empty() {
            prop_assert_eq!(squeezed(&decoded), squeezed(&plain));
        }
    }

    #[test]
    fn no_markup_at_all_breaks_it(markup in r#"(</?(b|i|p|code|script)( translate="no"| alt='x)?>|<!--|-->|&[a-z]{0,3};?|[<>/ a]|\PC){0,40}"#) {
        for attributes in [false, true] {
            let options = Options { attributes, ..Options::default() };
            let out = translate_markup(&markup, &options, itself).unwrap();
            // What was no tag is none.
            let count = |markup: &str| tags(markup).len();
            prop_assert!(count(&out) <= count(&markup), "{}", out);
        }
    }
}
