//! Requests of the service, in every dialect and form.

#![no_main]

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use t5_gpu::serve::{Settings, router};
use t5_gpu_fuzz::StandIn;
use tower::ServiceExt;

/// What of a service is asked.
const PATHS: [&str; 20] = [
    "/translate",
    "/detect",
    "/languages",
    "/frontend/settings",
    "/suggest",
    "/translate_file",
    "/download_file/x.txt",
    "/v2/translate",
    "/v2/languages",
    "/v2/usage",
    "/v2/document",
    "/v2/document/x",
    "/v2/document/x/result",
    "/v2/glossaries",
    "/v2/glossaries/x",
    "/v2/glossaries/x/entries",
    "/v2/glossary-language-pairs",
    "/imme",
    "/v1/generate",
    "/v1/align",
];

const KINDS: [&str; 6] = [
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=limit",
    "multipart/form-data",
    "text/plain",
    "application/json; charset=latin1",
];

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
});

thread_local! {
    static SERVICE: RefCell<(usize, Option<Router>)> = const { RefCell::new((0, None)) };
}

/// A service for some hundred requests: it remembers glossaries and documents.
fn service() -> Router {
    SERVICE.with_borrow_mut(|(requests, service)| {
        if *requests % 500 == 0 {
            *service = None;
        }
        *requests += 1;
        let new = || {
            let settings = Settings {
                timeout: Duration::from_secs(5),
                ..Settings::default()
            };
            router(settings, Arc::new(StandIn)).unwrap()
        };
        service.get_or_insert_with(new).clone()
    })
}

// A byte that says where to, one that says what kind the body is of, one that says how; then the query up to a line break,
// and the body. Whatever comes, there is an answer, and it is JSON where that is what is spoken; nothing that a client
// sends is the service's fault.
fuzz_target!(|data: &[u8]| {
    let [path, kind, how, rest @ ..] = data else {
        return;
    };
    let (query, body) = match rest.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&rest[..end], &rest[end + 1..]),
        None => (&rest[..0], rest),
    };
    let path = PATHS[usize::from(*path) % PATHS.len()];
    let query = String::from_utf8_lossy(query);
    let method = match how % 4 {
        0 => Method::GET,
        1 => Method::DELETE,
        _ => Method::POST,
    };
    let request = Request::builder()
        .method(method)
        .uri(format!("{path}?{query}"))
        .header("content-type", KINDS[usize::from(*kind) % KINDS.len()])
        .body(Body::from(body.to_vec()));
    // What is no address comes to no service.
    let Ok(request) = request else {
        return;
    };
    let service = service();
    RUNTIME.block_on(async {
        let response = service.oneshot(request).await.unwrap();
        let status = response.status();
        assert!(
            !status.is_server_error() || status == 503,
            "{status} for {path}"
        );
        let is_json = response
            .headers()
            .get("content-type")
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        if is_json {
            serde_json::from_slice::<serde_json::Value>(&body).unwrap();
        }
    });
});
