//! Files on disk -> named tensors. Knows formats, not the model.

mod bytes;
mod directory;
mod float8;
mod index;
mod pickle;
mod pytorch;
mod pytorch_tensor;
mod random;
mod safetensors;
mod tensor;
mod write;

pub use directory::Checkpoint;
pub(crate) use index::shards;
pub use random::{RandomTensor, RandomWeights};
pub use tensor::{DType, Tensor};
pub use write::write_safetensors;

use crate::Result;

/// Anything that can hand out tensors by name: a weight file or set, random weights, a test's own map.
pub trait TensorSource {
    /// Every tensor's name, sorted.
    fn names(&self) -> Vec<&str>;
    /// The tensor of that name, or `None` where there is none.
    fn tensor(&self, name: &str) -> Result<Option<Tensor<'_>>>;
}
