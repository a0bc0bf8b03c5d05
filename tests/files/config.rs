//! `config.json`: read as transformers reads it (`fixtures/host.json`), refused where it makes no sense.

use serde_json::{Value, json};
use t5_gpu::parameters::layout;
use t5_gpu::{Activation, Error, T5Config};

fn host_fixture() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/host.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn configs_read_as_in_transformers() {
    let fixture = host_fixture();
    let configs = fixture["configs"].as_array().unwrap();
    assert!(configs.len() > 60);
    for expected in configs {
        let text = expected["config"].as_str().unwrap();
        let config = T5Config::from_json(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let sizes = [
            config.vocab_size,
            config.d_model,
            config.d_kv,
            config.d_ff,
            config.num_heads,
            config.num_layers,
            config.num_decoder_layers,
            config.relative_attention_num_buckets,
            config.relative_attention_max_distance,
        ];
        assert_eq!(json!(sizes), expected["sizes"], "{text}");
        let activation = match expected["activation"].as_str().unwrap() {
            "ReLU" => Activation::Relu,
            "GELUActivation" => Activation::Gelu,
            "NewGELUActivation" => Activation::GeluNew,
            "SiLU" | "SiLUActivation" => Activation::Silu,
            other => panic!("{other}"),
        };
        assert_eq!(config.activation, activation, "{text}");
        assert_eq!(json!(config.gated), expected["gated"], "{text}");
        assert_eq!(
            json!(config.scale_decoder_outputs),
            expected["scaled"],
            "{text}"
        );
        assert_eq!(
            json!(config.pad_token_id),
            expected["pad_token_id"],
            "{text}"
        );
        assert_eq!(
            json!(config.eos_token_id),
            expected["eos_token_id"],
            "{text}"
        );
        let start = &expected["decoder_start_token_id"];
        assert_eq!(json!(config.decoder_start_token_id), *start, "{text}");
        let epsilon = expected["layer_norm_epsilon"].as_f64().unwrap() as f32;
        assert_eq!(config.layer_norm_epsilon, epsilon, "{text}");
    }
}

#[test]
fn other_architectures_are_named() {
    let message = |text: &str| match T5Config::from_json(text) {
        Err(error @ Error::Unsupported { .. }) => error.to_string(),
        other => panic!("{text}: {other:?}"),
    };
    let bert = message(r#"{"model_type": "bert"}"#);
    assert!(bert.contains("\"bert\"") && bert.contains("umt5"), "{bert}");
    let older = message(r#"{"architectures": ["BertModel"]}"#);
    assert!(older.contains("BertModel"), "{older}");
    message("{}");
    let mish = message(r#"{"model_type": "t5", "feed_forward_proj": "gated-mish"}"#);
    assert!(
        mish.contains("gated-mish") && mish.contains("silu"),
        "{mish}"
    );
    message(r#"{"model_type": "t5", "feed_forward_proj": "a-relu"}"#);
    message(r#"{"model_type": "t5", "feed_forward_proj": "gated-relu-relu"}"#);
}

#[test]
fn configs_older_than_the_model_type_are_known_by_their_architecture() {
    let config =
        T5Config::from_json(r#"{"architectures": ["T5WithLMHeadModel"], "n_positions": 512}"#);
    assert_eq!(config.unwrap().d_ff, 2048);
}

#[test]
fn an_encoder_alone_is_known_by_its_architecture() {
    let read = |fields: Value| {
        let mut config = json!({"model_type": "umt5"});
        let fields = fields.as_object().unwrap().clone();
        config.as_object_mut().unwrap().extend(fields);
        T5Config::from_json(&config.to_string())
    };
    for (fields, expected) in [
        (json!({}), true),
        (json!({"is_encoder_decoder": false}), false),
        (json!({"architectures": ["UMT5EncoderModel"]}), false),
        (
            json!({"architectures": ["UMT5EncoderModel"], "is_encoder_decoder": true}),
            false,
        ),
        (
            json!({"architectures": ["UMT5ForTokenClassification"]}),
            false,
        ),
        // T5EncoderModel writes this into the config that it is given, whatever class reads it next.
        (
            json!({"architectures": ["UMT5ForConditionalGeneration"], "is_encoder_decoder": false}),
            true,
        ),
    ] {
        let config = read(fields.clone()).unwrap();
        assert_eq!(config.is_encoder_decoder, expected, "{fields}");
        assert_eq!(
            layout(&config)
                .iter()
                .any(|(name, _)| name.starts_with("decoder.")),
            expected
        );
        let written = Value::Object(config.to_json()).to_string();
        assert_eq!(T5Config::from_json(&written).unwrap(), config);
    }
    let layers = json!({"architectures": ["UMT5EncoderModel"], "num_decoder_layers": 0});
    assert!(read(layers).is_ok());
    let error = read(json!({"num_decoder_layers": 0})).unwrap_err();
    assert!(error.to_string().contains("num_decoder_layers"), "{error}");
}

#[test]
fn senseless_values_are_refused_by_name() {
    for (field, value) in [
        ("vocab_size", json!(0)),
        ("d_model", json!(0)),
        ("d_model", json!(-512)),
        ("d_model", json!("512")),
        ("d_model", json!(512.5)),
        ("d_kv", json!(0)),
        ("d_ff", json!(1u64 << 40)),
        ("num_heads", json!(0)),
        ("num_layers", json!(0)),
        ("num_layers", json!(1_000_000)),
        ("num_decoder_layers", json!(0)),
        ("relative_attention_num_buckets", json!(2)),
        ("relative_attention_max_distance", json!(16)),
        ("layer_norm_epsilon", json!(-1.0)),
        ("d_ff", json!(null)),
        ("feed_forward_proj", json!(null)),
        ("layer_norm_epsilon", json!("1e-6")),
        ("pad_token_id", json!("0")),
        ("eos_token_id", json!(["</s>"])),
        ("decoder_start_token_id", json!(32128)),
        ("tie_word_embeddings", json!("no")),
    ] {
        let text = json!({"model_type": "t5", field: value}).to_string();
        let error = T5Config::from_json(&text).expect_err(&text).to_string();
        assert!(error.contains(field), "{text}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
    for text in ["", "[]", "{", "\u{0}"] {
        assert!(
            matches!(T5Config::from_json(text), Err(Error::Invalid(_))),
            "{text}"
        );
    }
}

#[test]
fn errors_name_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    let message = || T5Config::from_file(&path).unwrap_err().to_string();
    assert!(message().contains("config.json"), "{}", message());
    std::fs::write(&path, r#"{"model_type": "t5", "d_model": 0}"#).unwrap();
    assert!(
        message().contains("config.json") && message().contains("d_model"),
        "{}",
        message()
    );
}

/// Published parameter counts; the head counts where it is not tied.
#[test]
fn presets_have_the_published_sizes() {
    for (name, published) in [
        ("t5-small", 60_506_624u64),
        ("t5-base", 222_903_552),
        ("t5-large", 737_668_096),
        ("t5-3b", 2_851_598_336),
        ("t5-v1_1-small", 76_961_152),
        ("flan-t5-small", 76_961_152),
        ("flan-t5-base", 247_577_856),
        ("flan-t5-large", 783_150_080),
        ("flan-t5-xl", 2_849_757_184),
        ("mt5-small", 300_176_768),
        ("mt5-base", 582_401_280),
        ("byt5-small", 299_637_760),
    ] {
        let config = T5Config::preset(name).unwrap();
        let count: u64 = layout(&config)
            .iter()
            .map(|(_, shape)| shape.iter().product::<usize>() as u64)
            .sum();
        assert_eq!(count, published, "{name}");
    }
    assert!(
        T5Config::PRESETS
            .iter()
            .all(|name| T5Config::preset(name).is_some())
    );
    assert_eq!(T5Config::preset("t5-tiny"), None);
}

/// A preset is what the published config.json gives.
#[test]
fn presets_equal_their_configs() {
    let t5_small = T5Config::from_json(
        r#"{"model_type": "t5", "decoder_start_token_id": 0, "feed_forward_proj": "relu"}"#,
    );
    assert_eq!(T5Config::preset("t5-small"), t5_small.ok());
    let mt5_small = T5Config::from_json(r#"{"model_type": "mt5", "tie_word_embeddings": false}"#);
    assert_eq!(T5Config::preset("mt5-small"), mt5_small.ok());
}

#[test]
fn configs_are_read_back_as_they_were_written() {
    let back = |config: &T5Config| {
        T5Config::from_json(&serde_json::Value::Object(config.to_json()).to_string()).unwrap()
    };
    for name in T5Config::PRESETS {
        let config = T5Config::preset(name).unwrap();
        assert_eq!(back(&config), config, "{name}");
    }
    let mut odd = T5Config::preset("flan-t5-small").unwrap();
    odd.eos_token_id = vec![1, 7];
    odd.scale_decoder_outputs = true;
    odd.decoder_start_token_id = None;
    odd.layer_norm_epsilon = 3e-7;
    odd.num_decoder_layers = 3;
    let task = json!({"prefix": "translate: ", "num_beams": 4});
    odd.task_specific_params
        .insert("translation".into(), task.as_object().unwrap().clone());
    assert_eq!(back(&odd), odd);
    for activation in [
        t5_gpu::Activation::Relu,
        t5_gpu::Activation::Gelu,
        t5_gpu::Activation::GeluNew,
        t5_gpu::Activation::Silu,
    ] {
        for gated in [false, true] {
            odd.activation = activation;
            odd.gated = gated;
            assert_eq!(back(&odd), odd);
        }
    }
}
