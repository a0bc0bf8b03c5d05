//! Models that several test files run.

use t5_gpu::T5Config;
use t5_gpu::checkpoint::TensorSource;
use t5_gpu::model::{DeviceSelection, Model};
use t5_gpu::ops::WeightDType;
use t5_gpu::parameters::Parameters;
use t5_gpu::reference::Reference;

/// A shape of odd widths, with more decoder than encoder layers.
pub fn tiny() -> T5Config {
    T5Config {
        d_model: 40,
        d_kv: 10,
        d_ff: 37,
        num_heads: 3,
        num_layers: 2,
        num_decoder_layers: 3,
        vocab_size: 257,
        ..T5Config::preset("t5-small").unwrap()
    }
}

/// Greedy steps alone are chosen on the device.
pub fn greedy(greedy_steps: usize) -> DeviceSelection {
    DeviceSelection {
        greedy_steps,
        candidates: 0,
    }
}

/// The model on the tests' device, in f32, and its twin on the CPU.
pub fn load(config: &T5Config, weights: &dyn TensorSource) -> (Model, Reference) {
    let parameters = Parameters::load(weights, config).unwrap();
    let model = Model::load(
        &super::gpu(),
        config,
        &parameters,
        WeightDType::F32,
        &mut |_, _| {},
    );
    (model.unwrap(), Reference::new(config, &parameters))
}
