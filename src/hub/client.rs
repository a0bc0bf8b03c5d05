//! What is said to the hub over HTTP, and what its answers mean.

use serde_json::Value;
use ureq::http::Uri;

use super::address::origin;
use super::failure::Failure;
use super::files;
use super::http::{Answer, Http, MOST_REDIRECTS, endless};
use super::names::{ModelId, is_commit};
use super::options::Options;
use crate::{Error, Result};

/// What the hub says about a model at a revision.
pub struct Listing {
    /// The commit that the revision stands for.
    pub commit: String,
    /// Its files.
    pub files: Vec<String>,
}

impl Listing {
    /// Reads an answer of the hub's; `None` where it is none. Files that would lie elsewhere are left out.
    pub fn parse(text: &str) -> Option<Listing> {
        let info: Value = serde_json::from_str(text).ok()?;
        let commit = info["sha"].as_str().filter(|sha| is_commit(sha))?;
        let siblings = info["siblings"].as_array()?.iter();
        let names = siblings.filter_map(|sibling| sibling["rfilename"].as_str());
        Some(Listing {
            commit: commit.to_owned(),
            files: names
                .filter(|name| files::is_below(name))
                .map(str::to_owned)
                .collect(),
        })
    }
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
    http: Http,
    model: &'a ModelId,
    options: &'a Options,
}

impl<'a> Client<'a> {
    /// # Errors
    /// [`Error::Invalid`] and others name what is wrong with the settings of the network, the token or the endpoint.
    pub fn new(model: &'a ModelId, options: &'a Options) -> Result<Self> {
        Ok(Self {
            http: Http::new(options)?,
            model,
            options,
        })
    }

    /// The commit and files of the model at `revision`.
    pub fn listing(&self, revision: &str) -> Result<Listing, Failure> {
        let ModelId { id, .. } = self.model;
        let uri = self.uri(&format!(
            "api/models/{id}/revision/{}",
            percent_encode(revision)
        ))?;
        let answer = self.http.text(&uri)?;
        let mut answer = self.accept(answer, &format!("the model at revision {revision}"))?;
        let text = answer
            .response
            .body_mut()
            .with_config()
            .limit(64 << 20)
            .read_to_string()
            .map_err(|error| self.http.broken(error, &answer.uri))?;
        let malformed = || {
            self.refusal(format!(
                "{uri} did not answer as a hub does: check HF_ENDPOINT"
            ))
        };
        Listing::parse(&text).ok_or_else(malformed)
    }

    /// The ETag and the size of a file, from the first server on the way that knows the ETag: that is the hub itself, and
    /// not the one that keeps large files for it.
    pub fn metadata(&self, commit: &str, file: &str) -> Result<Metadata, Failure> {
        let mut uri = self.file_uri(commit, file)?;
        for _ in 0..MOST_REDIRECTS {
            let answer = self.http.head(&uri)?;
            let redirect = answer.redirect();
            if let (Some(next), None) = (&redirect, answer.header("x-linked-etag")) {
                // A model that has another name now, or a mirror that knows no more than where to look.
                uri = next.clone();
                continue;
            }
            let answer = match redirect {
                Some(_) => answer,
                None => self.accept(answer, file)?,
            };
            let header = |name: &str| answer.header(name);
            let etag = header("x-linked-etag").or_else(|| header("etag"));
            let etag = etag.map(|etag| etag.trim_start_matches("W/").trim_matches('"').to_owned());
            let length =
                || header("content-length").filter(|_| answer.response.status().is_success());
            let size = header("x-linked-size")
                .or_else(length)
                .and_then(|size| size.parse().ok());
            return match etag.filter(|etag| is_blob_name(etag)) {
                Some(etag) => Ok(Metadata { etag, size }),
                None => Err(self.refusal(format!(
                    "{uri} gives no usable ETag for {file}: check HF_ENDPOINT"
                ))),
            };
        }
        Err(endless(&uri).into())
    }

    /// The bytes of a file from offset `from` on; status 200 means that they come from the start all the same.
    pub fn open(&self, commit: &str, file: &str, from: u64) -> Result<Answer, Failure> {
        let answer = self.http.bytes(&self.file_uri(commit, file)?, from)?;
        self.accept(answer, file)
    }

    /// An error about this model that trying again would not change.
    pub fn refusal(&self, message: String) -> Failure {
        Failure::Final(Error::Hub {
            model: self.model.to_string(),
            message,
        })
    }

    fn file_uri(&self, commit: &str, file: &str) -> Result<Uri, Failure> {
        let path: Vec<_> = file.split('/').map(percent_encode).collect();
        self.uri(&format!(
            "{}/resolve/{commit}/{}",
            self.model.id,
            path.join("/")
        ))
    }

    fn uri(&self, path: &str) -> Result<Uri, Failure> {
        let text = format!("{}/{path}", self.options.endpoint);
        text.parse().map_err(|error| {
            self.refusal(format!("{text} is no address ({error}): check HF_ENDPOINT"))
        })
    }

    /// Turns a status that is no success into words; `what` is what was asked for.
    fn accept(&self, answer: Answer, what: &str) -> Result<Answer, Failure> {
        let status = answer.response.status();
        if status.is_success() {
            return Ok(answer);
        }
        let header = |name: &str| answer.header(name).unwrap_or_default();
        let endpoint = &self.options.endpoint;
        let ModelId { id, revision } = self.model;
        let said = match header("x-error-message") {
            "" => String::new(),
            said => format!(
                " and says \"{}\"",
                said.chars().take(200).collect::<String>()
            ),
        };
        let set_token = match self.options.token {
            Some(_) => "set HF_TOKEN",
            None => "unset HF_HUB_DISABLE_IMPLICIT_TOKEN and set HF_TOKEN",
        };
        let message = match (status.as_u16(), header("x-error-code")) {
            (408 | 425 | 429 | 500.., _) => {
                return Err(Failure::Transient(format!(
                    "the hub answers {status} for {what}{said}"
                )));
            }
            _ if !self.http.is_hub(&answer.uri) => format!(
                "{}, where {endpoint} has its files, answers {status} for {what}: a firewall or a proxy may stand in the way",
                origin(&answer.uri)
            ),
            (code @ (401 | 403), "GatedRepo") => format!(
                "the model is gated ({code}): accept its terms at {endpoint}/{id}, then set HF_TOKEN to a token of that account"
            ),
            // The hub does not tell strangers whether a private model exists.
            (401, _) if !self.http.has_token() => format!(
                "there is no such directory here, and {endpoint} has no such model, or it is private or gated (401): check the name, \
                 or {set_token} to a token that may read it"
            ),
            (403, _) if !self.http.has_token() => format!(
                "{endpoint} refuses to give {what} (403){said}: {set_token} to a token that may read it, or ask who runs the network"
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

/// An ETag that can be a file name, as those of the hub can.
fn is_blob_name(etag: &str) -> bool {
    !etag.is_empty()
        && etag.len() <= 200
        && !etag.starts_with('.')
        && etag
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.+=".contains(&byte))
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
    fn segments_are_escaped() {
        assert_eq!(percent_encode("refs/pr/1"), "refs%2Fpr%2F1");
        assert_eq!(percent_encode("v1.0-a_b~"), "v1.0-a_b~");
        assert_eq!(percent_encode("ü %"), "%C3%BC%20%25");
    }

    #[test]
    fn blob_names_stay_in_their_directory() {
        assert!(is_blob_name("d41d8cd98f00b204e9800998ecf8427e"));
        assert!(is_blob_name("5d41402a-3"));
        assert!(is_blob_name("x_Y.z+w=="));
        for etag in ["", "..", ".x", "a/b", "a\\b", "a\"b", "a:b"] {
            assert!(!is_blob_name(etag), "{etag:?}");
        }
    }
}
