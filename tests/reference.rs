//! The reference's kernels against brute force in f64, and its step decoder against teacher forcing.

use t5_gpu::checkpoint::DType;
use t5_gpu::generate::{StepDecoder, StepRow};
use t5_gpu::parameters::{Parameters, random};
use t5_gpu::reference::{
    Attention, DecodeOptions, EncodeOptions, Reference, activate, embed, linear, rms_norm,
};
use t5_gpu::{Activation, Error, T5Config};

/// Deterministic numbers in -1..1.
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(next).collect()
}

fn assert_close(found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!(
            (f64::from(*a) - b).abs() <= tolerance,
            "element {i}: {a}, not {b}"
        );
    }
}

#[test]
fn activations_have_torchs_values() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/host.json");
    let fixture: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let values = |name: &str| -> Vec<f64> {
        let list = fixture["activations"][name].as_array().unwrap();
        list.iter().map(|x| x.as_f64().unwrap()).collect()
    };
    for (name, activation) in [
        ("relu", Activation::Relu),
        ("gelu", Activation::Gelu),
        ("gelu_new", Activation::GeluNew),
        ("silu", Activation::Silu),
    ] {
        let found: Vec<f32> = values("x")
            .iter()
            .map(|&x| activate(activation, x as f32))
            .collect();
        assert_close(&found, &values(name), 3e-7);
    }
}

#[test]
fn embeddings_are_rows() {
    let table: Vec<f32> = (0..12).map(|i| i as f32).collect();
    assert_eq!(
        embed(&table, 3, &[3, 0, 3]),
        [9.0, 10.0, 11.0, 0.0, 1.0, 2.0, 9.0, 10.0, 11.0]
    );
    assert!(embed(&table, 3, &[]).is_empty());
}

#[test]
fn norms_scale_by_the_root_mean_square() {
    for width in [1, 2, 3, 63, 257] {
        let (x, weight) = (numbers(1, 3 * width), numbers(2, width));
        let expected: Vec<f64> = x
            .chunks(width)
            .flat_map(|row| {
                let square: f64 = row.iter().map(|&x| f64::from(x).powi(2)).sum();
                let scale = (square / width as f64 + 1e-6).sqrt();
                let scaled = row.iter().zip(&weight);
                scaled
                    .map(move |(&x, &w)| f64::from(x) / scale * f64::from(w))
                    .collect::<Vec<_>>()
            })
            .collect();
        assert_close(&rms_norm(&x, &weight, 1e-6), &expected, 1e-5);
    }
    assert_eq!(rms_norm(&[0.0; 4], &[1.0; 4], 1e-6), [0.0; 4]);
}

/// The last size is large enough to be shared among threads.
#[test]
fn products_are_products() {
    for (rows, n, k) in [
        (1, 1, 1),
        (2, 3, 7),
        (3, 65, 8),
        (5, 127, 63),
        (9, 257, 513),
        (0, 4, 4),
    ] {
        let (x, w) = (numbers(3, rows * k), numbers(4, n * k));
        let expected: Vec<f64> = (0..rows * n)
            .map(|i| {
                let products =
                    (0..k).map(|j| f64::from(x[i / n * k + j]) * f64::from(w[i % n * k + j]));
                products.sum()
            })
            .collect();
        assert_close(&linear(&x, &w, k), &expected, 1e-4);
    }
}

/// Attention as its formula says, in f64.
fn brute_force(a: &Attention) -> Vec<f64> {
    let width = a.num_heads * a.d_kv;
    let (queries, keys) = (a.q.len() / width, a.k.len() / width);
    let mut out = vec![0.0; queries * width];
    for head in 0..a.num_heads {
        for query in 0..queries {
            let at =
                |x: &[f32], row: usize, i: usize| f64::from(x[row * width + head * a.d_kv + i]);
            let position = (query + a.query_offset) as i64;
            let mut weights = vec![0.0; keys];
            for (key, weight) in weights.iter_mut().enumerate() {
                if a.causal && key as i64 > position || a.key_mask.is_some_and(|mask| !mask[key]) {
                    continue;
                }
                let mut score: f64 = (0..a.d_kv)
                    .map(|i| at(a.q, query, i) * at(a.k, key, i))
                    .sum();
                if let Some(table) = a.bias {
                    let row = table.len() / a.num_heads;
                    let middle = row as i64 / 2;
                    let distance = (key as i64 - position).max(-middle).min(middle);
                    score += f64::from(table[head * row + (distance + middle) as usize]);
                }
                *weight = score.exp();
            }
            let sum: f64 = weights.iter().sum();
            for i in 0..a.d_kv {
                let values = (0..keys).map(|key| weights[key] / sum * at(a.v, key, i));
                out[query * width + head * a.d_kv + i] = values.sum();
            }
        }
    }
    out
}

#[test]
fn attention_follows_its_formula() {
    for (num_heads, d_kv, queries, keys, reach) in [
        (1, 1, 1, 1, 1),
        (2, 10, 3, 5, 4),
        (3, 8, 7, 7, 3),
        (2, 64, 5, 65, 128),
        (1, 3, 1, 129, 20),
    ] {
        let width = num_heads * d_kv;
        let q = numbers(5, queries * width);
        let (k, v) = (numbers(6, keys * width), numbers(7, keys * width));
        let bias = numbers(8, num_heads * (2 * reach + 1));
        let mask: Vec<bool> = (0..keys).map(|key| key % 3 != 1).collect();
        for case in 0..8 {
            let attention = Attention {
                num_heads,
                d_kv,
                q: &q,
                k: &k,
                v: &v,
                bias: (case & 1 > 0).then_some(&bias),
                key_mask: (case & 2 > 0).then_some(&mask),
                causal: case & 4 > 0,
                query_offset: keys.saturating_sub(queries),
            };
            assert_close(&attention.output(), &brute_force(&attention), 1e-5);
        }
    }
}

#[test]
fn masked_keys_weigh_exactly_nothing() {
    let q = numbers(9, 4);
    let k = [0.5, 0.5, 0.5, 0.5, f32::MAX, f32::MAX, f32::MAX, f32::MAX];
    let v = [1.0, 1.0, 1.0, 1.0, f32::MAX, f32::MAX, f32::MAX, f32::MAX];
    let mut attention = Attention {
        num_heads: 1,
        d_kv: 4,
        q: &q,
        k: &k,
        v: &v,
        bias: None,
        key_mask: Some(&[true, false]),
        causal: false,
        query_offset: 0,
    };
    assert_eq!(attention.weights(), [1.0, 0.0]);
    assert_eq!(attention.output(), [1.0; 4]);
    attention.key_mask = Some(&[false, false]);
    assert_eq!(attention.output(), [0.0; 4]);
}

/// Few heads, inner size other than d_model, buckets that are soon used up.
fn model(fields: &str) -> (T5Config, Reference) {
    let config = T5Config::from_json(&format!(
        r#"{{"model_type": "t5", "vocab_size": 67, "d_model": 24, "d_kv": 10, "d_ff": 37, "num_heads": 3,
            "num_layers": 2, "num_decoder_layers": 3, "relative_attention_num_buckets": 8,
            "relative_attention_max_distance": 9, "decoder_start_token_id": 0 {fields}}}"#
    ))
    .unwrap();
    let weights = random(&config, 11, DType::F32);
    let parameters = Parameters::load(&weights, &config).unwrap();
    let reference = Reference::new(&config, &parameters);
    (config, reference)
}

fn row(source: u32, slot: u32, parent: u32, position: u32, token: u32) -> StepRow {
    StepRow {
        source,
        slot,
        parent,
        position,
        token,
    }
}

fn assert_rows(found: &[f32], expected: &[f32]) {
    let expected: Vec<f64> = expected.iter().map(|&x| f64::from(x)).collect();
    assert_close(found, &expected, 2e-5);
}

#[test]
fn steps_equal_teacher_forcing() {
    for fields in [
        "",
        r#", "feed_forward_proj": "gated-silu", "tie_word_embeddings": false"#,
        r#", "model_type": "umt5""#,
    ] {
        let (config, reference) = model(fields);
        let sources = [&[5u32, 9, 3, 60, 1][..], &[1]].map(|ids| reference.encode(ids).unwrap());
        let targets: [Vec<u32>; 2] = [
            (0..17).map(|i| i * 5 % 67).collect(),
            (0..17).map(|i| i * 7 % 67).collect(),
        ];
        let expected: Vec<_> = (0..2)
            .map(|i| reference.decode(&sources[i], &targets[i]).unwrap())
            .collect();
        let mut decoder = reference.decoder(&sources).unwrap();
        assert_eq!(decoder.vocab_size(), 67);
        for position in 0..17 {
            let rows =
                [1u32, 0].map(|i| row(i, i, i, position, targets[i as usize][position as usize]));
            let logits = decoder.step(&rows).unwrap();
            let at = position as usize * config.vocab_size;
            assert_rows(&logits[..67], &expected[1][at..at + 67]);
            assert_rows(&logits[67..], &expected[0][at..at + 67]);
        }
    }
}

/// Beams swap histories: both read their parents before either slot changes.
#[test]
fn parents_are_read_before_slots_change() {
    let (_, reference) = model("");
    let source = reference.encode(&[5, 9, 3]).unwrap();
    let mut decoder = reference.decoder(std::slice::from_ref(&source)).unwrap();
    decoder.step(&[row(0, 0, 0, 0, 0)]).unwrap();
    decoder
        .step(&[row(0, 0, 0, 1, 10), row(0, 1, 0, 1, 20)])
        .unwrap();
    // Now swapped, then both from one parent, which is a beam that is not fed itself.
    decoder
        .step(&[row(0, 0, 1, 2, 30), row(0, 1, 0, 2, 40)])
        .unwrap();
    let logits = decoder
        .step(&[row(0, 1, 0, 3, 50), row(0, 2, 0, 3, 60)])
        .unwrap();
    let last = |ids: &[u32]| reference.decode(&source, ids).unwrap()[3 * 67..].to_vec();
    assert_rows(&logits[..67], &last(&[0, 20, 30, 50]));
    assert_rows(&logits[67..], &last(&[0, 20, 30, 60]));
    // A slot may be wound back.
    let logits = decoder.step(&[row(0, 5, 2, 1, 33)]).unwrap();
    assert_rows(logits, &reference.decode(&source, &[0, 33]).unwrap()[67..]);
}

#[test]
fn impossible_steps_are_errors() {
    let (_, reference) = model("");
    let source = reference.encode(&[5]).unwrap();
    let mut decoder = reference.decoder(&[source.clone(), source]).unwrap();
    decoder.step(&[row(0, 0, 0, 0, 0)]).unwrap();
    assert!(matches!(
        decoder.step(&[row(0, 0, 0, 1, 67)]),
        Err(Error::TokenOutOfRange { id: 67, .. })
    ));
    for bad in [
        row(2, 0, 0, 0, 0),
        row(0, 0, 9, 1, 0),
        row(1, 0, 0, 1, 0),
        row(0, 0, 0, 2, 0),
    ] {
        assert!(
            matches!(decoder.step(&[bad]), Err(Error::Invalid(_))),
            "{bad:?}"
        );
    }
    assert!(matches!(
        reference.encode(&[3, 67]),
        Err(Error::TokenOutOfRange {
            id: 67,
            vocab_size: 67
        })
    ));
}

#[test]
fn options_change_what_they_name() {
    let (config, reference) = model("");
    let ids = [5u32, 9, 3, 60];
    let hidden = reference.encode(&ids).unwrap();
    let layers = reference.encode_layers(&ids).unwrap();
    assert_eq!(layers.len(), config.num_layers + 1);
    assert_eq!(layers[config.num_layers], hidden);

    // Embeddings in place of ids.
    let options = EncodeOptions {
        inputs_embeds: Some(&layers[0]),
        ..Default::default()
    };
    let encoded = reference.encode_with(&[], options).unwrap();
    assert_eq!(encoded.hidden_states, layers);
    assert_eq!(encoded.attentions[1].len(), config.num_heads * 4 * 4);
    for row in encoded.attentions[1].chunks(4) {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }

    // Masked tokens change nothing for the others.
    let mask = [true, true, true, true, false, false];
    let options = EncodeOptions {
        attention_mask: Some(&mask),
        ..Default::default()
    };
    let padded = reference
        .encode_with(&[5, 9, 3, 60, 0, 66], options)
        .unwrap();
    assert_eq!(padded.hidden_states[2][..hidden.len()], hidden);

    // All heads off: attention adds nothing, so that tokens know nothing of each other.
    let off = vec![0.0; config.num_layers * config.num_heads];
    let options = EncodeOptions {
        head_mask: Some(&off),
        ..Default::default()
    };
    let apart = reference.encode_with(&ids, options).unwrap().hidden_states;
    let alone = reference
        .encode_with(&ids[1..2], options)
        .unwrap()
        .hidden_states;
    assert_eq!(apart[2][24..48], alone[2]);

    // Cross-attention off: the source no longer matters.
    let off = vec![0.0; config.num_decoder_layers * config.num_heads];
    let options = DecodeOptions {
        cross_attn_head_mask: Some(&off),
        ..Default::default()
    };
    let other = reference.encode(&[1]).unwrap();
    let a = reference.decode_with(&hidden, &[0, 4, 5], options).unwrap();
    let b = reference.decode_with(&other, &[0, 4, 5], options).unwrap();
    assert_eq!(a.logits, b.logits);
    assert_eq!(a.cross_attentions[2].len(), config.num_heads * 3 * 4);
    assert_ne!(a.logits, reference.decode(&hidden, &[0, 4, 5]).unwrap());
}
