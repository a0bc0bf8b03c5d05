//! A service for the clients that people have: a file a dialect over one kind of request, on the engine.
//!
//! ```no_run
//! # #[cfg(feature = "embedded-model")]
//! # fn main() -> t5_gpu::Result<()> {
//! use t5_gpu::Pipeline;
//! use t5_gpu::serve::{Models, Settings, serve};
//!
//! let load = || Ok(Models::new(vec![Pipeline::embedded()?]));
//! serve(Settings::default(), "127.0.0.1", 5000, load)
//! # }
//! # #[cfg(not(feature = "embedded-model"))]
//! # fn main() {}
//! ```

mod align;
mod deepl;
mod deepl_documents;
mod deepl_glossaries;
mod dialect;
mod downloads;
mod files;
mod generate;
mod imme;
mod incoming;
mod keys;
mod languages;
mod libre;
mod libre_files;
mod limits;
mod meters;
mod models;
mod openapi;
mod page;
mod probes;
mod refusal;
mod request;
mod run;
mod server;
mod service;
mod settings;
mod translate;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::from_fn_with_state;
use axum::response::Redirect;
use axum::routing::{get, post};
use tower_http::cors::{Any, CorsLayer};

pub use self::models::Models;
pub use self::run::serve;
pub use self::settings::Settings;
pub use self::translate::{Ask, Pair, Running, Translate};

use self::dialect::Dialect;
use self::service::Service;
use crate::{Error, Result};

/// All that a service answers, over something that translates; without a socket, for tests.
///
/// # Errors
/// A file of keys that cannot be read, and an origin that cannot be one.
pub fn router(settings: Settings, translate: Arc<dyn Translate>) -> Result<Router> {
    let service = Arc::new(Service::new(settings)?);
    service.load(translate);
    routes(&service)
}

/// The paths of all dialects, under the prefix.
fn routes(service: &Arc<Service>) -> Result<Router> {
    let spoken = |router: Router<Arc<Service>>, dialect| {
        let state = (service.clone(), dialect);
        router.route_layer(from_fn_with_state(state, dialect::speak))
    };
    let libre = Router::new()
        .route("/translate", post(libre::translate))
        .route("/detect", post(libre::detect))
        .route("/languages", get(libre::languages).post(libre::languages))
        .route("/frontend/settings", get(libre::settings))
        .route("/suggest", post(libre::suggest))
        .route("/health", get(libre::health))
        .route("/spec", get(openapi::spec))
        .route("/translate_file", post(libre_files::translate))
        .route("/download_file/{name}", get(libre_files::download));
    let glossaries = get(deepl_glossaries::list).post(deepl_glossaries::create);
    let glossary = get(deepl_glossaries::get).delete(deepl_glossaries::delete);
    let deepl = Router::new()
        .route("/v2/translate", post(deepl::translate))
        .route(
            "/v2/languages",
            get(deepl::languages).post(deepl::languages),
        )
        .route("/v2/usage", get(deepl::usage).post(deepl::usage))
        .route("/v2/document", post(deepl_documents::upload))
        .route("/v2/document/{id}", post(deepl_documents::status))
        .route("/v2/document/{id}/result", post(deepl_documents::result))
        .route("/v2/glossaries", glossaries)
        .route("/v2/glossaries/{id}", glossary)
        .route(
            "/v2/glossaries/{id}/entries",
            get(deepl_glossaries::get_entries),
        )
        .route("/v2/glossary-language-pairs", get(deepl_glossaries::pairs));
    let imme = Router::new().route("/imme", post(imme::translate));
    let generate = Router::new()
        .route("/v1/generate", post(generate::generate))
        .route("/v1/align", post(align::align));
    let mut router = Router::new()
        .merge(spoken(libre, Dialect::Libre))
        .merge(spoken(deepl, Dialect::Deepl))
        .merge(spoken(imme, Dialect::Imme))
        .merge(spoken(generate, Dialect::Generate))
        .route("/live", get(probes::live))
        .route("/ready", get(probes::ready))
        .route("/metrics", get(probes::metrics));
    let prefix = service.settings.url_prefix.as_str();
    if !prefix.is_empty() {
        // The page names its files from where it is, so its path ends with a slash.
        let home = format!("{prefix}/");
        let to_home = get(move || async move { Redirect::permanent(&home) });
        router = Router::new().nest(prefix, router).route(prefix, to_home);
    }
    router = router.merge(page::router(prefix));
    let mut router = router
        .fallback(dialect::not_found)
        .method_not_allowed_fallback(dialect::not_allowed)
        .with_state(service.clone());
    if let Some(origin) = &service.settings.cors {
        router = router.layer(cors(origin)?);
    }
    Ok(router)
}

fn cors(origin: &str) -> Result<CorsLayer> {
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE]);
    if origin == "*" {
        return Ok(layer.allow_origin(Any));
    }
    let value: HeaderValue = origin.parse().map_err(|_| {
        Error::Invalid(format!(
            "\"{origin}\" is no origin: give one such as https://example.org, or *"
        ))
    })?;
    Ok(layer.allow_origin([value]))
}
