//! The CPU reference: T5 in the plainest f32 Rust, to compare the shaders with, one file a kernel.

mod activation;
mod attention;
mod decoder;
mod embed;
mod layers;
mod linear;
mod model;
mod quantize;
mod rms_norm;
mod top_k;

pub use activation::activate;
pub use attention::Attention;
pub use decoder::ReferenceDecoder;
pub use embed::embed;
pub use linear::linear;
pub use model::{DecodeOptions, Decoded, EncodeOptions, Encoded, Reference};
pub use quantize::{linear_int8, quantize};
pub use rms_norm::rms_norm;
pub use top_k::top_k;
