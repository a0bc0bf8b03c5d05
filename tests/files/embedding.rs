//! What a sentence-transformers directory may say, and what is refused by name.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use t5_gpu::ModelFiles;
use tempfile::TempDir;

/// The fixture's files, its sub-directories included.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &target),
            false => drop(fs::copy(&path, target).unwrap()),
        }
    }
}

fn model(name: &str) -> TempDir {
    let directory = TempDir::new().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/embeddings");
    copy(&fixtures.join(name), directory.path());
    directory
}

/// A model with these fields of one of its files set.
fn with(name: &str, file: &str, fields: Value) -> TempDir {
    let directory = model(name);
    let path = directory.path().join(file);
    let old = fs::read(&path).map_or(json!({}), |text| serde_json::from_slice(&text).unwrap());
    let old: Map<String, Value> = serde_json::from_value(old).unwrap();
    let new = old.into_iter().chain(fields.as_object().unwrap().clone());
    fs::write(&path, Value::Object(new.collect()).to_string()).unwrap();
    directory
}

/// The embedding in a line.
fn embedding(directory: &TempDir) -> String {
    let files = ModelFiles::open(directory.path()).unwrap();
    let embedding = files.embedding(20).unwrap();
    embedding.expect("modules.json").to_string()
}

#[track_caller]
fn refused(directory: &TempDir, parts: &[&str]) {
    let files = ModelFiles::open(directory.path());
    let outcome = files.and_then(|files| {
        files.tokenizer()?;
        files.reading()?;
        files.embedding(20)
    });
    let message = outcome.expect_err("an error").to_string();
    for part in parts {
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
    assert!(!message.contains('\n'), "{message}");
}

#[test]
fn modules_are_told_in_a_line() {
    assert_eq!(
        embedding(&model("sentence-t5")),
        "mean pooling, dense 20 to 14 (Identity), normalized"
    );
    assert_eq!(
        embedding(&model("nested")),
        "cls and max and mean pooling, dense 60 to 9 (Tanh)"
    );
    assert_eq!(
        embedding(&model("prompts")),
        "weightedmean and lasttoken pooling without the prompt, dense 40 to 13 (GELU), normalized, cut to 7 dimensions"
    );
}

#[test]
fn a_pooling_that_says_nothing_is_the_mean() {
    let directory = model("bytes");
    fs::write(directory.path().join("1_Pooling/config.json"), "{}").unwrap();
    assert!(embedding(&directory).starts_with("mean pooling, layer norm"));
    fs::remove_file(directory.path().join("1_Pooling/config.json")).unwrap();
    assert!(embedding(&directory).starts_with("mean pooling, layer norm"));
}

#[test]
fn what_is_not_run_is_refused_by_name() {
    let pooling = |fields| with("bytes", "1_Pooling/config.json", fields);
    refused(
        &pooling(json!({"pooling_mode": "median"})),
        &["1_Pooling", "\"median\"", "lasttoken"],
    );
    refused(
        &pooling(json!({"pooling_mode_middle_token": true})),
        &["1_Pooling", "pooling_mode_middle_token"],
    );
    let dense = |fields| with("bytes", "3_Dense/config.json", fields);
    refused(
        &dense(json!({"activation_function": "torch.nn.modules.activation.PReLU"})),
        &["3_Dense", "PReLU", "Tanh"],
    );
    // sentence-transformers takes Tanh instead, with a warning.
    refused(
        &dense(json!({"activation_function": "mine.Tanh"})),
        &["3_Dense", "mine.Tanh"],
    );
    refused(
        &dense(json!({"module_input_name": "token_embeddings"})),
        &["3_Dense", "token_embeddings"],
    );
    refused(&dense(json!({"dropout": 0.1})), &["3_Dense", "dropout"]);
    refused(
        &dense(json!({"in_features": 21})),
        &["3_Dense", "[20, 21]", "[20, 20]"],
    );
    let whole = |fields| with("bytes", "config_sentence_transformers.json", fields);
    refused(
        &whole(json!({"model_type": "SparseEncoder"})),
        &["config_sentence_transformers.json", "SparseEncoder"],
    );
    refused(
        &whole(json!({"default_prompt_name": "passage"})),
        &["config_sentence_transformers.json", "passage", "query"],
    );
    let transformer = |fields| with("bytes", "sentence_bert_config.json", fields);
    refused(
        &transformer(json!({"transformer_task": "text-generation"})),
        &["sentence_bert_config.json", "text-generation"],
    );
    let output =
        json!({"text": {"method": "forward", "method_output_name": ["hidden_states", -2]}});
    refused(
        &transformer(json!({"modality_config": output})),
        &["sentence_bert_config.json", "hidden_states"],
    );
    refused(
        &transformer(json!({"tokenizer_args": {"add_eos_token": false}})),
        &["sentence_bert_config.json", "add_eos_token"],
    );
    refused(
        &transformer(json!({"max_seq_length": "long"})),
        &["sentence_bert_config.json", "max_seq_length", "long"],
    );
}

#[test]
fn lists_of_modules_that_are_not_run_are_refused() {
    let modules = |types: &[(&str, &str)]| {
        let directory = model("bytes");
        let entry = |(class, path): &(&str, &str)| json!({"type": class, "path": path});
        let list: Vec<Value> = types.iter().map(entry).collect();
        let path = directory.path().join("modules.json");
        fs::write(path, Value::Array(list).to_string()).unwrap();
        directory
    };
    let transformer = ("sentence_transformers.models.Transformer", "");
    let pooling = ("sentence_transformers.models.Pooling", "1_Pooling");
    assert_eq!(
        embedding(&modules(&[transformer, pooling])),
        "mean_sqrt_len_tokens pooling"
    );
    for (list, part) in [
        (&[transformer][..], "models.Transformer\""),
        (&[pooling, transformer], "models.Pooling, "),
        (&[transformer, pooling, pooling], "models.Pooling, "),
        (
            &[
                transformer,
                ("sentence_transformers.models.WeightedLayerPooling", "x"),
                pooling,
            ],
            "WeightedLayerPooling",
        ),
        (
            &[transformer, pooling, ("mine.Dense", "3_Dense")],
            "mine.Dense",
        ),
    ] {
        refused(&modules(list), &["modules.json", part, "--pooling"]);
    }
    // Weights that are not there, and layers that do not fit each other.
    let layer = |class, path| modules(&[transformer, pooling, (class, path)]);
    let dense = "sentence_transformers.models.Dense";
    refused(
        &layer(dense, "1_Pooling"),
        &["1_Pooling", "embedding_dimension"],
    );
    refused(&layer(dense, "elsewhere"), &["elsewhere"]);
    let directory = with(
        "nested",
        "1_Pooling/config.json",
        json!({"pooling_mode": "mean"}),
    );
    refused(&directory, &["3_Dense", "takes 60 dimensions", "gives 20"]);
    // Nothing outside the directory is opened.
    for path in ["../other", "/etc"] {
        refused(&layer(dense, path), &["modules.json", path]);
    }
    let directory = model("bytes");
    fs::write(directory.path().join("modules.json"), "[{\"type\": 3}]").unwrap();
    refused(&directory, &["modules.json", "cannot be understood"]);
}

#[test]
fn the_transformers_own_setting_of_length_comes_first() {
    let cut = |directory: &TempDir| {
        let files = ModelFiles::open(directory.path()).unwrap();
        let tokenizer = files.tokenizer().unwrap().unwrap();
        let text = "a".repeat(100);
        let source = files
            .reading()
            .unwrap()
            .read(&tokenizer, &text, None)
            .unwrap();
        assert_eq!(source.input_ids.len() + source.cut, 101);
        source.input_ids.len()
    };
    let transformer = |fields| with("bytes", "sentence_bert_config.json", fields);
    // The tokenizer's own, what the transformer has, what its tokenizer is given.
    assert_eq!(cut(&model("bytes")), 40);
    assert_eq!(cut(&transformer(json!({"max_seq_length": 60}))), 60);
    let given = json!({"max_seq_length": 60, "tokenizer_args": {"model_max_length": 7}});
    assert_eq!(cut(&transformer(given)), 7);
    for most in [json!(0), json!(null), json!(1e30)] {
        let directory = with(
            "bytes",
            "tokenizer_config.json",
            json!({"model_max_length": most}),
        );
        assert_eq!(cut(&directory), 101, "{most}");
    }
}

#[test]
fn an_image_models_text_encoder_is_found_with_its_tokenizer() {
    let source = model("sentence-t5");
    let root = TempDir::new().unwrap();
    let (encoder, tokenizer) = (
        root.path().join("text_encoder_3"),
        root.path().join("tokenizer_3"),
    );
    for (directory, files) in [
        (&encoder, &["config.json", "pytorch_model.bin"][..]),
        (
            &tokenizer,
            &[
                "spiece.model",
                "tokenizer_config.json",
                "added_tokens.json",
                "special_tokens_map.json",
            ],
        ),
    ] {
        fs::create_dir(directory).unwrap();
        for file in files {
            fs::copy(source.path().join(file), directory.join(file)).unwrap();
        }
    }
    let index = root.path().join("model_index.json");
    let parts = json!({
        "_class_name": "StableDiffusion3Pipeline",
        "text_encoder": ["transformers", "CLIPTextModelWithProjection"],
        "text_encoder_3": ["transformers", "T5EncoderModel"],
        "tokenizer_3": ["transformers", "T5TokenizerFast"],
    });
    fs::write(&index, parts.to_string()).unwrap();
    let expected = ModelFiles::open(source.path()).unwrap();
    let expected = expected
        .tokenizer()
        .unwrap()
        .unwrap()
        .encode("She reads.")
        .unwrap();
    for directory in [root.path(), encoder.as_path()] {
        let files = ModelFiles::open(directory).unwrap();
        assert!(files.has_weights());
        assert!(!files.config().unwrap().is_encoder_decoder);
        let tokenizer = files.tokenizer().unwrap().expect("the tokenizer beside it");
        assert_eq!(tokenizer.encode("She reads.").unwrap(), expected);
        assert!(files.embedding(20).unwrap().is_none());
    }
    fs::write(
        &index,
        r#"{"text_encoder": ["transformers", "CLIPTextModel"]}"#,
    )
    .unwrap();
    refused(
        &root,
        &["model_index.json", "no text encoder of the T5 family"],
    );
}
