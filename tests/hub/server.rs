//! A hub on 127.0.0.1: the few routes that a download takes, with faults to order. Large files live on a "CDN", which
//! is this server under its other name, `localhost`, so that a redirect to it crosses hosts.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};

use sha2::Digest;

/// A published model.
#[derive(Clone, Default)]
pub struct Published {
    pub commit: String,
    pub files: BTreeMap<String, Vec<u8>>,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub host: String,
    pub range: Option<String>,
    pub token: Option<String>,
}

#[derive(Default)]
pub struct State {
    /// Models by `id@revision`.
    pub models: HashMap<String, Published>,
    /// Old id -> new id.
    pub renamed: HashMap<String, String>,
    /// What came in.
    pub requests: Vec<Request>,
    /// Each transfer from the CDN takes one: it stops after so many bytes of body.
    pub cuts: VecDeque<usize>,
    /// Each transfer from the CDN takes one: its first byte is wrong.
    pub damaged: usize,
    /// The CDN answers range requests with the whole file.
    pub ignores_ranges: bool,
    /// Each request takes one: a status, the hub's error code and its message.
    pub answers: VecDeque<(u16, &'static str, &'static str)>,
    /// The token that every request to the hub must carry.
    pub token: Option<&'static str>,
    /// Where the CDN is, if not at this server's other name.
    pub cdn: Option<String>,
    /// ETags are no checksums.
    pub opaque_etags: bool,
    /// Connections that were made, whatever became of them.
    pub connections: usize,
}

/// The running server; it ends with the process.
pub struct Hub {
    pub port: u16,
    scheme: &'static str,
    state: Arc<Mutex<State>>,
}

/// Files above this many bytes live on the CDN.
const LARGE: usize = 1000;

pub fn sha256(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

pub fn git_sha1(bytes: &[u8]) -> String {
    let blob = [format!("blob {}\0", bytes.len()).as_bytes(), bytes].concat();
    sha1::Sha1::digest(blob)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

pub fn etag(bytes: &[u8]) -> String {
    if bytes.len() > LARGE {
        sha256(bytes)
    } else {
        git_sha1(bytes)
    }
}

impl Hub {
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// A hub that speaks TLS.
    pub fn start_tls(config: Arc<rustls::ServerConfig>) -> Self {
        Self::start_with(Some(config))
    }

    fn start_with(tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                shared.lock().unwrap().connections += 1;
                let (shared, tls) = (shared.clone(), tls.clone());
                std::thread::spawn(move || match tls {
                    None => serve(stream, port, &shared),
                    Some(config) => {
                        let connection = rustls::ServerConnection::new(config).unwrap();
                        let stream = rustls::StreamOwned::new(connection, stream);
                        serve(stream, port, &shared);
                    }
                });
            }
        });
        Self {
            port,
            scheme,
            state,
        }
    }

    pub fn endpoint(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Publishes files as the branch `main` of `id`, at a commit made of the digit `commit`.
    pub fn publish(&self, id: &str, commit: char, files: &[(&str, &[u8])]) -> String {
        let commit = String::from_iter([commit; 40]);
        let files = files
            .iter()
            .map(|(name, bytes)| (name.to_string(), bytes.to_vec()))
            .collect();
        let model = Published {
            commit: commit.clone(),
            files,
        };
        let mut state = self.state();
        for revision in ["main", &commit] {
            state
                .models
                .insert(format!("{id}@{revision}"), model.clone());
        }
        commit
    }

    /// The requests since the last call.
    pub fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state().requests)
    }
}

struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// Bytes of the body to send before hanging up.
    cut: Option<usize>,
}

impl Answer {
    fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            cut: None,
        }
    }

    fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    fn refusal(status: u16, code: &str, message: &str) -> Self {
        Self::new(status)
            .header("X-Error-Code", code)
            .header("X-Error-Message", message)
    }
}

fn serve(mut stream: impl Read + Write, port: u16, state: &Mutex<State>) {
    let Some(request) = read(&mut stream) else {
        return;
    };
    let answer = {
        let mut state = state.lock().unwrap();
        state.requests.push(request.clone());
        answer(&request, port, &mut state)
    };
    let mut text = format!(
        "HTTP/1.1 {} .\r\nConnection: close\r\nContent-Length: {}\r\n",
        answer.status,
        answer.body.len()
    );
    for (name, value) in &answer.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    if request.method == "GET" {
        bytes.extend(&answer.body[..answer.cut.unwrap_or(usize::MAX).min(answer.body.len())]);
    }
    // A client that has hung up has no interest in the rest.
    let _ = stream.write_all(&bytes).and_then(|()| stream.flush());
}

fn read(stream: impl Read) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut request = Request {
        method,
        path,
        host: String::new(),
        range: None,
        token: None,
    };
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "host" => request.host = value.split(':').next()?.to_owned(),
            "range" => request.range = Some(value.to_owned()),
            "authorization" => request.token = value.strip_prefix("Bearer ").map(str::to_owned),
            _ => {}
        }
    }
    Some(request)
}

fn answer(request: &Request, port: u16, state: &mut State) -> Answer {
    if let Some((status, code, message)) = state.answers.pop_front() {
        return Answer::refusal(status, code, message);
    }
    if let Some(sha256) = request.path.strip_prefix("/cdn/") {
        return from_cdn(request, sha256, state);
    }
    if state.token.is_some() && request.token.as_deref() != state.token {
        // The hub's way: no word on whether the model exists.
        return Answer::refusal(401, "RepoNotFound", "Repository not found");
    }
    if let Some((old, new)) = state
        .renamed
        .iter()
        .find(|(old, _)| request.path.contains(*old))
    {
        return Answer::new(307).header("Location", request.path.replace(old, new));
    }
    let path = request.path.trim_start_matches("/mirror");
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let name_of = |bytes: &[u8]| match state.opaque_etags {
        true => format!("opaque-{}", bytes.len()),
        false => etag(bytes),
    };
    let cdn = match &state.cdn {
        Some(cdn) => cdn.clone(),
        None => format!("http://localhost:{port}"),
    };
    match parts[..] {
        ["api", "models", org, name, "revision", revision] => {
            listing(&format!("{org}/{name}"), revision, state)
        }
        [org, name, "resolve", revision, ref file @ ..] => {
            let file = file.join("/");
            match state.models.get(&format!("{org}/{name}@{revision}")) {
                None => Answer::refusal(404, "RepoNotFound", "Repository not found"),
                Some(model) => match model.files.get(&file) {
                    None => Answer::refusal(404, "EntryNotFound", "Entry not found"),
                    Some(bytes) if bytes.len() > LARGE => Answer::new(302)
                        .header("X-Repo-Commit", &model.commit)
                        .header("Location", format!("{cdn}/cdn/{}", sha256(bytes)))
                        .header("X-Linked-Etag", format!("\"{}\"", name_of(bytes)))
                        .header("X-Linked-Size", bytes.len().to_string())
                        .body(b"Found. Redirecting."),
                    Some(bytes) => Answer::new(200)
                        .header("X-Repo-Commit", &model.commit)
                        .header("ETag", format!("W/\"{}\"", name_of(bytes)))
                        .body(bytes),
                },
            }
        }
        _ => Answer::new(404),
    }
}

fn listing(id: &str, revision: &str, state: &State) -> Answer {
    let revision = revision.replace("%2F", "/");
    match state.models.get(&format!("{id}@{revision}")) {
        None if state
            .models
            .keys()
            .any(|key| key.starts_with(&format!("{id}@"))) =>
        {
            Answer::refusal(404, "RevisionNotFound", "Invalid rev id")
        }
        None => Answer::refusal(404, "RepoNotFound", "Repository not found"),
        Some(model) => {
            let siblings: Vec<_> = model
                .files
                .keys()
                .map(|name| serde_json::json!({"rfilename": name}))
                .collect();
            let info = serde_json::json!({"id": id, "sha": model.commit, "siblings": siblings});
            Answer::new(200).body(info.to_string().as_bytes())
        }
    }
}

fn from_cdn(request: &Request, name: &str, state: &mut State) -> Answer {
    let files = state.models.values().flat_map(|model| model.files.values());
    let Some(mut bytes) = files
        .into_iter()
        .find(|bytes| sha256(bytes) == name)
        .cloned()
    else {
        return Answer::new(404);
    };
    if state.damaged > 0 {
        state.damaged -= 1;
        bytes[0] ^= 1;
    }
    let from = request.range.as_ref().filter(|_| !state.ignores_ranges);
    let from = from.and_then(|range| {
        range
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse::<usize>()
            .ok()
    });
    let mut answer = match from {
        None => Answer::new(200).body(&bytes),
        Some(from) if from >= bytes.len() => Answer::new(416),
        Some(from) => Answer::new(206)
            .header(
                "Content-Range",
                format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len()),
            )
            .body(&bytes[from..]),
    };
    answer.cut = state.cuts.pop_front();
    answer
}
