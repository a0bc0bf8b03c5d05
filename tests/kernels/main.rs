//! Every kernel against its CPU twin on random data: odd sizes, padding, f32 and f16 weights.

#[path = "../common/mod.rs"]
mod common;

mod argmax;
mod attention;
mod best;
mod copy;
mod embed;
mod linear;
mod not_finite;
mod rms_norm;
mod spirv;
mod top_k;
mod translation;
mod unchecked;

use t5_gpu::ops::WeightDType;
use t5_gpu::reference::quantize;

/// Row counts and widths around the edges of tiles, workgroups and vectors.
const SIZES: [usize; 8] = [1, 2, 3, 63, 64, 65, 127, 257];

/// Rows of `width` spread over rows of `padded`, zeros between.
fn pad_rows(x: &[f32], width: usize, padded: usize) -> Vec<f32> {
    let mut out = Vec::new();
    for row in x.chunks_exact(width) {
        out.extend_from_slice(row);
        out.resize(out.len() + padded - width, 0.0);
    }
    out
}

/// The first `width` columns of rows of `padded`.
fn unpad_rows(x: &[f32], width: usize, padded: usize) -> Vec<f32> {
    x.chunks_exact(padded)
        .flat_map(|row| &row[..width])
        .copied()
        .collect()
}

/// What rows of `width` values become when they are kept as weights of this type.
fn stored(dtype: WeightDType, values: &[f32], width: usize) -> Vec<f32> {
    match dtype {
        WeightDType::F32 => values.to_vec(),
        WeightDType::F16 => values
            .iter()
            .map(|x| half::f16::from_f32(*x).to_f32())
            .collect(),
        WeightDType::Int8 => values
            .chunks_exact(width)
            .flat_map(|row| {
                let (values, scale) = quantize(row);
                values
                    .into_iter()
                    .map(move |value| f32::from(value) * scale)
            })
            .collect(),
    }
}

/// Uploads `[rows, width]` values as a matrix, padded.
fn matrix(
    gpu: &t5_gpu::gpu::Gpu,
    dtype: WeightDType,
    values: &[f32],
    width: usize,
) -> t5_gpu::ops::Matrix {
    let padded = width.next_multiple_of(t5_gpu::ops::ALIGN);
    t5_gpu::ops::Matrix::upload(
        gpu,
        "test matrix",
        dtype,
        values.len() / width,
        padded,
        |row, out| {
            out[..width].copy_from_slice(&values[row * width..][..width]);
        },
    )
    .unwrap()
}
