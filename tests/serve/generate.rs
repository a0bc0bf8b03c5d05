//! The objects of `--jsonl`.

use serde_json::{Value, json};
use t5_gpu::serve::Settings;

use super::{default, post, post_json, service};

#[tokio::test]
async fn an_object_in_an_object_out() {
    let router = default();
    let body = json!({"id": [1, "x"], "text": "a b", "num_beams": 2, "stream": false});
    let answer = post_json(&router, "/v1/generate", body).await.ok();
    assert_eq!(
        answer,
        json!({"id": [1, "x"], "outputs": [{"text": "A B", "token_ids": [7, 1]}]})
    );
    for (body, words) in [
        (
            json!({"id": 1}),
            "neither text nor input_ids: give one of them",
        ),
        (json!({"text": "a", "beams": 1}), "unknown field beams"),
        (
            json!({"text": "a", "stream": 1}),
            "stream must be true or false",
        ),
    ] {
        assert_eq!(
            post_json(&router, "/v1/generate", body).await.error(400),
            words
        );
    }
    let answer = post(&router, "/v1/generate", "text/plain", "a").await;
    assert_eq!(answer.error(400), "Invalid JSON format");
    let router = service(Settings {
        char_limit: Some(2),
        ..Settings::default()
    });
    let answer = post_json(&router, "/v1/generate", json!({"text": "abc"})).await;
    assert_eq!(
        answer.error(400),
        "Invalid request: request (3) exceeds text limit (2)"
    );
}

#[tokio::test]
async fn an_event_a_token_then_the_whole() {
    let body = json!({"id": 7, "text": "one two three", "stream": true});
    let answer = post_json(&default(), "/v1/generate", body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let events: Vec<Value> = answer
        .text
        .split("\n\n")
        .filter(|event| !event.is_empty())
        .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
        .collect();
    assert_eq!(
        events,
        [
            json!({"token": 0, "text": "ONE "}),
            json!({"token": 1, "text": "TWO "}),
            json!({"token": 2, "text": "THREE"}),
            json!({"id": 7, "outputs": [{"text": "ONE TWO THREE", "token_ids": [7, 1]}]}),
        ]
    );
}

#[tokio::test]
async fn words_of_a_translation_are_traced_to_the_text() {
    let router = default();
    let body = json!({"from": "EN", "to": "de", "text": "a b", "translation": "x y z"});
    let answer = post_json(&router, "/v1/align", body.clone()).await.ok();
    assert_eq!(answer, json!({"alignment": [[0, 0], [1, 1], [1, 2]]}));
    for (field, value) in [
        ("text", json!("")),
        ("to", json!("xx")),
        ("translation", json!("a".repeat(2001))),
    ] {
        let mut wrong = body.clone();
        wrong[field] = value;
        post_json(&router, "/v1/align", wrong).await.error(400);
    }
}
