//! Models by name, against a hub on 127.0.0.1: what lands in the cache, what travels, and what is said when it fails.
#![cfg(feature = "hub")]

mod hub_server;

use std::path::{Path, PathBuf};
use std::time::Duration;

use hub_server::{Hub, Request, etag, sha256};
use t5_gpu::hub::{self, Options};
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
        let hub = Hub::start();
        let home = tempfile::tempdir().unwrap();
        let vars = [
            ("HF_HOME", home.path().to_str().unwrap().to_owned()),
            ("HF_ENDPOINT", hub.endpoint()),
        ];
        let var = |name: &str| {
            vars.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.clone())
        };
        let mut options = Options::from_vars(var, PathBuf::new());
        options.retry_delay = Duration::from_millis(1);
        options.quiet = true;
        Self { hub, home, options }
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

#[test]
fn a_model_lands_in_the_shared_layout_with_what_is_needed_and_no_more() {
    let (fixture, commit, weights) = Fixture::with_model();
    let directory = fixture.resolve("org/model").unwrap();

    assert_eq!(directory, fixture.root().join("snapshots").join(&commit));
    assert_eq!(
        names(&directory),
        [
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json"
        ]
    );
    assert_eq!(
        std::fs::read(directory.join("model.safetensors")).unwrap(),
        weights
    );
    assert_eq!(
        std::fs::read(directory.join("config.json")).unwrap(),
        CONFIG
    );
    #[cfg(unix)]
    assert_eq!(
        std::fs::read_link(directory.join("model.safetensors")).unwrap(),
        Path::new("../../blobs").join(sha256(&weights))
    );
    assert_eq!(
        std::fs::read_to_string(fixture.root().join("refs/main")).unwrap(),
        commit
    );
    assert_eq!(
        names(&fixture.root().join("blobs")).len(),
        5,
        "a blob a file, nothing incomplete"
    );
    assert_eq!(
        names(&fixture.root().join(".no_exist").join(&commit)),
        [
            "added_tokens.json",
            "merges.txt",
            "special_tokens_map.json",
            "vocab.json"
        ]
    );

    fixture.hub.requests();
    assert_eq!(fixture.resolve("org/model").unwrap(), directory);
    assert_eq!(
        fixture.resolve(&format!("org/model@{commit}")).unwrap(),
        directory
    );
    assert!(
        fixture.hub.requests().is_empty(),
        "what is cached asks nothing of the hub"
    );
}

#[test]
fn the_token_goes_to_the_hub_and_not_to_where_it_redirects() {
    let (mut fixture, ..) = Fixture::with_model();
    fixture.hub.state().token = Some("hf_right");
    fixture.options.token = Some("hf_right".into());
    fixture.resolve("org/model").unwrap();
    let requests = fixture.hub.requests();
    for request in &requests {
        let expected = (request.host == "127.0.0.1").then_some("hf_right");
        assert_eq!(request.token.as_deref(), expected, "{request:?}");
    }
    assert_eq!(transfers(&requests).len(), 1);
    assert_eq!(transfers(&requests)[0].host, "localhost");
}

#[test]
fn shards_come_by_their_index_and_bin_only_without_safetensors() {
    let fixture = Fixture::new();
    let index = br#"{"weight_map": {"x": "model-2.safetensors", "y": "model-1.safetensors", "z": "model-1.safetensors"}}"#;
    let (first, second) = (weights(3001), weights(2003));
    fixture.hub.publish(
        "org/sharded",
        '1',
        &[
            ("config.json", CONFIG),
            ("model-1.safetensors", &first),
            ("model-2.safetensors", &second),
            ("model-3.safetensors", b"of no index"),
            ("model.safetensors.index.json", index),
            ("pytorch_model.bin", b"pickle"),
            ("spiece.model", b"pieces"),
        ],
    );
    let directory = fixture.resolve("org/sharded").unwrap();
    assert_eq!(
        names(&directory),
        [
            "config.json",
            "model-1.safetensors",
            "model-2.safetensors",
            "model.safetensors.index.json",
            "spiece.model"
        ]
    );
    assert_eq!(
        std::fs::read(directory.join("model-2.safetensors")).unwrap(),
        second
    );

    let bin = weights(5000);
    fixture.hub.publish(
        "org/bin",
        '2',
        &[
            ("config.json", CONFIG),
            ("merges.txt", b"m"),
            ("pytorch_model.bin", &bin),
            ("tf_model.h5", b"tf"),
            ("vocab.json", b"{}"),
        ],
    );
    let directory = fixture.resolve("org/bin").unwrap();
    assert_eq!(
        names(&directory),
        [
            "config.json",
            "merges.txt",
            "pytorch_model.bin",
            "vocab.json"
        ]
    );

    fixture.hub.publish(
        "org/flax",
        '3',
        &[("config.json", CONFIG), ("flax_model.msgpack", b"flax")],
    );
    assert_contains(
        &fixture.error("org/flax"),
        &["org/flax", "publishes no weights that can be read"],
    );
    fixture
        .hub
        .publish("org/dataset", '4', &[("model.safetensors", b"w")]);
    assert_contains(
        &fixture.error("org/dataset"),
        &["org/dataset", "no config.json"],
    );
}

#[test]
fn a_cut_connection_is_taken_up_where_it_broke() {
    let (fixture, _, weights) = Fixture::with_model();
    fixture.hub.state().cuts = [10_000, 0, 32_768].into();
    let directory = fixture.resolve("org/model").unwrap();
    assert_eq!(
        ranges(&fixture.hub.requests()),
        [
            None,
            Some("bytes=10000-"),
            Some("bytes=10000-"),
            Some("bytes=42768-")
        ]
    );
    assert_eq!(
        std::fs::read(directory.join("model.safetensors")).unwrap(),
        weights
    );
    assert!(!fixture.partial(&weights).exists());
}

#[test]
fn a_run_that_was_given_up_is_resumed_by_the_next() {
    let (mut fixture, commit, weights) = Fixture::with_model();
    fixture.options.retries = 2;
    fixture.hub.state().cuts = [30_000, 0, 0, 0, 0].into();
    assert_contains(
        &fixture.error("org/model"),
        &[
            "org/model",
            "broke at byte 30000 of 100000 of model.safetensors, 3 times in a row",
            "run the same command again",
        ],
    );
    assert_eq!(
        std::fs::read(fixture.partial(&weights)).unwrap(),
        weights[..30_000]
    );
    assert!(
        !fixture.root().join("refs/main").exists(),
        "main must not point at half a model"
    );
    assert!(
        !fixture
            .root()
            .join("snapshots")
            .join(commit)
            .join("model.safetensors")
            .exists()
    );

    fixture.hub.state().cuts.clear();
    fixture.hub.requests();
    let directory = fixture.resolve("org/model").unwrap();
    let requests = fixture.hub.requests();
    assert_eq!(ranges(&requests), [Some("bytes=30000-")]);
    assert!(
        !requests
            .iter()
            .any(|request| request.path.ends_with("config.json")),
        "small files are there already"
    );
    assert_eq!(
        std::fs::read(directory.join("model.safetensors")).unwrap(),
        weights
    );
}

#[test]
fn a_server_without_ranges_starts_over() {
    let (fixture, _, weights) = Fixture::with_model();
    fixture.hub.state().ignores_ranges = true;
    fixture.hub.state().cuts = [70_000].into();
    let directory = fixture.resolve("org/model").unwrap();
    assert_eq!(
        ranges(&fixture.hub.requests()),
        [None, Some("bytes=70000-")]
    );
    assert_eq!(
        std::fs::read(directory.join("model.safetensors")).unwrap(),
        weights
    );
}

#[test]
fn a_wrong_checksum_is_refused_and_leaves_nothing_behind() {
    let (fixture, commit, weights) = Fixture::with_model();
    fixture.hub.state().damaged = 1;
    let mut damaged = weights.clone();
    damaged[0] ^= 1;
    assert_contains(
        &fixture.error("org/model"),
        &[
            "org/model: model.safetensors arrived damaged",
            &format!(
                "its SHA-256 is {} instead of {}",
                sha256(&damaged),
                sha256(&weights)
            ),
        ],
    );
    assert!(!fixture.blob(&weights).exists() && !fixture.partial(&weights).exists());
    assert!(
        !fixture
            .root()
            .join("snapshots")
            .join(&commit)
            .join("model.safetensors")
            .exists()
    );

    let directory = fixture.resolve("org/model").unwrap();
    assert_eq!(
        std::fs::read(directory.join("model.safetensors")).unwrap(),
        weights
    );
}

#[test]
fn a_bad_part_from_an_earlier_run_is_fetched_anew() {
    for part in [vec![0; 5000], vec![7; 200_000], vec![9; 100_000]] {
        let (fixture, _, weights) = Fixture::with_model();
        std::fs::create_dir_all(fixture.root().join("blobs")).unwrap();
        std::fs::write(fixture.partial(&weights), part).unwrap();
        let directory = fixture.resolve("org/model").unwrap();
        assert_eq!(
            std::fs::read(directory.join("model.safetensors")).unwrap(),
            weights
        );
    }
}

#[test]
fn refusals_say_what_to_do() {
    let (mut fixture, ..) = Fixture::with_model();
    let endpoint = fixture.hub.endpoint();

    assert_contains(
        &fixture.error("org/nothing"),
        &[
            "org/nothing: ",
            &endpoint,
            "no such model",
            "(404)",
            "check the name",
        ],
    );
    assert_contains(
        &fixture.error("org/model@v9"),
        &["org/model@v9: ", "no revision \"v9\" (404)"],
    );

    fixture.hub.state().token = Some("hf_right");
    assert_contains(
        &fixture.error("org/model"),
        &[
            "no such model, or it is private or gated (401)",
            "set HF_TOKEN",
        ],
    );
    fixture.options.token = Some("hf_wrong".into());
    let message = fixture.error("org/model");
    assert_contains(
        &message,
        &[
            "refuses the token it was given (401)",
            "Repository not found",
            "set HF_TOKEN",
        ],
    );
    assert!(!message.contains("hf_wrong"), "{message}");

    fixture.hub.state().answers = [(403, "GatedRepo", "Access is restricted")].into();
    assert_contains(
        &fixture.error("org/model"),
        &[
            "gated (403)",
            &format!("accept its terms at {endpoint}/org/model"),
        ],
    );
    assert!(
        !fixture.root().exists(),
        "a refusal leaves no trace in the cache"
    );
}

#[test]
fn a_busy_hub_is_asked_again_and_not_for_ever() {
    let (fixture, ..) = Fixture::with_model();
    fixture.hub.state().answers = [(503, "", ""), (429, "", "Too many requests")].into();
    fixture.resolve("org/model").unwrap();

    let (mut other, ..) = Fixture::with_model();
    other.options.retries = 2;
    other.hub.state().answers = [(500, "", ""), (502, "", ""), (503, "", "Down for repair")].into();
    assert_contains(
        &other.error("org/model"),
        &["no answer after 3 tries", "503", "Down for repair"],
    );
}

#[test]
fn offline_names_what_is_missing_and_where_it_would_go() {
    let (mut fixture, commit, weights) = Fixture::with_model();
    fixture.options.offline = true;
    let snapshots = fixture.root().join("snapshots");
    assert_contains(
        &fixture.error("org/model"),
        &[
            "org/model: not complete in the cache",
            "HF_HUB_OFFLINE is set",
            "config.json, the weights and the tokenizer",
            snapshots.to_str().unwrap(),
        ],
    );

    fixture.options.offline = false;
    let directory = fixture.resolve("org/model").unwrap();
    fixture.options.offline = true;
    fixture.hub.requests();
    assert_eq!(fixture.resolve("org/model").unwrap(), directory);
    assert_eq!(hub::pull("org/model", &fixture.options).unwrap(), directory);

    std::fs::remove_file(fixture.blob(&weights)).unwrap();
    let message = fixture.error("org/model");
    assert_contains(
        &message,
        &[
            "missing: model.safetensors, which would go to",
            snapshots.join(commit).to_str().unwrap(),
        ],
    );
    assert!(
        fixture.hub.requests().is_empty(),
        "offline means no request at all"
    );

    fixture.options.offline = false;
    assert_eq!(fixture.resolve("org/model").unwrap(), directory);
    assert_eq!(
        std::fs::read(directory.join("model.safetensors")).unwrap(),
        weights
    );
}

#[test]
fn without_a_hub_the_cache_serves_and_the_error_names_the_endpoint() {
    let (mut fixture, commit, _) = Fixture::with_model();
    let directory = fixture.resolve("org/model").unwrap();
    // As another tool leaves it: complete, with no word on what is not published.
    std::fs::remove_dir_all(fixture.root().join(".no_exist")).unwrap();

    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    fixture.options.endpoint = format!("http://127.0.0.1:{port}");
    assert_eq!(fixture.resolve("org/model").unwrap(), directory);
    std::fs::remove_file(directory.join("config.json")).unwrap();
    assert_contains(
        &fixture.error("org/model"),
        &[
            &format!("{} cannot be reached", fixture.options.endpoint),
            "missing: config.json, which would go to",
            &commit,
            "HF_ENDPOINT",
        ],
    );

    fixture.options.endpoint = fixture.hub.endpoint();
    fixture.hub.requests();
    fixture.resolve("org/model").unwrap();
    assert_eq!(
        transfers(&fixture.hub.requests()).len(),
        0,
        "the weights were there"
    );
}

#[test]
fn pull_follows_the_branch_and_resolve_keeps_what_is_cached() {
    let (fixture, old, weights) = Fixture::with_model();
    let before = fixture.resolve("org/model").unwrap();
    let new = fixture.hub.publish(
        "org/model",
        'b',
        &[
            ("config.json", br#"{"model_type": "t5", "d_model": 8}"#),
            ("model.safetensors", &weights),
            ("tokenizer.json", b"{}"),
        ],
    );
    assert_eq!(fixture.resolve("org/model").unwrap(), before);
    fixture.hub.requests();
    let after = hub::pull("org/model", &fixture.options).unwrap();
    assert_eq!(after, fixture.root().join("snapshots").join(&new));
    assert!(
        transfers(&fixture.hub.requests()).is_empty(),
        "the weights are the same blob"
    );
    assert_eq!(fixture.resolve("org/model").unwrap(), after);
    assert_eq!(
        fixture.resolve(&format!("org/model@{old}")).unwrap(),
        before
    );
}

#[test]
fn branches_with_slashes_and_renamed_models_are_found() {
    let (mut fixture, commit, _) = Fixture::with_model();
    let model = fixture.hub.state().models["org/model@main"].clone();
    fixture
        .hub
        .state()
        .models
        .insert("org/model@refs/pr/1".into(), model);
    let directory = fixture.resolve("org/model@refs/pr/1").unwrap();
    assert_eq!(
        std::fs::read_to_string(fixture.root().join("refs/refs/pr/1")).unwrap(),
        commit
    );

    fixture
        .hub
        .state()
        .renamed
        .insert("old/name".into(), "org/model".into());
    fixture.hub.state().token = Some("hf_right");
    fixture.options.token = Some("hf_right".into());
    let renamed = fixture.resolve("old/name").unwrap();
    assert_eq!(names(&renamed), names(&directory));
}

#[test]
fn two_at_once_fetch_once() {
    let (fixture, _, weights) = Fixture::with_model();
    let options = &fixture.options;
    let both: Vec<_> = std::thread::scope(|scope| {
        let threads =
            [(); 2].map(|()| scope.spawn(move || hub::resolve("org/model", options).unwrap()));
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(both[0], both[1]);
    assert_eq!(
        std::fs::read(both[0].join("model.safetensors")).unwrap(),
        weights
    );
    assert_eq!(transfers(&fixture.hub.requests()).len(), 1);
}

#[test]
fn the_listing_tells_usable_models_from_others() {
    let (fixture, commit, weights) = Fixture::with_model();
    assert!(
        hub::cached(&fixture.options).unwrap().is_empty(),
        "no cache is an empty cache"
    );
    let directory = fixture.resolve("org/model").unwrap();
    fixture.hub.publish(
        "org/bert",
        'c',
        &[
            ("config.json", br#"{"model_type": "bert"}"#),
            ("model.safetensors", b"w"),
        ],
    );
    fixture.resolve("org/bert").unwrap();
    let half = fixture
        .home
        .path()
        .join("hub/models--org--half/snapshots")
        .join("d".repeat(40));
    std::fs::create_dir_all(&half).unwrap();
    std::fs::write(half.join("config.json"), br#"{"model_type": "umt5"}"#).unwrap();
    std::fs::create_dir_all(
        fixture
            .home
            .path()
            .join("hub/datasets--org--data/snapshots/e"),
    )
    .unwrap();

    let models = hub::cached(&fixture.options).unwrap();
    let listed: Vec<_> = models
        .iter()
        .map(|model| (model.id.as_str(), model.kind.as_deref(), model.usable()))
        .collect();
    assert_eq!(
        listed,
        [
            ("org/bert", Some("bert"), false),
            ("org/half", Some("umt5"), false),
            ("org/model", Some("t5"), true),
        ]
    );
    let problems: Vec<_> = models
        .iter()
        .map(|model| model.problem.clone().unwrap_or_default())
        .collect();
    assert_contains(&problems[0], &["bert"]);
    assert_contains(&problems[1], &["model.safetensors missing"]);
    let model = &models[2];
    assert_eq!(
        (&model.revision, &model.refs, &model.path),
        (&commit, &vec!["main".to_owned()], &directory)
    );
    let small: usize = published(&[])
        .iter()
        .filter(|(name, _)| directory.join(name).exists())
        .map(|(_, bytes)| bytes.len())
        .sum();
    assert_eq!(model.size, (weights.len() + small) as u64);
}

#[test]
fn directories_go_through_and_other_words_are_explained() {
    let (fixture, ..) = Fixture::with_model();
    let path = fixture.home.path().to_str().unwrap();
    assert_eq!(fixture.resolve(path).unwrap(), fixture.home.path());
    assert_contains(
        &fixture.error("t5-tiny"),
        &["no model \"t5-tiny\"", "flan-t5-{small,base,large,xl,xxl}"],
    );
    assert_contains(
        &fixture.error("./nowhere/at/all"),
        &["no model \"./nowhere/at/all\"", "no such directory"],
    );
    let file = fixture.home.path().join("model.safetensors");
    std::fs::write(&file, "").unwrap();
    assert_contains(
        &fixture.error(file.to_str().unwrap()),
        &["model.safetensors: is no directory"],
    );
    assert!(fixture.hub.requests().is_empty());
    assert_contains(
        &fixture.error("flan-t5-small"),
        &["google/flan-t5-small: ", "no such model"],
    );
    assert_eq!(
        fixture.hub.requests()[0].path,
        "/api/models/google/flan-t5-small/revision/main"
    );
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let (mut fixture, ..) = Fixture::with_model();
    fixture.options.cache = fixture.home.path().join("file");
    std::fs::write(&fixture.options.cache, "").unwrap();
    assert_contains(
        &fixture.error("org/model"),
        &[
            fixture.options.cache.to_str().unwrap(),
            "cannot be written",
            "HF_HOME",
        ],
    );
}

#[test]
fn an_endpoint_that_is_no_hub_is_named() {
    let (mut fixture, ..) = Fixture::with_model();
    fixture.options.endpoint = "not a url".into();
    assert_contains(&fixture.error("org/model"), &["HF_ENDPOINT"]);
}
