//! Exchanges over HTTP: which way each takes, whom the token is told, and what a failure means for the next try.

use std::sync::Arc;
use std::time::Duration;

use ureq::config::IpFamily;
use ureq::http::{Response, Uri, header};
use ureq::typestate::WithoutBody;
use ureq::{Agent, Body, ProxyProtocol, RequestBuilder};

use super::address::{endpoint, is_same_server, join, origin};
use super::certificates;
use super::connection::{agent, cause};
use super::failure::Failure;
use super::options::Options;
use super::proxy::{NamedProxy, Proxies};
use super::setting::Setting;
use super::tls::Tls;
use crate::{Error, Result};

/// What talks to the hub, and to the servers that it redirects to.
pub(super) struct Http {
    agent: Agent,
    proxies: Proxies,
    hub: Uri,
    token: Option<String>,
    question: Patience,
    transfer: Patience,
}

/// How long to wait.
#[derive(Clone, Copy)]
struct Patience {
    /// For a connection.
    connect: Duration,
    /// For an answer's head, and for each further part of it.
    read: Duration,
}

/// An answer, and who gave it.
pub(super) struct Answer {
    pub response: Response<Body>,
    pub uri: Uri,
}

impl Http {
    /// # Errors
    /// [`Error::Invalid`] and others name the setting that cannot be used.
    pub fn new(options: &Options) -> Result<Self> {
        let network = &options.network;
        let config = Agent::config_builder()
            .user_agent(concat!("t5-gpu/", env!("CARGO_PKG_VERSION")))
            // A compressed transfer could not be resumed by offset.
            .accept_encoding("identity")
            .http_status_as_error(false)
            // Each address may have another proxy, and the token is for the hub alone.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_resolve(Some(Duration::from_secs(10)))
            .build();
        let tls = Tls(Arc::new(certificates::config(network)?));
        Ok(Self {
            agent: agent(config, tls),
            proxies: Proxies::new(network)?,
            hub: endpoint(&options.endpoint)?,
            token: match &options.token {
                Some(token) => token.read()?,
                None => None,
            },
            question: Patience::new(network.answer_timeout.as_ref())?,
            transfer: Patience::new(network.read_timeout.as_ref())?,
        })
    }

    /// A token goes with what the hub is asked.
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// The head of what is at `uri`, or where to find it.
    pub fn head(&self, uri: &Uri) -> Result<Answer, Failure> {
        self.send(self.agent.head(uri), uri, self.question)
    }

    /// A short text from `uri`, or from wherever it has gone.
    pub fn text(&self, uri: &Uri) -> Result<Answer, Failure> {
        self.follow(uri, |uri| {
            self.send(self.agent.get(uri), uri, self.question)
        })
    }

    /// The bytes at `uri`, or wherever they have gone, from offset `from` on; status 200 means that they come from the
    /// start all the same.
    pub fn bytes(&self, uri: &Uri, from: u64) -> Result<Answer, Failure> {
        self.follow(uri, |uri| {
            let mut request = self.agent.get(uri);
            if from > 0 {
                request = request.header(header::RANGE, format!("bytes={from}-"));
            }
            self.send(request, uri, self.transfer)
        })
    }

    /// What went wrong while the body of an answer from `uri` was read.
    pub fn broken(&self, error: ureq::Error, uri: &Uri) -> Failure {
        failure(error, uri, self.proxies.of(uri))
    }

    fn follow(
        &self,
        uri: &Uri,
        ask: impl Fn(&Uri) -> Result<Answer, Failure>,
    ) -> Result<Answer, Failure> {
        let mut answer = ask(uri)?;
        for _ in 0..MOST_REDIRECTS {
            match answer.redirect() {
                Some(uri) => answer = ask(&uri)?,
                None => return Ok(answer),
            }
        }
        Err(endless(uri).into())
    }

    fn send(
        &self,
        request: RequestBuilder<WithoutBody>,
        uri: &Uri,
        patience: Patience,
    ) -> Result<Answer, Failure> {
        let proxy = self.proxies.of(uri);
        let mut config = request
            .config()
            .proxy(proxy.map(|proxy| proxy.proxy.clone()))
            .timeout_connect(Some(patience.connect))
            .timeout_recv_response(Some(patience.read))
            .timeout_per_read(Some(patience.read));
        // That protocol has room for no other address.
        if proxy.is_some_and(|proxy| proxy.proxy.protocol() == ProxyProtocol::Socks4) {
            config = config.ip_family(IpFamily::Ipv4Only);
        }
        let mut request = config.build();
        if let Some(token) = self.token.as_ref().filter(|_| self.is_hub(uri)) {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        match request.call() {
            Ok(response) => Ok(Answer {
                response,
                uri: uri.clone(),
            }),
            Err(error) => Err(failure(error, uri, proxy)),
        }
    }

    /// `uri` is an address of the hub itself, and not of a server it redirects to.
    pub fn is_hub(&self, uri: &Uri) -> bool {
        is_same_server(&self.hub, uri)
    }
}

/// More than any way to a file takes.
pub(super) const MOST_REDIRECTS: usize = 10;

/// That the way from `uri` leads nowhere.
pub(super) fn endless(uri: &Uri) -> Error {
    Error::Invalid(format!("{uri} redirects without end: check HF_ENDPOINT"))
}

impl Answer {
    /// A header's text; `None` where there is no such header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// Where the answer sends its reader, if it does.
    pub fn redirect(&self) -> Option<Uri> {
        match self.response.status().as_u16() {
            301 | 302 | 303 | 307 | 308 => join(&self.uri, self.header("location")?),
            _ => None,
        }
    }
}

impl Patience {
    fn new(setting: Option<&Setting>) -> Result<Self> {
        let seconds = match setting {
            None => 0,
            Some(Setting { name, value }) => value.trim().parse().map_err(|_| {
                Error::Invalid(format!(
                    "{name} is \"{value}\", which is no whole number of seconds: write one, or unset it"
                ))
            })?,
        };
        Ok(match seconds {
            0 => Self {
                connect: Duration::from_secs(10),
                read: Duration::from_secs(30),
            },
            seconds => Self {
                connect: Duration::from_secs(seconds),
                read: Duration::from_secs(seconds),
            },
        })
    }
}

/// What a failed exchange means for the next try.
fn failure(error: ureq::Error, uri: &Uri, proxy: Option<&NamedProxy>) -> Failure {
    use std::io::ErrorKind as K;
    use ureq::Error as E;
    use ureq::Timeout as T;
    let (error, unconnected) = cause(error);
    let passing = match &error {
        _ if unconnected => false,
        E::Io(error) => matches!(
            error.kind(),
            K::ConnectionReset
                | K::ConnectionAborted
                | K::BrokenPipe
                | K::UnexpectedEof
                | K::TimedOut
                | K::WouldBlock
                | K::Interrupted
        ),
        E::Timeout(phase) => !matches!(phase, T::Resolve | T::Connect),
        E::BodyStalled => true,
        _ => false,
    };
    let through = proxy.map_or_else(String::new, |proxy| {
        format!(" through the proxy {} of {}", proxy.address, proxy.variable)
    });
    let host = origin(uri);
    let reason = match &error {
        E::Io(error) => error.to_string(),
        E::Timeout(_) => "no answer in time".into(),
        E::ConnectProxyFailed(reason) => reason.clone(),
        error => error.to_string(),
    };
    if passing {
        return Failure::Transient(format!("{host} breaks off{through} ({reason})"));
    }
    let certificate = match &error {
        E::Io(error) => error.get_ref().and_then(|error| error.downcast_ref()),
        _ => None,
    };
    let remedy = match (certificate, proxy) {
        (Some(rustls::Error::InvalidCertificate(_)), _) => {
            "if the certificate is one of your company's own, add the CA that signed it to the system's certificates, or name \
             a PEM file of it in SSL_CERT_FILE"
                .into()
        }
        (_, Some(proxy)) if reason.contains("407") => format!(
            "put user and password into {}, as in http://USER:PASSWORD@HOST:PORT",
            proxy.variable
        ),
        // What failed before the proxy was asked is the look-up of the hub's name, which these kinds leave to their caller.
        (_, Some(proxy)) if !unconnected && proxy.proxy.resolve_target() => format!(
            "connect to the network, or let the proxy look names up, with socks5h:// in {}",
            proxy.variable
        ),
        (_, Some(proxy)) => format!("correct or unset {}", proxy.variable),
        (Some(_), None) => "check HF_ENDPOINT".into(),
        (None, None) => "connect to the network, set HF_ENDPOINT to a mirror".into(),
    };
    Failure::Unreachable {
        reason: format!("{host} cannot be reached{through} ({reason})"),
        remedy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_a_whole_number_of_seconds() {
        let patience = |value: &str| {
            Patience::new(Some(&Setting {
                name: "HF_HUB_ETAG_TIMEOUT".into(),
                value: value.into(),
            }))
        };
        assert_eq!(patience("7").unwrap().connect.as_secs(), 7);
        assert_eq!(patience("700").unwrap().read.as_secs(), 700);
        assert_eq!(
            patience("0").unwrap().read,
            Patience::new(None).unwrap().read
        );
        for value in ["abc", "-1", "1.5", "1s"] {
            let message = patience(value).err().unwrap().to_string();
            assert!(
                message.starts_with("HF_HUB_ETAG_TIMEOUT is \""),
                "{message}"
            );
        }
    }
}
