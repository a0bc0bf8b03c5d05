//! shaders/attention.wgsl in both of its settings against reference::Attention.

use t5_gpu::gpu::{Gpu, Plan};
use t5_gpu::ops::{
    AlignmentArgs, Attention, AttentionAlignment, AttentionArgs, CachedAttention,
    CachedAttentionArgs, CachedKind,
};
use t5_gpu::reference;

use crate::SIZES;
use crate::common::{max_error, noise, note_error, targets};

#[derive(Clone, Copy, Debug)]
struct Shape {
    batch: usize,
    heads: usize,
    d_kv: usize,
    queries: usize,
    keys: usize,
    causal: bool,
    biased: bool,
    max_distance: usize,
}

/// Scaled so that softmax is neither flat nor a single spike.
fn values(seed: u64, len: usize) -> Vec<f32> {
    noise(seed, len).iter().map(|x| x * 0.8).collect()
}

/// A mask that hides the ends of rows, and some keys within.
fn mask(batch: usize, keys: usize) -> Vec<u32> {
    (0..batch * keys)
        .map(|i| {
            let (row, key) = (i / keys, i % keys);
            u32::from(key == 0 || key + row * 7 < keys && (key + row) % 5 != 3)
        })
        .collect()
}

fn check_dense(shape: Shape) {
    for gpu in targets() {
        check_dense_on(&gpu, shape);
    }
}

fn check_dense_on(gpu: &Gpu, shape: Shape) {
    let Shape {
        batch,
        heads,
        d_kv,
        queries,
        keys,
        causal,
        biased,
        max_distance,
    } = shape;
    let inner = heads * d_kv;
    let q = values(1, batch * queries * inner);
    // Keys and values lie beside something else, which must not be read.
    let kv_width = 3 * inner;
    let kv = values(2, batch * keys * kv_width);
    let bias = values(3, heads * (2 * max_distance + 1));
    let mask = mask(batch, keys);
    let scale: Vec<f32> = (0..heads).map(|head| 1.0 - 0.25 * head as f32).collect();
    let out_bytes = (batch * queries * inner * 4) as u64;
    let texels = [
        gpu.texels_from("q", &q).unwrap(),
        gpu.texels_from("kv", &kv).unwrap(),
        gpu.texels("out", out_bytes).unwrap(),
    ];
    let buffers = [
        gpu.buffer_from("bias", &bias).unwrap(),
        gpu.buffer_from("mask", &mask).unwrap(),
        gpu.buffer_from("head scale", &scale).unwrap(),
        gpu.buffer("weights", (batch * heads * queries * keys * 4) as u64)
            .unwrap(),
    ];
    let args = AttentionArgs {
        q: &texels[0],
        q_width: inner,
        kv: &texels[1],
        kv_width,
        k_offset: inner,
        v_offset: 2 * inner,
        bias: biased.then_some(&buffers[0]),
        max_distance,
        mask: &buffers[1],
        causal,
        heads,
        head_width: d_kv,
        head_scale: &buffers[2],
        out: &texels[2],
        weights: Some(&buffers[3]),
    };
    let mut plan = Plan::default();
    Attention::new(gpu, &args).record(gpu, batch, queries, keys, &mut plan);
    gpu.run(&plan, None).unwrap();
    let found = gpu
        .read_texels(&texels[2], batch * queries * inner)
        .unwrap();
    let size = heads * queries * keys;
    let found_weights = gpu.read(&buffers[3], batch * size).unwrap();

    for row in 0..batch {
        let part = |offset: usize| -> Vec<f32> {
            kv[row * keys * kv_width..(row + 1) * keys * kv_width]
                .chunks_exact(kv_width)
                .flat_map(|row| &row[offset..offset + inner])
                .copied()
                .collect()
        };
        let key_mask: Vec<bool> = mask[row * keys..][..keys].iter().map(|m| *m != 0).collect();
        let twin = reference::Attention {
            num_heads: heads,
            d_kv,
            q: &q[row * queries * inner..][..queries * inner],
            k: &part(inner),
            v: &part(2 * inner),
            bias: biased.then_some(&bias),
            key_mask: Some(&key_mask),
            causal,
            query_offset: 0,
        };
        let mut weights = twin.weights();
        for (head, scale) in weights.chunks_exact_mut(queries * keys).zip(&scale) {
            head.iter_mut().for_each(|weight| *weight *= scale);
        }
        let error = max_error(&found_weights[row * size..][..size], &weights);
        note_error("attention weights", error);
        assert!(
            error < 5e-6,
            "{shape:?} row {row}: weights off by {error:e}"
        );
        let expected = twin.mix(&weights);
        let error = max_error(
            &found[row * queries * inner..][..queries * inner],
            &expected,
        );
        note_error("attention", error);
        assert!(error < 5e-6, "{shape:?} row {row}: off by {error:e}");
    }
}

const PLAIN: Shape = Shape {
    batch: 2,
    heads: 3,
    d_kv: 16,
    queries: 9,
    keys: 9,
    causal: false,
    biased: true,
    max_distance: 20,
};

#[test]
fn dense_attention_equals_its_twin() {
    for length in SIZES {
        check_dense(Shape {
            queries: length,
            keys: length,
            ..PLAIN
        });
        check_dense(Shape {
            queries: length,
            keys: length,
            causal: true,
            ..PLAIN
        });
        check_dense(Shape {
            queries: 5,
            keys: length,
            biased: false,
            ..PLAIN
        });
        check_dense(Shape {
            queries: length,
            keys: 5,
            biased: false,
            ..PLAIN
        });
    }
    for d_kv in [16, 32, 48, 64, 80, 128, 256] {
        check_dense(Shape {
            d_kv,
            queries: 70,
            keys: 70,
            max_distance: 128,
            ..PLAIN
        });
    }
    check_dense(Shape {
        batch: 3,
        heads: 8,
        d_kv: 64,
        queries: 11,
        keys: 11,
        max_distance: 128,
        ..PLAIN
    });
}

/// Steps two hypotheses of each source and swaps them now and then, as beam search does; each step's output must be that
/// of attention over the hypothesis' own history.
#[test]
fn cached_self_attention_follows_each_hypothesis() {
    for gpu in targets() {
        follow_hypotheses(&gpu);
    }
}

fn follow_hypotheses(gpu: &Gpu) {
    let (heads, d_kv, slots, capacity, max_distance) = (2, 16, 4, 160, 20);
    let inner = heads * d_kv;
    let bias = values(3, heads * (2 * max_distance + 1));
    let bias_buffer = gpu.buffer_from("bias", &bias).unwrap();
    let rows_buffer = gpu.buffer("rows", (slots * 16) as u64).unwrap();
    let cache = gpu
        .texels("cache", (capacity * slots * 2 * inner * 4) as u64)
        .unwrap();
    let history = gpu
        .buffer("history", (slots * capacity * 4) as u64)
        .unwrap();
    let out = gpu.texels("out", (slots * inner * 4) as u64).unwrap();
    // What each slot's hypothesis has seen, and where each of its positions was written: anywhere, nothing twice.
    let mut keys: Vec<Vec<f32>> = vec![Vec::new(); slots];
    let mut table: Vec<Vec<u32>> = vec![Vec::new(); slots];
    for position in 0..150u32 {
        if position % 7 == 3 {
            for pair in [0, 2] {
                // Both continue the second one.
                keys[pair] = keys[pair + 1].clone();
                table[pair] = table[pair + 1].clone();
            }
        } else if position % 11 == 5 {
            keys.swap(0, 1);
            table.swap(0, 1);
        }
        let qkv = values(1000 + u64::from(position), slots * 3 * inner);
        let mut rows = Vec::new();
        for slot in 0..slots {
            keys[slot].extend_from_slice(&qkv[slot * 3 * inner + inner..][..2 * inner]);
            let at = (position as usize * slots + slot) * 7 % (capacity * slots);
            table[slot].push(at as u32);
            rows.push([0, position, slot as u32, 0]);
            gpu.write(&history, (slot * capacity * 4) as u64, &table[slot]);
        }
        gpu.write(&rows_buffer, 0, &rows);
        let args = CachedAttentionArgs {
            rows: &rows_buffer,
            q: &gpu.texels_from("q", &qkv).unwrap(),
            kind: CachedKind::Own {
                pool: &cache,
                history: &history,
                stride: capacity,
                bias: &bias_buffer,
                max_distance,
            },
            heads,
            head_width: d_kv,
            out: &out,
        };
        let mut plan = Plan::default();
        CachedAttention::new(gpu, &args).record(gpu, slots, &mut plan);
        gpu.run(&plan, None).unwrap();
        let found = gpu.read_texels(&out, slots * inner).unwrap();
        for slot in 0..slots {
            let part = |offset: usize| -> Vec<f32> {
                keys[slot]
                    .chunks_exact(2 * inner)
                    .flat_map(|row| &row[offset..offset + inner])
                    .copied()
                    .collect()
            };
            let expected = reference::Attention {
                num_heads: heads,
                d_kv,
                q: &qkv[slot * 3 * inner..][..inner],
                k: &part(0),
                v: &part(inner),
                bias: Some(&bias),
                key_mask: None,
                causal: true,
                query_offset: position as usize,
            }
            .output();
            let error = max_error(&found[slot * inner..][..inner], &expected);
            note_error("attention_self", error);
            assert!(
                error < 5e-6,
                "position {position}, slot {slot}: off by {error:e}"
            );
        }
    }
}

#[test]
fn cached_cross_attention_equals_its_twin() {
    for gpu in targets() {
        attend_to_sources(&gpu);
    }
}

fn attend_to_sources(gpu: &Gpu) {
    let (heads, sources) = (3, 3);
    for d_kv in [16, 64, 80] {
        for keys in SIZES {
            let inner = heads * d_kv;
            // Rows point at sources in any order, several at one.
            let pointers = [2u32, 0, 0, 1, 2];
            let rows: Vec<[u32; 4]> = pointers.iter().map(|source| [0, 4, 0, *source]).collect();
            let q = values(1, rows.len() * inner);
            let kv = values(2, sources * keys * 2 * inner);
            // Hidden keys are not in the table, and the others lie in any order.
            let mask = mask(sources, keys);
            let stride = keys + 3;
            let mut table = vec![0; sources * stride];
            let mut pool = vec![f32::NAN; sources * keys * 2 * inner];
            for source in 0..sources {
                let entries = &mut table[source * stride..][..stride];
                for t in 0..keys {
                    let at = (t * sources + source) as u32;
                    let from = (source * keys + t) * 2 * inner;
                    if mask[source * keys + t] != 0 {
                        entries[0] += 1;
                        entries[entries[0] as usize] = at;
                        pool[at as usize * 2 * inner..][..2 * inner]
                            .copy_from_slice(&kv[from..][..2 * inner]);
                    }
                }
            }
            let rows_buffer = gpu.buffer_from("rows", &rows).unwrap();
            let q_texels = gpu.texels_from("q", &q).unwrap();
            let kv_texels = gpu.texels_from("kv", &pool).unwrap();
            let table_buffer = gpu.buffer_from("table", &table).unwrap();
            let out = gpu.texels("out", (rows.len() * inner * 4) as u64).unwrap();
            let kind = CachedKind::Source {
                pool: &kv_texels,
                sources: &table_buffer,
                stride,
            };
            let args = CachedAttentionArgs {
                rows: &rows_buffer,
                q: &q_texels,
                kind,
                heads,
                head_width: d_kv,
                out: &out,
            };
            let mut plan = Plan::default();
            CachedAttention::new(gpu, &args).record(gpu, rows.len(), &mut plan);
            // Position 4 is line 1 of 3; a second layer, the same again, adds to the first.
            let (lines, width) = (3, stride - 1);
            let log = vec![f32::NAN; (lines + 1) * rows.len() * width];
            let log = gpu.buffer_from("log", &log).unwrap();
            for adds in [false, true] {
                let args = AlignmentArgs {
                    rows: &rows_buffer,
                    q: &q_texels,
                    pool: &kv_texels,
                    sources: &table_buffer,
                    stride,
                    heads,
                    head_width: d_kv,
                    log: &log,
                    lines,
                    adds,
                };
                AttentionAlignment::new(gpu, &args).record(gpu, rows.len(), &mut plan);
            }
            gpu.run(&plan, None).unwrap();
            let found = gpu.read_texels(&out, rows.len() * inner).unwrap();
            let log = gpu.read(&log, lines * rows.len() * width).unwrap();
            let (before, log) = log.split_at(rows.len() * width);
            let (aligned, after) = log.split_at(rows.len() * width);
            assert!(before.iter().chain(after).all(|weight| weight.is_nan()));
            for (row, source) in pointers.iter().enumerate() {
                let source = *source as usize;
                let part = |offset: usize| -> Vec<f32> {
                    kv[source * keys * 2 * inner..][..keys * 2 * inner]
                        .chunks_exact(2 * inner)
                        .flat_map(|row| &row[offset..offset + inner])
                        .copied()
                        .collect()
                };
                let key_mask: Vec<bool> = mask[source * keys..][..keys]
                    .iter()
                    .map(|m| *m != 0)
                    .collect();
                let (k, v) = (part(0), part(inner));
                let twin = reference::Attention {
                    num_heads: heads,
                    d_kv,
                    q: &q[row * inner..][..inner],
                    k: &k,
                    v: &v,
                    bias: None,
                    key_mask: Some(&key_mask),
                    causal: false,
                    query_offset: 0,
                };
                let error = max_error(&found[row * inner..][..inner], &twin.output());
                note_error("attention_cross", error);
                assert!(
                    error < 5e-6,
                    "d_kv {d_kv}, {keys} keys, row {row}: off by {error:e}"
                );
                // Of visible keys, the others' places are empty.
                let weights = twin.weights();
                let visible = (0..keys).filter(|key| key_mask[*key]);
                let mut expected: Vec<f32> = visible
                    .map(|key| {
                        2.0 * (0..heads)
                            .map(|head| weights[head * keys + key])
                            .sum::<f32>()
                    })
                    .collect();
                expected.resize(width, 0.0);
                let error = max_error(&aligned[row * width..][..width], &expected);
                note_error("attention_alignment", error);
                assert!(
                    error < 5e-6,
                    "alignment, d_kv {d_kv}, {keys} keys, row {row}: off by {error:e}"
                );
            }
        }
    }
}
