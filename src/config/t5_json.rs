//! The way back: an architecture as the `config.json` that transformers and this crate read it from.

use serde_json::{Map, Value, json};

use super::{Activation, ModelType, T5Config};

impl T5Config {
    /// The fields of a `config.json` that [`T5Config::from_json`] and transformers read as this architecture.
    pub fn to_json(&self) -> Map<String, Value> {
        let (model_type, family) = match self.model_type {
            ModelType::T5 => ("t5", "T5"),
            ModelType::Mt5 => ("mt5", "MT5"),
            ModelType::Umt5 => ("umt5", "UMT5"),
        };
        let class = match self.is_encoder_decoder {
            true => "ForConditionalGeneration",
            false => "EncoderModel",
        };
        let mut fields = json!({
            "architectures": [format!("{family}{class}")],
            "d_ff": self.d_ff,
            "d_kv": self.d_kv,
            "d_model": self.d_model,
            "dropout_rate": 0.1,
            "eos_token_id": one_or_many(&self.eos_token_id),
            "feed_forward_proj": feed_forward_proj(self.activation, self.gated),
            "initializer_factor": 1.0,
            "is_encoder_decoder": self.is_encoder_decoder,
            "layer_norm_epsilon": shortest(self.layer_norm_epsilon),
            "model_type": model_type,
            "n_positions": self.n_positions,
            "num_decoder_layers": self.num_decoder_layers,
            "num_heads": self.num_heads,
            "num_layers": self.num_layers,
            "pad_token_id": self.pad_token_id,
            "relative_attention_max_distance": self.relative_attention_max_distance,
            "relative_attention_num_buckets": self.relative_attention_num_buckets,
            "tie_word_embeddings": self.tie_word_embeddings,
            "use_cache": true,
            "vocab_size": self.vocab_size,
        });
        if let Some(start) = self.decoder_start_token_id {
            fields["decoder_start_token_id"] = start.into();
        }
        if !self.task_specific_params.is_empty() {
            fields["task_specific_params"] = json!(self.task_specific_params);
        }
        // Said only where it does not follow from `tie_word_embeddings`, as published configs do.
        if self.model_type == ModelType::T5
            && self.scale_decoder_outputs != self.tie_word_embeddings
        {
            fields["scale_decoder_outputs"] = self.scale_decoder_outputs.into();
        }
        match fields {
            Value::Object(fields) => fields,
            _ => unreachable!("the literal above is an object"),
        }
    }
}

/// A single id stands alone, as in published files.
fn one_or_many(ids: &[u32]) -> Value {
    match ids {
        [id] => json!(id),
        ids => json!(ids),
    }
}

fn feed_forward_proj(activation: Activation, gated: bool) -> &'static str {
    match (activation, gated) {
        (Activation::Relu, false) => "relu",
        (Activation::Gelu, false) => "gelu",
        (Activation::GeluNew, false) => "gelu_new",
        (Activation::Silu, false) => "silu",
        (Activation::Relu, true) => "gated-relu",
        // "gated-gelu" means the tanh form; this name of the exact one is never taken for it.
        (Activation::Gelu, true) => "gated-gelu_python",
        (Activation::GeluNew, true) => "gated-gelu",
        (Activation::Silu, true) => "gated-silu",
    }
}

/// The shortest decimal that is this f32: 1e-6 and not 9.99999997e-7.
fn shortest(value: f32) -> f64 {
    value
        .to_string()
        .parse()
        .expect("Rust prints what it reads")
}
