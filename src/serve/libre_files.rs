//! LibreTranslate's dialect: files.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

use super::files::{self, Job, secret};
use super::incoming::{Incoming, Name};
use super::libre::{API_KEY, SOURCE, TARGET};
use super::operation::{Kind, Operation, get, needed, post};
use super::refusal::Refusal;
use super::service::Service;

/// Those of files.
pub fn operations() -> Vec<Operation> {
    vec![
        post("/translate_file", translate, "Translate a file")
            .takes([
                needed("file", Kind::File, "A .txt file in UTF-8"),
                SOURCE,
                TARGET,
                API_KEY,
            ])
            .gives([needed("translatedFileUrl", Kind::Text, "Where it is")]),
        get("/download_file/{name}", download, "Fetch a translated file"),
    ]
}

/// `POST /translate_file`
async fn translate(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    files::check(&service.settings)?;
    let incoming = Incoming::read(request, &service.settings).await?;
    let caller = service.caller(&incoming)?;
    let file = incoming.file("file")?;
    let source = incoming.needed("source")?;
    let target = incoming.needed("target")?;
    let source = (!source.eq_ignore_ascii_case("auto")).then_some(source);
    let job = Job::new(&file, source, target, None)?;
    service.allow(&incoming, &caller, job.texts(&service.settings))?;
    let text = job.run(&service, &caller).await?;
    let name = format!("{}.{}", secret()?, job.name);
    service.downloads.put(name.clone(), text.into());
    let base = base(&incoming.headers);
    let prefix = &service.settings.url_prefix;
    Ok(Json(json!({
        "translatedFileUrl": format!("{base}{prefix}/download_file/{name}"),
    })))
}

/// Where the client found the service.
fn base(headers: &HeaderMap) -> String {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let is_tls = text("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
    let scheme = if is_tls { "https" } else { "http" };
    format!("{scheme}://{}", text("host").unwrap_or("localhost"))
}

/// `GET /download_file/NAME`
async fn download(
    State(service): State<Arc<Service>>,
    Name(name): Name,
) -> Result<Response, Refusal> {
    files::check(&service.settings)?;
    let bytes = service.downloads.get(&name).ok_or(Refusal::NotFound)?;
    let shown = name.split_once('.').map_or("", |(_, shown)| shown);
    Ok(files::attachment(shown, bytes))
}
