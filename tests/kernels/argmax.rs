//! shaders/argmax.wgsl against generate::softmax::argmax.

use t5_gpu::generate::softmax::argmax;
use t5_gpu::gpu::{Gpu, Plan};
use t5_gpu::ops::Argmax;

use crate::SIZES;
use crate::common::{noise, targets};

/// Steps that the log has room for.
const LOG_STEPS: usize = 3;

/// Pairs that a row has room for beyond those it has.
const SURPLUS: usize = 3;

#[test]
fn argmax_equals_its_twin() {
    for gpu in targets() {
        check(&gpu);
    }
}

fn check(gpu: &Gpu) {
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
            let likeliest: Vec<u32> = logits
                .chunks_exact(width)
                .map(|row| argmax(row) as u32)
                .collect();
            // The pair of token t lies last but t; behind each row's pairs are some of a step with more of them.
            let mut pairs = Vec::new();
            for row in logits.chunks_exact(width) {
                let tokens = 0..width;
                pairs.extend(tokens.rev().map(|token| [row[token], token as f32]));
                pairs.extend([[1e6, 1e6]; SURPLUS]);
            }
            let pairs = gpu.buffer_from("pairs", &pairs).unwrap();
            // Rows at different positions.
            let before: Vec<[u32; 4]> = (0..rows as u32)
                .map(|row| [7, row * row, row + 2, row / 2])
                .collect();
            let state = gpu.buffer_from("rows", &before).unwrap();
            let log = gpu
                .buffer_from("log", &vec![u32::MAX; LOG_STEPS * rows])
                .unwrap();
            let mut plan = Plan::default();
            let floats = 2 * (width + SURPLUS);
            let op = Argmax::new(gpu, &pairs, floats, &state, &log, LOG_STEPS);
            op.record(gpu, rows, width, &mut plan);
            plan.push_cut();
            op.record(gpu, rows, width, &mut plan);
            gpu.run(&plan, None).unwrap();

            let mut expected_log = vec![u32::MAX; LOG_STEPS * rows];
            let mut after = Vec::new();
            for (row, (&token, &[_, position, slot, source])) in
                likeliest.iter().zip(&before).enumerate()
            {
                after.extend([token, position + 2, slot, source]);
                for position in [position, position + 1] {
                    expected_log[position as usize % LOG_STEPS * rows + row] = token;
                }
            }
            let words = |buffer, count| -> Vec<u32> {
                let floats = gpu.read(buffer, count).unwrap();
                floats.iter().map(|float| float.to_bits()).collect()
            };
            assert_eq!(words(&state, 4 * rows), after, "{rows} x {width}");
            assert_eq!(
                words(&log, LOG_STEPS * rows),
                expected_log,
                "{rows} x {width}"
            );
        }
    }
}
