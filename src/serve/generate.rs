//! The service's own dialect: the objects of `--jsonl`, whole or as they are decided.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};
use serde_json::{Map, Value, json};

use super::incoming::Incoming;
use super::operation::{Kind, Operation, needed, optional, post};
use super::refusal::Refusal;
use super::request::metered;
use super::service::Service;
use crate::Error;
use crate::pipeline::json::write_outputs;
use crate::pipeline::{Output, Progress};

/// All of them.
pub fn operations() -> Vec<Operation> {
    let words = "Text to text, with generation options by the names that transformers gives them";
    vec![
        post("/v1/generate", generate, words)
            .takes_json([
                optional("id", Kind::Any, "Comes back"),
                optional("text", Kind::Text, "A text, or input_ids"),
                optional("input_ids", Kind::Any, "Token ids"),
                optional("from", Kind::Text, "With to: text is translated"),
                optional("to", Kind::Text, "With from"),
                optional(
                    "stream",
                    Kind::Flag,
                    "Server-sent events: one a token, then the whole",
                ),
                optional("num_beams", Kind::Number, "As any other generation option"),
            ])
            .gives([
                needed("id", Kind::Any, "The request's"),
                needed(
                    "outputs",
                    Kind::Any,
                    "Objects with text, token_ids and, of beams, score",
                ),
            ]),
    ]
}

/// `POST /v1/generate`
async fn generate(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<Response, Refusal> {
    let settings = &service.settings;
    let incoming = Incoming::read(request, settings).await?;
    if !incoming.is_json {
        return Err(Refusal::NotJson);
    }
    let caller = service.caller(&incoming)?;
    service.allow(&incoming, &caller, 1)?;
    let mut fields = incoming.into_object();
    fields.remove("api_key");
    let id = fields.remove("id").unwrap_or_default();
    let is_streamed = match fields.remove("stream") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(streamed)) => streamed,
        Some(_) => return Err(Refusal::Invalid("stream must be true or false".into())),
    };
    if let Some(Value::String(text)) = fields.get("text") {
        let size = text.chars().count();
        if let Some(limit) = settings.char_limit
            && size > limit
        {
            return Err(Refusal::TooLong { size, limit });
        }
        if let Some(key) = &caller
            && !key.spend(size as u64)
        {
            return Err(Refusal::Quota);
        }
    }
    let deadline = Instant::now() + settings.timeout;
    let loaded = service.loaded()?;
    let running = (loaded.translate).generate(fields, is_streamed, deadline)?;
    let mut running = metered(running, service.meters.clock());
    if is_streamed {
        let events = events(running, id);
        return Ok(Sse::new(events)
            .keep_alive(KeepAlive::default())
            .into_response());
    }
    while let Some(progress) = running.next().await {
        if let Progress::Done { outputs, .. } = progress? {
            return Ok(Json(whole(&id, &outputs)).into_response());
        }
    }
    Err(Refusal::Draining)
}

fn whole(id: &Value, outputs: &[Output]) -> Map<String, Value> {
    let mut object = Map::from_iter([("id".to_owned(), id.clone())]);
    object.extend(write_outputs(outputs));
    object
}

/// An event a token, then the whole; or what went wrong on the way.
fn events(
    progress: impl Stream<Item = Result<Progress, Error>>,
    id: Value,
) -> impl Stream<Item = Result<Event, Infallible>> {
    progress.filter_map(move |progress| {
        let data = match progress {
            Ok(Progress::Entered) => None,
            Ok(Progress::Token { token, text }) => Some(json!({"token": token, "text": text})),
            Ok(Progress::Done { outputs, .. }) => Some(Value::Object(whole(&id, &outputs))),
            Err(error) => Some(json!({"id": id, "error": Refusal::from(error).words()})),
        };
        std::future::ready(data.map(|data| Ok(Event::default().data(data.to_string()))))
    })
}
