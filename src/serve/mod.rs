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
mod operation;
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

use axum::http::{HeaderValue, Method, header};
use axum::middleware::from_fn_with_state;
use axum::response::Redirect;
use axum::routing::get;
use axum::{Extension, Router};
use tower_http::cors::{Any, CorsLayer};

pub use self::models::Models;
pub use self::run::serve;
pub use self::settings::Settings;
pub use self::translate::{Ask, Pair, Running, Translate};

use self::dialect::Dialect;
use self::openapi::Description;
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

/// All operations, and the page, under the prefix.
fn routes(service: &Arc<Service>) -> Result<Router> {
    let mut libre = libre::operations();
    libre.extend(libre_files::operations());
    libre.extend(openapi::operations());
    let mut deepl = deepl::operations();
    deepl.extend(deepl_documents::operations());
    deepl.extend(deepl_glossaries::operations());
    let mut generate = generate::operations();
    generate.extend(align::operations());
    let all = [
        ("LibreTranslate", Some(Dialect::Libre), libre),
        ("DeepL", Some(Dialect::Deepl), deepl),
        (
            "Immersive Translate",
            Some(Dialect::Imme),
            imme::operations(),
        ),
        ("t5-gpu", Some(Dialect::Generate), generate),
        ("operation", None, probes::operations()),
    ];
    let mut router = Router::new();
    let mut description = Description::default();
    for (tag, dialect, operations) in all {
        let mut own = Router::new();
        for operation in operations {
            description.add(tag, dialect, &operation);
            own = own.route(operation.path, operation.handler);
        }
        if let Some(dialect) = dialect {
            let state = (service.clone(), dialect);
            own = own.route_layer(from_fn_with_state(state, dialect::speak));
        }
        router = router.merge(own);
    }
    let prefix = service.settings.url_prefix.as_str();
    router = router.layer(Extension(Arc::new(description.finish(prefix))));
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
