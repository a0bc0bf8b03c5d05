//! Time of the linear kernels at t5-small's shapes, by weight type and number of rows.
//!
//! `cargo bench --bench kernels -- head` measures those whose name has `head` in it.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use t5_gpu::gpu::{Gpu, Plan};
use t5_gpu::ops::{Argmax, Epilogue, Linear, LinearArgs, Matrix, Norm, Staged};
use t5_gpu::{Activation, WeightDType};

/// Name, outputs, inputs, whether the norm before it is fused in, and what becomes of the product.
const LAYERS: [(&str, usize, usize, bool, Epilogue); 5] = [
    ("qkv", 1536, 512, true, Epilogue::Store),
    ("o", 512, 512, false, Epilogue::Add),
    ("wi", 2048, 512, true, Epilogue::Activate(Activation::Relu)),
    ("wo", 512, 2048, false, Epilogue::Add),
    ("head", VOCABULARY, 512, true, Epilogue::Store),
];
const VOCABULARY: usize = 32_128;
/// What the head leaves of them for argmax, where a thread takes 16.
const PAIRS: usize = VOCABULARY / 16;
const ROWS: [usize; 4] = [1, 8, 32, 128];

/// Dispatches a submit, so that what a submit costs is spread.
const DISPATCHES: usize = 8;

fn linear(criterion: &mut Criterion) {
    let gpu = Gpu::open(None).expect("benches need a GPU adapter");
    for (name, outputs, inputs, norm, epilogue) in LAYERS {
        for dtype in WeightDType::ALL {
            let weights = Matrix::upload(&gpu, name, dtype, outputs, inputs, |row, out| {
                for (column, value) in out.iter_mut().enumerate() {
                    *value = ((row * 31 + column * 17) % 255) as f32 / 127.0 - 1.0;
                }
            })
            .unwrap();
            let gain = gpu.texels_from("gain", &vec![1f32; inputs]).unwrap();
            let mut group = criterion.benchmark_group(format!("{name} {}", dtype.name()));
            for rows in ROWS {
                let x = gpu.texels_from("x", &vec![0.5f32; rows * inputs]).unwrap();
                let out = gpu.buffer("out", (rows * outputs * 4) as u64).unwrap();
                let scratch = Staged::new(&gpu, rows, inputs, dtype).unwrap();
                let linear = Linear::new(
                    &gpu,
                    &LinearArgs {
                        x: &x,
                        norm: norm.then_some(Norm {
                            gain: &gain,
                            width: inputs,
                            eps: 1e-6,
                        }),
                        weights: &weights,
                        out: (&out).into(),
                        out_width: outputs,
                        epilogue,
                        // Small, so that what is added again and again stays finite.
                        scale: 1e-6,
                        scratch: Some(&scratch),
                    },
                );
                let mut plan = Plan::default();
                for _ in 0..DISPATCHES {
                    linear.record(&gpu, rows, &mut plan);
                }
                // Multiplications with what is added, a dispatch.
                group.throughput(Throughput::Elements((rows * outputs * inputs) as u64));
                group.bench_function(format!("{rows} rows"), |bencher| {
                    bencher.iter_custom(|iterations| time(&gpu, &plan, iterations));
                });
            }
            group.finish();
        }
    }
}

fn argmax(criterion: &mut Criterion) {
    let gpu = Gpu::open(None).expect("benches need a GPU adapter");
    let mut group = criterion.benchmark_group("argmax");
    for rows in ROWS {
        let pairs = vec![0f32; rows * 2 * PAIRS];
        let pairs = gpu.buffer_from("pairs", &pairs).unwrap();
        let state = gpu.buffer("rows", rows as u64 * 16).unwrap();
        let log = gpu.buffer("tokens", rows as u64 * 4).unwrap();
        let argmax = Argmax::new(&gpu, &pairs, 2 * PAIRS, &state, &log, 1);
        let mut plan = Plan::default();
        for _ in 0..DISPATCHES {
            argmax.record(&gpu, rows, PAIRS, &mut plan);
        }
        group.bench_function(format!("{rows} rows"), |bencher| {
            bencher.iter_custom(|iterations| time(&gpu, &plan, iterations));
        });
    }
    group.finish();
}

/// What `iterations` dispatches take, the plan holding [`DISPATCHES`] of them.
fn time(gpu: &Gpu, plan: &Plan, iterations: u64) -> Duration {
    gpu.wait().unwrap();
    let begin = Instant::now();
    for _ in 0..iterations {
        gpu.run(plan, None).unwrap();
    }
    gpu.wait().unwrap();
    begin.elapsed() / DISPATCHES as u32
}

criterion_group! {
    name = kernels;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = linear, argmax
}
criterion_main!(kernels);
