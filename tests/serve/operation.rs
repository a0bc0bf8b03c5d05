//! What those need who run a service.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use serde_json::json;
use t5_gpu::serve::{Settings, router};

use super::stand_in::{ENDLESS, StandIn};
use super::{default, get, post, post_json, send, service};

#[tokio::test]
async fn probes_tell_the_state() {
    let stand_in = Arc::new(StandIn::default());
    let router = router(Settings::default(), stand_in.clone()).unwrap();
    get(&router, "/live").await.ok();
    assert_eq!(
        get(&router, "/ready").await.ok(),
        json!({"status": "ready"})
    );
    stand_in.is_lost.store(true, Ordering::SeqCst);
    let answer = get(&router, "/ready").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json(), json!({"status": "without a device"}));
    get(&router, "/live").await.ok();
}

#[tokio::test]
async fn metrics_count_and_tell_no_secrets() {
    let router = default();
    let body = json!({"q": "secret words", "source": "en", "target": "de", "api_key": "hidden"});
    post_json(&router, "/translate", body.clone()).await.ok();
    post_json(&router, "/translate", body).await.ok();
    post_json(&router, "/v2/translate", json!({}))
        .await
        .message(400);
    let answer = get(&router, "/metrics").await;
    for line in [
        "t5_gpu_requests_total{dialect=\"libretranslate\",status=\"200\"} 2",
        "t5_gpu_requests_total{dialect=\"deepl\",status=\"400\"} 1",
        "t5_gpu_request_seconds_count{dialect=\"libretranslate\"} 2",
        "t5_gpu_queue_seconds_count 2",
        "t5_gpu_text_seconds_count 2",
        "t5_gpu_running_rows 3",
        "t5_gpu_queue_tokens 0",
        "t5_gpu_cancelled_rows_total 0",
        "t5_gpu_pages_in_use 0",
        "t5_gpu_tokens_per_second 0",
        "# TYPE t5_gpu_first_token_seconds histogram",
    ] {
        assert!(
            answer.text.lines().any(|own| own == line),
            "{line} is not in\n{}",
            answer.text
        );
    }
    for secret in ["secret", "SECRET", "hidden", "127.0.0.1"] {
        assert!(!answer.text.contains(secret));
    }
}

#[tokio::test]
async fn a_client_that_is_gone_is_no_longer_worked_for() {
    let stand_in = Arc::new(StandIn::default());
    let router = router(Settings::default(), stand_in.clone()).unwrap();
    let body = json!({"q": ["a", ENDLESS, ENDLESS], "source": "en", "target": "de"});
    let request = post_json(&router, "/translate", body);
    let gone = tokio::time::timeout(Duration::from_millis(50), request).await;
    assert!(gone.is_err());
    assert_eq!(stand_in.dropped.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_full_queue_is_an_answer() {
    let stand_in = Arc::new(StandIn::default());
    let router = router(Settings::default(), stand_in.clone()).unwrap();
    stand_in.is_full.store(true, Ordering::SeqCst);
    let body = json!({"q": "a", "source": "en", "target": "de"});
    let answer = post_json(&router, "/translate", body.clone()).await;
    answer.error(429);
    assert_eq!(answer.headers["retry-after"], "1");
    stand_in.is_full.store(false, Ordering::SeqCst);
    post_json(&router, "/translate", body).await.ok();
}

#[tokio::test]
async fn bodies_are_bounded() {
    let router = service(Settings {
        max_body: 100,
        body_timeout: Duration::from_millis(50),
        ..Settings::default()
    });
    let answer = post(&router, "/translate", "application/json", "x".repeat(101)).await;
    assert_eq!(answer.error(413), "Invalid request: body exceeds 100 bytes");
    let endless = Body::from_stream(futures_util::stream::pending::<Result<String, String>>());
    let answer = post(&router, "/translate", "application/json", endless).await;
    assert_eq!(
        answer.error(408),
        "Invalid request: the body did not come in time"
    );
    let broken = Body::from_stream(futures_util::stream::iter([Ok("{"), Err("gone")]));
    let answer = post(&router, "/translate", "application/json", broken).await;
    assert_eq!(answer.error(400), "Invalid request: the body broke off");
}

#[tokio::test]
async fn other_pages_may_ask_only_where_they_are_let() {
    let ask = async |cors: Option<&str>| {
        let router = service(Settings {
            cors: cors.map(str::to_owned),
            ..Settings::default()
        });
        let request = Request::get("/languages").header("origin", "https://a.example");
        let answer = send(&router, request.body(Body::empty()).unwrap()).await;
        let header = answer.headers.get("access-control-allow-origin");
        header.map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(ask(None).await, None);
    assert_eq!(ask(Some("*")).await.unwrap(), "*");
    assert_eq!(
        ask(Some("https://a.example")).await.unwrap(),
        "https://a.example"
    );
    assert_ne!(
        ask(Some("https://b.example")).await.as_deref(),
        Some("https://a.example")
    );
}

#[tokio::test]
async fn all_paths_are_under_the_prefix() {
    let router = service(Settings {
        url_prefix: "/t5/x".into(),
        ..Settings::default()
    });
    for path in [
        "/t5/x/",
        "/t5/x/script.js",
        "/t5/x/languages",
        "/t5/x/ready",
        "/t5/x/v2/usage",
    ] {
        assert_eq!(get(&router, path).await.status, 200, "{path}");
    }
    let answer = get(&router, "/t5/x").await;
    assert_eq!(answer.status, 308);
    assert_eq!(answer.headers["location"], "/t5/x/");
    for path in ["/", "/languages", "/ready", "/t5"] {
        assert_eq!(get(&router, path).await.error(404), "Not found", "{path}");
    }
}
