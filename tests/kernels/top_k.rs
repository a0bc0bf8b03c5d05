//! shaders/top_k.wgsl against reference::top_k.

use t5_gpu::gpu::Plan;
use t5_gpu::ops::TopK;
use t5_gpu::reference::top_k;

use crate::SIZES;
use crate::common::{gpu, noise};

/// Where the best lie close together, one thread has them all, and must look again and again.
#[test]
fn all_the_best_of_one_thread() {
    let gpu = gpu();
    let (width, count) = (256 * 40, 24);
    for thread in [0, 100, 255] {
        let mut logits = noise(3, width);
        for (rank, logit) in logits.iter_mut().skip(thread).step_by(256).enumerate() {
            // Pairs of equals.
            *logit = 10.0 + (rank / 2 * 7 % 20) as f32;
        }
        let on_gpu = gpu.buffer_from("logits", &logits).unwrap();
        let ranking = gpu.buffer("ranking", 4 * (2 + 2 * count) as u64).unwrap();
        let mut plan = Plan::default();
        TopK::new(&gpu, &on_gpu, width, &ranking).record(&gpu, 1, count, &mut plan);
        gpu.run(&plan, None).unwrap();
        let found = gpu.read(&ranking, 2 + 2 * count).unwrap();
        let tokens = found[2..2 + count].iter().map(|token| token.to_bits());
        let expected = top_k(&logits, count).0;
        assert!(
            tokens.eq(expected.iter().map(|(token, _)| *token)),
            "{thread}"
        );
    }
}

#[test]
fn top_k_equals_its_twin() {
    let gpu = gpu();
    let mut worst = 0.0_f32;
    for rows in [1, 3, 65] {
        for width in SIZES.into_iter().chain([1000, 6112, 32128]) {
            for count in [1, 2, 8, 33, 64] {
                if count > width || rows * width > 2_100_000 {
                    continue;
                }
                for coarse in [true, false] {
                    // Coarse values: ties are everywhere, and the lowest index must win.
                    let logits: Vec<f32> = noise((rows * width) as u64, rows * width)
                        .iter()
                        .map(|x| {
                            if coarse {
                                (x * 20.0).round() - 30.0
                            } else {
                                x * 40.0
                            }
                        })
                        .collect();
                    let on_gpu = gpu.buffer_from("logits", &logits).unwrap();
                    let line = 2 + 2 * count;
                    let ranking = gpu.buffer("ranking", (rows * line * 4) as u64).unwrap();
                    let mut plan = Plan::default();
                    TopK::new(&gpu, &on_gpu, width, &ranking).record(&gpu, rows, count, &mut plan);
                    gpu.run(&plan, None).unwrap();
                    let found = gpu.read(&ranking, rows * line).unwrap();
                    for (found, logits) in found.chunks(line).zip(logits.chunks(width)) {
                        let what = format!("{count} of {rows} x {width}");
                        let (expected, sum) = top_k(logits, count);
                        let tokens = found[2..2 + count].iter().map(|token| token.to_bits());
                        let pairs: Vec<(u32, f32)> =
                            tokens.zip(found[2 + count..].iter().copied()).collect();
                        assert_eq!(pairs, expected, "{what}");
                        assert_eq!(found[0], expected[0].1, "{what}");
                        worst = worst.max((found[1] / sum - 1.0).abs());
                    }
                }
            }
        }
    }
    println!("the sum is at most {worst:e} of itself off");
    assert!(worst < 5e-6, "{worst:e}");
}
