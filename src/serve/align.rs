//! Which word of a translation comes from which word of its text, for the page.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde_json::{Value, json};

use super::incoming::Incoming;
use super::operation::{Kind, Operation, needed, post};
use super::refusal::Refusal;
use super::request::check;
use super::service::Service;
use super::translate::Pair;

/// Characters of a text or a translation: attention is a matter of a sentence, and its size grows with the square.
const MOST_CHARACTERS: usize = 2_000;

/// All of them.
pub fn operations() -> Vec<Operation> {
    let words = "Which word of a translation comes from which word of its text";
    vec![
        post("/v1/align", align, words)
            .takes([
                needed("from", Kind::Text, "A language's code"),
                needed("to", Kind::Text, "A language's code"),
                needed("text", Kind::Text, "A text"),
                needed("translation", Kind::Text, "What it became"),
            ])
            .gives([needed(
                "alignment",
                Kind::Any,
                "Pairs: a word of the text, a word of the translation",
            )]),
    ]
}

/// `POST /v1/align`
async fn align(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let incoming = Incoming::read(request, &service.settings).await?;
    let caller = service.caller(&incoming)?;
    let (from, to) = (incoming.needed("from")?, incoming.needed("to")?);
    let (text, translation) = (incoming.needed("text")?, incoming.needed("translation")?);
    for text in [&text, &translation] {
        let (size, limit) = (text.chars().count(), MOST_CHARACTERS);
        if size > limit {
            return Err(Refusal::TooLong { size, limit });
        }
    }
    check(std::slice::from_ref(&text), &service.settings)?;
    service.allow(&incoming, &caller, 1)?;
    let loaded = service.loaded()?;
    let pair = Pair {
        from: loaded.languages.find(&from)?.code.clone(),
        to: loaded.languages.find(&to)?.code.clone(),
    };
    let translate = loaded.translate.clone();
    // One at a time: those who translate go first.
    let turn = service.aligning.acquire().await;
    let aligned = tokio::task::spawn_blocking(move || translate.align(&pair, &text, &translation));
    let aligned = aligned
        .await
        .map_err(|_| Refusal::Failed("it ended early".into()))?;
    drop(turn);
    Ok(Json(json!({"alignment": aligned?})))
}
