//! Texts with tags.

use serde_json::json;

use super::{default, post_json};

async fn html(text: &str) -> String {
    let body = json!({"q": text, "source": "en", "target": "de", "format": "html"});
    let answer = post_json(&default(), "/translate", body).await.ok();
    answer["translatedText"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn tags_and_entities_stay_as_they_are() {
    for (text, expected) in [
        (
            "<p class=\"lead\">Hello <b>big</b> world!</p>",
            "<p class=\"lead\">HELLO <b>BIG</b> WORLD!</p>",
        ),
        ("Tom &amp; Jerry&#39;s", "TOM &amp; JERRY&#39;S"),
        ("a&nbsp;b &euro; c", "A&nbsp;B &euro; C"),
        (
            "&lt;script&gt;alert(1)&lt;/script&gt;",
            "&lt;SCRIPT&gt;ALERT(1)&lt;/SCRIPT&gt;",
        ),
        (
            "<script>let a = '<b>x</b>';</script>x",
            "<script>let a = '<b>x</b>';</script>X",
        ),
        ("<br>\n<img alt='a>b' src=x>", "<br>\n<img alt='a>b' src=x>"),
        ("1 < 2 & 3", "1 < 2 & 3"),
        ("x < y", "X < Y"),
        ("<!-- a --> b", "<!-- a --> B"),
    ] {
        assert_eq!(html(text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn plain_text_is_not_escaped() {
    let body = json!({"q": "a <b> &amp; c", "source": "en", "target": "de"});
    let answer = post_json(&default(), "/translate", body).await.ok();
    assert_eq!(answer["translatedText"], "A <B> &AMP; C");
}

#[tokio::test]
async fn tags_have_one_place_so_there_are_no_alternatives() {
    let body = json!({"q": "<b>a</b>", "source": "en", "target": "de", "format": "html", "alternatives": 2});
    let answer = post_json(&default(), "/translate", body).await.ok();
    assert_eq!(
        answer,
        json!({"translatedText": "<b>A</b>", "alternatives": []})
    );
}
