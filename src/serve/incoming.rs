//! What a client sent, out of whatever it was packed in: query, form, multipart or JSON.

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use futures_util::{StreamExt, stream};
use serde_json::{Map, Value};

use super::refusal::Refusal;
use super::settings::Settings;

/// A request, read to its end.
pub struct Incoming {
    pub headers: HeaderMap,
    pub address: IpAddr,
    /// Those of the body, and those of the query that the body has not.
    fields: Vec<(String, Field)>,
    pub is_json: bool,
}

/// What a field holds.
pub enum Field {
    Json(Value),
    Text(String),
    File(File),
}

/// A file that was sent.
#[derive(Clone)]
pub struct File {
    pub name: String,
    pub bytes: Bytes,
}

impl Incoming {
    /// Reads a request, within the bounds that there are for bodies.
    pub async fn read(request: Request, settings: &Settings) -> Result<Incoming, Refusal> {
        let (parts, body) = request.into_parts();
        let kind = Kind::of(&parts.headers);
        let limit = settings.max_body;
        let body = tokio::time::timeout(settings.body_timeout, bytes(&parts.headers, body, limit));
        let body = body.await.map_err(|_| Refusal::BodyTooSlow)??;
        let is_json = matches!(kind, Kind::Json);
        let mut fields = match kind {
            // Some clients name a kind that nothing comes of.
            Kind::Json if body.is_empty() && parts.method != Method::POST => Vec::new(),
            Kind::Json => json(&body)?,
            Kind::Form => texts(&body)?,
            Kind::Multipart(boundary) => multipart(body, boundary).await?,
            Kind::Other => Vec::new(),
        };
        if let Some(query) = parts.uri.query() {
            // What is in the body comes in place of what is in the query.
            let mut others = texts(query.as_bytes())?;
            let own: HashSet<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
            others.retain(|(name, _)| !own.contains(name.as_str()));
            fields.extend(others);
        }
        let connection = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Incoming {
            address: connection.map_or(Ipv4Addr::LOCALHOST.into(), |info| info.0.ip()),
            headers: parts.headers,
            fields,
            is_json,
        })
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Field> {
        let named = self.fields.iter().filter(move |(own, _)| own == name);
        named.map(|(_, field)| field)
    }

    /// A text; `null` and nothing at all are none, and so is an empty one.
    pub fn text(&self, name: &'static str) -> Result<Option<String>, Refusal> {
        match self.all(name).next() {
            None | Some(Field::Json(Value::Null)) => Ok(None),
            Some(Field::Json(Value::String(text)) | Field::Text(text)) => {
                Ok(Some(text.clone()).filter(|text| !text.is_empty()))
            }
            Some(_) => Err(Refusal::NotText(name)),
        }
    }

    /// A text that has to be there.
    pub fn needed(&self, name: &'static str) -> Result<String, Refusal> {
        self.text(name)?.ok_or(Refusal::Missing(name))
    }

    /// The key, by any of the ways in which clients give one.
    pub fn key(&self) -> Result<Option<String>, Refusal> {
        for name in ["api_key", "auth_key"] {
            if let Some(key) = self.text(name)? {
                return Ok(Some(key));
            }
        }
        let header = self.headers.get(header::AUTHORIZATION);
        Ok(header.and_then(|value| {
            let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
            let schemes = ["bearer", "deepl-auth-key"];
            let is_known = schemes.contains(&scheme.to_ascii_lowercase().as_str());
            let key = key.trim();
            (is_known && !key.is_empty()).then(|| key.to_owned())
        }))
    }

    /// A list in JSON, or a field that comes once or more often: its texts, and whether they are a list.
    pub fn texts(&self, name: &'static str) -> Result<(Vec<String>, bool), Refusal> {
        let not_text = || Refusal::NotText(name);
        let mut all = Vec::new();
        let mut is_list = false;
        for field in self.all(name) {
            match field {
                Field::Json(Value::Null) => {}
                Field::Json(Value::String(text)) | Field::Text(text) => all.push(text.clone()),
                Field::Json(Value::Array(values)) => {
                    is_list = true;
                    let texts = values.iter().map(|value| value.as_str().map(str::to_owned));
                    all.extend(texts.collect::<Option<Vec<_>>>().ok_or_else(not_text)?);
                }
                _ => return Err(not_text()),
            }
        }
        is_list |= all.len() > 1;
        Ok((all, is_list))
    }

    /// A whole number; nothing at all is none, and so is an empty text.
    pub fn number(&self, name: &'static str) -> Result<Option<i64>, Refusal> {
        let number = match self.all(name).next() {
            None => return Ok(None),
            Some(Field::Json(Value::Number(number))) => number
                .as_i64()
                .or(number.as_f64().map(|number| number as i64)),
            Some(Field::Json(Value::String(text)) | Field::Text(text)) if text.is_empty() => {
                return Ok(None);
            }
            Some(Field::Json(Value::String(text)) | Field::Text(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        number.map(Some).ok_or(Refusal::NotANumber(name))
    }

    /// A file.
    pub fn file(&self, name: &'static str) -> Result<File, Refusal> {
        self.all(name)
            .find_map(|field| match field {
                Field::File(file) => Some(file.clone()),
                _ => None,
            })
            .ok_or(Refusal::Missing(name))
    }

    /// All fields of a JSON object.
    pub fn into_object(self) -> Map<String, Value> {
        let value = |field| match field {
            Field::Json(value) => Some(value),
            _ => None,
        };
        let fields = self.fields.into_iter();
        fields
            .filter_map(|(name, field)| Some((name, value(field)?)))
            .collect()
    }
}

/// The name at the end of a path. There is nothing by a name that cannot be one.
pub struct Name(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Name, Refusal> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(name)| Name(name))
            .map_err(|_| Refusal::NotFound)
    }
}

/// What a body is.
enum Kind {
    Json,
    Form,
    Multipart(String),
    Other,
}

impl Kind {
    fn of(headers: &HeaderMap) -> Kind {
        let value = headers.get(header::CONTENT_TYPE);
        let Some(text) = value.and_then(|value| value.to_str().ok()) else {
            return Kind::Other;
        };
        let essence = text.split(';').next().unwrap_or_default();
        let essence = essence.trim().to_ascii_lowercase();
        match essence.strip_prefix("application/") {
            Some("x-www-form-urlencoded") => Kind::Form,
            Some(subtype) if subtype.ends_with("json") => Kind::Json,
            _ => multer::parse_boundary(text).map_or(Kind::Other, Kind::Multipart),
        }
    }
}

/// A body's bytes. Where there are too many of them, the rest is read all the same, as far as that is bearable: a client
/// that still sends would not see the answer.
async fn bytes(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let mut is_too_large = length.is_some_and(|length| length > limit);
    let mut all = Vec::with_capacity(length.unwrap_or_default().min(limit));
    let mut passed_over = 0;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Refusal::Unreadable("the body broke off".into()))?;
        is_too_large |= all.len() + chunk.len() > limit;
        if !is_too_large {
            all.extend_from_slice(&chunk);
            continue;
        }
        all = Vec::new();
        passed_over += chunk.len();
        if passed_over > MOST_PASSED_OVER {
            break;
        }
    }
    match is_too_large {
        true => Err(Refusal::BodyTooLarge(limit)),
        false => Ok(all.into()),
    }
}

const MOST_PASSED_OVER: usize = 64 << 20;

fn json(body: &[u8]) -> Result<Vec<(String, Field)>, Refusal> {
    let object: Map<String, Value> = serde_json::from_slice(body).map_err(|_| Refusal::NotJson)?;
    let fields = object.into_iter();
    Ok(fields
        .map(|(name, value)| (name, Field::Json(value)))
        .collect())
}

fn texts(body: &[u8]) -> Result<Vec<(String, Field)>, Refusal> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(body)
        .map_err(|_| Refusal::Unreadable("the form cannot be read".into()))?;
    let pairs = pairs.into_iter();
    Ok(pairs
        .map(|(name, text)| (name, Field::Text(line_feeds(text))))
        .collect())
}

/// Forms send line breaks in their own way.
fn line_feeds(text: String) -> String {
    match text.contains('\r') {
        true => text.replace("\r\n", "\n").replace('\r', "\n"),
        false => text,
    }
}

async fn multipart(body: Bytes, boundary: String) -> Result<Vec<(String, Field)>, Refusal> {
    let broken = |_| Refusal::Unreadable("the form cannot be read".into());
    let chunks = stream::iter([Ok::<_, Infallible>(body)]);
    let mut parts = multer::Multipart::new(chunks, boundary);
    let mut fields = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(broken)? {
        let name = part.name().unwrap_or_default().to_owned();
        let field = match part.file_name().map(str::to_owned) {
            Some(file) => Field::File(File {
                name: file,
                bytes: part.bytes().await.map_err(broken)?,
            }),
            None => Field::Text(line_feeds(part.text().await.map_err(broken)?)),
        };
        fields.push((name, field));
    }
    Ok(fields)
}
