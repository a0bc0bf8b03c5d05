//! NaN and infinity go through every kernel that they meet on their way to the choice of a token, and stay in their row.

use t5_gpu::Activation;
use t5_gpu::gpu::{Buffer, Gpu, Plan};
use t5_gpu::ops::{Argmax, Epilogue, Linear, LinearArgs, Norm, Staged, TopK, WeightDType};

use crate::common::{gpu, noise, targets};
use crate::matrix;

const K: usize = 48;
const N: usize = 128;
/// The row of the input that has a number which is none.
const ODD_ROW: usize = 1;

/// What a layer of N outputs makes of `rows` rows whose row [`ODD_ROW`], if there is one, or else the only one has `odd`;
/// a row each.
fn outputs(
    gpu: &Gpu,
    dtype: WeightDType,
    epilogue: Epilogue,
    norm: bool,
    rows: usize,
    odd: f32,
) -> Vec<Vec<f32>> {
    let mut x = noise(3, rows * K);
    x[ODD_ROW.min(rows - 1) * K + 7] = odd;
    let x = gpu.texels_from("x", &x).unwrap();
    let gain = gpu.texels_from("gain", &noise(5, K)).unwrap();
    let weights = matrix(gpu, dtype, &noise(4, N * K), K);
    let width = match epilogue {
        Epilogue::Best => Linear::best_width(gpu, &weights),
        Epilogue::Gate(_) => N / 2,
        _ => N,
    };
    let out = gpu.buffer("out", (rows * width * 4) as u64).unwrap();
    let scratch = Staged::new(gpu, rows, K, dtype).unwrap();
    let norm = norm.then_some(Norm {
        gain: &gain,
        width: K,
        eps: 1e-6,
    });
    let args = LinearArgs {
        x: &x,
        norm,
        weights: &weights,
        out: (&out).into(),
        out_width: width,
        epilogue,
        scale: 1.0,
        scratch: Some(&scratch),
    };
    let linear = Linear::new(gpu, &args);
    let mut plan = Plan::default();
    linear.record(gpu, rows, &mut plan);
    gpu.run(&plan, None).unwrap();
    let used = match epilogue {
        Epilogue::Best => 2 * linear.shares(gpu, rows),
        _ => width,
    };
    let all = gpu.read(&out, rows * width).unwrap();
    all.chunks_exact(width)
        .map(|row| row[..used].to_vec())
        .collect()
}

#[test]
fn linear_layers_keep_what_is_not_finite_in_its_row() {
    let relu = Epilogue::Activate(Activation::Relu);
    for gpu in targets() {
        for dtype in [WeightDType::F32, WeightDType::Int8] {
            for epilogue in [Epilogue::Best, relu] {
                for (rows, norm) in [(1, true), (3, false), (33, true)] {
                    let run = |odd| outputs(&gpu, dtype, epilogue, norm, rows, odd);
                    let sound = run(0.5);
                    // What is infinite a norm makes NaN; without one, some activations make 0 of minus infinity.
                    let odd: &[f32] = match norm {
                        true => &[f32::NAN, f32::INFINITY, f32::NEG_INFINITY],
                        false => &[f32::NAN],
                    };
                    for &odd in odd {
                        let case = format!("{odd} {} {epilogue:?} {rows} {norm}", dtype.name());
                        for (row, (found, sound)) in run(odd).iter().zip(&sound).enumerate() {
                            let told = |pair: &[f32]| pair == [f32::MAX, -1.0];
                            if row != ODD_ROW.min(rows - 1) {
                                assert_eq!(found, sound, "{case}, row {row}");
                            } else if epilogue == Epilogue::Best {
                                // Threads without an output have nothing to tell.
                                let mut pairs = found.chunks_exact(2).zip(sound.chunks_exact(2));
                                let is_idle = |pair: &[f32]| pair[0] == f32::MIN;
                                assert!(pairs.all(|(f, s)| told(f) || is_idle(s)), "{case}");
                                assert!(found.chunks_exact(2).any(told), "{case}");
                            } else {
                                assert!(found.iter().all(|x| x.is_nan()), "{case}: {found:?}");
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn activations_keep_nan() {
    let gpu = gpu();
    for activation in [Activation::Gelu, Activation::GeluNew, Activation::Silu] {
        for epilogue in [Epilogue::Activate(activation), Epilogue::Gate(activation)] {
            let found = outputs(&gpu, WeightDType::F32, epilogue, false, 1, f32::NAN);
            assert!(found[0].iter().all(|x| x.is_nan()), "{epilogue:?}");
        }
    }
}

fn words(gpu: &Gpu, buffer: &Buffer, count: usize) -> Vec<u32> {
    let floats = gpu.read(buffer, count).unwrap();
    floats.iter().map(|float| float.to_bits()).collect()
}

/// Wherever among the pairs it is told that logits are not finite, that is what is written down.
#[test]
fn argmax_tells_what_is_not_finite() {
    let gpu = gpu();
    for width in [1, 5, 300] {
        for odd in [0, width / 2, width - 1] {
            // Two rows, the second of which has nothing amiss.
            let mut pairs = vec![[f32::MAX, 3.0]; 2 * width];
            pairs[odd] = [f32::MAX, -1.0];
            let pairs = gpu.buffer_from("pairs", &pairs).unwrap();
            let rows = gpu.buffer_from("rows", &[[7u32, 0, 0, 0]; 2]).unwrap();
            let log = gpu.buffer_from("log", &[5u32; 2]).unwrap();
            let mut plan = Plan::default();
            Argmax::new(&gpu, &pairs, 2 * width, &rows, &log, 1).record(&gpu, 2, width, &mut plan);
            gpu.run(&plan, None).unwrap();
            assert_eq!(words(&gpu, &log, 2), [u32::MAX, 3], "{odd} of {width}");
            // What is fed next is a token, whatever it is worth.
            assert_eq!(words(&gpu, &rows, 8), [0, 1, 0, 0, 3, 1, 0, 0]);
        }
    }
}

#[test]
fn rankings_tell_what_is_not_finite() {
    let gpu = gpu();
    let (width, count) = (1000, 8);
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for at in [0, 500, width - 1] {
            let mut logits = noise(2, 2 * width);
            logits[at] = odd;
            let line = 2 + 2 * count;
            let on_gpu = gpu.buffer_from("logits", &logits).unwrap();
            let ranking = gpu.buffer("ranking", (2 * line * 4) as u64).unwrap();
            let mut plan = Plan::default();
            TopK::new(&gpu, &on_gpu, width, &ranking).record(&gpu, 2, count, &mut plan);
            gpu.run(&plan, None).unwrap();
            let found = gpu.read(&ranking, 2 * line).unwrap();
            assert!(found[1].is_nan(), "{odd} at {at}: {}", found[1]);
            assert!(found[line + 1].is_finite(), "{odd} at {at}");
        }
    }
}
