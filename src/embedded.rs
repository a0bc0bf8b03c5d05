//! The model that comes with the crate: models/t5-mini-en-de, a small English-to-German T5 (its README says what it
//! can do and under which licence its weights are given), or the one that build.rs was told of.

/// `config.json`
pub const CONFIG: &str = include_str!(concat!(env!("T5_GPU_EMBEDDED_DIR"), "/config.json"));
/// `generation_config.json`
pub const GENERATION_CONFIG: &str = include_str!(concat!(
    env!("T5_GPU_EMBEDDED_DIR"),
    "/generation_config.json"
));
/// `tokenizer.json`
pub const TOKENIZER: &[u8] =
    include_bytes!(concat!(env!("T5_GPU_EMBEDDED_DIR"), "/tokenizer.json"));
/// `tokenizer_config.json`
pub const TOKENIZER_CONFIG: &[u8] = include_bytes!(concat!(
    env!("T5_GPU_EMBEDDED_DIR"),
    "/tokenizer_config.json"
));
/// `model.safetensors`
pub const WEIGHTS: &[u8] =
    include_bytes!(concat!(env!("T5_GPU_EMBEDDED_DIR"), "/model.safetensors"));
