//! T5 as ops: weights on the GPU, the encoder, the decoder with its caches.

mod alignment;
mod batch;
mod decoder;
mod encoder;
mod finite;
mod forward;
mod greedy;
mod kv_cache;
mod layers;
pub mod pages;
mod selection;
mod stack;
mod step;
mod teacher_forcing;
mod trace;
mod weights;
mod work;

use std::sync::Arc;

pub use decoder::Decoder;
pub use encoder::{EncodeOptions, Encoded};
pub use forward::{ForwardInputs, ForwardOutputs};
pub use selection::DeviceSelection;
pub use teacher_forcing::DecodeOptions;
pub use trace::{Trace, TraceOptions};
pub use work::{PartWork, StepEnd, StepShape, decode_step};

use crate::gpu::Gpu;
use crate::ops::{Epilogue, Linear, WeightDType};
use crate::parameters::Parameters;
use crate::{Error, Result, T5Config};
use weights::{DecoderWeights, Dims, Weights, feed_forward_epilogue};

/// A T5 model whose weights lie on a GPU.
pub struct Model {
    gpu: Arc<Gpu>,
    config: T5Config,
    dims: Dims,
    dtype: WeightDType,
    weights: Weights,
}

impl Model {
    /// Uploads the parameters, kept as `dtype` on the GPU. `progress` is told the bytes done and in all.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when the model does not fit the adapter; [`Error::Unsupported`] for heads wider than 256;
    /// [`Error::Weight`] for a weight that is no number or that `dtype` cannot hold.
    pub fn load(
        gpu: &Arc<Gpu>,
        config: &T5Config,
        parameters: &Parameters<'_>,
        dtype: WeightDType,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Model> {
        let dims = Dims::new(config);
        if dims.d_kv > 256 {
            return Err(Error::Unsupported {
                what: "d_kv",
                found: config.d_kv.to_string(),
                supported: "heads of at most 256".into(),
            });
        }
        // While the weights are read: the largest kernels of an encoder over a sentence and a decoder over four beams, which
        // are the same.
        let epilogues = [
            Epilogue::Store,
            Epilogue::Add,
            feed_forward_epilogue(config),
        ];
        Linear::compile(gpu, dtype, 4, [dims.d_model; 2], &epilogues);
        let weights = Weights::upload(gpu, config, &dims, parameters, dtype, progress)?;
        Ok(Model {
            gpu: gpu.clone(),
            config: config.clone(),
            dims,
            dtype,
            weights,
        })
    }

    /// Whether it can generate and score: an encoder alone cannot.
    pub fn has_decoder(&self) -> bool {
        self.weights.decoder.is_some()
    }

    fn decoder_weights(&self) -> Result<&DecoderWeights> {
        let decoder = self.weights.decoder.as_ref();
        decoder.ok_or_else(|| self.config.no_decoder())
    }

    /// The architecture.
    pub fn config(&self) -> &T5Config {
        &self.config
    }

    /// The device that the weights lie on.
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    /// How the weights are kept.
    pub fn dtype(&self) -> WeightDType {
        self.dtype
    }
}
