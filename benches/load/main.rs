//! Clients of every kind against the program, all at once: those that behave, those that vanish, and those that ask for what
//! cannot be. `cargo bench --bench load -- [--clients 64] [--seconds 60] [--binary target/release/t5-gpu]` starts the program,
//! compares every answer with the one that it gave alone, and fails where one is missing or wrong, where memory grows after the
//! first minute, or where anything is still running in the end. Then it is told to end in the middle of another run.

mod client;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use client::{Outcome, Program, act, alone};

fn main() -> ExitCode {
    let argument = |name: &str| {
        let mut arguments = std::env::args().skip_while(|argument| argument != name);
        arguments.nth(1)
    };
    let number = |name: &str, default: u64| {
        argument(name).map_or(default, |text| text.parse().expect("a number"))
    };
    // `cargo test --benches` runs this, too: a few seconds are enough to see that it works.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let clients = number("--clients", if is_bench { 64 } else { 8 });
    let seconds = number("--seconds", if is_bench { 60 } else { 5 });
    let binary = argument("--binary").unwrap_or_else(|| env!("CARGO_BIN_EXE_t5-gpu").into());

    let program = Program::start(&binary);
    let expected = alone(&program);
    let tally = Tally::default();
    let memory = run(&program, &expected, clients, seconds, &tally);
    let mut failures = tally.print();
    // Whoever vanished is found out at the next step.
    thread::sleep(Duration::from_secs(2));
    for name in ["t5_gpu_running_rows", "t5_gpu_queue_requests"] {
        let left = program.metric(name);
        if left != 0.0 {
            failures.push(format!("{name} is {left} in the end"));
        }
    }
    println!(
        "rows of clients that vanished: {}",
        program.metric("t5_gpu_cancelled_rows_total")
    );
    if let Some((first, last)) = memory {
        let growth = 100.0 * (last / first - 1.0);
        println!(
            "memory: {first:.0} MiB after the first minute, {last:.0} MiB at the end ({growth:+.1} %)"
        );
        if growth > 5.0 {
            failures.push("memory grows".into());
        }
    }

    let tally = Tally::default();
    let is_told = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_secs(seconds.min(5)));
            is_told.store(true, Ordering::SeqCst);
            program.terminate();
        });
        for client in 0..clients {
            let (program, expected, tally, is_told) = (&program, &expected, &tally, &is_told);
            scope.spawn(move || {
                for turn in 0.. {
                    let was_told = is_told.load(Ordering::SeqCst);
                    let begin = Instant::now();
                    let outcome = act(program, expected, client, turn);
                    let is_over = is_told.load(Ordering::SeqCst);
                    // After the word, no connection and "shutting down" are answers.
                    match outcome {
                        Outcome::Refused(503) | Outcome::NoConnection if is_over => break,
                        Outcome::Lost(_) if was_told => break,
                        outcome => tally.add(outcome, begin.elapsed()),
                    }
                }
            });
        }
    });
    println!("told to end in the middle of a run:");
    failures.extend(tally.print());
    if !program.ended_well() {
        failures.push("it did not end well".into());
    }
    for failure in &failures {
        eprintln!("FAILED: {failure}");
    }
    ExitCode::from(u8::from(!failures.is_empty()))
}

/// Lets all clients ask for so long. MiB after the first minute, or a fifth of a shorter run, and at the end.
fn run(
    program: &Program,
    expected: &client::Expected,
    clients: u64,
    seconds: u64,
    tally: &Tally,
) -> Option<(f64, f64)> {
    let begin = Instant::now();
    let end = begin + Duration::from_secs(seconds);
    thread::scope(|scope| {
        for client in 0..clients {
            scope.spawn(move || {
                for turn in 0.. {
                    if Instant::now() >= end {
                        break;
                    }
                    let begin = Instant::now();
                    tally.add(act(program, expected, client, turn), begin.elapsed());
                }
            });
        }
        let warm = begin + Duration::from_secs(seconds.min(300) / 5);
        thread::sleep(warm.saturating_duration_since(Instant::now()));
        let first = program.memory();
        thread::sleep(end.saturating_duration_since(Instant::now()));
        first.zip(program.memory())
    })
}

/// What came of all requests.
#[derive(Default)]
struct Tally {
    times: Mutex<Vec<Duration>>,
    counts: Mutex<std::collections::BTreeMap<String, usize>>,
    failures: Mutex<Vec<String>>,
}

impl Tally {
    fn add(&self, outcome: Outcome, time: Duration) {
        let name = match &outcome {
            Outcome::Right => {
                self.times.lock().unwrap().push(time);
                "answered, and right".to_owned()
            }
            Outcome::Refused(status) => format!("refused as expected, {status}"),
            Outcome::Vanished => "vanished".to_owned(),
            Outcome::Wrong(_) | Outcome::Lost(_) | Outcome::NoConnection => "failed".to_owned(),
        };
        *self.counts.lock().unwrap().entry(name).or_default() += 1;
        match outcome {
            Outcome::Wrong(why) | Outcome::Lost(why) => self.failures.lock().unwrap().push(why),
            Outcome::NoConnection => self.failures.lock().unwrap().push("no connection".into()),
            _ => {}
        }
    }

    fn print(&self) -> Vec<String> {
        for (name, count) in self.counts.lock().unwrap().iter() {
            println!("{count:>8} {name}");
        }
        let mut times = self.times.lock().unwrap().clone();
        times.sort_unstable();
        let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
        if !times.is_empty() {
            println!(
                "times of the answered: {:.2?} half, {:.2?} 95 %, {:.2?} 99 %, {:.2?} all",
                at(0.5),
                at(0.95),
                at(0.99),
                at(1.0)
            );
        }
        let mut failures = self.failures.lock().unwrap().clone();
        failures.truncate(20);
        failures
    }
}
