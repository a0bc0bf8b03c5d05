//! What `model::decode_step` says that a step dispatches, against what steps on a device are seen to dispatch.

mod common;

use std::collections::BTreeMap;

use common::models::tiny;
use t5_gpu::checkpoint::DType;
use t5_gpu::generate::{StepDecoder, StepRow};
use t5_gpu::model::{DeviceSelection, Model, StepEnd, StepShape, decode_step};
use t5_gpu::{Activation, Parameters, T5Config, WeightDType, parameters};

const CANDIDATES: usize = 3;

/// Dispatches by kernel, on the device.
fn seen(model: &Model, sources: usize, end: StepEnd) -> BTreeMap<&'static str, usize> {
    let source: Vec<u32> = vec![5, 9, 1];
    let encoded = model.encode(&vec![source; sources]).unwrap();
    let selection = DeviceSelection {
        greedy_steps: 1,
        candidates: CANDIDATES,
    };
    let mut decoder = model.decoder_with(&encoded, sources, selection).unwrap();
    let rows: Vec<StepRow> = (0..sources as u32)
        .map(|index| StepRow {
            source: index,
            slot: index,
            parent: index,
            position: 0,
            token: 0,
        })
        .collect();
    let gpu = model.gpu();
    gpu.wait().unwrap();
    gpu.start_profile().expect("tests need timestamp queries");
    match end {
        StepEnd::Logits => drop(decoder.step(&rows).unwrap().to_vec()),
        StepEnd::Ranking(count) => {
            decoder.step_ranked(&rows, count).unwrap();
        }
        StepEnd::Greedy => {
            decoder.start_greedy(&rows, 1).unwrap();
            decoder.finish_greedy(&mut Vec::new()).unwrap();
        }
    }
    let times = gpu.take_profile();
    times.iter().map(|time| (time.kernel, time.calls)).collect()
}

/// The same from shapes alone.
fn told(model: &Model, dtype: WeightDType, step: &StepShape) -> BTreeMap<&'static str, usize> {
    let mut calls = BTreeMap::new();
    for part in decode_step(model.config(), model.gpu().target(), dtype, step) {
        for work in &part.dispatches {
            *calls.entry(work.kernel).or_default() += part.layers;
        }
    }
    calls
}

#[test]
fn a_step_dispatches_what_its_shape_tells() {
    let config = T5Config {
        gated: true,
        activation: Activation::GeluNew,
        // Beyond what workgroups make rows ready for.
        vocab_size: 4099,
        ..tiny()
    };
    let weights = parameters::random(&config, 3, DType::F32);
    let parameters = Parameters::load(&weights, &config).unwrap();
    for dtype in WeightDType::ALL {
        for gpu in common::targets_of(dtype) {
            let model = Model::load(&gpu, &config, &parameters, dtype, &mut |_, _| ()).unwrap();
            for sources in [1, 3, 70] {
                for end in [
                    StepEnd::Logits,
                    StepEnd::Ranking(CANDIDATES),
                    StepEnd::Greedy,
                ] {
                    let step = StepShape {
                        sources,
                        beams: 1,
                        source_length: 3,
                        positions: 1,
                        end,
                    };
                    assert_eq!(
                        seen(&model, sources, end),
                        told(&model, dtype, &step),
                        "{dtype:?} on {:?}, {step:?}",
                        gpu.target()
                    );
                }
            }
        }
    }
}
