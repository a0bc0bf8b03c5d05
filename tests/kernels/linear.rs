//! shaders/matvec.wgsl and shaders/matmul.wgsl, with every norm, epilogue and split, against reference::linear.

use t5_gpu::Activation;
use t5_gpu::gpu::{Buffer, Gpu, GpuOptions, Plan, Resource, Target, Texels};
use t5_gpu::ops::{ALIGN, Epilogue, Linear, LinearArgs, Norm, Staged, WeightDType};
use t5_gpu::reference::{activate, linear, linear_int8, rms_norm};

use crate::common::{gpu, max_error, noise, note_error, targets_of};
use crate::{SIZES, matrix, pad_rows, stored};

#[derive(Clone, Copy, Debug)]
struct Case {
    rows: usize,
    n: usize,
    k: usize,
    dtype: WeightDType,
    norm: bool,
    epilogue: Epilogue,
    scale: f32,
}

const PLAIN: Case = Case {
    rows: 1,
    n: 1,
    k: 1,
    dtype: WeightDType::F32,
    norm: false,
    epilogue: Epilogue::Store,
    scale: 1.0,
};

/// What a layer writes to.
enum Held {
    Buffer(Buffer),
    Texels(Texels),
}

impl Held {
    fn new(gpu: &Gpu, texels: bool, values: &[f32]) -> Held {
        if texels {
            Held::Texels(gpu.texels_from("values", values).unwrap())
        } else {
            Held::Buffer(gpu.buffer_from("values", values).unwrap())
        }
    }

    fn resource(&self) -> Resource<'_> {
        match self {
            Held::Buffer(buffer) => buffer.into(),
            Held::Texels(texels) => texels.into(),
        }
    }

    fn read(&self, gpu: &Gpu, count: usize) -> Vec<f32> {
        match self {
            Held::Buffer(buffer) => gpu.read(buffer, count).unwrap(),
            Held::Texels(texels) => gpu.read_texels(texels, count).unwrap(),
        }
    }
}

/// The error relative to the size of a sum of k products of noise; a gate multiplies two such sums. Output goes to texels
/// where it may, but that of a vocabulary's size.
fn error(gpu: &Gpu, case: Case) -> f32 {
    let Case {
        rows,
        n,
        k,
        dtype,
        norm,
        epilogue,
        scale,
    } = case;
    let padded = k.next_multiple_of(ALIGN);
    let x = noise(rows as u64, rows * k);
    let weights = noise(k as u64 + 5, n * k);
    let gain = noise(17, k);
    let columns = if matches!(epilogue, Epilogue::Gate(_)) {
        n / 2
    } else {
        n
    };
    let before = noise(23, rows * columns);

    let input = gpu.texels_from("x", &pad_rows(&x, k, padded)).unwrap();
    let gains = gpu
        .texels_from("gain", &pad_rows(&gain, k, padded))
        .unwrap();
    let out = Held::new(gpu, n.is_multiple_of(8) && n < 32128, &before);
    let scratch = Staged::new(gpu, rows, padded, dtype).unwrap();
    let args = LinearArgs {
        x: &input,
        norm: norm.then_some(Norm {
            gain: &gains,
            width: k,
            eps: 1e-6,
        }),
        weights: &matrix(gpu, dtype, &weights, k),
        out: out.resource(),
        out_width: columns,
        epilogue,
        scale,
        scratch: Some(&scratch),
    };
    let mut plan = Plan::default();
    Linear::new(gpu, &args).record(gpu, rows, &mut plan);
    gpu.run(&plan, None).unwrap();
    let found = out.read(gpu, rows * columns);

    let x = if norm { rms_norm(&x, &gain, 1e-6) } else { x };
    let y = match dtype {
        WeightDType::Int8 => linear_int8(&x, &weights, k),
        _ => linear(&x, &stored(dtype, &weights, k), k),
    };
    let y: Vec<f32> = y.iter().map(|y| y * scale).collect();
    let expected: Vec<f32> = match epilogue {
        Epilogue::Store => y,
        Epilogue::Add => y.iter().zip(&before).map(|(y, b)| y + b).collect(),
        Epilogue::Activate(activation) => y.iter().map(|y| activate(activation, *y)).collect(),
        Epilogue::Gate(activation) => y
            .chunks_exact(2)
            .map(|pair| activate(activation, pair[0]) * pair[1])
            .collect(),
        Epilogue::Best => unreachable!("tests/kernels/best.rs has its cases"),
    };
    let size = if matches!(epilogue, Epilogue::Gate(_)) {
        k as f32
    } else {
        (k as f32).sqrt()
    };
    max_error(&found, &expected) / size
}

/// Checks a case with kernels laid out for each kind of adapter.
fn check(case: Case) {
    for gpu in targets_of(case.dtype) {
        check_on(&gpu, case);
    }
}

fn check_on(gpu: &Gpu, case: Case) {
    let error = error(gpu, case);
    note_error(&format!("linear {}", case.dtype.name()), error);
    // An input that lies between two int8 values may go to the other one on another device: one step of one input.
    let bound = if case.dtype == WeightDType::Int8 {
        1.0 / 127.0
    } else {
        2e-6
    };
    assert!(
        error < bound,
        "{case:?}: off by {error:e} of a value's size"
    );
}

#[test]
fn every_size_and_dtype() {
    for dtype in WeightDType::ALL {
        for rows in SIZES.into_iter().chain([4, 5, 8, 9, 16, 17, 32, 33]) {
            for n in SIZES.into_iter().chain([264]) {
                check(Case {
                    rows,
                    n,
                    k: 65,
                    dtype,
                    ..PLAIN
                });
            }
            for k in SIZES {
                check(Case {
                    rows,
                    n: 65,
                    k,
                    dtype,
                    ..PLAIN
                });
            }
        }
        // Enough outputs for the large blocks, and one to three blocks of rows.
        let large = [9, 16, 17, 32, 33, 64, 65, 129].map(|rows| (rows, 8251));
        for (index, (rows, n)) in large.into_iter().chain([(65, 2740)]).enumerate() {
            check(Case {
                rows,
                n,
                k: [65, 33, 130][index % 3],
                dtype,
                ..PLAIN
            });
        }
    }
}

#[test]
fn every_epilogue_with_and_without_norm() {
    let mut epilogues = vec![Epilogue::Store, Epilogue::Add];
    for activation in [
        Activation::Relu,
        Activation::Gelu,
        Activation::GeluNew,
        Activation::Silu,
    ] {
        epilogues.extend([Epilogue::Activate(activation), Epilogue::Gate(activation)]);
    }
    let mut gpus = targets_of(WeightDType::Int8);
    gpus.push(gpu());
    for gpu in gpus {
        // A shape for each way of laying out work that handles epilogues differently: many outputs make large
        // blocks pay.
        let shapes: &[(usize, usize)] = match gpu.target() {
            Target::Hardware { .. } => {
                &[(1, 74), (1, 4106), (3, 74), (20, 74), (40, 1034), (65, 74)]
            }
            Target::Software { .. } => &[(1, 72), (2, 74), (15, 152), (65, 304)],
        };
        for &(rows, n) in shapes {
            for (index, &epilogue) in epilogues.iter().enumerate() {
                for norm in [false, true] {
                    let dtype = WeightDType::ALL[(index + usize::from(norm)) % 3];
                    let case = Case {
                        rows,
                        n,
                        k: 40,
                        dtype,
                        norm,
                        epilogue,
                        scale: 1.0,
                    };
                    check_on(&gpu, case);
                }
            }
        }
    }
}

#[test]
fn the_shapes_of_t5_small() {
    for dtype in WeightDType::ALL {
        for rows in [1, 8, 32] {
            let relu = Epilogue::Activate(Activation::Relu);
            check(Case {
                rows,
                n: 1536,
                k: 512,
                dtype,
                norm: true,
                ..PLAIN
            });
            check(Case {
                rows,
                n: 512,
                k: 512,
                dtype,
                epilogue: Epilogue::Add,
                ..PLAIN
            });
            check(Case {
                rows,
                n: 2048,
                k: 512,
                dtype,
                norm: true,
                epilogue: relu,
                ..PLAIN
            });
            check(Case {
                rows,
                n: 512,
                k: 2048,
                dtype,
                epilogue: Epilogue::Add,
                ..PLAIN
            });
        }
        check(Case {
            rows: 1,
            n: 32128,
            k: 512,
            dtype,
            norm: true,
            scale: 512f32.powf(-0.5),
            ..PLAIN
        });
    }
}

/// 64 x 1024 x 1024 at a time.
#[test]
fn much_work_is_cut_into_submits() {
    let gpu = gpu();
    let x = gpu.texels("x", 64 * 1024 * 4).unwrap();
    let out = gpu.buffer("out", 64 * 1024 * 4).unwrap();
    let weights = vec![0.0; 1024 * 1024];
    let args = LinearArgs {
        x: &x,
        norm: None,
        weights: &matrix(&gpu, WeightDType::F32, &weights, 1024),
        out: (&out).into(),
        out_width: 1024,
        epilogue: Epilogue::Store,
        scale: 1.0,
        scratch: Some(&Staged::new(&gpu, 64, 1024, WeightDType::F32).unwrap()),
    };
    let linear = Linear::new(&gpu, &args);
    let mut plan = Plan::default();
    let mut cuts = Vec::new();
    for _ in 0..1500 {
        linear.record(&gpu, 64, &mut plan);
        cuts.push(plan.cuts());
    }
    // 50 thousand million are 745.06 of them.
    assert_eq!((cuts[744], cuts[745], cuts[1490], cuts[1491]), (0, 1, 1, 2));
    plan.clear();
    linear.record(&gpu, 64, &mut plan);
    let dispatches = 1 + usize::from(Staged::needed(gpu.target(), WeightDType::F32));
    assert_eq!((plan.cuts(), plan.len()), (0, dispatches));
}

#[test]
fn split_weights_give_the_same() {
    let options = GpuOptions {
        max_binding_bytes: Some(40_000),
        ..GpuOptions::default()
    };
    let gpu = Gpu::open_with(options).unwrap();
    let check = |case| check_on(&gpu, case);
    let gate = Epilogue::Gate(Activation::GeluNew);
    for rows in [1, 5, 40] {
        check(Case {
            rows,
            n: 241,
            k: 100,
            norm: true,
            ..PLAIN
        });
        // Outputs in pairs, and as many as texels take.
        for n in [242, 256] {
            check(Case {
                rows,
                n,
                k: 100,
                epilogue: gate,
                ..PLAIN
            });
        }
    }
}

/// A row's own result may not depend on how many rows are computed beside it, nor by which kernel that is.
#[test]
fn a_row_alone_equals_the_row_in_a_batch() {
    for dtype in WeightDType::ALL {
        for gpu in targets_of(dtype) {
            // As many outputs as each block needs to be chosen, and loads that lanes share unevenly.
            for (n, k) in [(96, 208), (520, 128), (4104, 80)] {
                for norm in [false, true] {
                    row_alone(&gpu, dtype, norm, n, k);
                }
            }
        }
    }
}

fn row_alone(gpu: &Gpu, dtype: WeightDType, norm: bool, n: usize, k: usize) {
    const MOST: usize = 70;
    let weights = matrix(gpu, dtype, &noise(2, n * k), k);
    let input = gpu.texels_from("x", &noise(1, MOST * k)).unwrap();
    let gain = gpu.texels_from("gain", &noise(3, k)).unwrap();
    let run = |rows: usize| {
        let out = gpu.buffer("out", (MOST * n * 4) as u64).unwrap();
        let args = LinearArgs {
            x: &input,
            norm: norm.then_some(Norm {
                gain: &gain,
                width: k,
                eps: 1e-6,
            }),
            weights: &weights,
            out: (&out).into(),
            out_width: n,
            epilogue: Epilogue::Store,
            scale: 1.0,
            scratch: Some(&Staged::new(gpu, MOST, k, dtype).unwrap()),
        };
        let mut plan = Plan::default();
        Linear::new(gpu, &args).record(gpu, rows, &mut plan);
        gpu.run(&plan, None).unwrap();
        gpu.read(&out, rows * n).unwrap()
    };
    let all = run(MOST);
    for rows in [1, 2, 3, 4, 5, 8, 9, 16, 17, 33, 64, 65] {
        let some = run(rows);
        let differs = (0..rows * n).find(|&i| some[i] != all[i]);
        if let Some(i) = differs {
            panic!(
                "{:?} {} norm {norm}, {n} x {k}: row {} of {rows} has {:e} at {}, of {MOST} {:e}",
                gpu.target(),
                dtype.name(),
                i / n,
                some[i],
                i % n,
                all[i]
            );
        }
    }
}

/// Beyond what f32 counts exactly, and with every product of the same sign.
#[test]
fn sums_of_int8_are_exact() {
    let n = 24;
    for k in [512, 16_416] {
        // Whole numbers up to 127 are what they are made.
        let whole = |seed, rows: usize| -> Vec<f32> {
            let values = noise(seed, rows * k);
            let mut values: Vec<f32> = values.iter().map(|x| (x * 30.0).round() + 90.0).collect();
            values.iter_mut().step_by(k).for_each(|x| *x = 127.0);
            values
        };
        let weights = whole(2, n);
        for rows in [1, 3, 66] {
            let x = whole(1, rows);
            let expected: Vec<f32> = x
                .chunks_exact(k)
                .flat_map(|x| weights.chunks_exact(k).map(move |w| (x, w)))
                .map(|(x, w)| {
                    let products = x.iter().zip(w).map(|(x, w)| *x as i64 * *w as i64);
                    products.sum::<i64>() as f32
                })
                .collect();
            for gpu in targets_of(WeightDType::Int8) {
                let out = gpu.buffer("out", (rows * n * 4) as u64).unwrap();
                let args = LinearArgs {
                    x: &gpu.texels_from("x", &x).unwrap(),
                    norm: None,
                    weights: &matrix(&gpu, WeightDType::Int8, &weights, k),
                    out: (&out).into(),
                    out_width: n,
                    epilogue: Epilogue::Store,
                    scale: 1.0,
                    scratch: Some(&Staged::new(&gpu, rows, k, WeightDType::Int8).unwrap()),
                };
                let mut plan = Plan::default();
                Linear::new(&gpu, &args).record(&gpu, rows, &mut plan);
                gpu.run(&plan, None).unwrap();
                let found = gpu.read(&out, rows * n).unwrap();
                assert_eq!(found, expected, "{:?} {rows} x {k}", gpu.target());
            }
        }
    }
}

/// Such scales would be no normal numbers, which GPUs may take for zero or not.
#[test]
fn rows_of_int8_with_scales_too_small_are_zero() {
    let (n, k) = (24, 48);
    let weights: Vec<f32> = noise(5, n * k).iter().map(|w| w * 1e32).collect();
    for rows in [1, 5] {
        for (size, is_zero) in [(1e-37, true), (1.4e-36, true), (3e-36, false)] {
            let x: Vec<f32> = noise(3, rows * k).iter().map(|x| x * size).collect();
            let expected = linear_int8(&x, &weights, k);
            assert_eq!(expected.iter().all(|y| *y == 0.0), is_zero);
            for gpu in targets_of(WeightDType::Int8) {
                let out = gpu.buffer("out", (rows * n * 4) as u64).unwrap();
                let args = LinearArgs {
                    x: &gpu.texels_from("x", &x).unwrap(),
                    norm: None,
                    weights: &matrix(&gpu, WeightDType::Int8, &weights, k),
                    out: (&out).into(),
                    out_width: n,
                    epilogue: Epilogue::Store,
                    scale: 1.0,
                    scratch: Some(&Staged::new(&gpu, rows, k, WeightDType::Int8).unwrap()),
                };
                let mut plan = Plan::default();
                Linear::new(&gpu, &args).record(&gpu, rows, &mut plan);
                gpu.run(&plan, None).unwrap();
                let found = gpu.read(&out, rows * n).unwrap();
                let error = max_error(&found, &expected);
                // A step of one input, as elsewhere.
                let bound = if is_zero { 0.0 } else { size * 1e32 / 127.0 };
                assert!(
                    error <= bound,
                    "{:?} {rows} rows of {size:e}: off by {error:e}",
                    gpu.target()
                );
            }
        }
    }
}
