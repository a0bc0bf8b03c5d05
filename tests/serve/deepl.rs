//! DeepL's dialect.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use t5_gpu::serve::Settings;

use super::stand_in::HOW;
use super::{default, get, post_form, post_json, send, service};

#[tokio::test]
async fn texts_come_as_json_and_as_forms() {
    let router = default();
    let body = json!({"text": ["Hello world", "ä b"], "source_lang": "EN", "target_lang": "DE"});
    let expected = json!({"translations": [
        {"detected_source_language": "EN", "text": "HELLO WORLD", "billed_characters": 11},
        {"detected_source_language": "EN", "text": "Ä B", "billed_characters": 3},
    ]});
    let answer = post_json(&router, "/v2/translate", body).await.ok();
    assert_eq!(answer, expected);
    let form = "text=Hello+world&text=%C3%A4+b&source_lang=en&target_lang=de";
    let answer = post_form(&router, "/v2/translate", form).await.ok();
    assert_eq!(answer, expected);
    // A single text, the source found out, regions.
    let body = json!({"text": "Where is the station of this town?", "target_lang": "PT-BR"});
    let answer = post_json(&router, "/v2/translate", body).await.ok();
    assert_eq!(
        answer["translations"][0]["text"],
        "WHERE IS THE STATION OF THIS TOWN?"
    );
    assert_eq!(answer["translations"][0]["detected_source_language"], "EN");
    let body = json!({"text": ["oui"], "source_lang": "FR", "target_lang": "EN-GB"});
    let answer = post_json(&router, "/v2/translate", body).await.ok();
    assert_eq!(answer["translations"][0]["text"], "OUI");
}

#[tokio::test]
async fn options_do_what_they_say() {
    let router = default();
    let translated = async |mut body: Value| {
        body["target_lang"] = json!("DE");
        body["source_lang"] = json!("EN");
        let answer = post_json(&router, "/v2/translate", body).await.ok();
        answer["translations"][0]["text"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let text = "a <x id='1'>b</x> <keep>c <x>d</x></keep> e";
    assert_eq!(
        translated(json!({"text": [text], "tag_handling": "xml", "ignore_tags": ["keep"]})).await,
        "A <x id='1'>B</x> <keep>c <x>d</x></keep> E"
    );
    assert_eq!(
        translated(json!({"text": [text], "tag_handling": "html", "ignore_tags": "x,keep"})).await,
        "A <x id='1'>b</x> <keep>c <x>d</x></keep> E"
    );
    for (fields, how) in [
        (json!({}), "Sentences(End)"),
        (json!({"split_sentences": "0"}), "Whole"),
        (json!({"split_sentences": "1"}), "Sentences(End)"),
        (json!({"split_sentences": "nonewlines"}), "Sentences(Wrap)"),
        (json!({"tag_handling": "xml"}), "Sentences(End)"),
        (json!({"tag_handling": "html"}), "Sentences(Wrap)"),
        (
            json!({"tag_handling": "html", "split_sentences": "1"}),
            "Sentences(End)",
        ),
    ] {
        let mut body = fields.clone();
        body["text"] = json!([HOW]);
        assert_eq!(translated(body).await, how, "{fields}");
    }
    let body = json!({"text": [" a\n b "], "split_sentences": "1", "preserve_formatting": true});
    assert_eq!(translated(body).await, " A\n B ");
    let body = json!({"text": ["a"], "formality": "prefer_less"});
    assert_eq!(translated(body).await, "A");
}

#[tokio::test]
async fn errors_are_messages() {
    let router = service(Settings {
        char_limit: Some(5),
        max_body: 1000,
        ..Settings::default()
    });
    let cases = [
        (
            json!({"target_lang": "DE"}),
            400,
            "Parameter 'text' not specified.",
        ),
        (
            json!({"text": ["a"]}),
            400,
            "Parameter 'target_lang' not specified.",
        ),
        (
            json!({"text": ["a"], "target_lang": "XX"}),
            400,
            "Value for language 'XX' not supported.",
        ),
        (
            json!({"text": ["a"], "target_lang": "DE", "tag_handling": "md"}),
            400,
            "Value for 'tag_handling' not supported.",
        ),
        (
            json!({"text": ["a"], "target_lang": "DE", "split_sentences": "2"}),
            400,
            "Value for 'split_sentences' not supported.",
        ),
        (
            json!({"text": ["a"], "target_lang": "DE", "formality": "more"}),
            400,
            "'formality' is not supported for given 'target_lang'.",
        ),
        (
            json!({"text": ["abcdef"], "target_lang": "DE"}),
            413,
            "Invalid request: request (6) exceeds text limit (5)",
        ),
        (
            json!({"text": ["a".repeat(1000)], "target_lang": "DE"}),
            413,
            "Invalid request: body exceeds 1000 bytes",
        ),
        (
            json!({"text": ["a"], "target_lang": "DE", "glossary_id": "x", "source_lang": "EN"}),
            404,
            "Not found",
        ),
    ];
    for (body, status, words) in cases {
        let answer = post_json(&router, "/v2/translate", body.clone()).await;
        assert_eq!(answer.message(status), words, "{body}");
    }
    assert_eq!(get(&router, "/v2/nothing").await.message(404), "Not found");
    assert_eq!(
        get(&router, "/v2/translate").await.message(405),
        "Method not allowed"
    );
}

#[tokio::test]
async fn languages_and_usage_are_told() {
    let router = default();
    let sources = get(&router, "/v2/languages?type=source").await.ok();
    assert_eq!(
        sources,
        json!([{"language": "EN", "name": "English"}, {"language": "FR", "name": "French"}])
    );
    assert_eq!(get(&router, "/v2/languages").await.ok(), sources);
    let targets = get(&router, "/v2/languages?type=target").await.ok();
    let codes: Vec<&Value> = targets
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["language"])
        .collect();
    assert_eq!(codes, ["EN-GB", "EN-US", "FR", "DE", "PT-BR"]);
    assert_eq!(targets[0]["supports_formality"], false);
    let usage = get(&router, "/v2/usage").await.ok();
    assert_eq!(usage["character_count"], 0);
    assert!(usage["character_limit"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn glossaries_are_kept_and_listed_and_followed() {
    let router = default();
    let body = json!({
        "name": "mine", "source_lang": "en", "target_lang": "de",
        "entries": "dog\tHund\ncat\tKatze", "entries_format": "tsv",
    });
    let answer = post_json(&router, "/v2/glossaries", body.clone()).await;
    assert_eq!(answer.status, 201);
    let made = answer.json();
    assert_eq!(made["entry_count"], 2);
    assert_eq!(made["name"], "mine");
    assert_eq!(made["ready"], true);
    let id = made["glossary_id"].as_str().unwrap();
    let all = get(&router, "/v2/glossaries").await.ok();
    assert_eq!(all["glossaries"], json!([made]));
    let path = format!("/v2/glossaries/{id}");
    assert_eq!(get(&router, &path).await.ok(), made);
    let entries = get(&router, &format!("{path}/entries")).await;
    assert_eq!(entries.text, "dog\tHund\ncat\tKatze");
    assert_eq!(
        entries.headers["content-type"],
        "text/tab-separated-values; charset=utf-8"
    );

    let mut request =
        json!({"text": ["dog"], "source_lang": "EN", "target_lang": "DE", "glossary_id": id});
    let answer = post_json(&router, "/v2/translate", request.clone()).await;
    assert_eq!(answer.ok()["translations"][0]["text"], "Hund");
    request["target_lang"] = json!("FR");
    post_json(&router, "/v2/translate", request.clone())
        .await
        .message(400);
    request.as_object_mut().unwrap().remove("source_lang");
    post_json(&router, "/v2/translate", request)
        .await
        .message(400);

    let delete = Request::delete(&path).body(Body::empty()).unwrap();
    assert_eq!(send(&router, delete).await.status, 204);
    assert_eq!(get(&router, &path).await.message(404), "Not found");
    for (field, value) in [
        ("entries", json!("dog")),
        ("entries", json!("dog\ta\ndog\tb")),
        ("entries_format", json!("xls")),
        ("name", json!("")),
        ("target_lang", json!("xx")),
    ] {
        let mut wrong = body.clone();
        wrong[field] = value;
        post_json(&router, "/v2/glossaries", wrong)
            .await
            .message(400);
    }
    let pairs = get(&router, "/v2/glossary-language-pairs").await.ok();
    let pairs = pairs["supported_languages"].as_array().unwrap();
    assert!(pairs.contains(&json!({"source_lang": "en", "target_lang": "de"})));
    assert!(!pairs.contains(&json!({"source_lang": "de", "target_lang": "de"})));
}
