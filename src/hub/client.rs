//! What is said to the hub over HTTP, and what its answers mean.

use std::io;
use std::time::Duration;

use serde_json::Value;
use ureq::config::RedirectAuthHeaders;
use ureq::http::{Response, header};
use ureq::{Agent, Body};

use super::names::{ModelId, is_commit};
use super::options::Options;
use super::{Failure, files};
use crate::Error;

/// What the hub says about a model at a revision.
pub(super) struct Listing {
    /// The commit that the revision stands for.
    pub commit: String,
    /// The files in its top directory.
    pub files: Vec<String>,
}

/// What the hub says about a file.
pub(super) struct Metadata {
    /// Names the blob: the SHA-256 of a large file's bytes, the git object id of a small one's.
    pub etag: String,
    /// Bytes, where the hub says.
    pub size: Option<u64>,
}

/// A conversation with the hub about one model.
pub(super) struct Client<'a> {
    agent: Agent,
    model: &'a ModelId,
    options: &'a Options,
}

type Answer = Result<Response<Body>, Failure>;

impl<'a> Client<'a> {
    pub fn new(model: &'a ModelId, options: &'a Options) -> Self {
        let agent = Agent::config_builder()
            .user_agent(concat!("t5-gpu/", env!("CARGO_PKG_VERSION")))
            // A compressed transfer could not be resumed by offset.
            .accept_encoding("identity")
            .http_status_as_error(false)
            // The token is the hub's; the servers it redirects to get signed addresses instead.
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .timeout_resolve(Some(Duration::from_secs(10)))
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_per_read(Some(Duration::from_secs(30)))
            .build()
            .new_agent();
        Self {
            agent,
            model,
            options,
        }
    }

    /// The commit and files of the model at `revision`.
    pub fn listing(&self, revision: &str) -> Result<Listing, Failure> {
        let ModelId { id, .. } = self.model;
        let url = format!(
            "{}/api/models/{id}/revision/{}",
            self.options.endpoint,
            percent_encode(revision)
        );
        let mut answer = self.accept(
            self.send(self.agent.get(&url))?,
            &format!("the model at revision {revision}"),
        )?;
        let text = answer
            .body_mut()
            .with_config()
            .limit(64 << 20)
            .read_to_string()
            .map_err(failure)?;
        let malformed = || {
            self.refusal(format!(
                "{url} did not answer as a hub does: check HF_ENDPOINT"
            ))
        };
        let info: Value = serde_json::from_str(&text).map_err(|_| malformed())?;
        let commit = info["sha"]
            .as_str()
            .filter(|sha| is_commit(sha))
            .ok_or_else(malformed)?;
        let siblings = info["siblings"].as_array().ok_or_else(malformed)?;
        let names = siblings
            .iter()
            .filter_map(|sibling| sibling["rfilename"].as_str());
        Ok(Listing {
            commit: commit.to_owned(),
            files: names
                .filter(|name| files::is_plain(name))
                .map(str::to_owned)
                .collect(),
        })
    }

    /// The ETag and the size of a file, from the hub itself and not from the server it redirects to.
    pub fn metadata(&self, commit: &str, file: &str) -> Result<Metadata, Failure> {
        let mut url = self.file_url(commit, file);
        for _ in 0..10 {
            let request = self
                .agent
                .head(&url)
                .config()
                .max_redirects(0)
                .max_redirects_will_error(false)
                .build();
            let answer = self.accept(self.send(request)?, file)?;
            let header = |name: &str| {
                answer
                    .headers()
                    .get(name)
                    .and_then(|value| value.to_str().ok())
            };
            // A renamed model redirects within the hub; only its new address knows the file.
            if let Some(path) =
                header("location").filter(|to| to.starts_with('/') && !to.starts_with("//"))
            {
                url = format!("{}{path}", origin(&self.options.endpoint));
                continue;
            }
            let etag = header("x-linked-etag").or_else(|| header("etag"));
            let etag = etag.map(|etag| etag.trim_start_matches("W/").trim_matches('"').to_owned());
            let length = || header("content-length").filter(|_| answer.status().is_success());
            let size = header("x-linked-size")
                .or_else(length)
                .and_then(|size| size.parse().ok());
            return match etag.filter(|etag| is_blob_name(etag)) {
                Some(etag) => Ok(Metadata { etag, size }),
                None => Err(self.refusal(format!(
                    "{url} gives no usable ETag for {file}: check HF_ENDPOINT"
                ))),
            };
        }
        Err(self.refusal(format!("{url} redirects without end: check HF_ENDPOINT")))
    }

    /// The bytes of a file from offset `from` on; status 200 means that they come from the start all the same.
    pub fn open(&self, commit: &str, file: &str, from: u64) -> Answer {
        let mut request = self.agent.get(self.file_url(commit, file));
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        self.accept(self.send(request)?, file)
    }

    /// An error about this model that trying again would not change.
    pub fn refusal(&self, message: String) -> Failure {
        Failure::Final(Error::Hub {
            model: self.model.to_string(),
            message,
        })
    }

    fn file_url(&self, commit: &str, file: &str) -> String {
        format!(
            "{}/{}/resolve/{commit}/{}",
            self.options.endpoint,
            self.model.id,
            percent_encode(file)
        )
    }

    fn send(&self, mut request: ureq::RequestBuilder<ureq::typestate::WithoutBody>) -> Answer {
        if let Some(token) = &self.options.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        request.call().map_err(|error| match failure(error) {
            Failure::Unreachable(reason) => Failure::Unreachable(format!(
                "{} cannot be reached ({reason})",
                self.options.endpoint
            )),
            other => other,
        })
    }

    /// Turns a status that is no success into words; `what` is what was asked for.
    fn accept(&self, answer: Response<Body>, what: &str) -> Answer {
        let status = answer.status();
        if status.is_success() || status.is_redirection() {
            return Ok(answer);
        }
        let header = |name: &str| {
            answer
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        let Options {
            endpoint, token, ..
        } = self.options;
        let ModelId { id, revision } = self.model;
        let said = match header("x-error-message") {
            "" => String::new(),
            said => format!(
                " and says \"{}\"",
                said.chars().take(200).collect::<String>()
            ),
        };
        let message = match (status.as_u16(), header("x-error-code")) {
            (408 | 425 | 429 | 500.., _) => {
                return Err(Failure::Transient(format!(
                    "the hub answers {status} for {what}{said}"
                )));
            }
            (code @ (401 | 403), "GatedRepo") => format!(
                "the model is gated ({code}): accept its terms at {endpoint}/{id}, then set HF_TOKEN to a token of that account"
            ),
            // The hub does not tell strangers whether a private model exists.
            (401, _) if token.is_none() => format!(
                "there is no such directory here, and {endpoint} has no such model, or it is private or gated (401): check the name, \
                 or set HF_TOKEN to a token that may read it"
            ),
            (code @ (401 | 403), _) => format!(
                "{endpoint} refuses the token it was given ({code}){said}: set HF_TOKEN to a valid one that may read this model"
            ),
            (404, "RevisionNotFound") => format!(
                "the model has no revision \"{revision}\" (404): see {endpoint}/{id}/tree/main for its branches and tags"
            ),
            (404, "EntryNotFound") => format!(
                "{what} is not there (404): the model's files are at {endpoint}/{id}/tree/main"
            ),
            (404, _) => format!(
                "{endpoint} has no such model or revision (404), and there is no such directory here: check the name"
            ),
            _ => format!(
                "the hub answers {status} for {what}{said}: check HF_ENDPOINT, which is {endpoint}"
            ),
        };
        Err(self.refusal(message))
    }
}

/// What a failed exchange means for the next try.
fn failure(error: ureq::Error) -> Failure {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable};
    use ureq::Error as E;
    match error {
        E::Io(error)
            if matches!(
                error.kind(),
                ConnectionRefused | HostUnreachable | NetworkDown | NetworkUnreachable
            ) =>
        {
            Failure::Unreachable(error.to_string())
        }
        E::HostNotFound | E::ConnectionFailed | E::ConnectProxyFailed(_) => {
            Failure::Unreachable(error.to_string())
        }
        E::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => {
            Failure::Unreachable(error.to_string())
        }
        E::Io(_) | E::Timeout(_) | E::Protocol(_) | E::BodyStalled => {
            Failure::Transient(error.to_string())
        }
        _ => Failure::Final(Error::Invalid(format!(
            "the hub cannot be talked to: {error}; check HF_ENDPOINT"
        ))),
    }
}

/// Scheme, host and port of a URL.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    url[host..].find('/').map_or(url, |at| &url[..host + at])
}

/// An ETag that can be a file name, as those of the hub can.
fn is_blob_name(etag: &str) -> bool {
    !etag.is_empty()
        && etag.len() <= 200
        && etag
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A URL's path segment: all but unreserved characters escaped, `/` too.
fn percent_encode(segment: &str) -> String {
    let mut encoded = String::new();
    for byte in segment.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ if byte.is_ascii_alphanumeric() => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart_and_escaped() {
        assert_eq!(origin("http://a:8/hub/x"), "http://a:8");
        assert_eq!(origin("https://huggingface.co"), "https://huggingface.co");
        assert_eq!(percent_encode("refs/pr/1"), "refs%2Fpr%2F1");
        assert_eq!(percent_encode("v1.0-a_b~"), "v1.0-a_b~");
        assert_eq!(percent_encode("ü %"), "%C3%BC%20%25");
    }

    #[test]
    fn blob_names_stay_in_their_directory() {
        assert!(is_blob_name("d41d8cd98f00b204e9800998ecf8427e"));
        assert!(is_blob_name("5d41402a-3"));
        for etag in ["", "..", "a/b", "a\\b", "a\"b"] {
            assert!(!is_blob_name(etag), "{etag:?}");
        }
    }
}
