//! LibreTranslate's dialect.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde_json::{Value, json};

use super::files;
use super::incoming::Incoming;
use super::languages::Detected;
use super::operation::{Field, Kind, Operation, get, needed, optional, post};
use super::refusal::Refusal;
use super::request;
use super::service::Service;
use crate::markup;
use crate::text::Newlines;
use crate::translation::Splitting;

type Answer = Result<Json<Value>, Refusal>;

/// Alternatives where no limit is set: each is a beam.
const MOST_ALTERNATIVES: usize = 100;

pub const SOURCE: Field = needed("source", Kind::Text, "A language's code, or auto");
pub const TARGET: Field = needed("target", Kind::Text, "A language's code");
pub const API_KEY: Field = optional(
    "api_key",
    Kind::Text,
    "A key, where the service asks for one",
);
const Q: Field = needed("q", Kind::TextOrTexts, "A text or several");

/// All but those of files.
pub fn operations() -> Vec<Operation> {
    vec![
        post("/translate", translate, "Translate texts")
            .takes([
                Q,
                SOURCE,
                TARGET,
                optional("format", Kind::Text, "text or html"),
                optional("alternatives", Kind::Number, "How many other translations"),
                API_KEY,
            ])
            .gives([
                needed("translatedText", Kind::TextOrTexts, "As q was"),
                optional(
                    "detectedLanguage",
                    Kind::Any,
                    "With auto; a list where q is one",
                ),
                optional(
                    "alternatives",
                    Kind::Any,
                    "Where they were asked for; a list of lists where q is one",
                ),
            ]),
        post("/detect", detect, "Which language a text is in").takes([Q, API_KEY]),
        get(
            "/languages",
            languages,
            "Languages, and which each is translated into",
        ),
        post("/languages", languages, "As by GET"),
        get("/frontend/settings", settings, "What a page should know"),
        post("/suggest", suggest, "Refused: suggestions are not kept"),
        get("/health", health, "That the service answers").gives([needed(
            "status",
            Kind::Text,
            "ok",
        )]),
    ]
}

/// `POST /translate`
async fn translate(State(service): State<Arc<Service>>, request: Request) -> Answer {
    let settings = &service.settings;
    let incoming = Incoming::read(request, settings).await?;
    let caller = service.caller(&incoming)?;
    let (texts, is_list) = incoming.texts("q")?;
    if texts.is_empty() || (!is_list && texts[0].is_empty()) {
        return Err(Refusal::Missing("q"));
    }
    service.allow(&incoming, &caller, texts.len())?;
    let source = incoming.needed("source")?;
    let target = incoming.needed("target")?;
    let alternatives = incoming.number("alternatives")?.unwrap_or_default().max(0);
    let alternatives = usize::try_from(alternatives).unwrap_or(usize::MAX);
    let limit = settings.alternatives_limit.unwrap_or(MOST_ALTERNATIVES);
    if alternatives > limit {
        let name = "alternatives";
        return Err(Refusal::TooMany { name, limit });
    }
    request::check(&texts, settings)?;
    let is_html = match incoming.text("format")?.as_deref() {
        None | Some("text") => false,
        Some("html") => true,
        Some(other) => return Err(Refusal::Format(other.to_owned())),
    };
    let is_detected = source.eq_ignore_ascii_case("auto");
    let count = texts.len();
    let request = request::Request {
        texts,
        source: (!is_detected).then_some(source),
        target,
        markup: is_html.then(markup::Options::default),
        // In HTML a line break is a space.
        splitting: Splitting::Sentences(match is_html {
            true => Newlines::Wrap,
            false => Newlines::End,
        }),
        // There is one place for each tag.
        alternatives: if is_html { 0 } else { alternatives },
        ..request::Request::default()
    };
    let answers = request.answer(&service, &caller).await?;
    let mut text = Vec::with_capacity(count);
    let mut detected = Vec::with_capacity(count);
    let mut others = Vec::with_capacity(count);
    for answer in answers {
        text.push(json!(answer.text));
        detected.extend(answer.detected.as_ref().map(language));
        others.push(json!(answer.alternatives));
    }
    let one_or_all = |mut all: Vec<Value>| match is_list {
        true => Value::Array(all),
        false => all.pop().unwrap_or_default(),
    };
    let mut answer = json!({"translatedText": one_or_all(text)});
    if is_detected {
        answer["detectedLanguage"] = one_or_all(detected);
    }
    if alternatives > 0 {
        answer["alternatives"] = one_or_all(others);
    }
    Ok(Json(answer))
}

fn language(detected: &Detected) -> Value {
    json!({"confidence": detected.confidence, "language": detected.language})
}

/// `POST /detect`
async fn detect(State(service): State<Arc<Service>>, request: Request) -> Answer {
    let incoming = Incoming::read(request, &service.settings).await?;
    let caller = service.caller(&incoming)?;
    let (texts, _) = incoming.texts("q")?;
    if texts.iter().all(String::is_empty) {
        return Err(Refusal::Missing("q"));
    }
    service.allow(&incoming, &caller, 1)?;
    let languages = &service.loaded()?.languages;
    let detected = languages.detect(&texts.join("\n"));
    Ok(Json(json!([language(&detected)])))
}

/// `GET /languages`
async fn languages(State(service): State<Arc<Service>>) -> Answer {
    let languages = &service.loaded()?.languages;
    let all = languages.all().iter().map(|known| {
        let targets = languages.targets(known);
        json!({"code": known.code, "name": known.name, "targets": targets})
    });
    Ok(Json(all.collect()))
}

/// `GET /frontend/settings`
async fn settings(State(service): State<Arc<Service>>) -> Answer {
    let settings = &service.settings;
    let languages = service.loaded()?.languages.all();
    let target = languages.get(1).or(languages.first());
    let limit = settings.char_limit.map_or(json!(-1), |limit| json!(limit));
    Ok(Json(json!({
        "apiKeys": service.keys.are_needed(),
        "charLimit": limit,
        "filesTranslation": settings.files,
        "frontendTimeout": 500,
        "keyRequired": service.keys.are_needed(),
        "language": {
            "source": {"code": "auto", "name": "Auto Detect"},
            "target": {
                "code": target.map(|known| &known.code),
                "name": target.map(|known| &known.name),
            },
        },
        "suggestions": false,
        "supportedFilesFormat": if settings.files { &files::ENDINGS[..] } else { &[] },
    })))
}

/// `POST /suggest`
async fn suggest() -> Answer {
    Err(Refusal::Disabled("Suggestions"))
}

/// `GET /health`
async fn health() -> Json<Value> {
    Json(json!({"status": "ok"}))
}
