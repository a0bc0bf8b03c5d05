//! Sampling: its distribution, and its seeds.

use t5_gpu::GenerationConfig;
use t5_gpu::generate::{Request, generate};

use crate::toy::{self, Toy, noisy};

/// Each strategy's draws against the distribution its options leave, over many seeds.
#[test]
fn sampling_follows_the_distribution() {
    // The first so unlikely that it never comes.
    let logits = [-1e9, -1.0, 0.3, 1.2, 0.3, -0.4, 2.0, -3.0];
    let softmax = |temperature: f64, kept: &[usize]| -> Vec<f64> {
        let weight = |token: usize| {
            if kept.contains(&token) {
                (f64::from(logits[token]) / temperature).exp()
            } else {
                0.0
            }
        };
        let sum: f64 = (0..8).map(weight).sum();
        (0..8).map(|token| weight(token) / sum).collect()
    };
    let base = GenerationConfig {
        do_sample: true,
        max_new_tokens: Some(1),
        top_k: 0,
        ..toy::config()
    };
    // Probabilities: .024 .087 .214 .087 .043 .477 .003 with temperature 1, and 0.063 ignored for token 0.
    let cases = [
        (base.clone(), softmax(1.0, &[1, 2, 3, 4, 5, 6, 7])),
        (
            GenerationConfig {
                temperature: 0.5,
                ..base.clone()
            },
            softmax(0.5, &[1, 2, 3, 4, 5, 6, 7]),
        ),
        (
            GenerationConfig {
                temperature: 2.5,
                ..base.clone()
            },
            softmax(2.5, &[1, 2, 3, 4, 5, 6, 7]),
        ),
        (
            GenerationConfig {
                top_k: 2,
                ..base.clone()
            },
            softmax(1.0, &[3, 6]),
        ),
        (
            GenerationConfig {
                top_k: 3,
                ..base.clone()
            },
            softmax(1.0, &[2, 3, 4, 6]),
        ),
        (
            GenerationConfig {
                top_p: 0.6,
                ..base.clone()
            },
            softmax(1.0, &[3, 6]),
        ),
        (
            GenerationConfig {
                min_p: Some(0.3),
                ..base.clone()
            },
            softmax(1.0, &[3, 6]),
        ),
        (
            GenerationConfig {
                min_p: Some(0.1),
                ..base
            },
            softmax(1.0, &[2, 3, 4, 6]),
        ),
    ];
    const DRAWS: u32 = 20_000;
    for (number, (config, expected)) in cases.into_iter().enumerate() {
        let mut decoder = Toy::new(8, |_, _, row| row.copy_from_slice(&logits));
        let requests: Vec<_> = (0..DRAWS / 10)
            .map(|i| {
                let config = GenerationConfig {
                    seed: Some(u64::from(i)),
                    num_return_sequences: 10,
                    ..config.clone()
                };
                Request::new(i, vec![1], config)
            })
            .collect();
        let mut counts = [0_u32; 8];
        for output in generate(&mut decoder, &requests, &mut ())
            .unwrap()
            .iter()
            .flatten()
        {
            counts[output.token_ids[0] as usize] += 1;
        }
        let mut chi_square = 0.0;
        for (count, p) in counts.into_iter().zip(&expected) {
            if *p == 0.0 {
                assert_eq!(count, 0, "case {number}: {counts:?}");
            } else {
                chi_square +=
                    (f64::from(count) - f64::from(DRAWS) * p).powi(2) / (f64::from(DRAWS) * p);
            }
        }
        // At most 6 degrees of freedom: above 22.5 once in a thousand.
        assert!(
            chi_square < 22.5,
            "case {number}: χ² = {chi_square}, {counts:?}"
        );
    }
}

#[test]
fn without_a_seed_sampling_differs_from_run_to_run() {
    let config = GenerationConfig {
        do_sample: true,
        max_new_tokens: Some(40),
        eos_token_id: vec![],
        ..toy::config()
    };
    let request = [Request::new(0, vec![1], config)];
    let run = || generate(&mut noisy(40, 1.0), &request, &mut ()).unwrap();
    assert_ne!(run(), run());
}
