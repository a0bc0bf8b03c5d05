//! shaders/copy.wgsl against a copy on the host.

use t5_gpu::gpu::Plan;
use t5_gpu::ops::CopyBuffer;

use crate::SIZES;
use crate::common::{gpu, noise};

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
