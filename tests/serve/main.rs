//! The service: each dialect over a stand-in for models, and the program itself.

mod bad_input;
mod deepl;
mod documents;
mod generate;
mod html;
mod keys;
mod libre;
#[cfg(feature = "embedded-model")]
mod models;
mod openapi;
mod operation;
mod page;
#[cfg(feature = "embedded-model")]
mod program;
mod stand_in;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use t5_gpu::serve::{Settings, router};
use tower::ServiceExt;

use stand_in::StandIn;

/// A service over the stand-in.
fn service(settings: Settings) -> Router {
    router(settings, Arc::new(StandIn::default())).unwrap()
}

fn default() -> Router {
    service(Settings::default())
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// The answer of a request that went well.
    fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }

    /// What a request was refused with, in LibreTranslate's field.
    fn error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        let json = self.json();
        json["error"].as_str().unwrap().to_owned()
    }

    /// The same in DeepL's.
    fn message(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        let json = self.json();
        json["message"].as_str().unwrap().to_owned()
    }
}

async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        text: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

async fn post(router: &Router, path: &str, kind: &str, body: impl Into<Body>) -> Answer {
    let request = Request::post(path).header("content-type", kind);
    send(router, request.body(body.into()).unwrap()).await
}

async fn post_json(router: &Router, path: &str, body: Value) -> Answer {
    post(router, path, "application/json", body.to_string()).await
}

async fn post_form(router: &Router, path: &str, body: &str) -> Answer {
    let kind = "application/x-www-form-urlencoded";
    post(router, path, kind, body.to_owned()).await
}

async fn get(router: &Router, path: &str) -> Answer {
    send(router, Request::get(path).body(Body::empty()).unwrap()).await
}

/// A form of several parts; a part with a file's name is a file.
fn multipart(parts: &[(&str, Option<&str>, &[u8])]) -> (&'static str, Vec<u8>) {
    let mut body = Vec::new();
    for (name, file, content) in parts {
        body.extend_from_slice(b"--limit\r\nContent-Disposition: form-data; ");
        body.extend_from_slice(format!("name=\"{name}\"").as_bytes());
        if let Some(file) = file {
            body.extend_from_slice(format!("; filename=\"{file}\"").as_bytes());
        }
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--limit--\r\n");
    ("multipart/form-data; boundary=limit", body)
}
