//! A model's modules as PyTorch prints them, from the config alone.

use std::fmt::{self, Write};

use t5_gpu::{Activation, ModelType, T5Config};

/// A module: what it is called in front of the parenthesis, and what is in it.
struct Module {
    class: String,
    /// What stands between a leaf's parentheses: `512, 512`.
    detail: String,
    children: Vec<(String, Module)>,
    /// PyTorch prints equal neighbours in a list once.
    is_list: bool,
}

impl Module {
    fn leaf(class: impl Into<String>, detail: impl Into<String>) -> Module {
        Module {
            class: class.into(),
            detail: detail.into(),
            children: Vec::new(),
            is_list: false,
        }
    }

    fn new(class: impl Into<String>, children: Vec<(&str, Module)>) -> Module {
        let children = children
            .into_iter()
            .map(|(name, module)| (name.into(), module))
            .collect();
        Module {
            class: class.into(),
            detail: String::new(),
            children,
            is_list: false,
        }
    }

    fn list(modules: Vec<Module>) -> Module {
        let children = modules
            .into_iter()
            .enumerate()
            .map(|(i, module)| (i.to_string(), module));
        Module {
            class: "ModuleList".into(),
            detail: String::new(),
            children: children.collect(),
            is_list: true,
        }
    }

    fn print(&self, depth: usize) -> String {
        if self.children.is_empty() {
            return format!("{}({})", self.class, self.detail);
        }
        let mut lines: Vec<(usize, &str, String)> = Vec::new();
        for (name, module) in &self.children {
            let text = module.print(depth + 1);
            match lines.last_mut() {
                Some((count, _, last)) if self.is_list && *last == text => *count += 1,
                _ => lines.push((1, name, text)),
            }
        }
        let indent = "  ".repeat(depth + 1);
        let mut out = format!("{}(\n", self.class);
        let mut first = 0;
        for (count, name, text) in lines {
            let line = match count {
                1 => writeln!(out, "{indent}({name}): {text}"),
                _ => writeln!(
                    out,
                    "{indent}({first}-{}): {count} x {text}",
                    first + count - 1
                ),
            };
            line.expect("writing to a string does not fail");
            first += count;
        }
        out + &"  ".repeat(depth) + ")"
    }
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.print(0))
    }
}

/// The text of `print(model)` in PyTorch. `dropout` is the config's `dropout_rate`: nothing drops out here, but the
/// modules are part of the picture.
pub fn module_tree(config: &T5Config, dropout: f64) -> String {
    Tree { config, dropout }.model().to_string()
}

struct Tree<'a> {
    config: &'a T5Config,
    dropout: f64,
}

impl Tree<'_> {
    /// transformers' class name for this member of the family.
    fn class(&self, name: &str) -> String {
        let family = match self.config.model_type {
            ModelType::T5 => "T5",
            ModelType::Mt5 => "MT5",
            ModelType::Umt5 => "UMT5",
        };
        format!("{family}{name}")
    }

    fn linear(&self, input: usize, output: usize) -> Module {
        Module::leaf(
            "Linear",
            format!("in_features={input}, out_features={output}, bias=False"),
        )
    }

    fn embedding(&self) -> Module {
        Module::leaf(
            "Embedding",
            format!("{}, {}", self.config.vocab_size, self.config.d_model),
        )
    }

    fn layer_norm(&self) -> Module {
        Module::leaf(self.class("LayerNorm"), "")
    }

    fn dropout(&self) -> Module {
        Module::leaf("Dropout", format!("p={:?}, inplace=False", self.dropout))
    }

    fn model(&self) -> Module {
        let config = self.config;
        let mut children = vec![
            ("shared", self.embedding()),
            ("encoder", self.stack(config.num_layers, false)),
        ];
        if !config.is_encoder_decoder {
            return Module::new(self.class("EncoderModel"), children);
        }
        children.extend([
            ("decoder", self.stack(config.num_decoder_layers, true)),
            ("lm_head", self.linear(config.d_model, config.vocab_size)),
        ]);
        Module::new(self.class("ForConditionalGeneration"), children)
    }

    fn stack(&self, layers: usize, decoder: bool) -> Module {
        let children = vec![
            ("embed_tokens", self.embedding()),
            (
                "block",
                Module::list(
                    (0..layers)
                        .map(|layer| self.block(layer, decoder))
                        .collect(),
                ),
            ),
            ("final_layer_norm", self.layer_norm()),
            ("dropout", self.dropout()),
        ];
        Module::new(self.class("Stack"), children)
    }

    fn block(&self, layer: usize, decoder: bool) -> Module {
        let has_table = layer == 0 || self.config.model_type == ModelType::Umt5;
        let mut layers = vec![self.attention_layer("SelfAttention", has_table)];
        if decoder {
            layers.push(self.attention_layer("EncDecAttention", false));
        }
        layers.push(self.feed_forward_layer());
        Module::new(self.class("Block"), vec![("layer", Module::list(layers))])
    }

    fn attention_layer(&self, name: &str, has_table: bool) -> Module {
        let config = self.config;
        let (width, inner) = (config.d_model, config.inner_dim());
        let mut parts = vec![
            ("q", self.linear(width, inner)),
            ("k", self.linear(width, inner)),
            ("v", self.linear(width, inner)),
            ("o", self.linear(inner, width)),
        ];
        if has_table {
            let shape = format!(
                "{}, {}",
                config.relative_attention_num_buckets, config.num_heads
            );
            parts.push(("relative_attention_bias", Module::leaf("Embedding", shape)));
        }
        let class = if name == "SelfAttention" {
            "LayerSelfAttention"
        } else {
            "LayerCrossAttention"
        };
        let children = vec![
            (name, Module::new(self.class("Attention"), parts)),
            ("layer_norm", self.layer_norm()),
            ("dropout", self.dropout()),
        ];
        Module::new(self.class(class), children)
    }

    fn feed_forward_layer(&self) -> Module {
        let config = self.config;
        let inward = || self.linear(config.d_model, config.d_ff);
        let activation = match config.activation {
            Activation::Relu => "ReLU",
            Activation::Gelu => "GELUActivation",
            Activation::GeluNew => "NewGELUActivation",
            Activation::Silu => "SiLUActivation",
        };
        let mut parts = if config.gated {
            vec![("wi_0", inward()), ("wi_1", inward())]
        } else {
            vec![("wi", inward())]
        };
        parts.push(("wo", self.linear(config.d_ff, config.d_model)));
        parts.push(("dropout", self.dropout()));
        parts.push(("act", Module::leaf(activation, "")));
        let class = if config.gated {
            "DenseGatedActDense"
        } else {
            "DenseActDense"
        };
        let children = vec![
            ("DenseReluDense", Module::new(self.class(class), parts)),
            ("layer_norm", self.layer_norm()),
            ("dropout", self.dropout()),
        ];
        Module::new(self.class("LayerFF"), children)
    }
}
