//! From the first moment of a service to its last.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use super::models::Models;
use super::service::Service;
use super::settings::Settings;
use super::{routes, server};
use crate::{Error, Result};

/// Answers at an address until the process is told to end, by SIGTERM or Ctrl-C; a second one ends it at once. The models
/// are loaded meanwhile, and requests are told so.
///
/// # Errors
/// An address that cannot be listened at, a file of keys that cannot be read, and what `load` reports.
pub fn serve(
    settings: Settings,
    host: &str,
    port: u16,
    load: impl FnOnce() -> Result<Models> + Send + 'static,
) -> Result<()> {
    let failed = |error: std::io::Error| Error::Invalid(format!("no service: {error}"));
    let runtime = Runtime::new().map_err(failed)?;
    let outcome = runtime.block_on(until_told(settings, host, port, load));
    // Whatever still runs is dropped, and with the last of it the models: no step may be under way on a device when the process
    // ends, drivers do not bear that.
    runtime.shutdown_timeout(LAST_STEP);
    outcome
}

/// Within what time the last step of a model is over.
const LAST_STEP: Duration = Duration::from_secs(10);

async fn until_told(
    settings: Settings,
    host: &str,
    port: u16,
    load: impl FnOnce() -> Result<Models> + Send + 'static,
) -> Result<()> {
    let service = Arc::new(Service::new(settings)?);
    let router = routes(&service)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let listener = TcpListener::bind((host, port)).await;
    let listener = listener.map_err(|error| {
        Error::Invalid(format!(
            "cannot listen at {host} port {port}: {error}; choose others by --host and --port"
        ))
    })?;
    if let Ok(address) = listener.local_addr() {
        let prefix = &service.settings.url_prefix;
        tracing::info!("listening at http://{address}{prefix}/");
    }
    let mut signals = Signals::new()?;
    let stop = Arc::new(Notify::new());
    let stopped = {
        let stop = stop.clone();
        async move { stop.notified().await }
    };
    let server = tokio::spawn(server::run(listener, router, service.clone(), stopped));
    let mut loading = tokio::task::spawn_blocking(load);
    let mut is_loading = true;
    loop {
        tokio::select! {
            loaded = &mut loading, if is_loading => {
                is_loading = false;
                match loaded {
                    Ok(models) => service.load(Arc::new(models?)),
                    Err(_) => return Err(Error::Stopped),
                }
                tracing::info!("ready");
            }
            told = signals.next() => match told {
                Told::ReadAgain => match service.keys.read_again() {
                    Ok(()) => tracing::info!("keys were read again"),
                    Err(error) => tracing::error!("keys stay as they were: {error}"),
                },
                Told::End => break,
            },
        }
    }
    service.drain();
    tracing::info!("shutting down; what runs is finished");
    tokio::select! {
        () = service.idle() => {}
        () = tokio::time::sleep(service.settings.shutdown_timeout) => {
            tracing::warn!("what still runs is given up");
        }
        () = signals.end() => {
            tracing::warn!("told twice: what still runs is given up");
            return Ok(());
        }
    }
    stop.notify_one();
    tokio::select! {
        _ = server => {}
        () = signals.end() => {}
    }
    Ok(())
}

/// What the process is told.
enum Told {
    ReadAgain,
    End,
}

/// Where it is told.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hang_up: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |error: std::io::Error| Error::Invalid(format!("no signals: {error}"));
        Ok(Signals {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            hang_up: signal(SignalKind::hangup()).map_err(failed)?,
        })
    }

    #[cfg(unix)]
    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::End,
            _ = tokio::signal::ctrl_c() => Told::End,
            _ = self.hang_up.recv() => Told::ReadAgain,
        }
    }

    #[cfg(not(unix))]
    fn new() -> Result<Signals> {
        Ok(Signals {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) -> Told {
        // Where there is no Ctrl-C, nothing is ever told.
        match tokio::signal::ctrl_c().await {
            Ok(()) => Told::End,
            Err(_) => std::future::pending().await,
        }
    }

    async fn end(&mut self) {
        while !matches!(self.next().await, Told::End) {}
    }
}
