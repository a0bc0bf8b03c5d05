//! What a model directory's JSON files say: the architecture and the generation defaults.

mod fields;
mod generation;
mod generation_defaults;
mod generation_json;
mod presets;
mod t5;
mod t5_json;

pub(crate) use fields::Fields;
pub use generation::{EarlyStopping, GenerationConfig, LengthLimits};
pub use generation_defaults::{GenerationDefaults, not_supported};
pub use t5::{Activation, ModelType, T5Config};
