//! The model that comes with the crate: models/t5-mini-en-de, a small English-to-German T5 (its README says what it
//! can do and under which licence its weights are given).

/// `config.json`
pub const CONFIG: &str = include_str!("../models/t5-mini-en-de/config.json");
/// `generation_config.json`
pub const GENERATION_CONFIG: &str = include_str!("../models/t5-mini-en-de/generation_config.json");
/// `tokenizer.json`
pub const TOKENIZER: &[u8] = include_bytes!("../models/t5-mini-en-de/tokenizer.json");
/// `tokenizer_config.json`
pub const TOKENIZER_CONFIG: &[u8] = include_bytes!("../models/t5-mini-en-de/tokenizer_config.json");
/// `model.safetensors`, f16
pub const WEIGHTS: &[u8] = include_bytes!("../models/t5-mini-en-de/model.safetensors");
