//! The dialects that clients speak, each with words of its own for what went wrong; and what happens to every request.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};
use serde_json::json;

use super::refusal::Refusal;
use super::service::{Service, UnderWay};

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Libre,
    Deepl,
    Imme,
    Generate,
}

impl Dialect {
    /// As metrics call it.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Libre => "libretranslate",
            Dialect::Deepl => "deepl",
            Dialect::Imme => "imme",
            Dialect::Generate => "generate",
        }
    }

    /// The field that says what went wrong.
    pub fn refusal_field(self) -> &'static str {
        match self {
            Dialect::Deepl => "message",
            _ => "error",
        }
    }

    /// Says what went wrong.
    fn refuse(self, refusal: &Refusal, response: &mut Response) {
        let (status, words) = match self {
            Dialect::Deepl => super::deepl::refuse(refusal),
            _ => (refusal.status(), refusal.words()),
        };
        let body = json!({self.refusal_field(): words});
        let mut written = (status, Json(body)).into_response();
        if let Some(wait) = response.headers_mut().remove("retry-after") {
            written.headers_mut().insert("retry-after", wait);
        }
        *response = written;
    }
}

/// What happens to every request of a dialect: it is counted and timed, turned away where the service is about to end, and
/// what went wrong is said in the dialect's words.
pub async fn speak(
    State((service, dialect)): State<(Arc<Service>, Dialect)>,
    request: Request,
    next: Next,
) -> Response {
    let begin = Instant::now();
    // Who only looks is answered to the last.
    let under_way = match request.method() == Method::POST {
        true => service.begin().map(Some),
        false => Ok(None),
    };
    let (under_way, mut response) = match under_way {
        Ok(under_way) => (under_way, next.run(request).await),
        Err(refusal) => (None, refusal.into_response()),
    };
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        if let Refusal::Failed(why) = &refusal {
            tracing::error!("{}: {why}", dialect.name());
        }
        dialect.refuse(&refusal, &mut response);
    }
    let end = End {
        service,
        dialect,
        status: response.status().as_u16(),
        begin,
        _under_way: under_way,
    };
    response.map(|body| Body::new(Held { body, _end: end }))
}

/// Counts a request when it is answered to its end, or its client is gone.
struct End {
    service: Arc<Service>,
    dialect: Dialect,
    status: u16,
    begin: Instant,
    _under_way: Option<UnderWay>,
}

impl Drop for End {
    fn drop(&mut self) {
        let meters = &self.service.meters;
        meters.answered(self.dialect.name(), self.status, self.begin.elapsed());
    }
}

/// There is nothing at that path.
pub async fn not_found(uri: Uri) -> Response {
    refused(&uri, &Refusal::NotFound)
}

/// There is something, but not for that method.
pub async fn not_allowed(uri: Uri) -> Response {
    refused(&uri, &Refusal::Method)
}

fn refused(uri: &Uri, refusal: &Refusal) -> Response {
    let dialect = match uri.path().contains("/v2/") {
        true => Dialect::Deepl,
        false => Dialect::Libre,
    };
    let mut response = Response::default();
    dialect.refuse(refusal, &mut response);
    response
}

/// A body during which a request is under way.
struct Held {
    body: Body,
    _end: End,
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
