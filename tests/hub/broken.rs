//! Connections that break, files that are wrong, hubs that refuse.

use super::*;

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
    fixture.options.token = Some(Token::new("hf_wrong"));
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
fn an_endpoint_that_is_no_hub_is_named() {
    let (mut fixture, ..) = Fixture::with_model();
    fixture.options.endpoint = "not a url".into();
    assert_contains(&fixture.error("org/model"), &["HF_ENDPOINT"]);
}

#[test]
fn a_pointer_in_place_of_a_file_is_said_by_name() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\n\
        oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 242043056\n";
    for file in ["model.safetensors", "spiece.model"] {
        let fixture = Fixture::new();
        let mut files = published(b"weights").to_vec();
        files.retain(|(name, _)| *name != "tokenizer.json" && *name != file);
        files.push((file, pointer));
        fixture.hub.publish("org/model", 'a', &files);
        assert_contains(
            &fixture.error("org/model"),
            &["Git LFS pointer in place of", file, &fixture.hub.endpoint()],
        );
        assert!(!fixture.blob(pointer).exists() && !fixture.partial(pointer).exists());
    }
}
