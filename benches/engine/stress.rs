//! Clients of every kind for minutes, each answer compared with the one alone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use t5_gpu::generate::{Event, Output, Request};
use t5_gpu::{Engine, Error};

use crate::{Common, resident_bytes};

/// Clients who ask, go away, set deadlines and ask for what cannot be, while the device gets lost now and then; fails
/// where an answer is not the one that the request gets alone
#[derive(Args)]
pub struct Stress {
    #[command(flatten)]
    common: Common,
    /// How long
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// How many ask at a time
    #[arg(long, default_value_t = 24)]
    clients: u64,
    /// Seconds between losses of the device
    #[arg(long, default_value_t = 97)]
    loss: u64,
}

#[derive(Default)]
struct Counts {
    answered: AtomicU64,
    gone: AtomicU64,
    late: AtomicU64,
    refused: AtomicU64,
    wrong: AtomicU64,
}

/// Requests of every kind: greedy, beams, sampling, processors; short and long sources and outputs.
fn kinds(common: &Common, vocab_size: usize) -> Vec<Request> {
    (0..40)
        .map(|index| {
            let mut config = common.generation();
            config.num_beams = [1, 4, 1, 2, 1][index % 5];
            config.num_return_sequences = [1, 2, 3, 1, 1][index % 5];
            config.do_sample = index % 5 == 2;
            config.seed = Some(index as u64);
            config.no_repeat_ngram_size = if index % 5 == 3 { 2 } else { 0 };
            config.max_new_tokens = Some(1 + index * 7 % 40);
            let length = if index % 13 == 4 {
                150
            } else {
                1 + index * 5 % 31
            };
            let token = |place: usize| (3 + (index * 37 + place * 11) % (vocab_size - 3)) as u32;
            Request {
                token_logprobs: index % 4 == 0,
                ..Request::new(0, (0..length).map(token).collect(), config)
            }
        })
        .collect()
}

impl Stress {
    pub fn run(self) {
        let engine = self.common.engine(None);
        let kinds = kinds(&self.common, engine.model().config().vocab_size);
        let alone = |request: &Request| {
            engine
                .submit(request.clone(), None)
                .unwrap()
                .outputs()
                .unwrap()
        };
        let expected: Vec<Vec<Output>> = kinds.iter().map(alone).collect();
        let counts = Counts::default();
        let begin = Instant::now();
        let until = begin + Duration::from_secs(self.seconds);
        thread::scope(|scope| {
            for client in 0..self.clients {
                let (engine, kinds, expected, counts) = (&engine, &kinds, &expected, &counts);
                scope.spawn(move || {
                    for turn in 0.. {
                        if Instant::now() >= until {
                            return;
                        }
                        let dice = random(client << 32 | turn);
                        ask(engine, kinds, expected, counts, dice);
                    }
                });
            }
            self.watch(&engine, &counts, begin, until);
        });
        // Those who are gone leave with the next step.
        let has_left = || {
            let gauges = engine.gauges();
            gauges.running_requests + gauges.waiting_requests + gauges.pages_in_use == 0
        };
        for _ in 0..100 {
            if has_left() {
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
        let gauges = engine.gauges();
        println!("in the end: {gauges:?}");
        let wrong = counts.wrong.load(Ordering::Relaxed);
        if wrong > 0 || !has_left() {
            println!("{wrong} answers were wrong, or somebody is left over");
            std::process::exit(1);
        }
    }

    /// Says how it goes, and loses the device now and then.
    fn watch(&self, engine: &Engine, counts: &Counts, begin: Instant, until: Instant) {
        println!(
            "| seconds | answered | gone | late | refused | wrong | tokens | devices lost | pages | resident MB |"
        );
        println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
        let mut seconds = 0;
        while Instant::now() < until {
            thread::sleep(Duration::from_secs(1));
            seconds += 1;
            if seconds % self.loss == 0 {
                engine.model().gpu().lose();
            }
            if seconds % 30 == 0 {
                let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
                let gauges = engine.gauges();
                println!(
                    "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                    begin.elapsed().as_secs(),
                    of(&counts.answered),
                    of(&counts.gone),
                    of(&counts.late),
                    of(&counts.refused),
                    of(&counts.wrong),
                    gauges.tokens,
                    gauges.lost_devices,
                    gauges.pages_in_use,
                    resident_bytes() >> 20
                );
            }
        }
    }
}

fn ask(engine: &Engine, kinds: &[Request], expected: &[Vec<Output>], counts: &Counts, dice: u64) {
    let add = |count: &AtomicU64| count.fetch_add(1, Ordering::Relaxed);
    let index = (dice >> 8) as usize % kinds.len();
    let request = kinds[index].clone();
    match dice % 16 {
        // Gone after some events, or at once.
        0..=2 => {
            let handle = engine.submit(request, None).unwrap();
            drop(handle.into_iter().nth((dice >> 32) as usize % 6));
            add(&counts.gone);
        }
        3 => {
            let wait = Duration::from_millis((dice >> 32) % 300);
            match engine
                .submit(request, Some(Instant::now() + wait))
                .map(|handle| handle.outputs())
            {
                Err(Error::TimedOut) | Ok(Err(Error::TimedOut)) => add(&counts.late),
                Ok(Ok(outputs)) if outputs == expected[index] => add(&counts.answered),
                _ => add(&counts.wrong),
            };
        }
        4 => {
            let mut impossible = request;
            match dice >> 32 & 1 {
                0 => impossible.encoder_input_ids = vec![u32::MAX],
                _ => impossible.config.max_new_tokens = Some(1 << 40),
            }
            let outcome = engine.submit(impossible, None);
            add(if outcome.is_err() {
                &counts.refused
            } else {
                &counts.wrong
            });
        }
        _ => {
            let mut outputs = None;
            let mut tokens = vec![Vec::new(); expected[index].len()];
            for event in engine.submit(request, None).unwrap() {
                match event {
                    Event::Entered => (),
                    Event::Token { sequence, token } => tokens[sequence].push(token),
                    Event::Finished(found) => outputs = Some(found),
                    Event::Failed(error) => println!("failed: {error}"),
                }
            }
            let told = kinds[index].config.num_beams > 1
                || tokens
                    .iter()
                    .zip(&expected[index])
                    .all(|(told, output)| *told == output.token_ids);
            let is_right = told && outputs.is_some_and(|outputs| outputs == expected[index]);
            add(if is_right {
                &counts.answered
            } else {
                &counts.wrong
            });
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
fn random(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
