//! DeepL's dialect: glossaries, which are kept in memory, each for the key that it came with.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::deepl::base;
use super::files::secret;
use super::incoming::Incoming;
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

/// `POST /v2/glossaries`
pub async fn create(
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
        None | Some("tsv") => '\t',
        Some("csv") => ',',
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
        created: now(),
        entries,
        terms: Arc::new(terms),
        owner: owner(&caller),
    });
    service.glossaries.put(glossary.clone())?;
    Ok((StatusCode::CREATED, Json(glossary.describe())).into_response())
}

/// A term and what it is, a line each.
fn entries(text: &str, separator: char) -> Result<Vec<(String, String)>, Refusal> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let mut entries: Vec<(String, String)> = Vec::new();
    for (index, line) in lines.enumerate() {
        let wrong = |why: &str| Refusal::Invalid(format!("Entry {} {why}.", index + 1));
        let fields = fields(line, separator);
        let [term, translation, ..] = &fields[..] else {
            return Err(wrong("has no translation"));
        };
        let (term, translation) = (term.trim(), translation.trim());
        if term.is_empty() || translation.is_empty() {
            return Err(wrong("is empty"));
        }
        entries.push((term.to_owned(), translation.to_owned()));
    }
    let mut terms: Vec<&String> = entries.iter().map(|(term, _)| term).collect();
    terms.sort_unstable();
    if terms.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Refusal::Invalid("A term comes twice.".into()));
    }
    match entries.is_empty() {
        true => Err(Refusal::Invalid("There are no entries.".into())),
        false => Ok(entries),
    }
}

/// The fields of a line; in CSV one may stand in quotes.
fn fields(line: &str, separator: char) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut is_quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        let last = fields.len() - 1;
        match c {
            '"' if separator == ',' && is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                fields[last].push('"');
            }
            '"' if separator == ',' => is_quoted = !is_quoted,
            c if c == separator && !is_quoted => fields.push(String::new()),
            c => fields[last].push(c),
        }
    }
    fields
}

/// The time in the way of RFC 3339.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    written_time(since.map_or(0, |since| since.as_secs()))
}

fn written_time(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March, so that the day that some years have more is the last.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z")
}

/// `GET /v2/glossaries`
pub async fn list(
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
pub async fn get(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(named(&service, &id, request).await?.describe()))
}

/// `GET /v2/glossaries/ID/entries`
pub async fn get_entries(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
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
pub async fn delete(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let glossary = named(&service, &id, request).await?;
    service.glossaries.remove(&glossary.id);
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /v2/glossary-language-pairs`
pub async fn pairs(
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
            entries("dog\tHund\r\n\n cat \t Katze", '\t').unwrap(),
            [pair("dog", "Hund"), pair("cat", "Katze")]
        );
        assert_eq!(
            entries("\"a, \"\"b\"\"\",c,en,de", ',').unwrap(),
            [pair("a, \"b\"", "c")]
        );
        for wrong in ["", "dog", "dog\t", "dog\tHund\ndog\tKöter"] {
            entries(wrong, '\t').unwrap_err();
        }
    }

    #[test]
    fn times_are_written_as_others_do() {
        // By `date -u -d @N +%FT%T.000Z`.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (1_798_761_600, "2027-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(written_time(seconds), text);
        }
    }
}
