//! T5-family text-to-text models on any GPU that Vulkan, Metal or DX12 reaches, through wgpu.

pub mod checkpoint;
pub mod config;
pub mod error;
pub mod generate;
pub mod parameters;
pub mod reference;
pub mod relative_position;
pub mod tokenizer;

pub use config::{Activation, EarlyStopping, GenerationConfig, ModelType, T5Config};
pub use error::{Error, Result};
pub mod gpu;
pub mod ops;
