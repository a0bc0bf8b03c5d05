//! The parameter tree: which tensor of a file is which part of the model.

use std::path::Path;

use t5_gpu::parameters::{Parameters, layout};

use super::toy::{Tensors, config, line};

#[test]
fn the_tree_takes_every_tensor_once() {
    for fields in [
        "",
        r#", "feed_forward_proj": "gated-gelu", "tie_word_embeddings": false"#,
        r#", "model_type": "umt5", "tie_word_embeddings": false"#,
    ] {
        let config = config(fields);
        let source = Tensors::of(&config);
        let parameters = Parameters::load(&source, &config).unwrap();
        let loaded: Vec<_> = parameters
            .tensors()
            .iter()
            .map(|tensor| (tensor.name.clone(), tensor.shape.clone()))
            .collect();
        assert_eq!(loaded, layout(&config));
        let elements = source.elements() as u64;
        assert_eq!(parameters.parameter_count(), elements);
        assert_eq!(parameters.byte_size(), 4 * elements);
        let decoder = parameters.decoder.as_ref().unwrap();
        assert_eq!(decoder.stack.blocks.len(), 3);
        let last = &decoder.stack.blocks[2];
        assert!(last.cross_attention.is_some());
        let umt5 = fields.contains("umt5");
        assert_eq!(last.self_attention.relative_attention_bias.is_some(), umt5);
    }
}

/// Every combination of embeddings and head that a file may hold, as transformers gives them to the parts of a model.
#[test]
fn embeddings_serve_the_same_parts_as_in_transformers() {
    #[derive(serde::Deserialize)]
    struct Case {
        /// What the tables hold, in the order of the names below; 0: not in the file.
        file: [u8; 4],
        /// What the encoder's embedding, the decoder's and the head hold.
        served: [u8; 3],
        /// Different tables.
        kept: usize,
    }
    let names = [
        "shared.weight",
        "encoder.embed_tokens.weight",
        "decoder.embed_tokens.weight",
        "lm_head.weight",
    ];
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/weights/embeddings.json");
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(cases.len(), 80);
    let config = config("");
    let table = config.vocab_size * config.d_model;
    let rest = Tensors::of(&config).elements() - table;
    for Case { file, served, kept } in cases {
        let mut source = Tensors::of(&config);
        let (shape, _) = source.0.remove("shared.weight").unwrap();
        for (name, value) in names.iter().zip(file).filter(|(_, value)| *value != 0) {
            let values = vec![f32::from(value); table];
            source.0.insert(name.to_string(), (shape.clone(), values));
        }
        let parameters = Parameters::load(&source, &config).unwrap();
        let decoder = parameters.decoder.as_ref().unwrap();
        let found = [
            &parameters.encoder.embed_tokens,
            &decoder.stack.embed_tokens,
            &decoder.lm_head,
        ];
        let found = found.map(|own| own.as_ref().unwrap_or(&parameters.shared).to_f32()[0] as u8);
        assert_eq!(found, served, "{file:?}");
        let count = (rest + kept * table) as u64;
        assert_eq!(parameters.parameter_count(), count, "{file:?}");
        assert_eq!(parameters.tensors().len(), layout(&config).len() - 1 + kept);
    }
}

#[test]
fn missing_and_misshapen_tensors_are_named() {
    let config = config("");
    let load = |source: &Tensors| line(Parameters::load(source, &config).err().unwrap());

    let mut source = Tensors::of(&config);
    source.rename("shared.weight", "elsewhere");
    assert!(load(&source).contains("shared.weight") && load(&source).contains("[19, 6]"));

    let mut source = Tensors::of(&config);
    source
        .0
        .remove("decoder.block.2.layer.1.EncDecAttention.k.weight");
    let error = load(&source);
    assert!(
        error.contains("decoder.block.2.layer.1.EncDecAttention.k.weight"),
        "{error}"
    );

    let mut source = Tensors::of(&config);
    let name = "encoder.block.1.layer.0.SelfAttention.o.weight";
    source.0.get_mut(name).unwrap().0.reverse();
    let error = load(&source);
    assert!(
        error.contains(name) && error.contains("[15, 6]") && error.contains("[6, 15]"),
        "{error}"
    );

    // What old files carry in vain is no matter.
    let mut source = Tensors::of(&config);
    let unused = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight";
    source.0.insert(unused.into(), (vec![1], vec![0.0]));
    Parameters::load(&source, &config).unwrap();
}

/// Names with the prefix of a model that is part of another one load, and lose to names without it.
#[test]
fn the_prefix_of_the_base_model_is_taken_off() {
    let config = config("");
    let mut source = Tensors::of(&config);
    for (name, _) in layout(&config) {
        source.rename(&name, &format!("transformer.{name}"));
    }
    let count = Parameters::load(&source, &config)
        .unwrap()
        .parameter_count();
    assert_eq!(count, source.elements() as u64);
    let plain = (vec![6], vec![0.5; 6]);
    let name = "encoder.final_layer_norm.weight";
    source.0.insert(name.into(), plain);
    let parameters = Parameters::load(&source, &config).unwrap();
    assert_eq!(parameters.encoder.final_layer_norm.to_f32(), [0.5; 6]);
}

/// Other prefixes do not load in transformers either; what the file has is told.
#[test]
fn what_the_file_has_instead_is_told() {
    let config = config("");
    let load = |source: &Tensors| line(Parameters::load(source, &config).err().unwrap());
    for (prefix, advice) in [
        ("model.", "take \"model.\" off"),
        ("module._orig_mod.", "take \"module._orig_mod.\" off"),
        ("model.transformer.", "take \"model.transformer.\" off"),
        ("base_model.model.", "merge_and_unload"),
    ] {
        let mut source = Tensors::of(&config);
        for (name, _) in layout(&config) {
            source.rename(&name, &format!("{prefix}{name}"));
        }
        let error = load(&source);
        let found = format!("{prefix}shared.weight");
        assert!(error.contains(&found) && error.contains(advice), "{error}");
    }

    // A name that is nearly the same.
    let mut source = Tensors::of(&config);
    let name = "encoder.block.1.layer.1.DenseReluDense.wi.weight";
    source.rename(name, &name.replace("wi", "wi_0"));
    assert!(
        load(&source).contains("DenseReluDense.wi_0.weight"),
        "{}",
        load(&source)
    );

    // None that resembles it, and none at all.
    let mut source = Tensors::of(&config);
    source.0.clear();
    assert!(
        load(&source).contains("nothing in its place"),
        "{}",
        load(&source)
    );
    source.0.insert("conv.bias".into(), (vec![1], vec![0.0]));
    let error = load(&source);
    assert!(
        error.contains("1 tensors") && error.contains("conv.bias"),
        "{error}"
    );
}

/// Weights that mean nothing without the scales beside them.
#[test]
fn quantised_weights_are_refused() {
    let config = config("");
    let module = "encoder.block.0.layer.0.SelfAttention.q";
    for mark in [
        "SCB",
        "scale_weight",
        "weight_scale_inv",
        "weight.absmax",
        "qweight",
    ] {
        let mut source = Tensors::of(&config);
        let mark = format!("{module}.{mark}");
        source.0.insert(mark.clone(), (vec![1], vec![1.0]));
        let error = line(Parameters::load(&source, &config).err().unwrap());
        assert!(
            error.contains(&mark) && error.contains("quantised"),
            "{error}"
        );
    }
}
