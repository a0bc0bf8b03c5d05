//! DeepL's dialect: glossaries, which are kept in memory, each for the key that it came with.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::deepl::{TARGET_LANG, base};
use super::files::secret;
use super::incoming::{Incoming, Name};
use super::operation::{self, Kind, Operation, needed, optional, post};
use super::refusal::Refusal;
use super::service::{Caller, Service};
use crate::text::Glossary as Terms;

/// The glossaries of everybody.
#[derive(Default)]
pub struct Glossaries(Mutex<Vec<Arc<Glossary>>>);

/// What terms are in another language.
pub struct Glossary {
    id: String,
    name: String,
    source: String,
    target: String,
    created: String,
    entries: Vec<(String, String)>,
    /// The entries, to translate by.
    pub terms: Arc<Terms>,
    /// The key's number.
    owner: Option<u64>,
}

/// Glossaries and their entries of everybody together.
const MOST_GLOSSARIES: usize = 1_000;
const MOST_ENTRIES: usize = 1_000_000;

fn owner(caller: &Caller) -> Option<u64> {
    caller.as_ref().map(|key| key.id)
}

impl Glossaries {
    /// A glossary of that caller's.
    pub fn get(&self, id: &str, caller: &Caller) -> Option<Arc<Glossary>> {
        self.of(caller)
            .into_iter()
            .find(|glossary| glossary.id == id)
    }

    fn of(&self, caller: &Caller) -> Vec<Arc<Glossary>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = all
            .iter()
            .filter(|glossary| glossary.owner == owner(caller));
        own.cloned().collect()
    }

    fn put(&self, glossary: Arc<Glossary>) -> Result<(), Refusal> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entries: usize = all.iter().map(|glossary| glossary.entries.len()).sum();
        if all.len() >= MOST_GLOSSARIES || entries + glossary.entries.len() > MOST_ENTRIES {
            return Err(Refusal::Invalid("There are too many glossaries.".into()));
        }
        all.push(glossary);
        Ok(())
    }

    fn remove(&self, id: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|glossary| glossary.id != id);
    }
}

impl Glossary {
    /// Whether it is for these languages, as DeepL writes them.
    pub fn is_for(&self, source: &str, target: &str) -> bool {
        base(&self.source) == source && base(&self.target) == target
    }

    fn describe(&self) -> Value {
        json!({
            "glossary_id": self.id,
            "name": self.name,
            "ready": true,
            "source_lang": self.source,
            "target_lang": self.target,
            "creation_time": self.created,
            "entry_count": self.entries.len(),
        })
    }
}

/// Those of glossaries.
pub fn operations() -> Vec<Operation> {
    let one = [
        needed("glossary_id", Kind::Text, "What it is called by"),
        needed("name", Kind::Text, "What it is called"),
        needed("ready", Kind::Flag, "Always"),
        needed("source_lang", Kind::Text, "A language's code"),
        needed("target_lang", Kind::Text, "A language's code"),
        needed("creation_time", Kind::Text, "As in RFC 3339"),
        needed("entry_count", Kind::Number, "How many terms it has"),
    ];
    vec![
        post("/v2/glossaries", create, "Keep a glossary")
            .takes([
                needed("name", Kind::Text, "What it is called"),
                needed("source_lang", Kind::Text, "A language's code"),
                TARGET_LANG,
                needed("entries", Kind::Text, "A term and what it is, a line each"),
                optional("entries_format", Kind::Text, "tsv or csv"),
            ])
            .with_status("201")
            .gives(one),
        operation::get("/v2/glossaries", list, "Glossaries of this key").gives([needed(
            "glossaries",
            Kind::Any,
            "All of them",
        )]),
        operation::get("/v2/glossaries/{id}", get, "A glossary").gives(one),
        operation::delete("/v2/glossaries/{id}", delete, "Forget a glossary").with_status("204"),
        operation::get(
            "/v2/glossaries/{id}/entries",
            get_entries,
            "Its entries, a line each",
        ),
        operation::get(
            "/v2/glossary-language-pairs",
            pairs,
            "Languages that glossaries may be for",
        )
        .gives([needed(
            "supported_languages",
            Kind::Any,
            "Pairs of source_lang and target_lang",
        )]),
    ]
}

/// `POST /v2/glossaries`
async fn create(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<Response, Refusal> {
    let incoming = Incoming::read(request, &service.settings).await?;
    let caller = service.caller(&incoming)?;
    service.allow(&incoming, &caller, 1)?;
    let name = incoming.needed("name")?;
    let (source, target) = (
        incoming.needed("source_lang")?,
        incoming.needed("target_lang")?,
    );
    let languages = &service.loaded()?.languages;
    for code in [&source, &target] {
        languages.find(code)?;
    }
    let separator = match incoming.text("entries_format")?.as_deref() {
        None | Some("tsv") => b'\t',
        Some("csv") => b',',
        Some(_) => {
            return Err(Refusal::Invalid(
                "Value for 'entries_format' not supported.".into(),
            ));
        }
    };
    let entries = entries(&incoming.needed("entries")?, separator)?;
    let terms = Terms::new(entries.iter().cloned())?;
    let glossary = Arc::new(Glossary {
        id: secret()?,
        name,
        source: source.to_ascii_lowercase(),
        target: target.to_ascii_lowercase(),
        created: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        entries,
        terms: Arc::new(terms),
        owner: owner(&caller),
    });
    service.glossaries.put(glossary.clone())?;
    Ok((StatusCode::CREATED, Json(glossary.describe())).into_response())
}

/// A term and what it is, a line each; DeepL's own CSV may have the languages behind them.
fn entries(text: &str, separator: u8) -> Result<Vec<(String, String)>, Refusal> {
    let reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .quoting(separator == b',')
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut entries = Vec::new();
    for record in reader.into_records() {
        let record = record.map_err(|error| Refusal::Invalid(error.to_string()))?;
        let fields: Vec<&str> = record.iter().collect();
        let wrong = |why: &str| {
            let number = entries.len() + 1;
            Err(Refusal::Invalid(format!("entry {number}: {why}")))
        };
        match fields[..] {
            [""] => {}
            [_] => return wrong("there is no translation"),
            // They are listed with tabs, a line each.
            [term, translation, ..]
                if format!("{term}{translation}").contains(char::is_control) =>
            {
                return wrong("there is a control character");
            }
            [term, translation, ..] => entries.push((term.to_owned(), translation.to_owned())),
            [] => {}
        }
    }
    match entries.is_empty() {
        true => Err(Refusal::Invalid("There are no entries.".into())),
        false => Ok(entries),
    }
}

/// `GET /v2/glossaries`
async fn list(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let incoming = Incoming::read(request, &service.settings).await?;
    let own = service.glossaries.of(&service.caller(&incoming)?);
    let all: Value = own.iter().map(|glossary| glossary.describe()).collect();
    Ok(Json(json!({"glossaries": all})))
}

async fn named(service: &Service, id: &str, request: Request) -> Result<Arc<Glossary>, Refusal> {
    let incoming = Incoming::read(request, &service.settings).await?;
    let caller = service.caller(&incoming)?;
    service.glossaries.get(id, &caller).ok_or(Refusal::NotFound)
}

/// `GET /v2/glossaries/ID`
async fn get(
    State(service): State<Arc<Service>>,
    Name(id): Name,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(named(&service, &id, request).await?.describe()))
}

/// `GET /v2/glossaries/ID/entries`
async fn get_entries(
    State(service): State<Arc<Service>>,
    Name(id): Name,
    request: Request,
) -> Result<Response, Refusal> {
    let glossary = named(&service, &id, request).await?;
    let lines = glossary.entries.iter();
    let lines: Vec<String> = lines
        .map(|(term, other)| format!("{term}\t{other}"))
        .collect();
    let kind = [(
        header::CONTENT_TYPE,
        "text/tab-separated-values; charset=utf-8",
    )];
    Ok((kind, lines.join("\n")).into_response())
}

/// `DELETE /v2/glossaries/ID`
async fn delete(
    State(service): State<Arc<Service>>,
    Name(id): Name,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let glossary = named(&service, &id, request).await?;
    service.glossaries.remove(&glossary.id);
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /v2/glossary-language-pairs`
async fn pairs(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let incoming = Incoming::read(request, &service.settings).await?;
    service.caller(&incoming)?;
    let languages = &service.loaded()?.languages;
    let mut pairs = Vec::new();
    for from in languages.all() {
        let targets = languages.targets(from).into_iter();
        let others = targets.filter(|to| *to != from.code);
        pairs.extend(others.map(|to| json!({"source_lang": from.code, "target_lang": to})));
    }
    Ok(Json(json!({"supported_languages": pairs})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_from_both_formats() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            entries("dog\tHund\r\n\n \ncat \t Katze\n#x\t\"y\"", b'\t').unwrap(),
            [
                pair("dog", "Hund"),
                pair("cat", "Katze"),
                pair("#x", "\"y\"")
            ]
        );
        assert_eq!(
            entries("\"a, \"\"b\"\"\",c,en,de", b',').unwrap(),
            [pair("a, \"b\"", "c")]
        );
        for wrong in ["", "\n \n", "dog", "dog\tHund\ncat"] {
            entries(wrong, b'\t').unwrap_err();
        }
        for wrong in ["\"a\nb\",c", "\"a\tb\",c", "a,\"b\u{0}\""] {
            entries(wrong, b',').unwrap_err();
        }
    }
}
