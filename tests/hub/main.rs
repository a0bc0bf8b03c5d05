//! Models by name, against a hub on 127.0.0.1.
#![cfg(feature = "hub")]

mod broken;
mod cache;
mod commands;
mod fetch;
mod network;
mod proxies;
mod server;
mod sharing;
mod tls;

use std::path::{Path, PathBuf};
use std::time::Duration;

use server::{Hub, Request, etag, sha256};
use t5_gpu::ModelFiles;
use t5_gpu::hub::{self, Options, Token};
use tempfile::TempDir;

const CONFIG: &[u8] = br#"{"model_type": "t5"}"#;

/// Bytes that no two offsets share by accident.
fn weights(length: usize) -> Vec<u8> {
    (0..length as u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

/// A hub, an empty cache and options that join them.
struct Fixture {
    hub: Hub,
    home: TempDir,
    options: Options,
}

impl Fixture {
    fn new() -> Self {
        Self::with_vars(&[])
    }

    /// With these variables of the environment, and no others.
    fn with_vars(vars: &[(&str, &str)]) -> Self {
        Self::over(Hub::start(), vars)
    }

    fn over(hub: Hub, vars: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let own = [
            ("HF_HOME", home.path().to_str().unwrap().to_owned()),
            ("HF_ENDPOINT", hub.endpoint()),
        ];
        let var = |name: &str| {
            let given = vars.iter().find(|(key, _)| *key == name);
            let own = own.iter().find(|(key, _)| *key == name);
            given
                .map(|(_, value)| value.to_string())
                .or(own.map(|(_, value)| value.clone()))
        };
        let mut options = Options::from_vars(var, PathBuf::new());
        options.retry_delay = Duration::from_millis(1);
        options.quiet = true;
        Self { hub, home, options }
    }

    /// Publishes `org/model`, and returns its weights.
    fn publish(&self) -> Vec<u8> {
        let weights = weights(100_000);
        self.hub.publish("org/model", 'a', &published(&weights));
        weights
    }

    /// With `org/model` published: weights of 100,000 bytes and some more files than are needed.
    fn with_model() -> (Self, String, Vec<u8>) {
        let fixture = Self::new();
        let weights = weights(100_000);
        let commit = fixture.hub.publish("org/model", 'a', &published(&weights));
        (fixture, commit, weights)
    }

    fn resolve(&self, spec: &str) -> t5_gpu::Result<PathBuf> {
        hub::resolve(spec, &self.options)
    }

    /// The one-line message that resolving fails with.
    fn error(&self, spec: &str) -> String {
        let message = self.resolve(spec).expect_err("it resolved").to_string();
        assert!(!message.contains('\n'), "{message}");
        message
    }

    /// The corner of `org/model` in the cache.
    fn root(&self) -> PathBuf {
        self.home.path().join("hub/models--org--model")
    }

    fn blob(&self, bytes: &[u8]) -> PathBuf {
        self.root().join("blobs").join(etag(bytes))
    }

    fn partial(&self, bytes: &[u8]) -> PathBuf {
        self.root()
            .join("blobs")
            .join(format!("{}.incomplete", etag(bytes)))
    }
}

fn published(weights: &[u8]) -> [(&str, &[u8]); 8] {
    [
        ("README.md", b"read me"),
        ("config.json", CONFIG),
        ("generation_config.json", b"{}"),
        ("model.safetensors", weights),
        ("pytorch_model.bin", b"pickle"),
        ("spiece.model", b"pieces"),
        ("tokenizer.json", b"{\"version\": \"1.0\"}"),
        ("tokenizer_config.json", b"{\"a\": 1}"),
    ]
}

fn transfers(requests: &[Request]) -> Vec<&Request> {
    requests
        .iter()
        .filter(|request| request.path.starts_with("/cdn/"))
        .collect()
}

fn ranges(requests: &[Request]) -> Vec<Option<&str>> {
    transfers(requests)
        .iter()
        .map(|request| request.range.as_deref())
        .collect()
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[track_caller]
fn assert_contains(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "\"{part}\" is not in: {message}");
    }
}
