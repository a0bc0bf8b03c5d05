//! `config.json`: the architecture of a T5-family model.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::fields::Fields;
use crate::{Error, Result, foreign};

/// Which member of the family a `config.json` names; they differ in defaults, in who owns the relative position bias
/// and in whether logits are scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelType {
    /// t5, t5-v1_1, flan-t5, byt5, codet5, madlad400 and others with `"model_type": "t5"`.
    T5,
    /// mt5: as T5 v1.1, its logits never scaled.
    Mt5,
    /// umt5: every self-attention layer owns a bias table.
    Umt5,
}

/// The feed-forward non-linearity (for gated feed-forwards, that of the gate).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// max(0, x)
    Relu,
    /// x Φ(x), through erf
    Gelu,
    /// The tanh approximation of GELU; `gated-gelu` in a config means this one.
    GeluNew,
    /// x σ(x)
    Silu,
}

/// A T5-family architecture, read from `config.json`, defaulted as transformers does and validated.
#[derive(Clone, Debug, PartialEq)]
pub struct T5Config {
    /// The member of the family.
    pub model_type: ModelType,
    /// Whether there is a decoder; text encoders of image models and sentence embeddings go without.
    pub is_encoder_decoder: bool,
    /// Rows of the embedding and of the head; may exceed the tokenizer's vocabulary.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Width of one attention head; `num_heads * d_kv` need not equal `d_model`.
    pub d_kv: usize,
    /// Width of the feed-forward's inner layer.
    pub d_ff: usize,
    /// Attention heads of every layer.
    pub num_heads: usize,
    /// Encoder blocks.
    pub num_layers: usize,
    /// Decoder blocks.
    pub num_decoder_layers: usize,
    /// Rows of a relative position bias table.
    pub relative_attention_num_buckets: usize,
    /// Distances from here on share the last bucket.
    pub relative_attention_max_distance: usize,
    /// Added to the mean square in T5LayerNorm.
    pub layer_norm_epsilon: f32,
    /// The feed-forward's non-linearity.
    pub activation: Activation,
    /// Whether the feed-forward multiplies `act(wi_0 x)` with `wi_1 x`.
    pub gated: bool,
    /// Whether embedding and head were trained as one.
    pub tie_word_embeddings: bool,
    /// Whether the decoder's output is multiplied by `d_model^-0.5` before the head.
    pub scale_decoder_outputs: bool,
    /// The length the model was trained with; no limit here.
    pub n_positions: usize,
    /// Fills up batches in training; T5's start token too. `None` where the config says null or a negative number.
    pub pad_token_id: Option<u32>,
    /// Tokens that end a sequence.
    pub eos_token_id: Vec<u32>,
    /// The token that decoding begins with.
    pub decoder_start_token_id: Option<u32>,
    /// `task_specific_params`, a block of generation options (and a `prefix`) a task.
    pub task_specific_params: BTreeMap<String, Map<String, Value>>,
}

impl T5Config {
    /// Reads the text of a `config.json`, with the defaults that transformers gives to the model type it names.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for model types and activations outside the family, [`Error::Invalid`] for text that is
    /// not JSON and for fields that no model can have.
    pub fn from_json(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text)
            .map_err(|e| Error::Invalid(format!("not valid JSON: {e}")))?;
        let Value::Object(mut fields) = value else {
            return Err(Error::Invalid("a config must be a JSON object".into()));
        };
        resolve_aliases(&mut fields);
        let config = Self::from_fields(&Fields(&fields))?;
        config.validate()?;
        Ok(config)
    }

    /// Reads a `config.json`.
    ///
    /// # Errors
    /// [`Error::File`] with what [`T5Config::from_json`] says, [`Error::Io`] where the file cannot be read.
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).map_err(|source| Error::Io {
            path: path.to_owned(),
            source,
        })?;
        foreign::check(path, &text)?;
        let text = String::from_utf8(text).map_err(|_| Error::File {
            path: path.to_owned(),
            message: "not UTF-8".into(),
        })?;
        Self::from_json(&text).map_err(|error| Error::File {
            path: path.to_owned(),
            message: error.to_string(),
        })
    }

    /// `num_heads * d_kv`: the width of q, k and v.
    pub fn inner_dim(&self) -> usize {
        self.num_heads * self.d_kv
    }

    /// The error where a model of this architecture turns out to have no decoder.
    pub(crate) fn no_decoder(&self) -> Error {
        Error::NoDecoder {
            reason: match self.is_encoder_decoder {
                true => "its config has a decoder, but no tensor of one was found",
                false => "so its config says",
            },
        }
    }

    fn from_fields(fields: &Fields) -> Result<Self> {
        let model_type = ModelType::from_fields(fields)?;
        refuse_null(fields)?;
        let t5 = model_type == ModelType::T5;
        let num_layers = fields.size("num_layers")?.unwrap_or(if t5 { 6 } else { 8 });
        let (activation, gated) = feed_forward(fields, model_type)?;
        let tied = fields.bool("tie_word_embeddings")?;
        Ok(T5Config {
            model_type,
            is_encoder_decoder: is_encoder_decoder(fields)?,
            vocab_size: fields
                .size("vocab_size")?
                .unwrap_or(if t5 { 32128 } else { 250112 }),
            d_model: fields.size("d_model")?.unwrap_or(512),
            d_kv: fields.size("d_kv")?.unwrap_or(64),
            d_ff: fields.size("d_ff")?.unwrap_or(if t5 { 2048 } else { 1024 }),
            num_heads: fields.size("num_heads")?.unwrap_or(if t5 { 8 } else { 6 }),
            num_layers,
            num_decoder_layers: fields.size("num_decoder_layers")?.unwrap_or(num_layers),
            relative_attention_num_buckets: fields
                .size("relative_attention_num_buckets")?
                .unwrap_or(32),
            relative_attention_max_distance: fields
                .size("relative_attention_max_distance")?
                .unwrap_or(128),
            layer_norm_epsilon: fields.number("layer_norm_epsilon")?.unwrap_or(1e-6) as f32,
            activation,
            gated,
            tie_word_embeddings: tied.unwrap_or(model_type != ModelType::Mt5),
            scale_decoder_outputs: match model_type {
                // T5 scaled, T5 v1.1 did not; saved v1.1 configs are told apart by their false `tie_word_embeddings`.
                ModelType::T5 if fields.is_null("scale_decoder_outputs") => false,
                ModelType::T5 => fields
                    .bool("scale_decoder_outputs")?
                    .unwrap_or(tied != Some(false)),
                ModelType::Mt5 => false,
                ModelType::Umt5 => true,
            },
            // Nothing depends on it, so it may be anything.
            n_positions: fields.size("n_positions").ok().flatten().unwrap_or(512),
            pad_token_id: match fields.0.contains_key("pad_token_id") {
                true => fields.token("pad_token_id")?,
                false => Some(0),
            },
            eos_token_id: fields.tokens("eos_token_id")?.unwrap_or_else(|| vec![1]),
            decoder_start_token_id: fields.token("decoder_start_token_id")?.or(if t5 {
                fields.token("bos_token_id")?
            } else {
                Some(0)
            }),
            task_specific_params: fields.blocks("task_specific_params"),
        })
    }

    /// Rejects what no model can be, before any size is computed from it.
    fn validate(&self) -> Result<()> {
        const WIDTH: usize = 1 << 24;
        let limits = [
            ("vocab_size", self.vocab_size, 1, WIDTH),
            ("d_model", self.d_model, 1, WIDTH),
            ("d_kv", self.d_kv, 1, 1 << 16),
            ("d_ff", self.d_ff, 1, WIDTH),
            ("num_heads", self.num_heads, 1, 1 << 16),
            ("num_layers", self.num_layers, 1, 4096),
            (
                "num_decoder_layers",
                self.num_decoder_layers,
                usize::from(self.is_encoder_decoder),
                4096,
            ),
            // With fewer than four, a direction has no bucket for distance zero.
            (
                "relative_attention_num_buckets",
                self.relative_attention_num_buckets,
                4,
                1 << 16,
            ),
            // The logarithmic buckets lie between half the buckets and the largest distance.
            (
                "relative_attention_max_distance",
                self.relative_attention_max_distance,
                self.relative_attention_num_buckets / 2 + 1,
                1 << 20,
            ),
        ];
        for (name, value, least, most) in limits {
            if !(least..=most).contains(&value) {
                return Err(Error::Invalid(format!(
                    "{name} is {value}, but must be {least} to {most}"
                )));
            }
        }
        if self.inner_dim() > WIDTH {
            return Err(Error::Invalid(format!(
                "num_heads * d_kv is {}, but must be at most {WIDTH}",
                self.inner_dim()
            )));
        }
        if !(self.layer_norm_epsilon.is_finite() && self.layer_norm_epsilon >= 0.0) {
            return Err(Error::Invalid(format!(
                "layer_norm_epsilon is {}, but must be a small positive number",
                self.layer_norm_epsilon
            )));
        }
        match self.decoder_start_token_id {
            Some(id) if id as usize >= self.vocab_size => Err(Error::Invalid(format!(
                "decoder_start_token_id is {id}, but the vocabulary has {} rows",
                self.vocab_size
            ))),
            _ => Ok(()),
        }
    }
}

/// By the architecture's name, which transformers goes by, too; where there is none by the field of that name.
fn is_encoder_decoder(fields: &Fields) -> Result<bool> {
    let architectures = fields.get("architectures");
    match architectures.and_then(|a| a.get(0)).and_then(Value::as_str) {
        Some(name) => Ok(!["EncoderModel", "ForTokenClassification"]
            .iter()
            .any(|ending| name.ends_with(ending))),
        None => Ok(fields.bool("is_encoder_decoder")?.unwrap_or(true)),
    }
}

/// Other names that transformers takes for fields, and which then count.
const ALIASES: [(&str, &str); 4] = [
    ("hidden_size", "d_model"),
    ("num_attention_heads", "num_heads"),
    ("num_hidden_layers", "num_layers"),
    ("head_dim", "d_kv"),
];

fn resolve_aliases(fields: &mut Map<String, Value>) {
    for (alias, name) in ALIASES {
        if let Some(value) = fields.remove(alias)
            && !value.is_null()
        {
            fields.insert(name.into(), value);
        }
    }
}

/// Fields that may be absent, but not null: nothing says what that is to mean.
fn refuse_null(fields: &Fields) -> Result<()> {
    const NEVER_NULL: [&str; 10] = [
        "vocab_size",
        "d_model",
        "d_kv",
        "d_ff",
        "num_layers",
        "num_heads",
        "relative_attention_num_buckets",
        "relative_attention_max_distance",
        "layer_norm_epsilon",
        "feed_forward_proj",
    ];
    match NEVER_NULL.iter().find(|name| fields.is_null(name)) {
        Some(name) => Err(Error::Invalid(format!(
            "{name} is null: give its value, or leave it out for the model type's default"
        ))),
        None => Ok(()),
    }
}

impl ModelType {
    const SUPPORTED: &'static str =
        "t5 (T5, T5 v1.1, Flan-T5, ByT5, CodeT5, MADLAD-400), mt5 and umt5";

    /// By `model_type`; configs older than that field by their architecture's name.
    fn from_fields(fields: &Fields) -> Result<Self> {
        let found = match fields.get("model_type") {
            Some(Value::String(name)) => name.clone(),
            _ => fields
                .get("architectures")
                .and_then(|a| a.get(0))
                .and_then(Value::as_str)
                .map(|name| match name {
                    name if name.starts_with("T5") => "t5".into(),
                    name if name.starts_with("MT5") => "mt5".into(),
                    name if name.starts_with("UMT5") => "umt5".into(),
                    other => other.into(),
                })
                .unwrap_or_else(|| "(none given)".into()),
        };
        match found.as_str() {
            "t5" => Ok(ModelType::T5),
            "mt5" => Ok(ModelType::Mt5),
            "umt5" => Ok(ModelType::Umt5),
            _ => Err(Error::Unsupported {
                what: "model_type",
                found,
                supported: Self::SUPPORTED.into(),
            }),
        }
    }
}

impl Activation {
    const SUPPORTED: &'static str =
        "relu, gelu, gelu_new, silu and swish, alone or after \"gated-\", and gated-gelu";

    fn from_name(name: &str) -> Option<Self> {
        match name {
            "relu" => Some(Activation::Relu),
            "gelu" | "gelu_python" => Some(Activation::Gelu),
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Some(Activation::GeluNew),
            "silu" | "swish" => Some(Activation::Silu),
            _ => None,
        }
    }
}

/// The activation and whether it gates: `feed_forward_proj`, overridden by `dense_act_fn` and `is_gated_act`.
fn feed_forward(fields: &Fields, model_type: ModelType) -> Result<(Activation, bool)> {
    let default = match model_type {
        ModelType::T5 => "relu",
        ModelType::Mt5 | ModelType::Umt5 => "gated-gelu",
    };
    let projection = fields.string("feed_forward_proj")?.unwrap_or(default);
    let (gate, name) = match projection.split_once('-') {
        Some((gate, name)) => (Some(gate), name),
        None => (None, projection),
    };
    let name = match projection {
        // Saved v1.1 configs say gelu and mean the tanh form.
        "gated-gelu" => "gelu_new",
        _ => name,
    };
    let gated = fields.bool("is_gated_act")?.unwrap_or(gate.is_some());
    let name = fields.string("dense_act_fn")?.unwrap_or(name);
    match (gate, Activation::from_name(name)) {
        (None | Some("gated"), Some(activation)) => Ok((activation, gated)),
        _ => Err(Error::Unsupported {
            what: "feed_forward_proj",
            found: projection.into(),
            supported: Activation::SUPPORTED.into(),
        }),
    }
}
