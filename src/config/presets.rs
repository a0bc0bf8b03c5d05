//! The published shapes of the family, for runs that need no download.

use super::{Activation, ModelType, T5Config};

/// What sets one published architecture apart.
struct Preset {
    name: &'static str,
    model_type: ModelType,
    vocab_size: usize,
    d_model: usize,
    d_kv: usize,
    d_ff: usize,
    num_heads: usize,
    layers: [usize; 2],
}

impl T5Config {
    /// The names [`T5Config::preset`] knows.
    pub const PRESETS: &[&str] = &{
        let mut names = [""; TABLE.len()];
        let mut i = 0;
        while i < names.len() {
            names[i] = TABLE[i].name;
            i += 1;
        }
        names
    };

    /// The architecture published under that name (without its organisation), or `None` for a name not in
    /// [`T5Config::PRESETS`].
    pub fn preset(arch: &str) -> Option<T5Config> {
        let preset = TABLE.iter().find(|preset| preset.name == arch)?;
        // The first generation is ReLU with a tied head, all others are gated with a head of their own.
        let first = matches!(
            preset.name,
            "t5-small" | "t5-base" | "t5-large" | "t5-3b" | "t5-11b"
        );
        let madlad = preset.name.starts_with("madlad");
        Some(T5Config {
            model_type: preset.model_type,
            is_encoder_decoder: true,
            vocab_size: preset.vocab_size,
            d_model: preset.d_model,
            d_kv: preset.d_kv,
            d_ff: preset.d_ff,
            num_heads: preset.num_heads,
            num_layers: preset.layers[0],
            num_decoder_layers: preset.layers[1],
            relative_attention_num_buckets: 32,
            relative_attention_max_distance: 128,
            layer_norm_epsilon: 1e-6,
            activation: if first {
                Activation::Relu
            } else {
                Activation::GeluNew
            },
            gated: !first,
            tie_word_embeddings: first,
            scale_decoder_outputs: first || preset.model_type == ModelType::Umt5,
            n_positions: 512,
            pad_token_id: Some(u32::from(madlad)),
            eos_token_id: vec![if madlad { 2 } else { 1 }],
            decoder_start_token_id: Some(0),
            task_specific_params: Default::default(),
        })
    }
}

const fn preset(
    name: &'static str,
    model_type: ModelType,
    vocab_size: usize,
    [d_model, d_kv, d_ff]: [usize; 3],
    num_heads: usize,
    layers: [usize; 2],
) -> Preset {
    Preset {
        name,
        model_type,
        vocab_size,
        d_model,
        d_kv,
        d_ff,
        num_heads,
        layers,
    }
}

#[rustfmt::skip]
const TABLE: [Preset; 25] = {
    use ModelType::{Mt5, T5, Umt5};
    [
        preset("t5-small",        T5,   32128,  [512, 64, 2048],    8,   [6, 6]),
        preset("t5-base",         T5,   32128,  [768, 64, 3072],    12,  [12, 12]),
        preset("t5-large",        T5,   32128,  [1024, 64, 4096],   16,  [24, 24]),
        preset("t5-3b",           T5,   32128,  [1024, 128, 16384], 32,  [24, 24]),
        preset("t5-11b",          T5,   32128,  [1024, 128, 65536], 128, [24, 24]),
        preset("t5-v1_1-small",   T5,   32128,  [512, 64, 1024],    6,   [8, 8]),
        preset("t5-v1_1-base",    T5,   32128,  [768, 64, 2048],    12,  [12, 12]),
        preset("t5-v1_1-large",   T5,   32128,  [1024, 64, 2816],   16,  [24, 24]),
        preset("t5-v1_1-xl",      T5,   32128,  [2048, 64, 5120],   32,  [24, 24]),
        preset("t5-v1_1-xxl",     T5,   32128,  [4096, 64, 10240],  64,  [24, 24]),
        preset("flan-t5-small",   T5,   32128,  [512, 64, 1024],    6,   [8, 8]),
        preset("flan-t5-base",    T5,   32128,  [768, 64, 2048],    12,  [12, 12]),
        preset("flan-t5-large",   T5,   32128,  [1024, 64, 2816],   16,  [24, 24]),
        preset("flan-t5-xl",      T5,   32128,  [2048, 64, 5120],   32,  [24, 24]),
        preset("flan-t5-xxl",     T5,   32128,  [4096, 64, 10240],  64,  [24, 24]),
        preset("mt5-small",       Mt5,  250112, [512, 64, 1024],    6,   [8, 8]),
        preset("mt5-base",        Mt5,  250112, [768, 64, 2048],    12,  [12, 12]),
        preset("mt5-large",       Mt5,  250112, [1024, 64, 2816],   16,  [24, 24]),
        preset("mt5-xl",          Mt5,  250112, [2048, 64, 5120],   32,  [24, 24]),
        preset("umt5-small",      Umt5, 256384, [512, 64, 1024],    6,   [8, 8]),
        preset("umt5-base",       Umt5, 256384, [768, 64, 2048],    12,  [12, 12]),
        preset("byt5-small",      T5,   384,    [1472, 64, 3584],   6,   [12, 4]),
        preset("byt5-base",       T5,   384,    [1536, 64, 3968],   12,  [18, 6]),
        preset("byt5-large",      T5,   384,    [1536, 64, 3840],   16,  [36, 12]),
        preset("madlad400-3b",    T5,   256000, [1024, 128, 8192],  16,  [32, 32]),
    ]
};
