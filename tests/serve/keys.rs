//! Who may ask, and how often.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use t5_gpu::serve::Settings;
use tempfile::NamedTempFile;

use super::{Answer, get, post_form, post_json, send, service};

fn with_keys(lines: &str, settings: Settings) -> (axum::Router, NamedTempFile) {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines).unwrap();
    let router = service(Settings {
        api_keys: Some(file.path().to_owned()),
        ..settings
    });
    (router, file)
}

fn hello(key: Value) -> Value {
    json!({"q": "hello", "source": "en", "target": "de", "api_key": key})
}

async fn deepl(router: &axum::Router, header: &str) -> Answer {
    let body = json!({"text": ["hello"], "source_lang": "EN", "target_lang": "DE"});
    let request = Request::post("/v2/translate")
        .header("content-type", "application/json")
        .header("authorization", header)
        .body(Body::from(body.to_string()))
        .unwrap();
    send(router, request).await
}

#[tokio::test]
async fn a_key_is_asked_for_where_there_are_some() {
    let (router, _file) = with_keys("alpha\nbeta 30\n", Settings::default());
    post_json(&router, "/translate", hello(json!("alpha")))
        .await
        .ok();
    let answer = post_json(&router, "/translate", hello(json!("wrong"))).await;
    assert_eq!(answer.error(403), "Invalid API key");
    for none in [json!(null), json!("")] {
        let answer = post_json(&router, "/translate", hello(none)).await;
        assert_eq!(
            answer.error(400),
            "Please contact the server operator to get an API key"
        );
    }
    post_form(
        &router,
        "/translate?api_key=beta",
        "q=a&source=en&target=de",
    )
    .await
    .ok();
    let settings = get(&router, "/frontend/settings").await.ok();
    assert_eq!(
        (&settings["apiKeys"], &settings["keyRequired"]),
        (&json!(true), &json!(true))
    );
    deepl(&router, "DeepL-Auth-Key alpha").await.ok();
    for wrong in ["DeepL-Auth-Key other", "DeepL-Auth-Key", "alpha"] {
        deepl(&router, wrong).await.message(403);
    }
    // What says nothing of texts is open.
    for path in ["/languages", "/health", "/live", "/ready", "/metrics", "/"] {
        assert_eq!(get(&router, path).await.status, 200, "{path}");
    }
    for path in ["/v2/usage", "/v2/glossaries"] {
        assert_eq!(get(&router, path).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn a_key_that_nobody_asks_for_is_passed_over() {
    let router = service(Settings::default());
    post_json(&router, "/translate", hello(json!("any")))
        .await
        .ok();
    deepl(&router, "DeepL-Auth-Key any").await.ok();
}

#[tokio::test]
async fn a_client_is_told_to_slow_down() {
    let router = service(Settings {
        req_limit: Some(2),
        ..Settings::default()
    });
    for _ in 0..2 {
        post_json(&router, "/translate", hello(json!(null)))
            .await
            .ok();
    }
    let answer = post_json(&router, "/translate", hello(json!(null))).await;
    assert_eq!(answer.error(429), "Slowdown: 2 per 1 minute");
    let wait: u64 = answer.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let answer = deepl(&router, "DeepL-Auth-Key any").await;
    answer.message(429);
    assert!(answer.headers.contains_key("retry-after"));
    get(&router, "/languages").await.ok();
}

#[tokio::test]
async fn each_key_has_its_own_limits() {
    let settings = Settings {
        req_limit: Some(1),
        ..Settings::default()
    };
    let (router, _file) = with_keys("alpha\nbeta 3\ngamma 100 12\n", settings);
    post_json(&router, "/translate", hello(json!("alpha")))
        .await
        .ok();
    post_json(&router, "/translate", hello(json!("alpha")))
        .await
        .error(429);
    let list = json!({"q": ["a", "b", "c"], "source": "en", "target": "de", "api_key": "beta"});
    post_json(&router, "/translate", list).await.ok();
    post_json(&router, "/translate", hello(json!("beta")))
        .await
        .error(429);
    // Two times five characters are fewer than twelve, three times are not.
    for _ in 0..2 {
        deepl(&router, "DeepL-Auth-Key gamma").await.ok();
    }
    assert_eq!(
        deepl(&router, "DeepL-Auth-Key gamma").await.message(456),
        "Quota exceeded"
    );
    let request = Request::get("/v2/usage").header("authorization", "DeepL-Auth-Key gamma");
    let usage = send(&router, request.body(Body::empty()).unwrap())
        .await
        .ok();
    assert_eq!(usage, json!({"character_count": 10, "character_limit": 12}));
}

#[tokio::test]
async fn glossaries_belong_to_a_key() {
    let (router, _file) = with_keys("alpha\nbeta\n", Settings::default());
    let body = json!({
        "name": "mine", "source_lang": "en", "target_lang": "de", "entries": "a\tb",
        "entries_format": "tsv", "auth_key": "alpha",
    });
    let made = post_json(&router, "/v2/glossaries", body).await.json();
    let path = format!("/v2/glossaries/{}", made["glossary_id"].as_str().unwrap());
    get(&router, &format!("{path}?auth_key=alpha")).await.ok();
    get(&router, &format!("{path}?auth_key=beta"))
        .await
        .message(404);
    let all = get(&router, "/v2/glossaries?auth_key=beta").await.ok();
    assert_eq!(all, json!({"glossaries": []}));
}
