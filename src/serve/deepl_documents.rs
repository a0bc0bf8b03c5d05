//! DeepL's dialect: documents, which are translated while their owner waits for something else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::deepl::{GLOSSARY_ID, SOURCE_LANG, TARGET_LANG, check_formality, named_glossary};
use super::files::{self, Job, secret};
use super::incoming::{Incoming, Name};
use super::operation::{Kind, Operation, needed, optional, post};
use super::refusal::Refusal;
use super::service::{Caller, Service};

/// Documents by id.
#[derive(Default)]
pub struct Documents(Mutex<HashMap<String, Document>>);

struct Document {
    key: String,
    name: String,
    characters: usize,
    stage: Stage,
    since: Instant,
}

/// How far a document is.
#[derive(Clone)]
enum Stage {
    Translating,
    Done(String),
    Failed(String),
}

/// A document is kept so long.
const KEPT: Duration = Duration::from_secs(30 * 60);
/// Documents of everybody.
const MOST_DOCUMENTS: usize = 256;

impl Documents {
    fn with<T>(&self, change: impl FnOnce(&mut HashMap<String, Document>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, id: String, document: Document) -> Result<(), Refusal> {
        self.with(|all| {
            all.retain(|_, document| document.since.elapsed() < KEPT);
            if all.len() >= MOST_DOCUMENTS {
                return Err(Refusal::QueueFull);
            }
            all.insert(id, document);
            Ok(())
        })
    }

    fn finish(&self, id: &str, stage: Stage) {
        self.with(|all| {
            if let Some(document) = all.get_mut(id) {
                document.stage = stage;
            }
        });
    }
}

/// Those of documents.
pub fn operations() -> Vec<Operation> {
    let key = needed("document_key", Kind::Text, "As the upload gave it");
    vec![
        post("/v2/document", upload, "Upload a document")
            .takes([
                needed("file", Kind::File, "A .txt file in UTF-8"),
                optional("filename", Kind::Text, "In place of the file's own"),
                SOURCE_LANG,
                TARGET_LANG,
                GLOSSARY_ID,
            ])
            .gives([
                needed("document_id", Kind::Text, "What it is called"),
                needed("document_key", Kind::Text, "What it is fetched with"),
            ]),
        post("/v2/document/{id}", status, "How far a document is")
            .takes([key])
            .gives([
                needed("document_id", Kind::Text, "What it is called"),
                needed("status", Kind::Text, "translating, done or error"),
                optional("seconds_remaining", Kind::Number, "While it is translated"),
                optional("billed_characters", Kind::Number, "When it is done"),
                optional("error_message", Kind::Text, "What went wrong"),
            ]),
        post(
            "/v2/document/{id}/result",
            result,
            "Fetch a translated document, once",
        )
        .takes([key]),
    ]
}

/// `POST /v2/document`
async fn upload(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    files::check(&service.settings)?;
    let incoming = Incoming::read(request, &service.settings).await?;
    let caller = service.caller(&incoming)?;
    let mut file = incoming.file("file")?;
    if let Some(name) = incoming.text("filename")? {
        file.name = name;
    }
    let target = incoming.needed("target_lang")?;
    let source = incoming.text("source_lang")?;
    check_formality(&incoming)?;
    let glossary = named_glossary(&service, &incoming, &caller, source.as_deref(), &target)?;
    let languages = &service.loaded()?.languages;
    for code in source.iter().chain([&target]) {
        languages.find(code)?;
    }
    let job = Job::new(&file, source, target, glossary)?;
    service.allow(&incoming, &caller, job.texts(&service.settings))?;
    let (id, key) = (secret()?, secret()?);
    let document = Document {
        key: key.clone(),
        name: job.name.clone(),
        characters: job.characters(),
        stage: Stage::Translating,
        since: Instant::now(),
    };
    service.documents.put(id.clone(), document)?;
    // It is part of what is finished before the service ends.
    let under_way = service.begin()?;
    tokio::spawn({
        let (service, id) = (service.clone(), id.clone());
        async move {
            let state = match run(&service, &job, &caller).await {
                Ok(text) => Stage::Done(text),
                Err(refusal) => Stage::Failed(refusal.words()),
            };
            service.documents.finish(&id, state);
            drop(under_way);
        }
    });
    Ok(Json(json!({"document_id": id, "document_key": key})))
}

/// Waits for its turn where others are before it.
async fn run(service: &Service, job: &Job, caller: &Caller) -> Result<String, Refusal> {
    let begin = Instant::now();
    loop {
        match job.run(service, caller).await {
            Err(Refusal::QueueFull) if begin.elapsed() < service.settings.timeout => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            outcome => return outcome,
        }
    }
}

/// What is there of a document, for whoever has its key.
async fn find<T>(
    service: &Service,
    id: &str,
    request: Request,
    take: impl FnOnce(&mut HashMap<String, Document>) -> T,
) -> Result<T, Refusal> {
    let incoming = Incoming::read(request, &service.settings).await?;
    service.caller(&incoming)?;
    let key = incoming.needed("document_key")?;
    service.documents.with(|all| match all.get(id) {
        Some(document) if document.key == key => Ok(take(all)),
        _ => Err(Refusal::NotFound),
    })
}

/// `POST /v2/document/ID`
async fn status(
    State(service): State<Arc<Service>>,
    Name(id): Name,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let answer = find(&service, &id, request, |all| {
        let document = &all[&id];
        let mut answer = json!({"document_id": id});
        match &document.stage {
            Stage::Translating => {
                answer["status"] = json!("translating");
                answer["seconds_remaining"] = json!(1);
            }
            Stage::Done(_) => {
                answer["status"] = json!("done");
                answer["billed_characters"] = json!(document.characters);
            }
            Stage::Failed(why) => {
                answer["status"] = json!("error");
                answer["message"] = json!(why);
                answer["error_message"] = json!(why);
            }
        }
        answer
    });
    answer.await.map(Json)
}

/// `POST /v2/document/ID/result`: once.
async fn result(
    State(service): State<Arc<Service>>,
    Name(id): Name,
    request: Request,
) -> Result<Response, Refusal> {
    let found = find(&service, &id, request, |all| {
        let state = all[&id].stage.clone();
        match state {
            Stage::Translating => None,
            _ => all.remove(&id).map(|document| (document.name, state)),
        }
    });
    match found.await? {
        None => {
            let body = json!({"message": "The document is not ready yet."});
            Ok((StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response())
        }
        Some((name, Stage::Done(text))) => Ok(files::attachment(&name, text)),
        Some((_, Stage::Failed(why))) => Err(Refusal::Invalid(why)),
        Some((_, Stage::Translating)) => Err(Refusal::NotFound),
    }
}
