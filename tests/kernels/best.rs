//! The best of every few outputs, shaders/epilogue_best.wgsl, against generate::softmax::argmax of all outputs.

use t5_gpu::generate::softmax::argmax;
use t5_gpu::gpu::{Gpu, GpuOptions, Plan};
use t5_gpu::ops::{Epilogue, Linear, LinearArgs, Norm, Staged, WeightDType};

use crate::common::{noise, targets, targets_of};
use crate::matrix;

const K: usize = 48;

/// The outputs of a layer whose weights are `distinct` rows over and over, `[rows, n]`, and its shares, `[rows, shares]`.
fn outputs_and_shares(
    gpu: &Gpu,
    dtype: WeightDType,
    rows: usize,
    n: usize,
    distinct: usize,
) -> (Vec<f32>, Vec<[f32; 2]>) {
    let weights = noise(n as u64, distinct.min(n) * K);
    let weights: Vec<f32> = weights.iter().copied().cycle().take(n * K).collect();
    let weights = matrix(gpu, dtype, &weights, K);
    let x = gpu.texels_from("x", &noise(rows as u64, rows * K)).unwrap();
    let gain = gpu.texels_from("gain", &noise(3, K)).unwrap();
    let scratch = Staged::new(gpu, rows, K, dtype).unwrap();
    let run = |epilogue, width| {
        let out = gpu.buffer("out", (rows * width * 4) as u64).unwrap();
        let args = LinearArgs {
            x: &x,
            norm: Some(Norm {
                gain: &gain,
                width: K,
                eps: 1e-6,
            }),
            weights: &weights,
            out: (&out).into(),
            out_width: width,
            epilogue,
            scale: 0.5,
            scratch: Some(&scratch),
        };
        let linear = Linear::new(gpu, &args);
        let mut plan = Plan::default();
        linear.record(gpu, rows, &mut plan);
        gpu.run(&plan, None).unwrap();
        (gpu.read(&out, rows * width).unwrap(), linear)
    };
    let width = Linear::best_width(gpu, &weights);
    let (best, linear) = run(Epilogue::Best, width);
    let shares = best.chunks_exact(width).flat_map(|row| {
        let pairs = row.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
        pairs.take(linear.shares(gpu, rows))
    });
    (run(Epilogue::Store, n).0, shares.collect())
}

fn check(gpu: &Gpu, dtype: WeightDType, rows: usize, n: usize, distinct: usize) {
    let (outputs, shares) = outputs_and_shares(gpu, dtype, rows, n, distinct);
    let shares_a_row = shares.len() / rows;
    for (row, shares) in outputs
        .chunks_exact(n)
        .zip(shares.chunks_exact(shares_a_row))
    {
        let case = format!("{} {rows} x {n}", dtype.name());
        let real = shares.iter().filter(|[value, _]| *value > f32::MIN);
        let real: Vec<(f32, usize)> = real.map(|[value, at]| (*value, *at as usize)).collect();
        // Each is an output, no two are the same one, and none lacks that beats its neighbours.
        for (value, at) in &real {
            assert_eq!(row[*at], *value, "{case}, output {at}");
        }
        let mut found: Vec<usize> = real.iter().map(|(_, at)| *at).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), real.len(), "{case}");
        assert!(real.len() >= n.div_ceil(16), "{case}: {}", real.len());
        let largest = row[argmax(row)];
        let first = real.iter().filter(|(value, _)| *value == largest);
        let first = first.map(|(_, at)| *at).min();
        assert_eq!(first, Some(argmax(row)), "{case}");
    }
}

#[test]
fn the_best_share_holds_the_first_of_the_largest_outputs() {
    for dtype in WeightDType::ALL {
        for gpu in targets_of(dtype) {
            for rows in [1, 2, 3, 9, 17, 33, 65] {
                for n in [1, 63, 64, 65, 257, 8251] {
                    // All different, and so few that there are ties in every share and between shares.
                    for distinct in [n, 7] {
                        check(&gpu, dtype, rows, n, distinct);
                    }
                }
            }
        }
    }
}

#[test]
fn split_weights_have_shares_of_their_own() {
    for target in targets().map(|gpu| gpu.target()) {
        let options = GpuOptions {
            target: Some(target),
            max_binding_bytes: Some(48_000),
            ..GpuOptions::default()
        };
        let gpu = Gpu::open_with(options).unwrap();
        for dtype in WeightDType::ALL {
            for rows in [1, 5, 9] {
                check(&gpu, dtype, rows, 1030, 1030);
                check(&gpu, dtype, rows, 1030, 11);
            }
        }
    }
}
