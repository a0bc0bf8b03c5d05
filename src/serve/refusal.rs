//! Why a request is not answered, in LibreTranslate's words where it has some. Each dialect writes them in its own way.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::Error;

/// Why a request is not answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    Missing(&'static str),
    NotANumber(&'static str),
    NotText(&'static str),
    NotJson,
    /// A body that is none of what there may be.
    Unreadable(String),
    TooMany {
        name: &'static str,
        limit: usize,
    },
    TooLong {
        size: usize,
        limit: usize,
    },
    Language(String),
    NoPair {
        from: (String, String),
        to: (String, String),
    },
    Format(String),
    /// Another thing that is wrong with a request.
    Invalid(String),
    FileFormat,
    EmptyFile,
    Disabled(&'static str),
    KeyNeeded,
    WrongKey,
    Quota,
    /// A client asks too often.
    TooOften {
        limit: u32,
        wait: Duration,
    },
    /// Everybody together asks too much.
    QueueFull,
    BodyTooLarge(usize),
    BodyTooSlow,
    NotFound,
    Method,
    Loading,
    Draining,
    TimedOut,
    /// Nobody's fault but the service's.
    Failed(String),
}

impl Refusal {
    pub fn status(&self) -> StatusCode {
        use Refusal::*;
        match self {
            WrongKey | Disabled(_) => StatusCode::FORBIDDEN,
            Quota => StatusCode::from_u16(456).unwrap_or(StatusCode::FORBIDDEN),
            TooOften { .. } | QueueFull => StatusCode::TOO_MANY_REQUESTS,
            BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            NotFound => StatusCode::NOT_FOUND,
            Method => StatusCode::METHOD_NOT_ALLOWED,
            Loading | Draining => StatusCode::SERVICE_UNAVAILABLE,
            TimedOut => StatusCode::GATEWAY_TIMEOUT,
            Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    pub fn words(&self) -> String {
        use Refusal::*;
        match self {
            Missing(name) => format!("Invalid request: missing {name} parameter"),
            NotANumber(name) => format!("Invalid request: {name} parameter is not a number"),
            NotText(name) => format!("Invalid request: {name} parameter is not a text"),
            NotJson => "Invalid JSON format".into(),
            Unreadable(why) => format!("Invalid request: {why}"),
            TooMany { name, limit } => {
                format!("Invalid request: {name} parameter must be <= {limit}")
            }
            TooLong { size, limit } => {
                format!("Invalid request: request ({size}) exceeds text limit ({limit})")
            }
            Language(code) => format!("{code} is not supported"),
            NoPair { from, to } => format!(
                "{} ({}) is not available as a target language from {} ({})",
                to.0, to.1, from.0, from.1
            ),
            Format(format) => format!("{format} format is not supported"),
            Invalid(why) => why.clone(),
            FileFormat => "Invalid request: file format not supported".into(),
            EmptyFile => "Invalid request: empty file".into(),
            Disabled(what) => format!("{what} are disabled on this server."),
            KeyNeeded => "Please contact the server operator to get an API key".into(),
            WrongKey => "Invalid API key".into(),
            Quota => "Quota exceeded".into(),
            TooOften { limit, .. } => format!("Slowdown: {limit} per 1 minute"),
            QueueFull => "Slowdown: too many requests are waiting, try again later".into(),
            BodyTooLarge(limit) => format!("Invalid request: body exceeds {limit} bytes"),
            BodyTooSlow => "Invalid request: the body did not come in time".into(),
            NotFound => "Not found".into(),
            Method => "Method not allowed".into(),
            Loading => "The model is being loaded, try again in a moment".into(),
            Draining => "The server is shutting down".into(),
            TimedOut => "Cannot translate text: it took too long".into(),
            Failed(why) => format!("Cannot translate text: {why}"),
        }
    }

    /// Seconds after which it is worth to ask again.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Refusal::TooOften { wait, .. } => Some(wait.as_secs() + 1),
            Refusal::QueueFull | Refusal::Loading | Refusal::Draining => Some(1),
            _ => None,
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        match error {
            Error::QueueFull { .. } => Refusal::QueueFull,
            Error::TimedOut => Refusal::TimedOut,
            Error::Stopped => Refusal::Draining,
            Error::Invalid(_) | Error::TooLarge { .. } | Error::TokenOutOfRange { .. } => {
                Refusal::Invalid(error.to_string())
            }
            error => Refusal::Failed(error.to_string()),
        }
    }
}

/// Leaves the words to the dialect that the request came in by.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert("retry-after", seconds.into());
        }
        response.extensions_mut().insert(self);
        response
    }
}
