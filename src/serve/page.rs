//! The page at `/`, in the binary.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};

/// Nothing but what comes from here; nobody else's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

type Kind = (&'static str, &'static str);

const HTML: Kind = ("text/html; charset=utf-8", include_str!("page/index.html"));
const CSS: Kind = ("text/css; charset=utf-8", include_str!("page/style.css"));
const JS: Kind = (
    "text/javascript; charset=utf-8",
    include_str!("page/script.js"),
);
const ICON: Kind = ("image/svg+xml", include_str!("page/icon.svg"));

/// The page, and what it is made of, beside it.
pub fn router<S: Clone + Send + Sync + 'static>(prefix: &str) -> Router<S> {
    Router::new()
        .route(&format!("{prefix}/"), file(HTML))
        .route(&format!("{prefix}/icon.svg"), file(ICON))
        .route(&format!("{prefix}/style.css"), file(CSS))
        .route(&format!("{prefix}/script.js"), file(JS))
}

fn file<S: Clone + Send + Sync + 'static>((kind, text): Kind) -> MethodRouter<S> {
    get(move || async move {
        let headers = [
            (header::CONTENT_TYPE, kind),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::CACHE_CONTROL, "no-cache"),
        ];
        (headers, text).into_response()
    })
}
