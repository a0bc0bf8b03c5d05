//! Weights on their way to the device: those that are no numbers, or that the chosen type cannot hold, are named.

mod common;

use std::borrow::Cow;

use common::gpu;
use common::models::tiny;
use t5_gpu::checkpoint::{DType, Tensor, TensorSource};
use t5_gpu::model::Model;
use t5_gpu::ops::WeightDType;
use t5_gpu::parameters::{self, Parameters};
use t5_gpu::{Activation, Result, T5Config};

/// Random weights, one of them replaced: element `at` of tensor `name`.
struct Changed<'a> {
    source: &'a dyn TensorSource,
    name: &'a str,
    at: usize,
    value: f64,
}

impl TensorSource for Changed<'_> {
    fn names(&self) -> Vec<&str> {
        self.source.names()
    }

    fn tensor(&self, name: &str) -> Result<Option<Tensor<'_>>> {
        let tensor = self.source.tensor(name)?;
        Ok(match tensor {
            Some(tensor) if name == self.name => {
                let mut values: Vec<f64> = tensor.to_f32().into_iter().map(f64::from).collect();
                values[self.at] = self.value;
                let bytes = values.into_iter().flat_map(f64::to_le_bytes);
                Some(Tensor {
                    dtype: DType::F64,
                    data: Cow::Owned(bytes.collect()),
                    ..tensor
                })
            }
            other => other,
        })
    }
}

fn gated() -> T5Config {
    T5Config {
        gated: true,
        activation: Activation::GeluNew,
        tie_word_embeddings: false,
        ..tiny()
    }
}

/// The error of loading these weights, if it fails.
fn load(config: &T5Config, weights: &dyn TensorSource, dtype: WeightDType) -> Option<String> {
    let parameters = Parameters::load(weights, config).unwrap();
    let loaded = Model::load(&gpu(), config, &parameters, dtype, &mut |_, _| {});
    loaded.err().map(|error| error.to_string())
}

/// A tensor of each kind, and where in it a weight is changed.
const PLACES: [(&str, usize, &str); 12] = [
    ("shared.weight", 257 * 40 - 1, "[256, 39]"),
    (
        "encoder.block.0.layer.0.SelfAttention.q.weight",
        0,
        "[0, 0]",
    ),
    (
        "encoder.block.1.layer.0.SelfAttention.k.weight",
        41,
        "[1, 1]",
    ),
    (
        "decoder.block.2.layer.0.SelfAttention.v.weight",
        30 * 40 - 1,
        "[29, 39]",
    ),
    (
        "decoder.block.2.layer.0.SelfAttention.o.weight",
        40 * 30 - 1,
        "[39, 29]",
    ),
    (
        "decoder.block.0.layer.1.EncDecAttention.k.weight",
        7,
        "[0, 7]",
    ),
    (
        "encoder.block.0.layer.1.DenseReluDense.wi_0.weight",
        37 * 40 - 1,
        "[36, 39]",
    ),
    (
        "encoder.block.0.layer.1.DenseReluDense.wi_1.weight",
        40,
        "[1, 0]",
    ),
    (
        "decoder.block.1.layer.2.DenseReluDense.wo.weight",
        38,
        "[1, 1]",
    ),
    ("decoder.block.1.layer.2.layer_norm.weight", 39, "[39]"),
    (
        "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
        5,
        "[1, 2]",
    ),
    ("lm_head.weight", 100, "[2, 20]"),
];

#[test]
fn weights_that_are_no_numbers_are_named_in_every_type() {
    let config = gated();
    let source = parameters::random(&config, 3, DType::F32);
    for dtype in WeightDType::ALL {
        for (name, at, index) in PLACES {
            for (value, text) in [
                (f64::NAN, "NaN"),
                (f64::INFINITY, "inf"),
                (f64::NEG_INFINITY, "-inf"),
                (1e39, "which f32 cannot hold"),
            ] {
                let changed = Changed {
                    source: &source,
                    name,
                    at,
                    value,
                };
                let error = load(&config, &changed, dtype).expect(name);
                let whole = format!("tensor {name} holds ");
                assert!(error.contains(&whole) && error.contains(index), "{error}");
                let wanted = match (dtype, value) {
                    // Norms and position biases stay f32.
                    (WeightDType::F16, 1e39) if !is_kept_as_f32(name) => "which f16 cannot hold",
                    _ => text,
                };
                assert!(error.contains(wanted), "{error}");
            }
        }
    }
}

fn is_kept_as_f32(name: &str) -> bool {
    name.contains("norm") || name.contains("bias")
}

/// 65520 is the first number that rounds to infinity in f16.
#[test]
fn what_f16_cannot_hold_is_named_with_its_tensor() {
    let config = gated();
    let source = parameters::random(&config, 3, DType::F32);
    for (name, at, _) in PLACES {
        for (value, fits) in [(-65519.0, true), (65520.0, false), (-70000.0, false)] {
            let changed = Changed {
                source: &source,
                name,
                at,
                value,
            };
            for dtype in WeightDType::ALL {
                let error = load(&config, &changed, dtype);
                if fits || dtype != WeightDType::F16 || is_kept_as_f32(name) {
                    assert_eq!(error, None, "{name} {value}");
                    continue;
                }
                let error = error.expect(name);
                for part in [name, &value.to_string(), "f16", "65504", "--dtype f32"] {
                    assert!(error.contains(part), "{error}");
                }
            }
        }
    }
}

/// What no part of the model uses may hold anything.
#[test]
fn weights_that_nobody_uses_may_hold_anything() {
    struct Besides<'a>(&'a dyn TensorSource);
    impl TensorSource for Besides<'_> {
        fn names(&self) -> Vec<&str> {
            [self.0.names(), vec!["unused.weight"]].concat()
        }
        fn tensor(&self, name: &str) -> Result<Option<Tensor<'_>>> {
            if name != "unused.weight" {
                return self.0.tensor(name);
            }
            Ok(Some(Tensor {
                name: name.into(),
                dtype: DType::F32,
                shape: vec![1],
                data: Cow::Owned(f32::NAN.to_le_bytes().into()),
            }))
        }
    }
    let config = gated();
    let source = parameters::random(&config, 3, DType::F32);
    for dtype in WeightDType::ALL {
        assert_eq!(load(&config, &Besides(&source), dtype), None);
    }
}
