//! Beam search against a plain one, against enumeration of everything, and its corner cases.

use proptest::prelude::*;
use t5_gpu::generate::softmax::Normalizer;
use t5_gpu::generate::{Output, Request, generate};
use t5_gpu::{EarlyStopping, GenerationConfig};

use crate::toy::{self, Toy, noise, noisy};

/// Beam search as one would tell it: hypotheses as plain lists, everything sorted, nothing kept in place.
fn plain_beam_search(
    config: &GenerationConfig,
    vocab_size: usize,
    logit: impl Fn(&[u32], usize) -> f32,
) -> Vec<(Vec<u32>, f32)> {
    let log_probs = |history: &[u32]| -> Vec<f32> {
        let logits: Vec<f32> = (0..vocab_size).map(|token| logit(history, token)).collect();
        let normalizer = Normalizer::of(&logits);
        logits
            .iter()
            .map(|&logit| normalizer.log_probability(logit))
            .collect()
    };
    let beams = config.num_beams;
    let max_new = config.max_new_tokens.unwrap();
    let penalty = |length: usize| (length as f64).powf(config.length_penalty) as f32;
    let mut running: Vec<(Vec<u32>, f32)> = vec![(vec![0], 0.0)];
    let mut finished: Vec<(Vec<u32>, f32)> = Vec::new();
    for length in 1..=max_new {
        let mut extended = Vec::new();
        for (history, score) in &running {
            for (token, log_prob) in (0..).zip(log_probs(history)) {
                extended.push(([history.as_slice(), &[token]].concat(), score + log_prob));
            }
        }
        extended.sort_by(|a, b| b.1.total_cmp(&a.1));
        let ends = |history: &[u32]| {
            length == max_new || config.eos_token_id.contains(history.last().unwrap())
        };
        let was_full = finished.len() == beams;
        for (history, score) in extended
            .iter()
            .take(beams)
            .filter(|(history, _)| ends(history))
        {
            if !(was_full && config.early_stopping == EarlyStopping::Yes) {
                finished.push((history[1..].to_vec(), score / penalty(length)));
            }
        }
        finished.sort_by(|a, b| b.1.total_cmp(&a.1));
        finished.truncate(beams);
        running = extended
            .into_iter()
            .filter(|(history, _)| !ends(history))
            .take(beams)
            .collect();

        if finished.len() == beams && length < max_new {
            let reach = match config.early_stopping {
                EarlyStopping::Yes => break,
                EarlyStopping::Never if config.length_penalty > 0.0 => max_new,
                _ => length,
            };
            if running[0].1 / penalty(reach) <= finished[beams - 1].1 {
                break;
            }
        }
    }
    finished
}

fn run(config: &GenerationConfig, source: u32, vocab_size: usize, spread: f32) -> Vec<Output> {
    let request = Request::new(source, vec![2, 1], config.clone());
    generate(&mut noisy(vocab_size, spread), &[request], &mut ())
        .unwrap()
        .remove(0)
}

fn pairs(outputs: Vec<Output>) -> Vec<(Vec<u32>, f32)> {
    outputs
        .into_iter()
        .map(|output| (output.token_ids, output.score.unwrap()))
        .collect()
}

/// A decoder and a search over it.
#[derive(Debug)]
struct Scene {
    vocab_size: usize,
    source: u32,
    spread: f32,
    /// Where ends are likely, hypotheses are complete early and stopping matters.
    end_bonus: f32,
    config: GenerationConfig,
}

impl Scene {
    fn logit(&self, history: &[u32], token: usize) -> f32 {
        let is_end = self.config.eos_token_id.contains(&(token as u32));
        noise(self.source, history, token, self.spread) + if is_end { self.end_bonus } else { 0.0 }
    }

    fn found(&self) -> Vec<(Vec<u32>, f32)> {
        let mut decoder = Toy::new(self.vocab_size, |_, history, logits| {
            for (token, logit) in logits.iter_mut().enumerate() {
                *logit = self.logit(history, token);
            }
        });
        let requests = [Request::new(self.source, vec![2, 1], self.config.clone())];
        pairs(
            generate(&mut decoder, &requests, &mut ())
                .unwrap()
                .remove(0),
        )
    }

    fn expected(&self) -> Vec<(Vec<u32>, f32)> {
        plain_beam_search(&self.config, self.vocab_size, |history, token| {
            self.logit(history, token)
        })
    }
}

prop_compose! {
    fn scenes()(
        vocab_size in 6_usize..16,
        (num_beams, max_new_tokens) in (2_usize..7, 1_usize..12),
        length_penalty in prop::sample::select(vec![-1.0, 0.0, 0.6, 1.0, 2.0]),
        early_stopping in prop::sample::select(vec![EarlyStopping::No, EarlyStopping::Yes, EarlyStopping::Never]),
        (spread, end_bonus) in (0.5_f32..8.0, 0.0_f32..3.0),
        eos_tokens in 1_usize..4,
        source in any::<u32>(),
    ) -> Scene {
        let config = GenerationConfig {
            num_beams,
            num_return_sequences: num_beams,
            max_new_tokens: Some(max_new_tokens),
            length_penalty,
            early_stopping,
            eos_token_id: (1..=eos_tokens as u32).collect(),
            ..toy::config()
        };
        // A vocabulary that gives the single hypothesis at the start enough ways to go on.
        Scene { vocab_size: vocab_size.max(num_beams * (1 + eos_tokens)), source, spread, end_bonus, config }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn is_the_plain_beam_search(scene in scenes()) {
        prop_assert_eq!(scene.found(), scene.expected());
    }
}

/// With a negative penalty shorter is better, and how far a hypothesis may yet grow says nothing of what it may reach.
#[test]
fn never_stopping_looks_no_further_than_it_helps() {
    let scene = Scene {
        vocab_size: 6,
        source: 1_098_579_636,
        spread: 7.0886297,
        end_bonus: 2.9791892,
        config: GenerationConfig {
            num_beams: 2,
            num_return_sequences: 2,
            max_new_tokens: Some(4),
            length_penalty: -0.3,
            early_stopping: EarlyStopping::Never,
            ..toy::config()
        },
    };
    assert_eq!(scene.found(), scene.expected());
    assert_eq!(scene.found()[1].0, [4, 3, 1]);
}

/// With as many beams as there are sequences nothing is lost, and the result is the true ranking of all of them.
#[test]
fn wide_enough_beams_enumerate_everything() {
    let (vocab_size, max_new) = (4, 4);
    for source in 0..20 {
        let mut all: Vec<(Vec<u32>, f64)> = Vec::new();
        let mut open = vec![(vec![0_u32], 0.0_f64)];
        for length in 1..=max_new {
            let mut longer = Vec::new();
            for (history, score) in open {
                let logits: Vec<f64> = (0..vocab_size)
                    .map(|token| f64::from(noise(source, &history, token, 3.0)))
                    .collect();
                let log_sum = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
                for (token, logit) in (0..).zip(logits) {
                    let next = (
                        [history.as_slice(), &[token]].concat(),
                        score + logit - log_sum,
                    );
                    if token == 1 || length == max_new {
                        all.push((next.0[1..].to_vec(), next.1))
                    } else {
                        longer.push(next)
                    }
                }
            }
            open = longer;
        }
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        let config = GenerationConfig {
            num_beams: 256,
            num_return_sequences: 10,
            max_new_tokens: Some(max_new),
            length_penalty: 0.0,
            early_stopping: EarlyStopping::Never,
            ..toy::config()
        };
        let found = pairs(run(&config, source, vocab_size, 3.0));
        for ((tokens, score), (expected, expected_score)) in found.iter().zip(&all) {
            assert_eq!(tokens, expected);
            assert!((f64::from(*score) - expected_score).abs() < 1e-5);
        }
    }
}

/// Equal scores: the lower beam and the lower token come first.
#[test]
fn ties_go_to_the_lowest_index() {
    let config = GenerationConfig {
        num_beams: 3,
        num_return_sequences: 3,
        max_new_tokens: Some(2),
        ..toy::config()
    };
    let mut even = Toy::new(8, |_, _, logits| logits.fill(0.25));
    let request = Request::new(0, vec![1], config);
    let outputs = generate(&mut even, &[request], &mut ()).unwrap().remove(0);
    let tokens: Vec<_> = outputs.into_iter().map(|output| output.token_ids).collect();
    // First step: 0, 1 (complete, score -2.08), 2, 3 ...; second: after 0 the lowest three, -4.16 / 2 each, so they tie
    // with what was complete before, which goes first.
    assert_eq!(tokens, [vec![1], vec![0, 0], vec![0, 1]]);
}

#[test]
fn token_logprobs_add_up_to_the_score() {
    for source in 0..10 {
        let config = GenerationConfig {
            num_beams: 4,
            num_return_sequences: 4,
            max_new_tokens: Some(9),
            length_penalty: 0.7,
            ..toy::config()
        };
        let request = Request {
            token_logprobs: true,
            ..Request::new(source, vec![1], config)
        };
        for output in generate(&mut noisy(12, 4.0), &[request], &mut ())
            .unwrap()
            .remove(0)
        {
            let logprobs = output.token_logprobs.unwrap();
            assert_eq!(logprobs.len(), output.token_ids.len());
            let score = logprobs.iter().sum::<f32>() / (logprobs.len() as f32).powf(0.7);
            assert!((score - output.score.unwrap()).abs() < 1e-5);
        }
    }
}

/// Sampling without replacement picks each first token as often as its probability says.
#[test]
fn beam_sampling_draws_by_probability_and_repeats_with_its_seed() {
    let probabilities = [0.1_f32, 0.05, 0.4, 0.25, 0.2];
    let table = move |_: u32, _: &[u32], logits: &mut [f32]| {
        for (logit, p) in logits.iter_mut().zip(probabilities) {
            *logit = p.ln();
        }
    };
    let requests: Vec<Request> = (0..4000)
        .map(|seed| {
            let config = GenerationConfig {
                num_beams: 2,
                num_return_sequences: 2,
                do_sample: true,
                seed: Some(seed),
                max_new_tokens: Some(1),
                ..toy::config()
            };
            Request::new(seed as u32, vec![1], config)
        })
        .collect();
    let found = generate(&mut Toy::new(5, table), &requests, &mut ()).unwrap();
    assert_eq!(
        found,
        generate(&mut Toy::new(5, table), &requests, &mut ()).unwrap()
    );
    // Of the two drawn, the likelier comes first: both orders of drawing make one pair.
    let mut counts = [[0_u32; 5]; 5];
    for outputs in &found {
        let (a, b) = (
            outputs[0].token_ids[0] as usize,
            outputs[1].token_ids[0] as usize,
        );
        counts[a.min(b)][a.max(b)] += 1;
    }
    let mut chi_square = 0.0;
    for a in 0..5 {
        for b in a + 1..5 {
            let (p, q) = (f64::from(probabilities[a]), f64::from(probabilities[b]));
            let expected = 4000.0 * (p * q / (1.0 - p) + q * p / (1.0 - q));
            chi_square += (f64::from(counts[a][b]) - expected).powi(2) / expected;
        }
    }
    // 9 degrees of freedom: above 27.9 once in a thousand.
    assert!(chi_square < 27.9, "χ² = {chi_square}, {counts:?}");
}
