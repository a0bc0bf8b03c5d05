//! How likely a model finds given targets.

use std::ops::ControlFlow;

use super::Pipeline;
use super::each::in_batches;
use crate::generate::softmax::{Normalizer, is_finite};
use crate::model::DecodeOptions;
use crate::{Error, Result};

/// A source and the target whose likelihood is asked for.
#[derive(Clone, Debug)]
pub struct ScoreRequest {
    /// Token ids with `</s>`.
    pub input_ids: Vec<u32>,
    /// Token ids with `</s>`, without the start token.
    pub labels: Vec<u32>,
}

/// What the model makes of a target.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Mean of the labels' negative log-probabilities: the loss that transformers gives for `labels=`.
    pub loss: f32,
    /// Of each label, given those before it.
    pub token_logprobs: Vec<f32>,
}

impl Pipeline {
    /// Scores targets, told as by [`Pipeline::generate_each`].
    pub fn score_each(
        &self,
        requests: &[ScoreRequest],
        done: &mut dyn FnMut(usize, Result<Score>) -> ControlFlow<()>,
    ) {
        let check = |request: &ScoreRequest| {
            self.check_source(&request.input_ids)?;
            self.check_labels(&request.labels)?;
            Ok(request.input_ids.len().max(request.labels.len()))
        };
        in_batches(
            requests,
            self.limits,
            check,
            |batch| self.score_batch(batch),
            done,
        );
    }

    /// What the decoder is fed to score labels: shifted by the config's start token, as transformers does for `labels=`,
    /// whatever generation starts from.
    fn shifted_labels(&self, labels: &[u32]) -> Result<Vec<u32>> {
        let mut input = self.decoder_input(labels)?;
        if let Some(start) = self.config().decoder_start_token_id {
            input[0] = start;
        }
        Ok(input)
    }

    fn score_batch(&self, batch: &[&ScoreRequest]) -> Result<Vec<Score>> {
        let sources: Vec<Vec<u32>> = batch
            .iter()
            .map(|request| request.input_ids.clone())
            .collect();
        let targets: Vec<Vec<u32>> = batch
            .iter()
            .map(|request| self.shifted_labels(&request.labels))
            .collect::<Result<_>>()?;
        let logprobs = self.engine.on_device(|model| {
            let mut logprobs: Vec<Vec<f32>> = vec![Vec::new(); batch.len()];
            let mut all_finite = true;
            let encoded = model.encode(&sources)?;
            model.decode_with(
                &encoded,
                &targets,
                &DecodeOptions::default(),
                |target, position, logits| {
                    all_finite &= is_finite(logits);
                    let label = batch[target].labels[position];
                    let logprob = Normalizer::of(logits).log_probability(logits[label as usize]);
                    logprobs[target].push(logprob);
                },
            )?;
            match all_finite {
                true => Ok(logprobs),
                false => Err(Error::NotFinite { what: "the logits" }),
            }
        })?;
        let score = |token_logprobs: Vec<f32>| {
            let sum: f64 = token_logprobs
                .iter()
                .map(|&logprob| f64::from(logprob))
                .sum();
            Score {
                loss: (-sum / token_logprobs.len() as f64) as f32,
                token_logprobs,
            }
        };
        Ok(logprobs.into_iter().map(score).collect())
    }
}
