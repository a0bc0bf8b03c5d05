use std::sync::Arc;

use super::candidates::{BestCandidates, Candidate};
use super::random::Stream;
use super::request::Plan;
use super::softmax::{Normalizer, descending};
use super::{Attended, Output, Ranking, Search, StepResult, StepRow};
use crate::config::EarlyStopping;
use crate::{Error, GenerationConfig, Result};

/// Added to scores that are out of the race, finite as in transformers: where nothing better is left, they come back in.
const OUT_OF_THE_RACE: f32 = -1.0e9;

/// A hypothesis that may still grow.
struct Beam {
    /// Decoder prompt and chosen tokens.
    sequence: Vec<u32>,
    token_logprobs: Vec<f32>,
    /// How much each new token attended to the source's, where it is wanted; beams of one parent share them.
    alignment: Vec<Arc<[f32]>>,
    /// Accumulated log-probability.
    score: f32,
    /// Which of the search's slots has its history, all but the last token's.
    parent: u32,
}

/// One of the best complete hypotheses, or the place kept for one.
#[derive(Clone)]
struct Hypothesis {
    /// Without the decoder prompt.
    tokens: Vec<u32>,
    token_logprobs: Vec<f32>,
    alignment: Vec<Arc<[f32]>>,
    /// Accumulated log-probability / length^length_penalty.
    score: f32,
    is_finished: bool,
}

/// Beam search, with or without sampling, as transformers 5 defines it.
pub(super) struct BeamSearch {
    plan: Plan,
    num_return_sequences: usize,
    length_penalty: f64,
    early_stopping: EarlyStopping,
    vocab_size: usize,
    /// `num_beams` of them, best first.
    beams: Vec<Beam>,
    /// The `num_beams` best so far, best first.
    hypotheses: Vec<Hypothesis>,
    best: BestCandidates,
    /// Of each row's softmax, in the present step.
    normalizers: Vec<Normalizer>,
    /// How much each row attended to the source, in the present step, where it is wanted.
    attended: Vec<Arc<[f32]>>,
    /// How many tokens of each beam the decoder has been fed.
    fed: usize,
    /// Where sampling draws from; plain beam search has none.
    random: Option<Stream>,
    is_done: bool,
}

impl BeamSearch {
    pub fn new(
        plan: Plan,
        config: &GenerationConfig,
        random: Option<Stream>,
        vocab_size: usize,
    ) -> Result<Self> {
        let num_beams = config.num_beams;
        // Enough that num_beams go on even where the best of every beam are ends of sequence.
        let candidates = num_beams * (1 + plan.eos_token_id.len()).max(2);
        if num_beams * vocab_size < candidates {
            return Err(Error::Invalid(format!(
                "beam search with {} end-of-sequence tokens needs a larger vocabulary than {vocab_size}",
                plan.eos_token_id.len()
            )));
        }
        // All beams start alike: the first alone is in the race, else they would all stay alike.
        let beam = |index| Beam {
            sequence: plan.prompt.clone(),
            token_logprobs: Vec::new(),
            alignment: Vec::new(),
            score: if index == 0 { 0.0 } else { OUT_OF_THE_RACE },
            parent: 0,
        };
        let place = Hypothesis {
            tokens: Vec::new(),
            token_logprobs: Vec::new(),
            alignment: Vec::new(),
            score: OUT_OF_THE_RACE,
            is_finished: false,
        };
        Ok(Self {
            num_return_sequences: config.num_return_sequences,
            length_penalty: config.length_penalty,
            early_stopping: config.early_stopping,
            vocab_size,
            beams: (0..num_beams).map(beam).collect(),
            hypotheses: vec![place; num_beams],
            best: BestCandidates::new(candidates),
            normalizers: Vec::with_capacity(num_beams),
            attended: Vec::new(),
            fed: 0,
            random,
            is_done: false,
            plan,
        })
    }

    /// Whether the beams are all the same so far, so that one row stands for them all.
    fn beams_are_alike(&self) -> bool {
        self.fed < self.plan.prompt.len()
    }

    /// New tokens of the running beams.
    fn new_tokens(&self) -> usize {
        self.beams[0].sequence.len() - self.plan.prompt.len()
    }

    /// length^length_penalty
    fn length_divisor(&self, length: usize) -> f32 {
        (length as f64).powf(self.length_penalty) as f32
    }

    /// Ranks the continuations of every beam. `result` has a row a beam, or one for all.
    fn collect_candidates(&mut self, result: StepResult<'_>, scratch: &mut Vec<f32>) {
        self.best.clear();
        self.normalizers.clear();
        match result {
            StepResult::Ranked(ranking) => self.collect_ranked(ranking),
            StepResult::Logits(logits) => self.collect_all(logits, scratch),
            StepResult::Argmax(_) => {}
        }
    }

    /// Of a row's best tokens, where nothing but their log-probabilities counts.
    fn collect_ranked(&mut self, ranking: Ranking<'_>) {
        let rows = ranking.rows();
        self.normalizers
            .extend((0..rows).map(|row| ranking.normalizer(row)));
        for (index, beam) in self.beams.iter().enumerate() {
            let row = index.min(rows - 1);
            let pairs = ranking.tokens(row).iter().zip(ranking.logits(row));
            let mut candidates: Vec<Candidate> = pairs
                .map(|(&token, &logit)| {
                    let score = self.normalizers[row].log_probability(logit) + beam.score;
                    Candidate {
                        rank: score,
                        score,
                        beam: index,
                        token,
                    }
                })
                .collect();
            // By token, as whole rows are offered: rounding makes equals of some.
            candidates.sort_by_key(|candidate| candidate.token);
            for candidate in candidates {
                self.best.offer(candidate);
            }
        }
    }

    /// Of all tokens.
    fn collect_all(&mut self, logits: &[f32], scratch: &mut Vec<f32>) {
        let first_draw = self.new_tokens() as u64 * (self.beams.len() * self.vocab_size) as u64;
        let mut rows = logits.chunks_exact(self.vocab_size);
        for (index, beam) in self.beams.iter().enumerate() {
            if let Some(row) = rows.next() {
                let normalizer = Normalizer::of(row);
                scratch.clear();
                scratch.extend(row.iter().map(|&logit| normalizer.log_probability(logit)));
                self.plan.processors.process(&beam.sequence, scratch);
                self.normalizers.push(normalizer);
            }
            let Some(random) = &self.random else {
                self.best.offer_row(scratch, beam.score, index);
                continue;
            };
            // The largest of log-probabilities with Gumbel noise are a draw without replacement, in order.
            let draws = first_draw + (index * self.vocab_size) as u64..;
            for ((&log_prob, token), draw) in scratch.iter().zip(0..).zip(draws) {
                let score = log_prob + beam.score;
                let noise = if score > f32::NEG_INFINITY {
                    random.gumbel(draw) as f32
                } else {
                    0.0
                };
                self.best.offer(Candidate {
                    rank: score + noise,
                    score,
                    beam: index,
                    token,
                });
            }
        }
    }

    /// The best candidates that are not complete go on.
    fn next_beams(&self, complete: &[bool], result: StepResult<'_>, alike: bool) -> Vec<Beam> {
        let candidates = self.best.as_slice();
        let mut order: Vec<(f32, &Candidate)> = candidates
            .iter()
            .zip(complete)
            .map(|(candidate, &complete)| {
                (
                    candidate.score + if complete { OUT_OF_THE_RACE } else { 0.0 },
                    candidate,
                )
            })
            .collect();
        order.sort_by(|a, b| descending(a.0, b.0));
        order
            .into_iter()
            .take(self.beams.len())
            .map(|(score, candidate)| {
                let (sequence, token_logprobs, alignment) = self.extend(candidate, result, 0);
                Beam {
                    sequence,
                    token_logprobs,
                    alignment,
                    score,
                    parent: if alike { 0 } else { candidate.beam as u32 },
                }
            })
            .collect()
    }

    /// The best of the hypotheses so far and of the candidates among the first `num_beams` that are complete.
    fn next_hypotheses(&self, complete: &[bool], result: StepResult<'_>) -> Vec<Hypothesis> {
        enum From<'a> {
            Before(&'a Hypothesis),
            Now(&'a Candidate, bool),
        }
        let num_beams = self.beams.len();
        let divisor = self.length_divisor(self.new_tokens() + 1);
        let mut order: Vec<(f32, From)> = self
            .hypotheses
            .iter()
            .map(|hypothesis| (hypothesis.score, From::Before(hypothesis)))
            .collect();
        for (index, (candidate, &complete)) in self.best.as_slice().iter().zip(complete).enumerate()
        {
            let finishes = complete && index < num_beams;
            let score = candidate.score / divisor + if finishes { 0.0 } else { OUT_OF_THE_RACE };
            order.push((score, From::Now(candidate, finishes)));
        }
        order.sort_by(|a, b| descending(a.0, b.0));
        order
            .into_iter()
            .take(num_beams)
            .map(|(score, from)| match from {
                From::Before(hypothesis) => hypothesis.clone(),
                From::Now(candidate, is_finished) => {
                    let (tokens, token_logprobs, alignment) =
                        self.extend(candidate, result, self.plan.prompt.len());
                    Hypothesis {
                        tokens,
                        token_logprobs,
                        alignment,
                        score,
                        is_finished,
                    }
                }
            })
            .collect()
    }

    /// The tokens of a candidate, from the `skip`th, and their log-probabilities and alignment where these are wanted.
    fn extend(
        &self,
        candidate: &Candidate,
        result: StepResult<'_>,
        skip: usize,
    ) -> (Vec<u32>, Vec<f32>, Vec<Arc<[f32]>>) {
        let beam = &self.beams[candidate.beam];
        let mut tokens = Vec::with_capacity(beam.sequence.len() + 1 - skip);
        tokens.extend_from_slice(&beam.sequence[skip..]);
        tokens.push(candidate.token);
        // One row may stand for all beams.
        let row = candidate.beam.min(self.normalizers.len() - 1);
        let mut token_logprobs = Vec::new();
        if self.plan.token_logprobs {
            let logit = result.logit(row, candidate.token, self.vocab_size);
            token_logprobs.extend_from_slice(&beam.token_logprobs);
            token_logprobs.push(self.normalizers[row].log_probability(logit));
        }
        let mut alignment = Vec::new();
        if let Some(attended) = self.attended.get(row) {
            alignment.reserve_exact(beam.alignment.len() + 1);
            alignment.extend_from_slice(&beam.alignment);
            alignment.push(attended.clone());
        }
        (tokens, token_logprobs, alignment)
    }

    /// Whether the best running beam, at the best length it may reach, would beat a place among the hypotheses.
    fn improvement_is_possible(&self) -> bool {
        let length = if self.early_stopping == EarlyStopping::Never && self.length_penalty > 0.0 {
            self.plan.limits.max_length - self.plan.prompt.len()
        } else {
            self.new_tokens()
        };
        let possible = self.beams[0].score / self.length_divisor(length);
        let worst = self
            .hypotheses
            .iter()
            .map(|hypothesis| hypothesis.score)
            .fold(f32::INFINITY, f32::min);
        self.hypotheses.iter().any(|hypothesis| {
            possible
                > if hypothesis.is_finished {
                    worst
                } else {
                    OUT_OF_THE_RACE
                }
        })
    }
}

impl Search for BeamSearch {
    fn enter(&mut self, source: u32, slot: u32) {
        self.plan.source = source;
        self.plan.slot = slot;
    }

    fn push_rows(&self, rows: &mut Vec<StepRow>) {
        let row = |index: usize, beam: &Beam| StepRow {
            source: self.plan.source,
            slot: self.plan.slot + index as u32,
            parent: self.plan.slot + beam.parent,
            position: self.fed as u32,
            token: beam.sequence[self.fed],
        };
        let running = if self.beams_are_alike() {
            1
        } else {
            self.beams.len()
        };
        rows.extend(
            self.beams[..running]
                .iter()
                .enumerate()
                .map(|(index, beam)| row(index, beam)),
        );
    }

    fn candidates(&self) -> Option<usize> {
        if self.fed + 1 < self.plan.prompt.len() {
            return Some(1);
        }
        let length = self.beams[0].sequence.len();
        let is_plain = self.random.is_none() && !self.plan.processors.is_active(length);
        // All the best may follow one beam.
        (is_plain && self.best.size() <= self.vocab_size).then_some(self.best.size())
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
        if let StepResult::Argmax(_) = result {
            return Err(Error::Invalid("beam search needs logits".into()));
        }
        let alike = self.beams_are_alike();
        self.fed += 1;
        if self.fed < self.plan.prompt.len() {
            return Ok(None);
        }
        self.collect_candidates(result, scratch);
        if let Some(keys) = self.plan.aligned {
            let rows = 0..self.normalizers.len();
            self.attended = rows.map(|row| attended.row(row, keys).into()).collect();
        }
        let length = self.beams[0].sequence.len() + 1;
        let complete: Vec<bool> = self
            .best
            .as_slice()
            .iter()
            .map(|candidate| self.plan.is_complete(length, candidate.token))
            .collect();
        let beams = self.next_beams(&complete, result, alike);
        self.hypotheses = self.next_hypotheses(&complete, result);
        self.beams = beams;

        let full = self
            .hypotheses
            .iter()
            .all(|hypothesis| hypothesis.is_finished);
        self.is_done = !self.improvement_is_possible()
            || (full && self.early_stopping == EarlyStopping::Yes)
            || complete.iter().all(|&complete| complete);
        Ok(None)
    }

    fn is_done(&self) -> bool {
        self.is_done
    }

    fn take_outputs(&mut self) -> Vec<Output> {
        let mut hypotheses = std::mem::take(&mut self.hypotheses);
        hypotheses.truncate(self.num_return_sequences);
        hypotheses
            .into_iter()
            .map(|hypothesis| Output {
                token_ids: hypothesis.tokens,
                score: Some(hypothesis.score),
                token_logprobs: self
                    .plan
                    .token_logprobs
                    .then_some(hypothesis.token_logprobs),
                alignment: (self.plan.aligned).map(|_| hypothesis.alignment.concat()),
            })
            .collect()
    }
}
