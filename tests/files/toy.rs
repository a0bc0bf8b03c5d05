//! A tiny model's tensors in memory.

use std::borrow::Cow;
use std::collections::BTreeMap;

use t5_gpu::checkpoint::{DType, Tensor, TensorSource};
use t5_gpu::parameters::layout;
use t5_gpu::{Error, Result, T5Config};

/// A tiny model whose sizes all differ.
pub fn config(fields: &str) -> T5Config {
    T5Config::from_json(&format!(
        r#"{{"model_type": "t5", "vocab_size": 19, "d_model": 6, "d_kv": 5, "d_ff": 7, "num_heads": 3,
            "num_layers": 2, "num_decoder_layers": 3 {fields}}}"#
    ))
    .unwrap()
}

/// Tensors by name, all f32.
pub struct Tensors(pub BTreeMap<String, (Vec<usize>, Vec<f32>)>);

impl Tensors {
    /// Tensor number i holds i, i + 1, i + 2, ...
    pub fn of(config: &T5Config) -> Self {
        let numbered = layout(config).into_iter().enumerate();
        Tensors(
            numbered
                .map(|(i, (name, shape))| {
                    let values = (0..shape.iter().product()).map(|j: usize| (i + j) as f32);
                    (name, (shape, values.collect()))
                })
                .collect(),
        )
    }

    pub fn elements(&self) -> usize {
        self.0.values().map(|(_, values)| values.len()).sum()
    }

    pub fn rename(&mut self, from: &str, to: &str) {
        let tensor = self.0.remove(from).unwrap();
        self.0.insert(to.into(), tensor);
    }
}

impl TensorSource for Tensors {
    fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    fn tensor(&self, name: &str) -> Result<Option<Tensor<'_>>> {
        Ok(self.0.get(name).map(|(shape, values)| Tensor {
            name: name.into(),
            dtype: DType::F32,
            shape: shape.clone(),
            data: Cow::Borrowed(bytemuck::cast_slice(values)),
        }))
    }
}

/// The message, which is one line.
pub fn line(error: Error) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}
