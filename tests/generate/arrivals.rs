//! Requests that come, go, fail and run again at any step, against each alone.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use t5_gpu::generate::{Event, Output, Request, Scheduler, StepDecoder, generate};
use t5_gpu::{Error, GenerationConfig};

use crate::batch::requests;
use crate::greedy::greedy_requests;
use crate::toy::{self, Toy, noisy};

/// What was told of a request.
#[derive(Default)]
struct Told {
    tokens: BTreeMap<usize, Vec<u32>>,
    end: Option<Result<Vec<Output>, Error>>,
}

/// A run of a scheduler, its events by request.
struct Run {
    scheduler: Scheduler,
    told: Vec<Told>,
}

impl Run {
    fn new(places: usize, requests: usize) -> Run {
        Run {
            scheduler: Scheduler::new(24, places),
            told: (0..requests).map(|_| Told::default()).collect(),
        }
    }

    fn step(&mut self, decoder: &mut dyn StepDecoder) -> Result<(), Error> {
        let told = &mut self.told;
        self.scheduler
            .step(decoder, &mut |id, event| tell(told, id, event))
    }

    fn expire(&mut self, now: Instant) {
        let told = &mut self.told;
        self.scheduler
            .expire(now, &mut |id, event| tell(told, id, event));
    }

    fn restart(&mut self, error: Error, was_lost: bool) {
        let told = &mut self.told;
        self.scheduler
            .restart(error, was_lost, &mut |id, event| tell(told, id, event));
    }
}

fn tell(told: &mut [Told], id: u64, event: Event) {
    let told = &mut told[id as usize];
    assert!(told.end.is_none(), "{id} goes on after its end: {event:?}");
    match event {
        Event::Entered => {}
        Event::Token { sequence, token } => told.tokens.entry(sequence).or_default().push(token),
        Event::Finished(outputs) => told.end = Some(Ok(outputs)),
        Event::Failed(error) => told.end = Some(Err(error)),
    }
}

/// When a request comes, when, if at all, nobody wants it any more, and when it has to be done.
type Times = (usize, Option<usize>, Option<usize>);

fn times() -> impl Strategy<Value = Vec<Times>> {
    let some = || prop_oneof![3 => Just(None), 1 => (0_usize..40).prop_map(Some)];
    prop::collection::vec((0_usize..30, some(), some()), 12)
}

/// Sources of different lengths that begin with their number.
fn numbered(requests: Vec<Request>, lengths: &[usize]) -> Vec<Request> {
    (0..)
        .zip(requests)
        .zip(lengths)
        .map(|((number, request), length)| {
            let encoder_input_ids = [vec![number], vec![3; *length], vec![1]].concat();
            Request {
                source: number,
                encoder_input_ids,
                ..request
            }
        })
        .collect()
}

/// The same tokens, and numbers that differ by no more than the rounding of a row's sum.
fn assert_same(found: &[Output], expected: &[Output]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.token_ids, expected.token_ids);
        let numbers = |output: &Output| -> Vec<f32> {
            let logprobs = output.token_logprobs.iter().flatten();
            output.score.iter().chain(logprobs).copied().collect()
        };
        let (found, expected) = (numbers(found), numbers(expected));
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            let error = (found - expected).abs();
            assert!(error < 1e-5 * expected.abs().max(1.0), "{found} {expected}");
        }
    }
}

fn alone(request: &Request) -> Vec<Output> {
    let request = std::slice::from_ref(request);
    generate(&mut noisy(24, 5.0), request, &mut ())
        .unwrap()
        .remove(0)
}

type Decoder = Toy<fn(u32, &[u32], &mut [f32])>;

fn decoder(steps: usize, ranks: usize, page_size: usize, pages: usize) -> Decoder {
    let logits: fn(u32, &[u32], &mut [f32]) = |source, history, logits| {
        for (token, logit) in logits.iter_mut().enumerate() {
            *logit = toy::noise(source, history, token, 5.0);
        }
    };
    Toy::new(24, logits)
        .greedy(steps)
        .ranking(ranks)
        .paged(page_size, pages)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whoever comes, goes, is late and is refused, whatever fails and is begun anew: those who stay get what they get
    /// alone, every token is told once, and no page is left over.
    #[test]
    fn any_company_leaves_a_request_as_it_is_alone(
        requests in prop_oneof![requests(), greedy_requests()],
        lengths in prop::collection::vec(0_usize..40, 12),
        times in times(),
        (places, steps, ranks) in (1_usize..6, 0_usize..4, 0_usize..12),
        (page_size, pages) in (1_usize..20, 20_usize..60),
        failures in prop::collection::vec((1_usize..30, any::<bool>()), 0..4),
    ) {
        let requests = numbered(requests, &lengths);
        let mut run = Run::new(places, requests.len());
        let mut toy = decoder(steps, ranks, page_size, pages);
        let mut failures = failures.into_iter();
        let (mut was_lost, mut gone) = (false, vec![false; requests.len()]);
        let beginning = Instant::now();
        let at = |step: usize| beginning + Duration::from_secs(step as u64);
        let mut now = 0;
        while now < 40 || !run.scheduler.is_idle() {
            prop_assert!(now < 5000, "without end");
            for (id, (request, (from, until, due))) in requests.iter().zip(&times).enumerate() {
                if *from == now {
                    run.scheduler.push(id as u64, request.clone(), due.map(at)).unwrap();
                }
                if *until == Some(now) && *from <= now && run.told[id].end.is_none() {
                    run.scheduler.cancel(id as u64);
                    gone[id] = true;
                }
            }
            run.expire(at(now));
            for (id, (from, _, due)) in times.iter().enumerate().take(requests.len()) {
                let is_late = due.is_some_and(|due| from.max(&due) <= &now);
                prop_assert!(!is_late || gone[id] || run.told[id].end.is_some(), "{} is late", id);
            }
            if toy.fails_after.is_none() && now % 10 == 9 {
                (toy.fails_after, was_lost) = match failures.next() {
                    Some((after, lost)) => (Some(after), lost),
                    None => (None, false),
                };
            }
            if let Err(error) = run.step(&mut toy) {
                toy = decoder(steps, ranks, page_size, pages);
                run.restart(error, was_lost);
            }
            now += 1;
        }
        // The last ones leave with the next step.
        run.step(&mut toy).unwrap();
        prop_assert_eq!(toy.pages_in_use(), 0);
        for (id, (request, told)) in requests.iter().zip(&run.told).enumerate() {
            if gone[id] {
                prop_assert!(told.end.is_none());
                continue;
            }
            match told.end.as_ref().expect("an end") {
                Ok(outputs) => {
                    assert_same(outputs, &alone(request));
                    for (sequence, tokens) in &told.tokens {
                        prop_assert_eq!(tokens, &outputs[*sequence].token_ids);
                    }
                    let is_streamed = request.config.num_beams == 1;
                    prop_assert_eq!(told.tokens.len(), if is_streamed { outputs.len() } else { 0 });
                }
                Err(Error::TimedOut) => prop_assert!(times[id].2.is_some()),
                // Too large for so few pages, or alone when something failed.
                Err(error) => {
                    let error = error.to_string();
                    prop_assert!(error.contains("pages") || error.contains("out of order"), "{}", error);
                }
            }
        }
    }
}

/// Of three, the one whose decoder gives NaN fails, whatever chooses the tokens.
#[test]
fn a_source_of_nan_fails_alone() {
    for ranks in [0, 8] {
        let requests: Vec<Request> = (0..3)
            .map(|id| {
                let config = GenerationConfig {
                    num_beams: 2,
                    ..toy::config()
                };
                Request::new(id, vec![id, 1], config)
            })
            .collect();
        let mut run = Run::new(3, 3);
        for (id, request) in (0..).zip(&requests) {
            run.scheduler.push(id, request.clone(), None).unwrap();
        }
        let mut toy = decoder(0, ranks, 4, 100);
        toy.poisoned.push(1);
        while !run.scheduler.is_idle() {
            run.step(&mut toy).unwrap();
        }
        for (request, told) in requests.iter().zip(&run.told) {
            match (request.source, told.end.as_ref().unwrap()) {
                (1, Err(error)) => assert!(error.to_string().contains("not finite")),
                (_, Ok(outputs)) => assert_same(outputs, &alone(request)),
                (source, end) => panic!("{source}: {end:?}"),
            }
        }
    }
}

/// A decoder that fails whenever a certain request is in it: that one is found and told, and the others are answered.
#[test]
fn who_makes_the_decoder_fail_is_found() {
    for (count, culprit) in [(1, 0), (2, 1), (7, 3), (9, 8)] {
        let mut run = Run::new(8, count);
        let requests: Vec<Request> = (0..count as u32)
            .map(|id| Request::new(id, vec![id, 1], toy::config()))
            .collect();
        for (id, request) in (0..).zip(&requests) {
            run.scheduler.push(id, request.clone(), None).unwrap();
        }
        let begin = || {
            let mut toy = decoder(2, 0, 4, 100);
            toy.culprit = Some(culprit);
            toy
        };
        let (mut toy, mut failures) = (begin(), 0);
        while !run.scheduler.is_idle() {
            if let Err(error) = run.step(&mut toy) {
                failures += 1;
                toy = begin();
                run.restart(error, false);
            }
        }
        assert!(failures <= 5, "{failures} failures of {count}");
        for (request, told) in requests.iter().zip(&run.told) {
            let end = told.end.as_ref().unwrap();
            match end {
                Err(error) => assert!(
                    request.source == culprit && error.to_string().contains("out of memory")
                ),
                Ok(outputs) => {
                    assert_ne!(request.source, culprit);
                    assert_eq!(outputs, &alone(request));
                }
            }
        }
    }
}

/// A request under which the device is lost again and again is told so in the end.
#[test]
fn a_device_is_not_lost_for_ever() {
    let mut run = Run::new(4, 1);
    run.scheduler
        .push(0, Request::new(0, vec![0, 1], toy::config()), None)
        .unwrap();
    let mut losses = 0;
    while !run.scheduler.is_idle() {
        let mut toy = decoder(0, 0, 4, 100);
        toy.fails_after = Some(1);
        while let Ok(()) = run.step(&mut toy) {}
        run.restart(Error::Gpu("lost".into()), true);
        losses += 1;
    }
    assert_eq!(losses, 4);
    assert!(run.told[0].end.as_ref().unwrap().is_err());
    // Its tokens are told once all the same.
    assert!(run.told[0].tokens.values().all(|tokens| tokens.len() == 1));
}

/// Runs ahead go on while nobody waits who could enter, and end when somebody does.
#[test]
fn newcomers_enter_one_run_late_at_most() {
    let endless = GenerationConfig {
        eos_token_id: vec![],
        max_new_tokens: Some(40),
        ..toy::config()
    };
    let mut run = Run::new(4, 2);
    let mut toy = decoder(4, 0, 16, 100);
    run.scheduler
        .push(0, Request::new(0, vec![0, 1], endless.clone()), None)
        .unwrap();
    for _ in 0..3 {
        run.step(&mut toy).unwrap();
    }
    run.scheduler
        .push(1, Request::new(0, vec![1, 1], endless), None)
        .unwrap();
    let before = toy.steps.len();
    while run.told[1].tokens.is_empty() {
        run.step(&mut toy).unwrap();
    }
    // The run that was under way, then its own first and the one ahead of that.
    assert_eq!(
        toy.steps[before..],
        [1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2][4..]
    );
}
