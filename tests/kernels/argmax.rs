//! shaders/argmax.wgsl against generate::softmax::argmax.

use t5_gpu::generate::softmax::argmax;
use t5_gpu::gpu::Plan;
use t5_gpu::ops::Argmax;

use crate::SIZES;
use crate::common::{gpu, noise};

#[test]
fn argmax_equals_its_twin() {
    let gpu = gpu();
    for rows in SIZES {
        for width in SIZES.into_iter().chain([1000, 32128]) {
            if rows * width > 4_000_000 {
                continue;
            }
            // Coarse values: ties are everywhere, and the lowest index must win.
            let logits: Vec<f32> = noise((rows * width) as u64, rows * width)
                .iter()
                .map(|x| (x * 20.0).round() - 30.0)
                .collect();
            let input = gpu.buffer_from("logits", &logits).unwrap();
            let tokens = gpu.buffer("tokens", (rows * 4) as u64).unwrap();
            let mut plan = Plan::default();
            Argmax::new(&gpu, &input, width, &tokens).record(&gpu, rows, &mut plan);
            gpu.run(&plan, None).unwrap();
            let found: Vec<usize> = gpu
                .read(&tokens, rows)
                .unwrap()
                .iter()
                .map(|bits| bits.to_bits() as usize)
                .collect();
            let expected: Vec<usize> = logits.chunks_exact(width).map(argmax).collect();
            assert_eq!(found, expected, "{rows} x {width}");
        }
    }
}
