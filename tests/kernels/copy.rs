//! shaders/copy.wgsl, and copies of texels, against copies on the host.

use t5_gpu::gpu::Plan;
use t5_gpu::ops::CopyBuffer;

use crate::SIZES;
use crate::common::{gpu, noise, targets};

#[test]
fn a_copy_is_the_same() {
    let gpu = gpu();
    for size in SIZES.into_iter().chain([256, 1023, 300_000]) {
        let values = noise(size as u64, 4 * size);
        let x = gpu.buffer_from("x", &values).unwrap();
        let out = gpu.buffer("out", x.size() + 16).unwrap();
        let mut plan = Plan::default();
        CopyBuffer::new(&gpu, &x, &out).record(&gpu, &mut plan);
        gpu.run(&plan, None).unwrap();
        let found = gpu.read(&out, 4 * size + 4).unwrap();
        assert_eq!(found[..4 * size], values);
        assert_eq!(found[4 * size..], [0.0; 4]);
    }
}

/// Texels may lie in rows of a texture: parts that begin and end anywhere, and reach over several rows.
#[test]
fn parts_of_texels_are_copied_and_read_back() {
    const TEXELS: usize = 5000;
    for gpu in targets() {
        let values: Vec<f32> = (0..TEXELS * 4).map(|i| i as f32).collect();
        let from = gpu.texels_from("from", &values).unwrap();
        for (from_first, to_first, count) in [
            (0, 0, TEXELS),
            (0, 0, 1),
            (1023, 1024, 1),
            (1000, 37, 3333),
            (5, 2047, 2049),
            (1024, 2048, 2500),
            (4999, 0, 1),
        ] {
            let to = gpu.texels("to", (TEXELS * 16) as u64).unwrap();
            let part = [from_first, to_first, count].map(|texels| texels as u64);
            gpu.copy_texels([(&from, part[0], &to, part[1], part[2])])
                .unwrap();
            let mut expected = vec![0.0; TEXELS * 4];
            expected[to_first * 4..][..count * 4]
                .copy_from_slice(&values[from_first * 4..][..count * 4]);
            let found = gpu.read_texels(&to, TEXELS * 4).unwrap();
            assert!(found == expected, "{count} from {from_first} to {to_first}");
        }
    }
}
