//! The files of a model directory: configs, weights, tokenizers.

mod checkpoint;
mod config;
mod directories;
mod embedding;
mod foreign;
mod parameters;
mod pytorch;
mod tensors;
mod tokenizer;
mod tokenizer_kinds;
mod tokenizer_settings;
mod toy;
