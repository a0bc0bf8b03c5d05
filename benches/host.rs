//! What a decode step costs the host: models so small that the device has next to nothing to do.
//!
//! What grows with the number of layers is the price of a dispatch, what does not is that of a submit and of reading back.

use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use t5_gpu::checkpoint::DType;
use t5_gpu::generate::{StepDecoder, StepRow};
use t5_gpu::gpu::Gpu;
use t5_gpu::model::Model;
use t5_gpu::{Parameters, T5Config, WeightDType, parameters};

const LAYERS: [usize; 3] = [1, 6, 24];
const ROWS: [usize; 2] = [1, 32];

/// Widths of one block of any kernel.
fn tiny(layers: usize) -> T5Config {
    T5Config {
        vocab_size: 64,
        d_model: 16,
        d_kv: 16,
        d_ff: 16,
        num_heads: 1,
        num_layers: 1,
        num_decoder_layers: layers,
        ..T5Config::preset("t5-small").expect("a preset")
    }
}

fn decode_step(criterion: &mut Criterion) {
    let gpu = Gpu::open(None).expect("benches need a GPU adapter");
    let mut group = criterion.benchmark_group("decode step");
    for layers in LAYERS {
        let config = tiny(layers);
        let weights = parameters::random(&config, 1, DType::F32);
        let parameters = Parameters::load(&weights, &config).unwrap();
        let model =
            Model::load(&gpu, &config, &parameters, WeightDType::F32, &mut |_, _| ()).unwrap();
        for rows in ROWS {
            let encoded = model.encode(&vec![vec![5, 6, 1]; rows]).unwrap();
            let mut decoder = model.decoder(&encoded, rows).unwrap();
            let fed: Vec<StepRow> = (0..rows as u32)
                .map(|row| StepRow {
                    source: row,
                    slot: row,
                    parent: row,
                    position: 0,
                    token: 7,
                })
                .collect();
            let mut tokens = Vec::new();
            group.bench_function(format!("{layers} layers, {rows} rows, likeliest"), |b| {
                b.iter(|| {
                    decoder.start_greedy(&fed, 1).unwrap();
                    decoder.finish_greedy(&mut tokens).unwrap();
                });
            });
            group.bench_function(format!("{layers} layers, {rows} rows, logits"), |b| {
                b.iter(|| decoder.step(&fed).unwrap().len());
            });
        }
    }
    group.finish();
}

/// What comes before the first step: caches, buffers and bind groups.
fn decoder(criterion: &mut Criterion) {
    let gpu = Gpu::open(None).expect("benches need a GPU adapter");
    let config = tiny(6);
    let weights = parameters::random(&config, 1, DType::F32);
    let parameters = Parameters::load(&weights, &config).unwrap();
    let model = Model::load(&gpu, &config, &parameters, WeightDType::F32, &mut |_, _| ()).unwrap();
    let encoded = model.encode(&[vec![5, 6, 1]]).unwrap();
    criterion.bench_function("a decoder of 6 layers", |b| {
        b.iter_batched(
            || gpu.wait().unwrap(),
            |()| model.decoder(&encoded, 1).map(drop).unwrap(),
            BatchSize::PerIteration,
        );
    });
}

criterion_group! {
    name = host;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = decode_step, decoder
}
criterion_main!(host);
