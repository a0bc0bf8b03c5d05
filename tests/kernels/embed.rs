//! shaders/embed.wgsl against reference::embed.

use t5_gpu::gpu::{Gpu, GpuOptions, Plan};
use t5_gpu::ops::{ALIGN, Embed, WeightDType};
use t5_gpu::reference::embed;

use crate::common::{noise, targets, token_ids};
use crate::{SIZES, matrix, stored, unpad_rows};

fn check(gpu: &Gpu, vocab: usize, width: usize, rows: usize, stride: usize, dtype: WeightDType) {
    let table = noise(3, vocab * width);
    let ids = token_ids(rows as u64, rows, vocab);
    let mut spread = vec![u32::MAX; rows * stride];
    for (place, id) in spread.iter_mut().step_by(stride).zip(&ids) {
        *place = *id;
    }
    let padded = width.next_multiple_of(ALIGN);
    let id_buffer = gpu.buffer_from("ids", &spread).unwrap();
    let out = gpu.texels("out", (rows * padded * 4) as u64).unwrap();
    let weights = matrix(gpu, dtype, &table, width);
    let mut plan = Plan::default();
    Embed::new(gpu, &id_buffer, stride, &weights, &out).record(gpu, rows, &mut plan);
    gpu.run(&plan, None).unwrap();
    let found = unpad_rows(
        &gpu.read_texels(&out, rows * padded).unwrap(),
        width,
        padded,
    );
    assert_eq!(
        found,
        embed(&stored(dtype, &table, width), width, &ids),
        "{vocab} x {width}, {rows} ids"
    );
}

#[test]
fn embed_equals_its_twin() {
    for gpu in targets() {
        for dtype in WeightDType::ALL {
            for rows in SIZES {
                for width in [1, 40, 65, 257] {
                    check(&gpu, 257, width, rows, 1, dtype);
                }
            }
            check(&gpu, 1000, 512, 7, 4, dtype);
        }
    }
}

#[test]
fn a_split_table_is_read_whole() {
    let options = GpuOptions {
        max_binding_bytes: Some(4096),
        ..GpuOptions::default()
    };
    check(
        &Gpu::open_with(options).unwrap(),
        257,
        30,
        20,
        1,
        WeightDType::F32,
    );
}
