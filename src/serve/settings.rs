//! What a service is told when it is started.

use std::path::PathBuf;
use std::time::Duration;

/// How a service behaves. The default is what `t5-gpu serve` does without flags.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Characters that a text may have.
    pub char_limit: Option<usize>,
    /// Texts that a request may have.
    pub batch_limit: Option<usize>,
    /// Alternatives that a text may be given.
    pub alternatives_limit: Option<usize>,
    /// Texts that a client may send in a minute.
    pub req_limit: Option<u32>,
    /// A file with a key a line; without one, nobody is asked for a key.
    pub api_keys: Option<PathBuf>,
    /// Whether files are translated.
    pub files: bool,
    /// What all paths begin with: empty or `/translate`.
    pub url_prefix: String,
    /// How long a request may take.
    pub timeout: Duration,
    /// How long a request's body may be on its way.
    pub body_timeout: Duration,
    /// Bytes that a body may have.
    pub max_body: usize,
    /// Connections that may be open.
    pub max_connections: usize,
    /// Web pages of which origins may ask: one, or `*`.
    pub cors: Option<String>,
    /// How long what runs may take when the service is told to end.
    pub shutdown_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            char_limit: Some(20_000),
            batch_limit: Some(1_000),
            alternatives_limit: Some(10),
            req_limit: None,
            api_keys: None,
            files: true,
            url_prefix: String::new(),
            timeout: Duration::from_secs(120),
            body_timeout: Duration::from_secs(30),
            max_body: 2 << 20,
            max_connections: 1024,
            cors: None,
            shutdown_timeout: Duration::from_secs(30),
        }
    }
}
