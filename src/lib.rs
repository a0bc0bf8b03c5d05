//! T5-family text-to-text models on any GPU that Vulkan, Metal or DX12 reaches, through wgpu: the tokens that Hugging
//! Face transformers gives, with no CUDA and no Python.
//!
//! ```
//! # #[cfg(feature = "embedded-model")]
//! # fn main() -> t5_gpu::Result<()> {
//! let model = t5_gpu::Pipeline::embedded()?;
//! let german = model.translate(&["I am learning German."], "en", "de")?;
//! assert_eq!(german, ["Ich lerne Deutsch."]);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "embedded-model"))]
//! # fn main() {}
//! ```
//!
//! [`Pipeline`] goes from text to text, over an [`Engine`] that answers many requests together. Under it lie the rooms that it puts together, each usable alone:
//! [`hub`] (names to directories), [`checkpoint`] and [`parameters`] (files to tensors), [`tokenizer`], [`model`] (encoder and decoder on a
//! [`gpu::Gpu`]), [`generate`] (which token next) and [`reference`](mod@reference) (the same model in plain Rust). [`metrics`]
//! scores what comes out; [`embedding`] makes one vector of a text.

#![warn(missing_docs)]

pub mod alignment;
pub mod checkpoint;
pub mod config;
#[cfg(feature = "embedded-model")]
pub mod embedded;
pub mod embedding;
pub mod engine;
pub mod error;
mod foreign;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod generate;
pub mod gpu;
pub mod hub;
pub mod language;
pub mod markup;
pub mod metrics;
pub mod model;
pub mod model_files;
pub mod ops;
pub mod parameters;
pub mod pipeline;
pub mod reference;
pub mod relative_position;
#[cfg(feature = "serve")]
pub mod serve;
pub mod task;
mod tensor_names;
pub mod text;
pub mod tokenizer;
pub mod translation;
pub mod verify;

pub use config::{Activation, EarlyStopping, GenerationConfig, ModelType, T5Config};
pub use engine::{Engine, LoadOptions, Part};
pub use error::{Error, Result};
pub use gpu::{DeviceInfo, devices};
pub use model_files::ModelFiles;
pub use ops::WeightDType;
pub use parameters::Parameters;
pub use pipeline::Pipeline;
pub use translation::Translator;

/// The README's example, kept working.
#[cfg(all(doctest, feature = "embedded-model"))]
#[doc = include_str!("../README.md")]
struct Readme;
