//! DeepL's dialect, version 2.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::incoming::Incoming;
use super::languages::Known;
use super::operation::{Field, Kind, Operation, get, needed, optional, post};
use super::refusal::Refusal;
use super::request;
use super::service::{Caller, Service};
use crate::markup::{self, Syntax};
use crate::text::{Glossary, Newlines};
use crate::translation::Splitting;

type Answer = Result<Json<Value>, Refusal>;

/// What went wrong, as DeepL says it.
pub fn refuse(refusal: &Refusal) -> (StatusCode, String) {
    match refusal {
        Refusal::KeyNeeded | Refusal::WrongKey => (
            StatusCode::FORBIDDEN,
            "Authorization failure, check the key".into(),
        ),
        Refusal::TooLong { .. } => (StatusCode::PAYLOAD_TOO_LARGE, refusal.words()),
        Refusal::Missing(name) => (
            StatusCode::BAD_REQUEST,
            format!("Parameter '{name}' not specified."),
        ),
        Refusal::Language(code) => (
            StatusCode::BAD_REQUEST,
            format!("Value for language '{code}' not supported."),
        ),
        _ => (refusal.status(), refusal.words()),
    }
}

pub const SOURCE_LANG: Field = optional("source_lang", Kind::Text, "A language's code");
pub const TARGET_LANG: Field = needed("target_lang", Kind::Text, "A language's code");
pub const GLOSSARY_ID: Field =
    optional("glossary_id", Kind::Text, "A glossary for these languages");

/// All but those of documents and glossaries.
pub fn operations() -> Vec<Operation> {
    let languages_of = optional("type", Kind::Text, "source or target");
    let used = [
        needed("character_count", Kind::Number, "So far"),
        needed("character_limit", Kind::Number, "At most"),
    ];
    vec![
        post("/v2/translate", translate, "Translate texts")
            .takes([
                needed("text", Kind::TextOrTexts, "A text or several"),
                SOURCE_LANG,
                TARGET_LANG,
                optional("split_sentences", Kind::Text, "0, 1 or nonewlines"),
                optional(
                    "preserve_formatting",
                    Kind::Flag,
                    "White space always stays",
                ),
                optional("tag_handling", Kind::Text, "xml or html"),
                optional(
                    "ignore_tags",
                    Kind::TextOrTexts,
                    "Elements whose content stays",
                ),
                GLOSSARY_ID,
            ])
            .gives([needed(
                "translations",
                Kind::Any,
                "An object a text: detected_source_language, text, billed_characters",
            )]),
        get("/v2/languages", languages, "Languages").takes([languages_of]),
        post("/v2/languages", languages, "As by GET").takes([languages_of]),
        get("/v2/usage", usage, "Characters of this key so far").gives(used),
        post("/v2/usage", usage, "As by GET").gives(used),
    ]
}

/// `POST /v2/translate`
async fn translate(State(service): State<Arc<Service>>, request: Request) -> Answer {
    let incoming = Incoming::read(request, &service.settings).await?;
    let caller = service.caller(&incoming)?;
    let (texts, _) = incoming.texts("text")?;
    if texts.is_empty() {
        return Err(Refusal::Missing("text"));
    }
    request::check(&texts, &service.settings)?;
    service.allow(&incoming, &caller, texts.len())?;
    let target = incoming.needed("target_lang")?;
    let source = incoming.text("source_lang")?;
    check_formality(&incoming)?;
    let glossary = named_glossary(&service, &incoming, &caller, source.as_deref(), &target)?;
    let syntax = match incoming.text("tag_handling")?.as_deref() {
        None => None,
        Some("xml") => Some(Syntax::Xml),
        Some("html") => Some(Syntax::Html),
        Some(_) => return Err(wrong_value("tag_handling")),
    };
    let ignored_tags = list(&incoming, "ignore_tags")?;
    let markup = syntax.map(|syntax| markup::Options {
        syntax,
        ignored_tags,
        attributes: false,
    });
    let splitting = match (incoming.text("split_sentences")?.as_deref(), syntax) {
        // In HTML a line break is a space.
        (None, Some(Syntax::Html)) => Splitting::Sentences(Newlines::Wrap),
        (None | Some("1"), _) => Splitting::Sentences(Newlines::End),
        (Some("nonewlines"), _) => Splitting::Sentences(Newlines::Wrap),
        (Some("0"), _) => Splitting::Whole,
        (Some(_), _) => return Err(wrong_value("split_sentences")),
    };
    let characters: Vec<usize> = texts.iter().map(|text| text.chars().count()).collect();
    let request = request::Request {
        texts,
        source,
        target,
        markup,
        splitting,
        glossary,
        alternatives: 0,
    };
    let answers = request.answer(&service, &caller).await?;
    let translations = answers.iter().zip(characters).map(|(answer, characters)| {
        json!({
            "detected_source_language": base(&answer.source),
            "text": answer.text,
            "billed_characters": characters,
        })
    });
    Ok(Json(
        json!({"translations": translations.collect::<Value>()}),
    ))
}

/// There is one way to say it.
pub fn check_formality(incoming: &Incoming) -> Result<(), Refusal> {
    match incoming.text("formality")?.as_deref() {
        None | Some("default" | "prefer_more" | "prefer_less") => Ok(()),
        Some("more" | "less") => Err(Refusal::Invalid(
            "'formality' is not supported for given 'target_lang'.".into(),
        )),
        Some(_) => Err(wrong_value("formality")),
    }
}

/// The glossary that is named, which has to be one for these languages.
pub fn named_glossary(
    service: &Service,
    incoming: &Incoming,
    caller: &Caller,
    source: Option<&str>,
    target: &str,
) -> Result<Option<Arc<Glossary>>, Refusal> {
    let Some(id) = incoming.text("glossary_id")? else {
        return Ok(None);
    };
    let Some(source) = source else {
        return Err(Refusal::Invalid(
            "Value for 'source_lang' needed with a glossary.".into(),
        ));
    };
    let glossary = service
        .glossaries
        .get(&id, caller)
        .ok_or(Refusal::NotFound)?;
    match glossary.is_for(&base(source), &base(target)) {
        true => Ok(Some(glossary.terms.clone())),
        false => Err(Refusal::Invalid(
            "The glossary is for other languages.".into(),
        )),
    }
}

fn wrong_value(name: &str) -> Refusal {
    Refusal::Invalid(format!("Value for '{name}' not supported."))
}

/// A list, or a text with commas in between.
fn list(incoming: &Incoming, name: &'static str) -> Result<Vec<String>, Refusal> {
    let (texts, _) = incoming.texts(name)?;
    let parts = texts.iter().flat_map(|text| text.split(','));
    let names = parts.map(str::trim).filter(|part| !part.is_empty());
    Ok(names.map(str::to_owned).collect())
}

/// A language without its region, as DeepL writes it: `pt-BR` is `PT`.
pub fn base(code: &str) -> String {
    let end = code.find(['-', '_']).unwrap_or(code.len());
    code[..end].to_ascii_uppercase()
}

/// `GET` and `POST /v2/languages`
async fn languages(State(service): State<Arc<Service>>, request: Request) -> Answer {
    let incoming = Incoming::read(request, &service.settings).await?;
    service.caller(&incoming)?;
    let is_target = match incoming.text("type")?.as_deref() {
        None | Some("source") => false,
        Some("target") => true,
        Some(_) => return Err(wrong_value("type")),
    };
    let languages = &service.loaded()?.languages;
    let translated = |known: &&Known| languages.targets(known).len() > 1;
    let named = |code: &str, name: &str| match is_target {
        true => json!({"language": code, "name": name, "supports_formality": false}),
        false => json!({"language": code, "name": name}),
    };
    let mut all = Vec::new();
    if is_target {
        let is_reached = |to: &&Known| {
            let mut from = languages.all().iter().filter(translated);
            from.any(|from| from.code != to.code && languages.are_pair(from, to))
        };
        for known in languages.all().iter().filter(is_reached) {
            let regions: &[(&str, &str)] = match known.code.as_str() {
                "en" => &[
                    ("EN-GB", "English (British)"),
                    ("EN-US", "English (American)"),
                ],
                "pt" => &[
                    ("PT-BR", "Portuguese (Brazilian)"),
                    ("PT-PT", "Portuguese (European)"),
                ],
                _ => &[],
            };
            if regions.is_empty() {
                all.push(named(&known.code.to_ascii_uppercase(), &known.name));
            }
            all.extend(regions.iter().map(|(code, name)| named(code, name)));
        }
    } else {
        let sources = languages.all().iter().filter(translated);
        all.extend(sources.map(|known| named(&base(&known.code), &known.name)));
    }
    Ok(Json(Value::Array(all)))
}

/// `GET` and `POST /v2/usage`
async fn usage(State(service): State<Arc<Service>>, request: Request) -> Answer {
    let incoming = Incoming::read(request, &service.settings).await?;
    let key = service.caller(&incoming)?;
    let count = key.as_ref().map_or(0, |key| key.used());
    let limit = key.and_then(|key| key.quota);
    Ok(Json(json!({
        "character_count": count,
        "character_limit": limit.unwrap_or(NO_LIMIT),
    })))
}

/// What DeepL says where there is no limit.
const NO_LIMIT: u64 = 1_000_000_000_000;
