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
        &[
            "org/flax",
            "publishes no weights that can be read",
            "Flax's",
        ],
    );
    fixture.hub.publish(
        "org/lora",
        '5',
        &[("adapter_config.json", b"{}"), ("adapter_model.bin", b"a")],
    );
    assert_contains(
        &fixture.error("org/lora"),
        &["org/lora", "an adapter", "from_pretrained(\"org/lora\")"],
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

/// Files and folders below a directory, in order.
fn tree(directory: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for name in names(directory) {
        let path = directory.join(&name);
        match path.is_dir() {
            true => files.extend(tree(&path).iter().map(|file| format!("{name}/{file}"))),
            false => files.push(name),
        }
    }
    files
}

#[test]
fn sentence_transformers_come_with_all_their_folders() {
    let modules = br#"[
        {"idx": 0, "name": "0", "path": "0_Transformer", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"},
        {"idx": 3, "name": "3", "path": "3_Normalize", "type": "sentence_transformers.models.Normalize"}]"#;
    let (encoder, dense) = (weights(3001), weights(2003));
    let mut fixture = Fixture::new();
    let published: [(&str, &[u8]); 13] = [
        ("README.md", b"read me"),
        ("0_Transformer/config.json", CONFIG),
        ("0_Transformer/model.safetensors", &encoder),
        (
            "0_Transformer/sentence_bert_config.json",
            b"{\"max_seq_length\": 256}",
        ),
        ("0_Transformer/spiece.model", b"pieces"),
        (
            "1_Pooling/config.json",
            b"{\"pooling_mode_mean_tokens\": true}",
        ),
        ("2_Dense/config.json", b"{\"in_features\": 8}"),
        ("2_Dense/model.safetensors", &dense),
        ("2_Dense/pytorch_model.bin", b"pickle"),
        ("config_sentence_transformers.json", b"{\"prompts\": {}}"),
        ("model.safetensors", b"of something else"),
        ("modules.json", modules),
        ("onnx/model.onnx", b"onnx"),
    ];
    fixture.hub.publish("org/sentences", 'e', &published);

    // What tokenizes needs no weights.
    fixture.options.weights = false;
    let directory = fixture.resolve("org/sentences").unwrap();
    assert!(!directory.join("2_Dense/model.safetensors").exists());
    fixture.options.weights = true;
    fixture.options.offline = true;
    assert_contains(
        &fixture.error("org/sentences"),
        &["missing: 0_Transformer/model.safetensors, 2_Dense/model.safetensors"],
    );
    fixture.options.offline = false;
    assert_eq!(fixture.resolve("org/sentences").unwrap(), directory);
    assert_eq!(
        tree(&directory),
        [
            "0_Transformer/config.json",
            "0_Transformer/model.safetensors",
            "0_Transformer/sentence_bert_config.json",
            "0_Transformer/spiece.model",
            "1_Pooling/config.json",
            "2_Dense/config.json",
            "2_Dense/model.safetensors",
            "config_sentence_transformers.json",
            "modules.json",
        ]
    );
    for (file, bytes) in published {
        if directory.join(file).exists() {
            assert_eq!(
                std::fs::read(directory.join(file)).unwrap(),
                bytes,
                "{file}"
            );
        }
    }
    fixture.hub.requests();
    assert_eq!(fixture.resolve("org/sentences").unwrap(), directory);
    assert!(fixture.hub.requests().is_empty(), "all was settled");
    let model = &hub::cached(&fixture.options).unwrap()[0];
    assert_eq!(
        (model.id.as_str(), model.kind.as_deref()),
        ("org/sentences", Some("t5"))
    );
    assert!(model.usable() && model.size > 5000, "{model:?}");

    // A list that leads elsewhere is not followed.
    let elsewhere = br#"[{"idx": 0, "name": "0", "path": "../..", "type": "sentence_transformers.models.Transformer"}]"#;
    let files: [(&str, &[u8]); 2] = [("config.json", CONFIG), ("modules.json", elsewhere)];
    fixture.hub.publish("org/bad", 'd', &files);
    assert_contains(
        &fixture.error("org/bad"),
        &["modules.json", "not in this directory"],
    );
}

#[test]
fn the_text_encoder_of_an_image_model_is_what_is_fetched() {
    let index = br#"{"_class_name": "FluxPipeline", "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "T5EncoderModel"], "tokenizer_2": ["transformers", "T5TokenizerFast"]}"#;
    let shard = weights(2003);
    let shards = br#"{"weight_map": {"x": "model-1.safetensors"}}"#;
    let fixture = Fixture::new();
    fixture.hub.publish(
        "org/image",
        'e',
        &[
            ("model_index.json", index),
            ("text_encoder/config.json", b"{}"),
            ("text_encoder/model.safetensors", b"clip"),
            ("text_encoder_2/config.json", CONFIG),
            ("text_encoder_2/model-1.safetensors", &shard),
            ("text_encoder_2/model.safetensors.index.json", shards),
            ("tokenizer_2/spiece.model", b"pieces"),
            ("tokenizer_2/tokenizer.json", b"{}"),
            ("tokenizer_2/tokenizer_config.json", b"{\"a\": 1}"),
            ("transformer/config.json", b"{}"),
            ("transformer/model.safetensors", b"large"),
        ],
    );
    let directory = fixture.resolve("org/image").unwrap();
    assert_eq!(
        tree(&directory),
        [
            "model_index.json",
            "text_encoder_2/config.json",
            "text_encoder_2/model-1.safetensors",
            "text_encoder_2/model.safetensors.index.json",
            "tokenizer_2/tokenizer.json",
            "tokenizer_2/tokenizer_config.json",
        ]
    );
    fixture.hub.requests();
    assert_eq!(fixture.resolve("org/image").unwrap(), directory);
    assert!(fixture.hub.requests().is_empty(), "all was settled");
}

#[test]
fn weights_may_have_another_name_and_shards_a_folder() {
    let shard = weights(2003);
    let fixture = Fixture::new();
    fixture.hub.publish(
        "org/named",
        'e',
        &[
            (
                "config.json",
                br#"{"model_type": "t5", "transformers_weights": "ema.safetensors"}"#,
            ),
            ("ema.safetensors", b"ema"),
            ("model.safetensors", b"others"),
        ],
    );
    let directory = fixture.resolve("org/named").unwrap();
    assert_eq!(tree(&directory), ["config.json", "ema.safetensors"]);
    let files: [(&str, &[u8]); 2] = [
        (
            "config.json",
            br#"{"transformers_weights": "gone.safetensors"}"#,
        ),
        ("model.safetensors", b"others"),
    ];
    fixture.hub.publish("org/gone", 'd', &files);
    assert_contains(
        &fixture.error("org/gone"),
        &["gone.safetensors", "does not publish"],
    );

    fixture.hub.publish(
        "org/folder",
        'f',
        &[
            ("config.json", CONFIG),
            ("parts/1.safetensors", &shard),
            (
                "model.safetensors.index.json",
                br#"{"weight_map": {"x": "./parts/1.safetensors"}}"#,
            ),
        ],
    );
    let directory = fixture.resolve("org/folder").unwrap();
    assert_eq!(
        std::fs::read(directory.join("parts/1.safetensors")).unwrap(),
        shard
    );
    assert_eq!(fixture.resolve("org/folder").unwrap(), directory);
}
