//! Generation options: JSON, layers, limits, errors.

use serde_json::{Map, Value, json};
use t5_gpu::config::{GenerationDefaults, LengthLimits};
use t5_gpu::{EarlyStopping, GenerationConfig};

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

fn from(value: Value) -> GenerationConfig {
    let mut config = GenerationConfig::default();
    config.apply_json(&object(value)).unwrap();
    config
}

#[test]
fn later_layers_win_and_leave_the_rest() {
    // t5-small's summarization block over its generation_config.json
    let mut config = from(json!({
        "_from_model_config": true, "decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0,
        "transformers_version": "4.27.0.dev0"
    }));
    let unknown = config
        .apply_json(&object(json!({
            "early_stopping": true, "length_penalty": 2.0, "max_length": 200, "min_length": 30,
            "no_repeat_ngram_size": 3, "num_beams": 4, "prefix": "summarize: "
        })))
        .unwrap();
    assert_eq!(unknown, ["prefix"]);
    config
        .apply_json(&object(json!({"num_beams": 2, "early_stopping": "never"})))
        .unwrap();
    let expected = GenerationConfig {
        decoder_start_token_id: Some(0),
        eos_token_id: vec![1],
        pad_token_id: Some(0),
        early_stopping: EarlyStopping::Never,
        length_penalty: 2.0,
        max_length: Some(200),
        min_length: 30,
        no_repeat_ngram_size: 3,
        num_beams: 2,
        ..Default::default()
    };
    assert_eq!(config, expected);
    config
        .apply_json(&object(
            json!({"max_length": null, "num_beams": null, "min_length": null}),
        ))
        .unwrap();
    assert_eq!(
        (config.max_length, config.num_beams, config.min_length),
        (None, 1, 0)
    );
}

#[test]
fn every_option_is_read() {
    let config = from(json!({
        "max_new_tokens": 1, "max_length": 2, "min_new_tokens": 3, "min_length": 4, "num_beams": 5,
        "num_return_sequences": 4, "length_penalty": -1, "early_stopping": false, "no_repeat_ngram_size": 6,
        "encoder_no_repeat_ngram_size": 7, "repetition_penalty": 1.5, "encoder_repetition_penalty": 2,
        "bad_words_ids": [[8, 9], [10]], "forced_bos_token_id": 11, "forced_eos_token_id": [12, 13],
        "suppress_tokens": [14], "begin_suppress_tokens": [15], "do_sample": true, "temperature": 0.7, "top_k": 16,
        "top_p": 0.8, "min_p": 0.1, "typical_p": 0.2, "epsilon_cutoff": 0.3, "eta_cutoff": 0.4, "seed": 18446744073709551615_u64, "eos_token_id": [17, 18], "pad_token_id": 19,
        "bos_token_id": 20, "decoder_start_token_id": 21, "decoder_input_ids": [22, 23]
    }));
    let expected = GenerationConfig {
        max_new_tokens: Some(1),
        max_length: Some(2),
        min_new_tokens: Some(3),
        min_length: 4,
        num_beams: 5,
        num_return_sequences: 4,
        length_penalty: -1.0,
        early_stopping: EarlyStopping::No,
        no_repeat_ngram_size: 6,
        encoder_no_repeat_ngram_size: 7,
        repetition_penalty: 1.5,
        encoder_repetition_penalty: 2.0,
        bad_words_ids: vec![vec![8, 9], vec![10]],
        forced_bos_token_id: Some(11),
        forced_eos_token_id: vec![12, 13],
        suppress_tokens: vec![14],
        begin_suppress_tokens: vec![15],
        do_sample: true,
        temperature: 0.7,
        top_k: 16,
        top_p: 0.8,
        min_p: Some(0.1),
        typical_p: 0.2,
        epsilon_cutoff: 0.3,
        eta_cutoff: 0.4,
        seed: Some(u64::MAX),
        eos_token_id: vec![17, 18],
        pad_token_id: Some(19),
        bos_token_id: Some(20),
        decoder_start_token_id: Some(21),
        decoder_input_ids: vec![22, 23],
    };
    assert_eq!(config, expected);
}

#[test]
fn wrong_types_name_the_option_and_the_value() {
    let cases = [
        (
            json!({"num_beams": "four"}),
            "num_beams must be a whole number, 0 or more, but is \"four\"",
        ),
        (
            json!({"num_beams": -1}),
            "num_beams must be a whole number, 0 or more, but is -1",
        ),
        (
            json!({"max_length": 1.5}),
            "max_length must be a whole number",
        ),
        (
            json!({"temperature": "hot"}),
            "temperature must be a number, but is \"hot\"",
        ),
        (
            json!({"do_sample": 1}),
            "do_sample must be true or false, but is 1",
        ),
        (
            json!({"early_stopping": "maybe"}),
            "early_stopping must be true, false or \"never\", but is \"maybe\"",
        ),
        (
            json!({"eos_token_id": [1, -2]}),
            "eos_token_id must be a token id or a list of token ids, but is [1,-2]",
        ),
        (
            json!({"pad_token_id": 4294967296_u64}),
            "pad_token_id must be a token id, but is 4294967296",
        ),
        (
            json!({"bad_words_ids": [1]}),
            "bad_words_ids must be a list of lists of token ids, but is [1]",
        ),
        (
            json!({"num_beam_groups": 2}),
            "num_beam_groups is not supported",
        ),
        (json!({"top_h": 0.9}), "top_h is not supported"),
    ];
    for (options, message) in cases {
        let error = GenerationConfig::default()
            .apply_json(&object(options))
            .unwrap_err()
            .to_string();
        assert!(error.contains(message), "{error}");
        assert!(!error.contains('\n'));
    }
    let long = vec!["ä"; 5000];
    let error = GenerationConfig::default()
        .apply_json(&object(json!({"eos_token_id": long})))
        .unwrap_err()
        .to_string();
    assert!(error.len() < 250, "{error}");
}

#[test]
fn what_has_no_effect_is_passed_over() {
    // As old versions of transformers wrote it.
    let config = from(json!({
        "diversity_penalty": 0.0, "num_beam_groups": 1, "typical_p": 1.0, "bad_words_ids": null, "use_cache": true,
        "remove_invalid_values": false, "exponential_decay_length_penalty": null, "output_scores": false
    }));
    assert_eq!(config, GenerationConfig::default());
}

#[test]
fn limits_count_the_start_token_and_the_prefix() {
    let limits = |value, prompt| {
        from(value).length_limits(prompt).map(
            |LengthLimits {
                 max_length,
                 min_length,
             }| (max_length, min_length),
        )
    };
    assert_eq!(limits(json!({}), 1).unwrap(), (21, 0));
    assert_eq!(limits(json!({}), 4).unwrap(), (24, 0));
    assert_eq!(
        limits(json!({"max_length": 30, "min_length": 5}), 4).unwrap(),
        (30, 5)
    );
    assert_eq!(
        limits(json!({"max_length": 300, "max_new_tokens": 7}), 3).unwrap(),
        (10, 0)
    );
    assert_eq!(
        limits(json!({"min_length": 9, "min_new_tokens": 2}), 3).unwrap(),
        (23, 5)
    );
    let error = limits(json!({"max_length": 3}), 3).unwrap_err().to_string();
    assert!(error.contains("max_length is 3"), "{error}");
}

#[test]
fn a_prefix_follows_the_start_token_once() {
    let prompt = |value| from(value).decoder_prompt();
    assert_eq!(prompt(json!({"decoder_start_token_id": 0})).unwrap(), [0]);
    assert_eq!(
        prompt(json!({"decoder_start_token_id": 0, "decoder_input_ids": [5, 6]})).unwrap(),
        [0, 5, 6]
    );
    assert_eq!(
        prompt(json!({"decoder_start_token_id": 0, "decoder_input_ids": [0, 6]})).unwrap(),
        [0, 6]
    );
    assert_eq!(prompt(json!({"bos_token_id": 3})).unwrap(), [3]);
    assert!(prompt(json!({})).is_err());
}

#[test]
fn nonsense_is_refused() {
    let cases = [
        (json!({"num_beams": 0}), "num_beams is 0"),
        (
            json!({"num_return_sequences": 0}),
            "num_return_sequences is 0",
        ),
        (
            json!({"num_return_sequences": 2}),
            "greedy decoding gives one output",
        ),
        (
            json!({"num_beams": 2, "num_return_sequences": 3}),
            "num_return_sequences is 3, but num_beams is 2",
        ),
        (json!({"max_new_tokens": 0}), "max_new_tokens is 0"),
        (json!({"num_beams": 4097}), "num_beams is 4097"),
        (
            json!({"do_sample": true, "num_return_sequences": 1_u64 << 40}),
            "num_return_sequences is 1099511627776",
        ),
        (json!({"repetition_penalty": 0}), "repetition_penalty is 0"),
        (
            json!({"bad_words_ids": [[1], []]}),
            "bad_words_ids holds an empty list",
        ),
        (
            json!({"forced_eos_token_id": 1, "suppress_tokens": [1, 2]}),
            "every token of forced_eos_token_id",
        ),
    ];
    for (options, message) in cases {
        let error = from(options).validate().unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    // Without sampling nothing reads these, and transformers does not look at them.
    for (name, value, message) in [
        ("temperature", 0.0, "temperature is 0"),
        ("temperature", -1.0, "temperature is -1"),
        ("top_p", 1.1, "top_p is 1.1"),
        ("top_p", -0.1, "top_p is -0.1"),
        ("min_p", 2.0, "min_p is 2"),
        ("typical_p", -1.0, "typical_p is -1"),
    ] {
        from(json!({name: value})).validate().unwrap();
        let sampling = from(json!({name: value, "do_sample": true}));
        let error = sampling.validate().unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    for fine in [
        json!({}),
        json!({"num_beams": 3, "num_return_sequences": 3, "length_penalty": -2}),
        json!({"do_sample": true, "num_return_sequences": 5, "top_p": 0, "min_p": 1, "top_k": 0}),
    ] {
        from(fine).validate().unwrap();
    }
}

#[test]
fn a_model_directory_gives_its_defaults() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write(
        "config.json",
        r#"{"d_model": 8, "eos_token_id": 1, "decoder_start_token_id": 3, "num_beams": 4, "pad_token_id": null}"#,
    );
    let config = GenerationConfig::from_model_dir(dir.path()).unwrap();
    assert_eq!(
        (
            config.num_beams,
            config.decoder_start_token_id,
            config.pad_token_id
        ),
        (4, Some(3), None)
    );

    // Special tokens that it does not name are those of transformers' config classes.
    for (kind, start) in [("t5", None), ("mt5", Some(0)), ("umt5", Some(0))] {
        write("config.json", &json!({ "model_type": kind }).to_string());
        let config = GenerationConfig::from_model_dir(dir.path()).unwrap();
        assert_eq!(config.eos_token_id, [1]);
        assert_eq!(config.pad_token_id, Some(0));
        assert_eq!(config.decoder_start_token_id, start, "{kind}");
    }
    write(
        "config.json",
        r#"{"d_model": 8, "eos_token_id": 1, "decoder_start_token_id": 3, "num_beams": 4, "pad_token_id": null}"#,
    );

    // Where the model has the newer file, config.json is asked for special tokens alone.
    write(
        "generation_config.json",
        r#"{"eos_token_id": [1, 2], "decoder_start_token_id": null, "max_new_tokens": 9}"#,
    );
    let config = GenerationConfig::from_model_dir(dir.path()).unwrap();
    let expected = GenerationConfig {
        eos_token_id: vec![1, 2],
        decoder_start_token_id: Some(3),
        max_new_tokens: Some(9),
        ..Default::default()
    };
    assert_eq!(config, expected);

    // Its first token is asked before that of config.json.
    write("generation_config.json", r#"{"bos_token_id": 5}"#);
    let config = GenerationConfig::from_model_dir(dir.path()).unwrap();
    assert_eq!(config.decoder_prompt().unwrap(), [5]);

    for broken in ["{\"num_beams\": []}", "[1]", "{"] {
        write("generation_config.json", broken);
        let error = GenerationConfig::from_model_dir(dir.path())
            .unwrap_err()
            .to_string();
        assert!(error.contains("generation_config.json: "), "{error}");
        assert!(!error.contains('\n'));
    }
    let error = GenerationConfig::from_file(&dir.path().join("absent.json"))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("cannot read ") && error.contains("absent.json"),
        "{error}"
    );
}

/// What transformers 5.24 does with an end of sequence that config.json alone names.
#[test]
fn an_end_of_sequence_beside_the_generation_config_does_not_count_and_is_noted() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, value: Value| {
        std::fs::write(dir.path().join(name), value.to_string()).unwrap();
    };
    let model = json!({"model_type": "t5", "eos_token_id": 3, "decoder_start_token_id": 0});
    write("config.json", model);
    let defaults = || GenerationDefaults::from_model_dir(dir.path()).unwrap();
    assert_eq!(defaults().options.eos_token_id, [3]);
    assert!(defaults().notes.is_empty());
    for own in [json!({"pad_token_id": 0}), json!({"eos_token_id": null})] {
        write("generation_config.json", own);
        let GenerationDefaults { options, notes } = defaults();
        assert!(options.eos_token_id.is_empty());
        assert_eq!(options.decoder_start_token_id, Some(0));
        assert_eq!(notes.len(), 1, "{notes:?}");
        for word in ["generation_config.json", "eos_token_id", "[3]"] {
            assert!(notes[0].contains(word), "{}", notes[0]);
        }
    }
    write("generation_config.json", json!({"eos_token_id": 2}));
    assert_eq!(defaults().options.eos_token_id, [2]);
    assert!(defaults().notes.is_empty());
}

/// A model's own file may ask for what there is not here: that is no reason not to run it, but to say so.
#[test]
fn what_a_models_file_asks_for_and_is_not_offered_is_noted() {
    let dir = tempfile::tempdir().unwrap();
    let notes = |name: &str, options: Value| {
        std::fs::write(dir.path().join(name), options.to_string()).unwrap();
        GenerationDefaults::from_model_dir(dir.path())
            .unwrap()
            .notes
    };
    for file in ["config.json", "generation_config.json"] {
        for (option, value) in [
            ("renormalize_logits", json!(true)),
            ("exponential_decay_length_penalty", json!([5, 1.2])),
            ("sequence_bias", json!([[[5], 1.5]])),
            ("diversity_penalty", json!(0.5)),
            ("num_beam_groups", json!(2)),
            ("guidance_scale", json!(1.5)),
            ("penalty_alpha", json!(0.6)),
            ("constraints", json!([1])),
            ("remove_invalid_values", json!(true)),
            ("stop_strings", json!(["."])),
            ("max_time", json!(3.0)),
            ("forced_decoder_ids", json!([[1, 5]])),
            ("token_healing", json!(true)),
            ("watermarking_config", json!({"bias": 2.0})),
        ] {
            let notes = notes(file, json!({"eos_token_id": 1, option: value}));
            assert_eq!(notes.len(), 1, "{option}: {notes:?}");
            assert!(
                notes[0].contains(option) && notes[0].contains(file),
                "{}",
                notes[0]
            );
        }
        let neutral = json!({
            "eos_token_id": 1, "use_cache": false, "num_beam_groups": 1, "diversity_penalty": 0.0, "max_time": null,
            "cache_implementation": "static", "low_memory": true, "made_up": 7
        });
        assert!(notes(file, neutral).is_empty());
        std::fs::remove_file(dir.path().join(file)).unwrap();
    }
}

/// By these files say that there is none.
#[test]
fn negative_token_ids_of_a_models_files_are_left_out() {
    let options = json!({
        "eos_token_id": [1, -1], "pad_token_id": -1, "bos_token_id": -1, "suppress_tokens": [-1], "begin_suppress_tokens": -1
    });
    let mut config = GenerationConfig::default();
    assert!(config.apply_defaults(&object(options)).unwrap().is_empty());
    let expected = GenerationConfig {
        eos_token_id: vec![1],
        ..Default::default()
    };
    assert_eq!(config, expected);
    let start = object(json!({"decoder_start_token_id": -1}));
    let error = config.apply_defaults(&start).unwrap_err().to_string();
    assert!(error.contains("decoder_start_token_id"), "{error}");
}
