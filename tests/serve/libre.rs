//! LibreTranslate's dialect, by what its clients send and what they expect.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use t5_gpu::serve::{Settings, router};

use super::stand_in::StandIn;
use super::{default, get, multipart, post, post_form, post_json, service};

const ENGLISH: &str = "This is a simple sentence about the weather.";

#[tokio::test]
async fn a_text_may_come_in_any_packing() {
    let router = default();
    let expected = json!({"translatedText": "HELLO WORLD"});
    let body = json!({"q": "Hello world", "source": "en", "target": "de"});
    for kind in [
        "application/json",
        "application/vnd.api+json; charset=utf-8",
        "Application/JSON",
    ] {
        let answer = post(&router, "/translate", kind, body.to_string()).await;
        assert_eq!(answer.ok(), expected, "{kind}");
    }
    let form = "q=Hello+world&source=EN&target=De&format=text&alternatives=&api_key=";
    assert_eq!(post_form(&router, "/translate", form).await.ok(), expected);
    let (kind, body) = multipart(&[
        ("q", None, b"Hello world"),
        ("source", None, b"en"),
        ("target", None, b"de"),
    ]);
    assert_eq!(post(&router, "/translate", kind, body).await.ok(), expected);
    let query = "/translate?q=Hello%20world&source=en&target=de";
    assert_eq!(post(&router, query, "text/plain", "").await.ok(), expected);
    let no_kind = axum::http::Request::post(query)
        .body(axum::body::Body::empty())
        .unwrap();
    assert_eq!(super::send(&router, no_kind).await.ok(), expected);
    // What is in the body comes first.
    let query = "/translate?q=no&source=en&target=fr";
    let body = "q=Hello+world&target=de";
    assert_eq!(post_form(&router, query, body).await.ok(), expected);
}

#[tokio::test]
async fn a_list_is_one_batch_and_answered_as_a_list() {
    let stand_in = Arc::new(StandIn::default());
    let router = router(Settings::default(), stand_in.clone()).unwrap();
    let body = json!({"q": ["one", "", "two\nthree"], "source": "en", "target": "de"});
    let answer = post_json(&router, "/translate", body).await.ok();
    assert_eq!(answer, json!({"translatedText": ["ONE", "", "TWO\nTHREE"]}));
    assert_eq!(stand_in.asked.load(Ordering::SeqCst), 1);
    let form = "q=one&q=two&source=en&target=de";
    let answer = post_form(&router, "/translate", form).await.ok();
    assert_eq!(answer["translatedText"], json!(["ONE", "TWO"]));
    let body = json!({"q": ["one"], "source": "en", "target": "de"});
    let answer = post_json(&router, "/translate", body).await.ok();
    assert_eq!(answer["translatedText"], json!(["ONE"]));
}

#[tokio::test]
async fn the_source_may_be_found_out() {
    let router = default();
    let body = json!({"q": ENGLISH, "source": "auto", "target": "de"});
    let answer = post_json(&router, "/translate", body).await.ok();
    assert_eq!(answer["detectedLanguage"]["language"], "en");
    let confidence = answer["detectedLanguage"]["confidence"].as_f64().unwrap();
    assert!((50.0..=100.0).contains(&confidence));
    let body = json!({"q": [ENGLISH, "😀"], "source": "AUTO", "target": "de"});
    let answer = post_json(&router, "/translate", body).await.ok();
    assert_eq!(answer["detectedLanguage"].as_array().unwrap().len(), 2);
    assert_eq!(answer["translatedText"][1], "😀");
    assert_eq!(answer["detectedLanguage"][1]["confidence"], 0.0);
    // In the language already.
    let body = json!({"q": ENGLISH, "source": "auto", "target": "en"});
    let answer = post_json(&router, "/translate", body).await.ok();
    assert_eq!(answer["translatedText"], ENGLISH);

    let answer = post_form(&router, "/detect", &format!("q={ENGLISH}"))
        .await
        .ok();
    assert_eq!(answer.as_array().unwrap().len(), 1);
    assert_eq!(answer[0]["language"], "en");
    let answer = post_json(&router, "/detect", json!({"q": "12345"}))
        .await
        .ok();
    assert_eq!(answer, json!([{"confidence": 0.0, "language": "en"}]));
    let answer = post_json(&router, "/detect", json!({"q": ""})).await;
    assert_eq!(answer.error(400), "Invalid request: missing q parameter");
}

#[tokio::test]
async fn alternatives_differ() {
    let router = default();
    let body = json!({"q": "a\nb", "source": "en", "target": "de", "alternatives": 3});
    let answer = post_json(&router, "/translate", body).await.ok();
    assert_eq!(answer["translatedText"], "A\nB");
    assert_eq!(answer["alternatives"], json!(["A 2\nB 2", "A 3\nB 3"]));
    let form = "q=a&q=b&source=en&target=de&alternatives=2";
    let answer = post_form(&router, "/translate", form).await.ok();
    assert_eq!(answer["alternatives"], json!([["A 2"], ["B 2"]]));
    for none in [json!(0), json!(-1), json!("")] {
        let body = json!({"q": "a", "source": "en", "target": "de", "alternatives": none});
        let answer = post_json(&router, "/translate", body).await.ok();
        assert_eq!(answer, json!({"translatedText": "A"}));
    }
}

#[tokio::test]
async fn errors_are_in_the_words_of_the_original() {
    let router = service(Settings {
        char_limit: Some(2000),
        batch_limit: Some(2),
        alternatives_limit: Some(3),
        ..Settings::default()
    });
    let (whole, over) = ("a".repeat(2000), "ä".repeat(2001));
    let cases: &[(Value, &str)] = &[
        (
            json!({"source": "en", "target": "de"}),
            "Invalid request: missing q parameter",
        ),
        (
            json!({"q": "", "source": "en", "target": "de"}),
            "Invalid request: missing q parameter",
        ),
        (
            json!({"q": [], "source": "en", "target": "de"}),
            "Invalid request: missing q parameter",
        ),
        (
            json!({"q": null, "source": "en", "target": "de"}),
            "Invalid request: missing q parameter",
        ),
        (
            json!({"q": 5, "source": "en", "target": "de"}),
            "Invalid request: q parameter is not a text",
        ),
        (
            json!({"q": ["a", 5], "source": "en", "target": "de"}),
            "Invalid request: q parameter is not a text",
        ),
        (
            json!({"q": {"a": 1}, "source": "en", "target": "de"}),
            "Invalid request: q parameter is not a text",
        ),
        (
            json!({"q": "a", "target": "de"}),
            "Invalid request: missing source parameter",
        ),
        (
            json!({"q": "a", "source": "en"}),
            "Invalid request: missing target parameter",
        ),
        (
            json!({"q": "a", "source": 1, "target": "de"}),
            "Invalid request: source parameter is not a text",
        ),
        (
            json!({"q": "a", "source": "xx", "target": "de"}),
            "xx is not supported",
        ),
        (
            json!({"q": "a", "source": "en", "target": "auto"}),
            "auto is not supported",
        ),
        (
            json!({"q": "a", "source": "de", "target": "en"}),
            "English (en) is not available as a target language from German (de)",
        ),
        (
            json!({"q": "a", "source": "en", "target": "de", "format": "xml"}),
            "xml format is not supported",
        ),
        (
            json!({"q": over, "source": "en", "target": "de"}),
            "Invalid request: request (2001) exceeds text limit (2000)",
        ),
        (
            json!({"q": ["a", "b", "c"], "source": "en", "target": "de"}),
            "Invalid request: request (3) exceeds text limit (2)",
        ),
        (
            json!({"q": "a", "source": "en", "target": "de", "alternatives": 4}),
            "Invalid request: alternatives parameter must be <= 3",
        ),
        (
            json!({"q": "a", "source": "en", "target": "de", "alternatives": "x"}),
            "Invalid request: alternatives parameter is not a number",
        ),
        (
            json!({"q": "a", "source": "en", "target": "de", "alternatives": null}),
            "Invalid request: alternatives parameter is not a number",
        ),
        (
            json!({"q": "a", "source": "en", "target": "de", "alternatives": [1]}),
            "Invalid request: alternatives parameter is not a number",
        ),
        (json!([1]), "Invalid JSON format"),
        (json!("text"), "Invalid JSON format"),
    ];
    for (body, words) in cases {
        let answer = post_json(&router, "/translate", body.clone()).await;
        assert_eq!(answer.error(400), *words, "{body}");
    }
    for body in ["", "{", "{\"q\": \"\u{0}\"}", "[[[["] {
        let answer = post(&router, "/translate", "application/json", body).await;
        assert_eq!(answer.error(400), "Invalid JSON format");
    }
    let body = json!({"q": whole, "source": "en", "target": "de"});
    post_json(&router, "/translate", body).await.ok();
    let answer = post(
        &router,
        "/translate",
        "multipart/form-data; boundary=x",
        "no",
    )
    .await;
    assert_eq!(
        answer.error(400),
        "Invalid request: the form cannot be read"
    );
    assert_eq!(
        post_form(&router, "/suggest", "q=a&s=b").await.error(403),
        "Suggestions are disabled on this server."
    );
    assert_eq!(get(&router, "/nothing").await.error(404), "Not found");
    assert_eq!(
        get(&router, "/translate").await.error(405),
        "Method not allowed"
    );
    let body = json!({"q": "broken", "source": "en", "target": "de"});
    let error = post_json(&router, "/translate", body).await.error(500);
    assert!(error.starts_with("Cannot translate text: "), "{error}");
}

#[tokio::test]
async fn line_breaks_of_forms_are_those_of_texts() {
    let router = default();
    let form = "q=one%0D%0Atwo%0Dthree%0A&source=en&target=de";
    let answer = post_form(&router, "/translate", form).await.ok();
    assert_eq!(answer["translatedText"], "ONE\nTWO\nTHREE\n");
    let body = json!({"q": " one\r\n\r\n\ttwo ", "source": "en", "target": "de"});
    let answer = post_json(&router, "/translate", body).await.ok();
    assert_eq!(answer["translatedText"], " ONE\r\n\r\n\tTWO ");
}

#[tokio::test]
async fn languages_and_settings_are_told() {
    let router = default();
    let languages = get(&router, "/languages").await.ok();
    assert_eq!(
        languages,
        json!([
            {"code": "en", "name": "English", "targets": ["de", "en", "fr", "pt-BR"]},
            {"code": "fr", "name": "French", "targets": ["en", "fr"]},
            {"code": "de", "name": "German", "targets": ["de"]},
            {"code": "pt-BR", "name": "Portuguese", "targets": ["pt-BR"]},
        ])
    );
    // Some clients send a form with it.
    let request = axum::http::Request::get("/languages")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(axum::body::Body::from("api_key=x"))
        .unwrap();
    assert_eq!(super::send(&router, request).await.ok(), languages);
    assert_eq!(post_form(&router, "/languages", "").await.ok(), languages);
    let settings = get(&router, "/frontend/settings").await.ok();
    assert_eq!(
        settings,
        json!({
            "apiKeys": false,
            "charLimit": 20000,
            "filesTranslation": true,
            "frontendTimeout": 500,
            "keyRequired": false,
            "language": {
                "source": {"code": "auto", "name": "Auto Detect"},
                "target": {"code": "fr", "name": "French"},
            },
            "suggestions": false,
            "supportedFilesFormat": [".txt"],
        })
    );
    let router = service(Settings {
        char_limit: None,
        files: false,
        ..Settings::default()
    });
    let settings = get(&router, "/frontend/settings").await.ok();
    assert_eq!(settings["charLimit"], -1);
    assert_eq!(settings["supportedFilesFormat"], json!([]));
    assert_eq!(get(&router, "/health").await.ok(), json!({"status": "ok"}));
}

#[tokio::test]
async fn immersive_translate_has_its_own_fields() {
    let router = default();
    let body = json!({"source_lang": "auto", "target_lang": "de", "text_list": [ENGLISH, "two"]});
    let answer = post_json(&router, "/imme", body).await.ok();
    assert_eq!(
        answer,
        json!({"translations": [
            {"detected_source_lang": "en", "text": ENGLISH.to_uppercase()},
            {"detected_source_lang": "en", "text": "TWO"},
        ]})
    );
    let answer = post_json(&router, "/imme", json!({"target_lang": "de"})).await;
    assert_eq!(
        answer.error(400),
        "Invalid request: missing text_list parameter"
    );
    let body = json!({"target_lang": "xx", "text_list": ["a"]});
    assert_eq!(
        post_json(&router, "/imme", body).await.error(400),
        "xx is not supported"
    );
}
