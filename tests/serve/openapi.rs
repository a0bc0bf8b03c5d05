//! The description of the service says what is so. That it is OpenAPI is for tests/clients to say, by a validator.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use t5_gpu::serve::Settings;

use super::{default, get, send, service};

/// What clients rely on: LibreTranslate's, DeepL's, and what the README names.
const CONTRACT: [&str; 27] = [
    "POST /translate",
    "POST /detect",
    "GET /languages",
    "POST /translate_file",
    "GET /download_file/{name}",
    "POST /suggest",
    "GET /frontend/settings",
    "GET /health",
    "GET /spec",
    "POST /v2/translate",
    "GET /v2/languages",
    "GET /v2/usage",
    "POST /v2/document",
    "POST /v2/document/{id}",
    "POST /v2/document/{id}/result",
    "POST /v2/glossaries",
    "GET /v2/glossaries",
    "GET /v2/glossaries/{id}",
    "DELETE /v2/glossaries/{id}",
    "GET /v2/glossaries/{id}/entries",
    "GET /v2/glossary-language-pairs",
    "POST /imme",
    "POST /v1/generate",
    "POST /v1/align",
    "GET /live",
    "GET /ready",
    "GET /metrics",
];

/// All operations of a description: path, method and what is said of it.
fn operations(spec: &Value) -> Vec<(&str, String, &Value)> {
    let paths = spec["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, item)| {
        let item = item.as_object().unwrap().iter();
        item.map(move |(method, operation)| (path.as_str(), method.to_uppercase(), operation))
    });
    operations.collect()
}

async fn description() -> Value {
    get(&default(), "/spec").await.ok()
}

async fn ask(method: &str, path: &str, body: &str) -> super::Answer {
    let request = Request::builder()
        .method(method)
        .uri(path.replace("{id}", "x").replace("{name}", "x"))
        .header("content-type", "application/json");
    send(
        &default(),
        request.body(Body::from(body.to_owned())).unwrap(),
    )
    .await
}

#[tokio::test]
async fn it_says_what_stands_in_paths_and_where_they_begin() {
    let spec = description().await;
    assert!(spec["openapi"].as_str().unwrap().starts_with("3."));
    for (path, method, operation) in operations(&spec) {
        let in_path = path.split('/').filter_map(|part| part.strip_prefix('{'));
        let in_path: Vec<&str> = in_path.map(|part| part.trim_end_matches('}')).collect();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let described: Vec<&str> = parameters
            .filter(|parameter| parameter["in"] == "path")
            .inspect(|parameter| assert_eq!(parameter["required"], true))
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        assert_eq!(described, in_path, "{method} {path}");
        assert!(operation["summary"].is_string(), "{method} {path}");
    }
    let router = service(Settings {
        url_prefix: "/t5".into(),
        ..Settings::default()
    });
    let spec = get(&router, "/t5/spec").await.ok();
    assert_eq!(spec["servers"], json!([{"url": "/t5"}]));
    assert!(spec["paths"]["/translate"].is_object());
}

#[tokio::test]
async fn what_is_described_is_there_and_nothing_else() {
    let spec = description().await;
    let described: BTreeSet<String> = operations(&spec)
        .iter()
        .map(|(path, method, _)| format!("{method} {path}"))
        .collect();
    for operation in CONTRACT {
        assert!(described.contains(operation), "{operation}");
    }
    for path in spec["paths"].as_object().unwrap().keys() {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let answer = ask(method, path, "{}").await;
            let operation = format!("{method} {path}");
            assert_eq!(
                answer.status != 405,
                described.contains(&operation),
                "{operation}: {}",
                answer.text
            );
            // A path that is there may still have nothing by that name.
            assert!(answer.status != 404 || path.contains('{'), "{operation}");
        }
    }
}

#[tokio::test]
async fn fields_that_are_needed_are_asked_for() {
    let spec = description().await;
    let mut checked = 0;
    for (path, method, operation) in operations(&spec) {
        let content = &operation["requestBody"]["content"];
        let Some(required) = content["application/json"]["schema"]["required"].as_array() else {
            continue;
        };
        let answer = ask(&method, path, "{}").await;
        assert_eq!(answer.status, 400, "{method} {path}");
        let names: Vec<&str> = required.iter().map(|name| name.as_str().unwrap()).collect();
        let properties = &content["application/json"]["schema"]["properties"];
        for name in &names {
            assert!(properties[name].is_object(), "{method} {path}: {name}");
        }
        // The refusal is in the field that is described, and names one of them.
        let refusal = &operation["responses"]["default"]["content"]["application/json"]["schema"];
        let field = refusal["required"][0].as_str().unwrap();
        let answer = answer.json();
        let words = answer[field].as_str().unwrap();
        assert!(
            names.iter().any(|name| words.contains(name)),
            "{method} {path}: {words}"
        );
        checked += 1;
    }
    assert!(checked >= 8, "{checked}");
}
