//! What those ask who look after a service.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde_json::json;

use super::operation::{Kind, Operation, get, needed};
use super::service::Service;
use crate::engine::Gauges;

/// All of them.
pub fn operations() -> Vec<Operation> {
    let status = [needed("status", Kind::Text, "In a word")];
    vec![
        get("/live", live, "The process is well").gives(status),
        get("/ready", ready, "Requests are answered").gives(status),
        get("/metrics", metrics, "For Prometheus"),
    ]
}

/// `GET /live`: the process is well.
async fn live() -> impl IntoResponse {
    Json(json!({"status": "live"}))
}

/// `GET /ready`: requests are answered.
async fn ready(State(service): State<Arc<Service>>) -> impl IntoResponse {
    let (status, word) = match (service.is_ready(), service.is_draining()) {
        (true, _) => (StatusCode::OK, "ready"),
        (_, true) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        _ if service.loaded().is_err() => (StatusCode::SERVICE_UNAVAILABLE, "loading"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "without a device"),
    };
    (status, Json(json!({"status": word})))
}

/// `GET /metrics`
async fn metrics(State(service): State<Arc<Service>>) -> impl IntoResponse {
    let gauges = service.loaded().map(|loaded| loaded.translate.gauges());
    let text = service.meters.text(&gauges.unwrap_or(Gauges::default()));
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text)
}
