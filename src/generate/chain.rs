use super::random::Stream;
use super::request::Plan;
use super::softmax::{Normalizer, argmax, exp};
use super::{Attended, GreedySteps, Output, Search, StepResult, StepRow};
use crate::{Error, Result};

/// Greedy decoding or sampling: one hypothesis that grows a token a step.
pub(super) struct Chain {
    plan: Plan,
    /// Decoder prompt and chosen tokens.
    sequence: Vec<u32>,
    /// How many tokens of the sequence the decoder has been fed.
    fed: usize,
    /// Where sampling draws from; greedy decoding has none.
    random: Option<Stream>,
    token_logprobs: Vec<f32>,
    /// `[tokens, source tokens]`, where it is wanted.
    alignment: Vec<f32>,
    is_done: bool,
}

impl Chain {
    pub fn new(plan: Plan, random: Option<Stream>) -> Self {
        let sequence = plan.prompt.clone();
        Self {
            plan,
            sequence,
            fed: 0,
            random,
            token_logprobs: Vec::new(),
            alignment: Vec::new(),
            is_done: false,
        }
    }

    fn feeds_prompt(&self) -> bool {
        self.fed + 1 < self.plan.prompt.len()
    }

    /// Whether the likeliest token is the next one, whatever it is.
    fn is_plain(&self) -> bool {
        self.random.is_none() && !self.plan.processors.is_active(self.sequence.len())
    }

    fn choose(&mut self, logits: &[f32], scratch: &mut Vec<f32>) -> Result<u32> {
        let scores = if self.plan.processors.is_active(self.sequence.len()) {
            scratch.clear();
            scratch.extend_from_slice(logits);
            self.plan.processors.process(&self.sequence, scratch);
            scratch
        } else {
            logits
        };
        let token = match &self.random {
            None => argmax(scores) as u32,
            Some(random) => {
                let step = self.sequence.len() - self.plan.prompt.len();
                draw(scores, random.uniform(step as u64))?
            }
        };
        if self.plan.token_logprobs {
            self.token_logprobs
                .push(Normalizer::of(logits).log_probability(logits[token as usize]));
        }
        Ok(token)
    }
}

impl Search for Chain {
    fn enter(&mut self, source: u32, slot: u32) {
        self.plan.source = source;
        self.plan.slot = slot;
    }

    fn push_rows(&self, rows: &mut Vec<StepRow>) {
        rows.push(StepRow {
            source: self.plan.source,
            slot: self.plan.slot,
            parent: self.plan.slot,
            position: self.fed as u32,
            token: self.sequence[self.fed],
        });
    }

    fn greedy_steps(&self, most: usize) -> GreedySteps {
        let same = |steps| GreedySteps {
            allowed: steps,
            wanted: steps,
        };
        if self.feeds_prompt() {
            // Whatever the step gives, the prompt's next token is fed.
            return same(most.min(1));
        }
        if self.random.is_some() || self.plan.token_logprobs {
            return same(0);
        }
        let length = self.sequence.len();
        let end = self.plan.limits.max_length.min(length + most);
        match (length..end).position(|length| self.plan.processors.is_active(length)) {
            Some(steps) => same(steps),
            None => GreedySteps {
                allowed: most,
                wanted: end - length,
            },
        }
    }

    fn candidates(&self) -> Option<usize> {
        (self.feeds_prompt() || self.is_plain()).then_some(1)
    }

    fn attends(&self) -> bool {
        self.plan.aligned.is_some()
    }

    fn advance(
        &mut self,
        result: StepResult<'_>,
        attended: Attended<'_>,
        scratch: &mut Vec<f32>,
    ) -> Result<Option<u32>> {
        let feeds_prompt = self.feeds_prompt();
        self.fed += 1;
        if feeds_prompt {
            return Ok(None);
        }
        let token = match result {
            StepResult::Argmax(token) => token,
            StepResult::Ranked(ranking) => {
                if self.plan.token_logprobs {
                    let logit = ranking.logits(0)[0];
                    self.token_logprobs
                        .push(ranking.normalizer(0).log_probability(logit));
                }
                ranking.tokens(0)[0]
            }
            StepResult::Logits(logits) => self.choose(logits, scratch)?,
        };
        self.sequence.push(token);
        if let Some(keys) = self.plan.aligned {
            self.alignment.extend(attended.row(0, keys));
        }
        self.is_done = self.plan.is_complete(self.sequence.len(), token);
        Ok(Some(token))
    }

    fn is_done(&self) -> bool {
        self.is_done
    }

    fn take_outputs(&mut self) -> Vec<Output> {
        vec![Output {
            token_ids: self.sequence.split_off(self.plan.prompt.len()),
            score: None,
            token_logprobs: self
                .plan
                .token_logprobs
                .then(|| std::mem::take(&mut self.token_logprobs)),
            alignment: (self.plan.aligned).map(|_| std::mem::take(&mut self.alignment)),
        }]
    }
}

/// The token at `uniform`, in [0, 1), of the softmax' cumulative distribution over ascending ids.
fn draw(scores: &[f32], uniform: f64) -> Result<u32> {
    let max = super::softmax::maximum(scores);
    if max == f32::NEG_INFINITY {
        return Err(Error::Invalid(
            "the generation options rule out every token: relax them".into(),
        ));
    }
    let weights = || scores.iter().map(|&score| f64::from(exp(score - max)));
    let total = weights().sum::<f64>();
    if !total.is_finite() {
        return Err(Error::Invalid(
            "the generation options make scores that are not finite: choose a temperature nearer to 1".into(),
        ));
    }
    let target = uniform * total;
    let mut cumulative = 0.0;
    let mut drawn = 0;
    for (token, weight) in weights().enumerate() {
        if weight > 0.0 {
            cumulative += weight;
            drawn = token;
            if cumulative > target {
                break;
            }
        }
    }
    Ok(drawn as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_the_cumulative_distribution() {
        let ruled_out = f32::NEG_INFINITY;
        let scores = [ruled_out, 0.0, ruled_out, 3.0_f32.ln(), ruled_out];
        for (uniform, token) in [(0.0, 1), (0.2499, 1), (0.2501, 3), (1.0 - 1e-16, 3)] {
            assert_eq!(draw(&scores, uniform).unwrap(), token);
        }
        assert!(draw(&[ruled_out; 4], 0.5).is_err());
        assert!(draw(&[0.0, f32::INFINITY, 1.0], 0.5).is_err());
        assert!(draw(&[0.0, f32::NAN, 1.0], 0.5).is_err());
    }
}
