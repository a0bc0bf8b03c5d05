//! What clients send by mistake, and others on purpose: an answer to each, and none that is the service's fault.

use std::fmt::Write;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use super::{default, get, multipart, post, post_form, post_json, send};

#[tokio::test]
async fn escapes_in_json_are_whole_characters() {
    let router = default();
    let ask = async |q: &str| {
        let body = format!("{{\"q\":\"{q}\",\"source\":\"en\",\"target\":\"de\"}}");
        post(&router, "/translate", "application/json", body).await
    };
    let answer = ask("\\ud83d\\ude00 \\u00e4 a").await.ok();
    assert_eq!(answer["translatedText"], "😀 Ä A");
    for alone in [
        "\\ud83d",
        "\\ude00",
        "a\\ud800b",
        "\\ude00\\ud83d",
        "\\ud83d\\u0041",
        "\\uzzzz",
        "\\u00",
        "\\x41",
    ] {
        assert_eq!(ask(alone).await.error(400), "Invalid JSON format");
    }
    let mut body = b"{\"q\":\"a".to_vec();
    body.extend(b"\xff\",\"source\":\"en\",\"target\":\"de\"}");
    let answer = post(&router, "/translate", "application/json", body).await;
    assert_eq!(answer.error(400), "Invalid JSON format");
    let deep = format!("{{\"q\":{}", "[".repeat(100_000));
    let answer = post(&router, "/v2/translate", "application/json", deep).await;
    assert_eq!(answer.message(400), "Invalid JSON format");
    // Forms have no such thing as an error in a text.
    let answer = post_form(&router, "/translate", "q=a%ff%zz&source=en&target=de").await;
    assert_eq!(answer.ok()["translatedText"], "A\u{fffd}%ZZ");
}

#[tokio::test]
async fn ten_thousand_fields_are_passed_over() {
    let router = default();
    let expected = json!({"translatedText": "HELLO"});
    let mut form = String::new();
    for index in 0..10_000 {
        write!(form, "f{index}=x&").unwrap();
    }
    form += "q=Hello&source=en&target=de";
    assert_eq!(post_form(&router, "/translate", &form).await.ok(), expected);

    let names: Vec<String> = (0..10_000).map(|index| format!("f{index}")).collect();
    let mut parts: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), None, &b"x"[..]))
        .collect();
    parts.push(("q", None, b"Hello"));
    parts.push(("source", None, b"en"));
    parts.push(("target", None, b"de"));
    let (kind, body) = multipart(&parts);
    assert_eq!(post(&router, "/translate", kind, body).await.ok(), expected);

    let mut body = json!({"q": "Hello", "source": "en", "target": "de"});
    for name in names {
        body[name] = json!("x");
    }
    assert_eq!(post_json(&router, "/translate", body).await.ok(), expected);
}

#[tokio::test]
async fn many_fields_in_both_places_take_no_long_time() {
    let router = default();
    let path = format!("/translate?{}q=no&source=en", "a&".repeat(30_000));
    let form = "b&".repeat(900_000) + "q=Hello&target=de";
    let begin = Instant::now();
    let answer = post_form(&router, &path, &form).await.ok();
    assert_eq!(answer, json!({"translatedText": "HELLO"}));
    assert!(begin.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn forms_may_be_broken_in_many_ways() {
    let router = default();
    let kind = "multipart/form-data; boundary=limit";
    let (_, whole) = multipart(&[("q", None, b"a"), ("source", None, b"en")]);
    let half = whole[..whole.len() / 2].to_vec();
    for (kind, body, words) in [
        (kind, half, "the form cannot be read"),
        (kind, b"--limit\r\n\r\n".to_vec(), "the form cannot be read"),
        (kind, Vec::new(), "the form cannot be read"),
        ("multipart/form-data", whole.clone(), "missing q parameter"),
        (
            "multipart/form-data; boundary=other",
            whole,
            "the form cannot be read",
        ),
    ] {
        let answer = post(&router, "/translate", kind, body).await;
        assert_eq!(answer.error(400), format!("Invalid request: {words}"));
    }
    let (kind, body) = multipart(&[
        ("q", Some("q.txt"), b"a"),
        ("source", None, b"en"),
        ("target", None, b"de"),
    ]);
    let answer = post(&router, "/translate", kind, body).await;
    assert_eq!(
        answer.error(400),
        "Invalid request: q parameter is not a text"
    );
    // JSON that does not say so is nothing.
    let body = json!({"q": "a", "source": "en", "target": "de"}).to_string();
    let answer = post(&router, "/translate", "text/plain", body).await;
    assert_eq!(answer.error(400), "Invalid request: missing q parameter");
}

#[tokio::test]
async fn fields_of_another_kind_are_named() {
    let router = default();
    let with = |name: &str, value: Value| {
        let mut body = json!({"text": ["a"], "source_lang": "EN", "target_lang": "DE"});
        body[name] = value;
        body
    };
    for (name, value) in [
        ("text", json!(5)),
        ("text", json!([["a"]])),
        ("text", json!(["a", null])),
        ("source_lang", json!(["EN"])),
        ("target_lang", json!({"code": "DE"})),
        ("tag_handling", json!(true)),
        ("split_sentences", json!(1)),
        ("ignore_tags", json!([1])),
        ("glossary_id", json!(7)),
    ] {
        let answer = post_json(&router, "/v2/translate", with(name, value.clone())).await;
        let words = answer.message(400);
        assert!(words.contains(name), "{name} {value}: {words}");
    }
    for (path, body) in [
        ("/detect", json!({"q": 5})),
        (
            "/imme",
            json!({"text_list": "a", "target_lang": 5, "source_lang": "en"}),
        ),
        (
            "/v1/align",
            json!({"from": "en", "to": "de", "text": ["a"], "translation": "b"}),
        ),
    ] {
        post_json(&router, path, body).await.error(400);
    }
}

#[tokio::test]
async fn there_is_nothing_by_a_name_that_cannot_be_one() {
    let router = default();
    for name in ["%ff", "%00", "..%2f", "a%20b"] {
        let answer = get(&router, &format!("/download_file/{name}")).await;
        assert_eq!(answer.error(404), "Not found", "{name}");
        let answer = get(&router, &format!("/v2/glossaries/{name}")).await;
        assert_eq!(answer.message(404), "Not found", "{name}");
        let path = format!("/v2/document/{name}");
        let answer = post_form(&router, &path, "document_key=x").await;
        assert_eq!(answer.message(404), "Not found", "{name}");
    }
}

#[tokio::test]
async fn who_only_looks_may_name_a_kind_of_body() {
    let router = default();
    for path in ["/languages", "/v2/languages", "/v2/usage", "/v2/glossaries"] {
        let request = Request::get(path).header("content-type", "application/json");
        let answer = send(&router, request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    }
}
