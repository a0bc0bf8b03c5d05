//! The files of a model directory: configs, weights, tokenizers.

mod checkpoint;
mod config;
mod pytorch;
mod tokenizer;
mod tokenizer_kinds;
