//! `pull`, `models` and `--model NAME`, as processes of their own with the variables that Hugging Face's tools read.

use std::path::Path;

use super::server::Hub;
use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/t5-mini-en-de");

/// A hub with the bundled model under `org/small`, and a home for the cache.
fn hub() -> (Hub, TempDir, String) {
    let hub = Hub::start();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(MODEL).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        files.push((name, std::fs::read(path).unwrap()));
    }
    let files: Vec<_> = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    let commit = hub.publish("org/small", 'f', &files);
    (hub, tempfile::tempdir().unwrap(), commit)
}

fn t5_gpu(endpoint: &str, home: &Path) -> Command {
    let mut command = Command::cargo_bin("t5-gpu").unwrap();
    for name in [
        "HF_HUB_CACHE",
        "HUGGINGFACE_HUB_CACHE",
        "HF_TOKEN",
        "HF_HUB_OFFLINE",
        "TRANSFORMERS_OFFLINE",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
        "no_proxy",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    ] {
        command.env_remove(name);
    }
    command
        .env("HF_HOME", home)
        .env("HF_ENDPOINT", endpoint)
        .env("NO_PROXY", "127.0.0.1,localhost");
    command
}

fn stdout(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn stderr_of_failure(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn pull_fetches_models_lists_and_a_name_loads() {
    let (hub, home, commit) = hub();
    let run = || t5_gpu(&hub.endpoint(), home.path());

    assert_eq!(stdout(run().arg("models")), "");

    let directory = home
        .path()
        .join("hub/models--org--small/snapshots")
        .join(&commit);
    assert_eq!(
        stdout(run().args(["pull", "org/small"])).trim(),
        directory.to_str().unwrap()
    );
    assert_eq!(
        std::fs::read(directory.join("model.safetensors")).unwrap(),
        std::fs::read(Path::new(MODEL).join("model.safetensors")).unwrap()
    );

    let listed = stdout(run().arg("models"));
    assert!(
        listed.starts_with("org/small (main): t5, ") && listed.ends_with(" MB, usable\n"),
        "{listed}"
    );
    let object: Value = serde_json::from_str(&stdout(run().args(["models", "--jsonl"]))).unwrap();
    assert_eq!(object["id"], "org/small");
    assert_eq!(object["revision"], commit);
    assert_eq!(object["kind"], "t5");
    assert_eq!(object["usable"], true);
    assert_eq!(object["path"], directory.to_str().unwrap());

    hub.requests();
    let tokenize = |model: &str| stdout(run().args(["tokenize", "--model", model, "I love you."]));
    assert_eq!(tokenize("org/small"), tokenize(MODEL));
    let inspect = stdout(run().args(["inspect", "--jsonl", "--model", "org/small"]));
    let object: Value = serde_json::from_str(&inspect).unwrap();
    assert_eq!(object["name"], "org/small");
    assert!(hub.requests().is_empty());
}

#[test]
fn a_name_is_fetched_on_first_use_and_offline_says_so() {
    let (hub, home, _) = hub();
    let run = || t5_gpu(&hub.endpoint(), home.path());
    let message = stderr_of_failure(run().env("HF_HUB_OFFLINE", "1").args([
        "tokenize",
        "--model",
        "org/small",
        "x",
    ]));
    assert!(
        message.starts_with("error: org/small: not complete in the cache"),
        "{message}"
    );
    assert!(message.contains(home.path().to_str().unwrap()), "{message}");
    assert!(hub.requests().is_empty());

    let fetched = stdout(run().args(["tokenize", "--model", "org/small", "I love you."]));
    assert_eq!(
        fetched,
        stdout(run().args(["tokenize", "--model", MODEL, "I love you."]))
    );
    stdout(
        run()
            .env("HF_HUB_OFFLINE", "1")
            .args(["tokenize", "--model", "org/small", "x"]),
    );

    // Weights come when they are first needed, and no sooner.
    let weights = |request: &super::server::Request| request.path.ends_with("model.safetensors");
    assert!(!hub.requests().iter().any(weights));
    let message = stderr_of_failure(run().env("HF_HUB_OFFLINE", "1").args([
        "translate",
        "--model",
        "org/small",
        "x",
    ]));
    assert!(message.contains("missing: model.safetensors"), "{message}");
    stdout(run().args(["inspect", "--model", "org/small"]));
    assert!(hub.requests().iter().any(weights));
    assert!(stdout(run().arg("models")).ends_with("usable\n"));
}

#[test]
fn failures_are_one_line() {
    let (hub, home, _) = hub();
    let run = || t5_gpu(&hub.endpoint(), home.path());
    for (model, part) in [
        ("org/other", "no such model or revision (404)"),
        ("org/small@v7", "no revision \"v7\""),
        ("t5-huge", "the short names are t5-{small"),
    ] {
        let message = stderr_of_failure(run().args(["pull", model]));
        assert!(message.contains(part), "{message}");
    }
    hub.state().token = Some("hf_right");
    let message = stderr_of_failure(
        run()
            .env("HF_TOKEN", "hf_wrong")
            .args(["pull", "org/small"]),
    );
    assert!(
        message.contains("refuses the token") && !message.contains("hf_wrong"),
        "{message}"
    );
    stdout(
        run()
            .env("HF_TOKEN", "hf_right")
            .args(["pull", "--quiet", "org/small"]),
    );
}

#[test]
fn processes_that_share_an_empty_cache_all_succeed() {
    let (hub, _, _) = hub();
    for _ in 0..4 {
        let home = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut command = t5_gpu(&hub.endpoint(), home.path());
                    stdout(command.args(["tokenize", "--model", "org/small", "I love you."]))
                });
            }
        });
    }
}

#[test]
fn a_cache_that_stands_in_for_the_hub_is_mentioned() {
    let (hub, home, _) = hub();
    stdout(t5_gpu(&hub.endpoint(), home.path()).args(["pull", "org/small"]));
    // As another tool leaves it: what the model does not have is not written down.
    let notes = home.path().join("hub/models--org--small/.no_exist");
    std::fs::remove_dir_all(notes).unwrap();
    let run = |quiet: &[&str]| {
        let mut command = t5_gpu("http://no-such-host.invalid", home.path());
        let output = command
            .args(["tokenize", "--model", "org/small", "x"])
            .args(quiet)
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let said = run(&[]);
    assert!(
        said.contains("using org/small as it is in the cache") && said.contains("no-such-host"),
        "{said}"
    );
    assert_eq!(run(&["--quiet"]), "");
}
