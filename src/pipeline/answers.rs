//! Text out of what the engine gives.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Instant;

use super::{Output, Pipeline, Request};
use crate::alignment::Alignment;
use crate::engine::Handle;
use crate::generate::{self, Event};
use crate::tokenizer::Tokenizer;
use crate::{Error, Result};

/// Makes outputs of what was generated for a request.
#[derive(Clone)]
pub(super) struct Decoding {
    tokenizer: Option<Arc<Tokenizer>>,
    /// What the output continues, behind the start token.
    pub prefix: Vec<u32>,
    /// Tokens of the source.
    source: usize,
}

impl Decoding {
    fn new(pipeline: &Pipeline, request: &Request) -> Result<Decoding> {
        Ok(Decoding {
            tokenizer: pipeline.tokenizer.clone(),
            prefix: request.options.decoder_prompt()?.split_off(1),
            source: request.input_ids.len(),
        })
    }

    /// The text begins with the decoder prefix, as the sequences of transformers do; the token ids do not.
    pub fn output(&self, output: generate::Output) -> Result<Output> {
        let text = self.text(&output.token_ids)?;
        Ok(Output {
            text,
            token_ids: output.token_ids,
            score: output.score,
            token_logprobs: output.token_logprobs,
            alignment: (output.alignment).map(|weights| Alignment::new(weights, self.source)),
        })
    }

    /// The text of what was decided, where the model has a tokenizer.
    pub fn text(&self, token_ids: &[u32]) -> Result<Option<String>> {
        let ids = [&self.prefix, token_ids].concat();
        let tokenizer = self.tokenizer.as_ref();
        tokenizer
            .map(|tokenizer| tokenizer.decode(&ids, true))
            .transpose()
    }

    pub fn outputs(&self, outputs: Vec<generate::Output>) -> Result<Vec<Output>> {
        outputs
            .into_iter()
            .map(|output| self.output(output))
            .collect()
    }
}

/// A request that was submitted. Dropping it ends the request.
pub struct Pending {
    pub(super) handle: Handle,
    pub(super) decoding: Decoding,
}

impl Pending {
    /// Waits for the outputs, best first.
    ///
    /// # Errors
    /// As [`Handle::outputs`].
    pub fn outputs(self) -> Result<Vec<Output>> {
        self.decoding.outputs(self.handle.outputs()?)
    }
}

impl Request {
    fn plain(&self) -> generate::Request {
        generate::Request {
            token_logprobs: self.token_logprobs,
            alignment: self.alignment,
            ..generate::Request::new(0, self.input_ids.clone(), self.options.clone())
        }
    }
}

impl Pipeline {
    /// Lets a request wait for its turn with those of everybody else; it ends by `deadline`.
    ///
    /// # Errors
    /// As [`crate::Engine::submit`].
    pub fn submit(&self, request: &Request, deadline: Option<Instant>) -> Result<Pending> {
        Ok(Pending {
            decoding: Decoding::new(self, request)?,
            handle: self.engine.submit(request.plain(), deadline)?,
        })
    }

    /// [`Pipeline::submit`] that does not wait for room in the queue.
    ///
    /// # Errors
    /// As [`crate::Engine::try_submit`].
    pub fn try_submit(&self, request: &Request, deadline: Option<Instant>) -> Result<Pending> {
        Ok(Pending {
            decoding: Decoding::new(self, request)?,
            handle: self.engine.try_submit(request.plain(), deadline)?,
        })
    }

    /// [`Pipeline::submit`] that waits for room on no thread.
    ///
    /// # Errors
    /// As [`crate::Engine::submit_async`].
    pub async fn submit_async(
        &self,
        request: &Request,
        deadline: Option<Instant>,
    ) -> Result<Pending> {
        Ok(Pending {
            decoding: Decoding::new(self, request)?,
            handle: (self.engine)
                .submit_async(request.plain(), deadline)
                .await?,
        })
    }

    /// Answers requests, as many together as there is room for and others as these are done, telling each request's
    /// outputs, or what is wrong with it, as soon as they are there, by the request's index, until told to stop. A request's
    /// outputs do not depend on the others.
    pub fn generate_each(
        &self,
        requests: &[Request],
        done: &mut dyn FnMut(usize, Result<Vec<Output>>) -> ControlFlow<()>,
    ) {
        let (sender, events) = mpsc::channel();
        let mut ids = vec![None; requests.len()];
        let mut waiting = by_length(requests).into_iter().peekable();
        let mut under_way = 0;
        loop {
            while let Some(&index) = waiting.peek() {
                let request = &requests[index];
                let sender = sender.clone();
                let sink = move |event| {
                    if !matches!(event, Event::Entered | Event::Token { .. }) {
                        // Whoever broke off listens no more.
                        let _ = sender.send((index, event));
                    }
                };
                // Those under way are waited for in place of room in the queue, so that they are told at once.
                let waits = under_way == 0;
                match self
                    .engine
                    .send(request.plain(), None, waits, Box::new(sink))
                {
                    Ok(id) => {
                        ids[index] = Some(id);
                        under_way += 1;
                    }
                    Err(Error::QueueFull { .. }) if under_way > 0 => break,
                    Err(error) => {
                        if done(index, Err(error)).is_break() {
                            return self.cancel(&ids);
                        }
                    }
                }
                waiting.next();
            }
            if under_way == 0 {
                return;
            }
            let Ok((index, event)) = events.recv() else {
                return;
            };
            under_way -= 1;
            ids[index] = None;
            let answer = match event {
                Event::Failed(error) => Err(error),
                Event::Finished(outputs) => Decoding::new(self, &requests[index])
                    .and_then(|decoding| decoding.outputs(outputs)),
                _ => continue,
            };
            if done(index, answer).is_break() {
                return self.cancel(&ids);
            }
        }
    }

    fn cancel(&self, ids: &[Option<u64>]) {
        for id in ids.iter().flatten() {
            self.engine.cancel(*id);
        }
    }
}

/// The longest first: so that they are not left over, alone, in the end.
fn by_length(requests: &[Request]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..requests.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(requests[index].input_ids.len()));
    order
}
