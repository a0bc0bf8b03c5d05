//! One list of requests against clients who ask for one at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use t5_gpu::Engine;
use t5_gpu::generate::{Event, Request};

use crate::{Common, percentile};

/// Rates of an offline list and of clients with one request each at a time, in turns, and how long a newcomer waits for
/// its first token under that load
#[derive(Args)]
pub struct Clients {
    #[command(flatten)]
    common: Common,
    /// How many ask
    #[arg(long, default_value_t = 32)]
    clients: usize,
    /// Requests of each
    #[arg(long, default_value_t = 8)]
    requests: usize,
    /// Source tokens of each request
    #[arg(long, default_value_t = 11)]
    source_length: usize,
    /// Tokens that each request decodes
    #[arg(long, default_value_t = 32)]
    new_tokens: usize,
    /// Rounds; the median of their ratios is what counts
    #[arg(long, default_value_t = 3)]
    repeat: usize,
}

impl Clients {
    pub fn run(self) {
        let engine = self.common.engine(Some(self.clients));
        let vocab_size = engine.model().config().vocab_size;
        let request = |index: usize| {
            let mut config = self.common.generation();
            config.eos_token_id = vec![];
            config.max_new_tokens = Some(self.new_tokens);
            let token = |place: usize| (3 + (index * 31 + place * 7) % (vocab_size - 3)) as u32;
            Request::new(0, (0..self.source_length).map(token).collect(), config)
        };
        let tokens = (self.clients * self.requests * self.new_tokens) as f64;
        let mut ratios = Vec::new();
        for round in 0..self.repeat {
            let offline = tokens / self.offline(&engine, &request).as_secs_f64();
            let online = tokens / self.online(&engine, &request).as_secs_f64();
            println!(
                "round {}: offline {offline:.1} tokens a second, {} clients {online:.1}, ratio {:.3}",
                round + 1,
                self.clients,
                online / offline
            );
            ratios.push(online / offline);
        }
        println!("median ratio {:.3}", percentile(&mut ratios, 0.5));
        self.newcomer(&engine, &request);
    }

    fn offline(&self, engine: &Engine, request: &impl Fn(usize) -> Request) -> Duration {
        let begin = Instant::now();
        let handles: Vec<_> = (0..self.clients * self.requests)
            .map(|index| engine.submit(request(index), None).unwrap())
            .collect();
        for handle in handles {
            handle.outputs().unwrap();
        }
        begin.elapsed()
    }

    fn online(&self, engine: &Engine, request: &(impl Fn(usize) -> Request + Sync)) -> Duration {
        let begin = Instant::now();
        thread::scope(|scope| {
            for client in 0..self.clients {
                scope.spawn(move || {
                    for index in 0..self.requests {
                        let request = request(client * self.requests + index);
                        engine.submit(request, None).unwrap().outputs().unwrap();
                    }
                });
            }
        });
        begin.elapsed()
    }

    fn newcomer(&self, engine: &Engine, request: &(impl Fn(usize) -> Request + Sync)) {
        let first_token = |index: usize| {
            let begin = Instant::now();
            let is_token = |event: &Event| matches!(event, Event::Token { .. });
            let handle = engine.submit(request(index), None).unwrap();
            handle.into_iter().find(is_token).unwrap();
            begin.elapsed().as_secs_f64() * 1000.0
        };
        let mut alone: Vec<f64> = (0..9).map(first_token).collect();
        let batch: Vec<Vec<u32>> = (0..self.clients)
            .map(|index| request(index).encoder_input_ids)
            .collect();
        let mut encoder: Vec<f64> = (0..5)
            .map(|_| {
                let begin = Instant::now();
                engine
                    .on_device(|model| model.encode(&batch)?.hidden_states())
                    .unwrap();
                begin.elapsed().as_secs_f64() * 1000.0
            })
            .collect();
        let is_over = AtomicBool::new(false);
        let mut loaded = thread::scope(|scope| {
            for client in 1..self.clients {
                let is_over = &is_over;
                scope.spawn(move || {
                    while !is_over.load(Ordering::Relaxed) {
                        engine
                            .submit(request(client), None)
                            .unwrap()
                            .outputs()
                            .unwrap();
                    }
                });
            }
            thread::sleep(Duration::from_secs(2));
            let times: Vec<f64> = (0..15)
                .map(|index| {
                    thread::sleep(Duration::from_millis(37 * index as u64 % 200));
                    first_token(index)
                })
                .collect();
            is_over.store(true, Ordering::Relaxed);
            times
        });
        let (alone, encoder) = (percentile(&mut alone, 0.5), percentile(&mut encoder, 0.5));
        println!(
            "a newcomer's first token: alone {alone:.0} ms, beside {} others {:.0} ms (p90 {:.0}), an encoder batch of {} {encoder:.0} ms; 2.5 times alone and a batch are {:.0} ms",
            self.clients - 1,
            percentile(&mut loaded, 0.5),
            percentile(&mut loaded, 0.9),
            self.clients,
            2.5 * alone + encoder
        );
    }
}
