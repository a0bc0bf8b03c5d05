//! How the environment wants the hub to be talked to.

use std::ffi::OsString;

use super::setting::{Setting, first_set, setting};

/// Proxies, certificates and patience, as variables of the environment give them. They are understood when there is
/// something to ask, so that a wrong one is no hindrance where the cache has everything.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// `http_proxy`: the way to addresses that begin with `http://`.
    pub(super) http_proxy: Option<Setting>,
    /// `https_proxy`: the way to those that begin with `https://`.
    pub(super) https_proxy: Option<Setting>,
    /// `all_proxy`: the way to either where it has no proxy of its own.
    pub(super) all_proxy: Option<Setting>,
    /// `no_proxy`: the hosts that none of them is for.
    pub(super) no_proxy: Option<Setting>,
    /// Files and directories of the certificates to trust in place of the system's.
    pub(super) certificates: Vec<Setting>,
    /// `HF_HUB_ETAG_TIMEOUT`: seconds to wait for an answer about a model or a file.
    pub(super) answer_timeout: Option<Setting>,
    /// `HF_HUB_DOWNLOAD_TIMEOUT`: seconds to wait for the next bytes of a file.
    pub(super) read_timeout: Option<Setting>,
}

impl Network {
    pub(super) fn from_vars(var: impl Fn(&str) -> Option<OsString>) -> Self {
        // Small letters go first, as they do for curl and Python.
        let proxy = |small: &str| first_set(&var, &[small, &small.to_ascii_uppercase()]);
        let set = |name: &str| setting(&var, name);
        Self {
            http_proxy: proxy("http_proxy"),
            https_proxy: proxy("https_proxy"),
            all_proxy: proxy("all_proxy"),
            no_proxy: proxy("no_proxy"),
            certificates: [
                "SSL_CERT_FILE",
                "SSL_CERT_DIR",
                "REQUESTS_CA_BUNDLE",
                "CURL_CA_BUNDLE",
            ]
            .into_iter()
            .filter_map(set)
            .collect(),
            answer_timeout: set("HF_HUB_ETAG_TIMEOUT"),
            read_timeout: set("HF_HUB_DOWNLOAD_TIMEOUT"),
        }
    }
}
