//! What a model directory's JSON files say: the architecture and the generation defaults.

mod fields;
mod generation;
mod generation_json;
mod presets;
mod t5;
mod t5_json;

pub(crate) use fields::Fields;
pub use generation::{EarlyStopping, GenerationConfig, LengthLimits};
pub use t5::{Activation, ModelType, T5Config};
