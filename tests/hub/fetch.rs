//! What is fetched, from where and into which layout.

use super::*;

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
            "config_sentence_transformers.json",
            "merges.txt",
            "modules.json",
            "sentence_bert_config.json",
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
    fixture.options.token = Some(Token::new("hf_right"));
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
fn modules_of_sentence_transformers_come_with_the_model() {
    let mut fixture = Fixture::new();
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/embeddings/sentence-t5");
    let files = [
        "1_Pooling/config.json",
        "2_Dense/config.json",
        "2_Dense/pytorch_model.bin",
        "config.json",
        "modules.json",
        "pytorch_model.bin",
        "sentence_bert_config.json",
        "spiece.model",
        "tokenizer_config.json",
    ];
    let read = |file: &&str| std::fs::read(source.join(file)).unwrap();
    let bytes: Vec<Vec<u8>> = files.iter().map(read).collect();
    let mut published: Vec<(&str, &[u8])> = files
        .into_iter()
        .zip(bytes.iter().map(|b| &b[..]))
        .collect();
    published.push(("2_Dense/rust_model.ot", b"of another tool"));
    fixture.hub.publish("org/model", '5', &published);

    // Text alone needs none of the weights.
    fixture.options.weights = false;
    let directory = fixture.resolve("org/model").unwrap();
    assert!(!directory.join("2_Dense/pytorch_model.bin").exists());
    fixture.options.weights = true;
    assert_eq!(fixture.resolve("org/model").unwrap(), directory);
    let embedding = |directory: &Path| ModelFiles::open(directory).unwrap().embedding(20);
    assert_eq!(
        embedding(&directory).unwrap().unwrap().to_string(),
        embedding(&source).unwrap().unwrap().to_string()
    );
    for file in files {
        assert_eq!(
            std::fs::read(directory.join(file)).unwrap(),
            read(&file),
            "{file}"
        );
    }
    assert_eq!(
        names(&directory.join("2_Dense")),
        ["config.json", "pytorch_model.bin"]
    );
    fixture.hub.requests();
    fixture.resolve("org/model").unwrap();
    assert!(fixture.hub.requests().is_empty(), "all of it is cached");

    // Without them the model would give something else: they are no less needed than its own weights.
    std::fs::remove_file(directory.join("2_Dense/pytorch_model.bin")).unwrap();
    std::fs::remove_file(directory.join("1_Pooling/config.json")).unwrap();
    fixture.options.offline = true;
    assert_contains(
        &fixture.error("org/model"),
        &["1_Pooling/config.json, 2_Dense/model.safetensors"],
    );
    fixture.options.offline = false;
    fixture.resolve("org/model").unwrap();
    assert!(embedding(&directory).is_ok());
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
    fixture.options.token = Some(Token::new("hf_right"));
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
