//! shaders/rms_norm.wgsl against reference::rms_norm.

use t5_gpu::gpu::{Gpu, Plan};
use t5_gpu::ops::{ALIGN, Norm, RmsNorm};
use t5_gpu::reference::rms_norm;

use crate::common::{max_error, noise, note_error, targets};
use crate::{SIZES, pad_rows, unpad_rows};

#[test]
fn rms_norm_equals_its_twin() {
    for gpu in targets() {
        check(&gpu);
    }
}

fn check(gpu: &Gpu) {
    for rows in SIZES {
        for width in SIZES.into_iter().chain([512]) {
            let padded = width.next_multiple_of(ALIGN);
            // Large values: the sum of squares must not be taken in anything narrower than f32.
            let x: Vec<f32> = noise(rows as u64, rows * width)
                .iter()
                .map(|x| x * 3e4)
                .collect();
            let gain = noise(9, width);
            let input = gpu.texels_from("x", &pad_rows(&x, width, padded)).unwrap();
            let gains = gpu
                .texels_from("gain", &pad_rows(&gain, width, padded))
                .unwrap();
            let out = gpu.texels("out", (rows * padded * 4) as u64).unwrap();
            let mut plan = Plan::default();
            RmsNorm::new(
                gpu,
                &input,
                &Norm {
                    gain: &gains,
                    width,
                    eps: 1e-6,
                },
                &out,
            )
            .record(gpu, rows, &mut plan);
            gpu.run(&plan, None).unwrap();
            let found = unpad_rows(
                &gpu.read_texels(&out, rows * padded).unwrap(),
                width,
                padded,
            );
            let error = max_error(&found, &rms_norm(&x, &gain, 1e-6));
            note_error("rms_norm", error);
            assert!(error < 1e-5, "{rows} x {width}: off by {error:e}");
        }
    }
}
