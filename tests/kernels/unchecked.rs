//! Devices that check what shaders reach, and those that do not, compute the same: tests run on checked ones, release builds on
//! others, which drivers open and compile for in other ways.

use t5_gpu::gpu::{Gpu, GpuOptions, Plan};
use t5_gpu::ops::{Epilogue, Linear, LinearArgs, Norm, Staged, WeightDType};

use crate::common::{noise, targets};
use crate::matrix;

#[test]
fn checks_change_no_result() {
    for target in targets().map(|gpu| gpu.target()) {
        let [checked, unchecked] = [true, false].map(|checked| {
            let options = GpuOptions {
                target: Some(target),
                checked_shaders: Some(checked),
                ..GpuOptions::default()
            };
            Gpu::open_with(options).expect("a device opens both ways")
        });
        for (dtype, rows) in WeightDType::ALL.into_iter().zip([1, 33, 3]) {
            let [with, without] = [&checked, &unchecked].map(|gpu| product(gpu, dtype, rows));
            assert!(with.iter().any(|y| *y != 0.0));
            assert_eq!(with, without, "{target:?} {} {rows}", dtype.name());
        }
    }
}

/// A layer of 72 outputs with a norm.
fn product(gpu: &Gpu, dtype: WeightDType, rows: usize) -> Vec<f32> {
    let (k, n) = (80, 72);
    let x = gpu.texels_from("x", &noise(1, rows * k)).unwrap();
    let gain = gpu.texels_from("gain", &noise(2, k)).unwrap();
    let out = gpu.buffer("out", (rows * n * 4) as u64).unwrap();
    let args = LinearArgs {
        x: &x,
        norm: Some(Norm {
            gain: &gain,
            width: k,
            eps: 1e-6,
        }),
        weights: &matrix(gpu, dtype, &noise(3, n * k), k),
        out: (&out).into(),
        out_width: n,
        epilogue: Epilogue::Store,
        scale: 1.0,
        scratch: Some(&Staged::new(gpu, rows, k, dtype).unwrap()),
    };
    let mut plan = Plan::default();
    Linear::new(gpu, &args).record(gpu, rows, &mut plan);
    gpu.run(&plan, None).unwrap();
    gpu.read(&out, rows * n).unwrap()
}
