//! What the cache serves without a hub, and what is said where it cannot.

use super::*;

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
fn a_snapshot_without_its_branch_is_found_by_its_own_name() {
    let (mut fixture, commit, _) = Fixture::with_model();
    let directory = fixture.resolve("org/model").unwrap();
    let main = fixture.root().join("refs/main");
    let by_name = format!("org/model@{commit}");
    fixture.options.offline = true;

    // Other tools write a line break, or none.
    std::fs::write(&main, format!("{commit}\n")).unwrap();
    assert_eq!(fixture.resolve("org/model").unwrap(), directory);

    let gone = "9".repeat(40);
    for branch in [
        None,
        Some(""),
        Some("no commit"),
        Some(&*gone),
        Some("../../x"),
    ] {
        match branch {
            None => std::fs::remove_file(&main).unwrap(),
            Some(text) => std::fs::write(&main, text).unwrap(),
        }
        let message = fixture.error("org/model");
        assert_contains(
            &message,
            &[
                "HF_HUB_OFFLINE is set",
                "missing: config.json",
                &format!("give {by_name}, which the cache has"),
                "--model",
            ],
        );
        assert_eq!(fixture.resolve(&by_name).unwrap(), directory);
    }
    // The same for another branch, and for a hub that cannot be reached.
    assert_contains(&fixture.error("org/model@v2"), &[&by_name]);
    fixture.options.offline = false;
    fixture.options.endpoint = "http://no-such-host.invalid".into();
    assert_contains(&fixture.error("org/model"), &["no-such-host", &by_name]);

    // Several, of which one lacks its weights.
    let snapshots = fixture.root().join("snapshots");
    let copy = |name: &str| {
        std::fs::create_dir(snapshots.join(name)).unwrap();
        for file in names(&directory) {
            std::fs::copy(directory.join(&file), snapshots.join(name).join(file)).unwrap();
        }
    };
    copy(&"b".repeat(40));
    copy(&"c".repeat(40));
    std::fs::remove_file(snapshots.join("c".repeat(40)).join("model.safetensors")).unwrap();
    let second = format!("org/model@{}", "b".repeat(40));
    let message = fixture.error("org/model");
    assert_contains(&message, &[&format!("give {by_name} or {second}, which")]);
    assert!(!message.contains("cccc"), "{message}");
    fixture.options.weights = false;
    assert_contains(&fixture.error("org/model"), &["cccc"]);
}

#[test]
fn snapshots_of_caches_filled_by_hand_may_have_any_name() {
    let (mut fixture, commit, _) = Fixture::with_model();
    fixture.resolve("org/model").unwrap();
    let snapshots = fixture.root().join("snapshots");
    std::fs::rename(snapshots.join(commit), snapshots.join("mine")).unwrap();
    std::fs::write(fixture.root().join("refs/main"), "mine").unwrap();
    fixture.options.offline = true;
    assert_eq!(
        fixture.resolve("org/model").unwrap(),
        snapshots.join("mine")
    );
    assert_eq!(
        fixture.resolve("org/model@mine").unwrap(),
        snapshots.join("mine")
    );
    std::fs::remove_file(fixture.root().join("refs/main")).unwrap();
    assert_contains(&fixture.error("org/model"), &["give org/model@mine, which"]);
}

#[test]
fn asking_for_the_newest_without_a_hub_does_not_call_the_cache_incomplete() {
    let (mut fixture, ..) = Fixture::with_model();
    let directory = fixture.resolve("org/model").unwrap();
    fixture.options.endpoint = "http://no-such-host.invalid".into();
    let message = hub::pull("org/model", &fixture.options)
        .unwrap_err()
        .to_string();
    assert_contains(
        &message,
        &["no-such-host", directory.to_str().unwrap(), "has all"],
    );
    assert!(!message.contains("missing"), "{message}");
}
