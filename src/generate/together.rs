//! Decoding a list of requests that is there from the beginning.

use std::ops::ControlFlow;

use super::scheduler::{Event, Scheduler};
use super::{Output, Request, StepDecoder};
use crate::Result;

/// Follows a generation as it goes. `()` does not look.
pub trait Observer {
    /// Output `sequence` of request number `request` has got `token`. Greedy decoding and sampling only: beam search
    /// decides at its end.
    ///
    /// # Errors
    /// An error ends the generation and comes out of [`generate`].
    fn token(&mut self, request: usize, sequence: usize, token: u32) -> Result<()> {
        let _ = (request, sequence, token);
        Ok(())
    }

    /// Request number `request` is complete. Where nobody wants the others any more, the generation ends with what
    /// there is.
    ///
    /// # Errors
    /// As [`Self::token`].
    fn finished(&mut self, request: usize, outputs: &[Output]) -> Result<ControlFlow<()>> {
        let _ = (request, outputs);
        Ok(ControlFlow::Continue(()))
    }
}

impl Observer for () {}

/// Decodes all requests together and returns the outputs of each, best first.
///
/// Slots are numbered through in the order of the requests, [`Request::slots`] for each. What a request gives does not
/// depend on the others.
///
/// ```
/// use t5_gpu::GenerationConfig;
/// use t5_gpu::generate::{Request, StepDecoder, StepRow, generate};
///
/// /// After token n it gives n + 2, after 6 the end, token 1.
/// struct ByTwos([f32; 9]);
///
/// impl StepDecoder for ByTwos {
///     fn vocab_size(&self) -> usize {
///         9
///     }
///     fn step(&mut self, rows: &[StepRow]) -> t5_gpu::Result<&[f32]> {
///         self.0 = [0.0; 9];
///         self.0[if rows[0].token < 6 { rows[0].token as usize + 2 } else { 1 }] = 1.0;
///         Ok(&self.0)
///     }
/// }
///
/// let config = GenerationConfig {
///     decoder_start_token_id: Some(0),
///     eos_token_id: vec![1],
///     ..Default::default()
/// };
/// let outputs = generate(&mut ByTwos([0.0; 9]), &[Request::new(0, vec![1], config)], &mut ())?;
/// assert_eq!(outputs[0][0].token_ids, [2, 4, 6, 1]);
/// # Ok::<(), t5_gpu::Error>(())
/// ```
///
/// # Errors
/// [`Error::Invalid`] and [`Error::TokenOutOfRange`] for options that cannot be used, before anything is decoded,
/// [`Error::NotFinite`] for logits that are NaN or infinite, and whatever `decoder` and `observer` report.
pub fn generate(
    decoder: &mut dyn StepDecoder,
    requests: &[Request],
    observer: &mut dyn Observer,
) -> Result<Vec<Vec<Output>>> {
    let mut scheduler = Scheduler::new(decoder.vocab_size(), requests.len());
    let mut slot = 0;
    for (id, request) in (0..).zip(requests) {
        scheduler.begin(id, request.clone(), slot)?;
        slot += request.slots() as u32;
    }
    run(scheduler, decoder, requests, observer)
}

/// [`generate`] for more requests than are decoded together: they enter as others leave, by [`StepDecoder::enter`], as many
/// as there are `places`. Each has a place and slots of its own, whatever its `source` says.
///
/// # Errors
/// As [`generate`].
pub fn generate_in_turn(
    decoder: &mut dyn StepDecoder,
    requests: &[Request],
    places: usize,
    observer: &mut dyn Observer,
) -> Result<Vec<Vec<Output>>> {
    let mut scheduler = Scheduler::new(decoder.vocab_size(), places.max(1));
    for (id, request) in (0..).zip(requests) {
        scheduler.push(id, request.clone(), None)?;
    }
    run(scheduler, decoder, requests, observer)
}

fn run(
    mut scheduler: Scheduler,
    decoder: &mut dyn StepDecoder,
    requests: &[Request],
    observer: &mut dyn Observer,
) -> Result<Vec<Vec<Output>>> {
    // Empty outputs, for those that are not done when the observer has enough.
    let none = |request: &Request| vec![Output::default(); request.config.num_return_sequences];
    let mut all: Vec<Vec<Output>> = requests.iter().map(none).collect();
    let mut flow = ControlFlow::Continue(());
    let mut outcome = Ok(());
    while !scheduler.is_idle() && flow.is_continue() && outcome.is_ok() {
        let stepped = scheduler.step(decoder, &mut |id, event| {
            if outcome.is_err() || flow.is_break() {
                return;
            }
            let index = id as usize;
            match event {
                Event::Entered => {}
                Event::Token { sequence, token } => {
                    outcome = observer.token(index, sequence, token);
                }
                Event::Finished(outputs) => {
                    match observer.finished(index, &outputs) {
                        Ok(found) => flow = found,
                        Err(error) => outcome = Err(error),
                    }
                    all[index] = outputs;
                }
                Event::Failed(error) => outcome = Err(error),
            }
        });
        outcome = outcome.and(stepped);
    }
    scheduler.clear(decoder);
    outcome.map(|()| all)
}
