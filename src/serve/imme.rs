//! The dialect of Immersive Translate's own interface.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde_json::{Value, json};

use super::deepl::{SOURCE_LANG, TARGET_LANG};
use super::incoming::Incoming;
use super::operation::{Kind, Operation, needed, post};
use super::refusal::Refusal;
use super::request;
use super::service::Service;

/// All of them.
pub fn operations() -> Vec<Operation> {
    vec![
        post("/imme", translate, "Translate texts")
            .takes([
                needed("text_list", Kind::TextOrTexts, "Texts"),
                SOURCE_LANG,
                TARGET_LANG,
            ])
            .gives([needed(
                "translations",
                Kind::Any,
                "An object a text: detected_source_lang, text",
            )]),
    ]
}

/// `POST /imme`
async fn translate(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let incoming = Incoming::read(request, &service.settings).await?;
    let caller = service.caller(&incoming)?;
    let (texts, _) = incoming.texts("text_list")?;
    if texts.is_empty() {
        return Err(Refusal::Missing("text_list"));
    }
    request::check(&texts, &service.settings)?;
    service.allow(&incoming, &caller, texts.len())?;
    let source = incoming.text("source_lang")?;
    let request = request::Request {
        texts,
        source: source.filter(|code| !code.eq_ignore_ascii_case("auto")),
        target: incoming.needed("target_lang")?,
        ..request::Request::default()
    };
    let answers = request.answer(&service, &caller).await?;
    let translations = answers
        .iter()
        .map(|answer| json!({"detected_source_lang": answer.source, "text": answer.text}));
    Ok(Json(
        json!({"translations": translations.collect::<Value>()}),
    ))
}
