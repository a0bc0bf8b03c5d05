//! Logits processors: what changes the scores of the next token before one is chosen.

mod bad_words;
mod cutoff;
mod forced;
mod length;
mod ngram;
mod repetition;
mod suppress;
mod warp;

pub use bad_words::NoBadWords;
pub use cutoff::{EpsilonCutoff, EtaCutoff, Typical};
pub use forced::{ForcedBosToken, ForcedEosToken};
pub use length::MinLength;
pub use ngram::{EncoderNoRepeatNgram, NoRepeatNgram};
pub use repetition::{EncoderRepetitionPenalty, RepetitionPenalty};
pub use suppress::{SuppressTokens, SuppressTokensAtBegin};
pub use warp::{MinP, Temperature, TopK, TopP};

use crate::config::LengthLimits;
use crate::{GenerationConfig, Result};

/// Changes the scores of the next token.
pub trait LogitsProcessor: Send {
    /// Whether [`Self::process`] can change anything for a hypothesis of `length` tokens. Where none can, the scores
    /// need no copy.
    fn is_active(&self, length: usize) -> bool {
        let _ = length;
        true
    }

    /// Changes `scores`, one a vocabulary row, of what follows `sequence`: start token, decoder prefix and the tokens
    /// chosen since. A token that is ruled out gets minus infinity.
    fn process(&mut self, sequence: &[u32], scores: &mut [f32]);
}

/// The processors a request's options ask for, in transformers' order.
#[derive(Default)]
pub struct ProcessorList(Vec<Box<dyn LogitsProcessor>>);

impl ProcessorList {
    /// Builds the list for a request with the options `config`, whose decoder starts from `prompt_length` tokens and
    /// whose source is `encoder_input_ids`.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] for token ids outside the vocabulary and options that leave nothing to do.
    pub fn new(
        config: &GenerationConfig,
        limits: LengthLimits,
        prompt_length: usize,
        encoder_input_ids: &[u32],
        vocab_size: usize,
    ) -> Result<Self> {
        let mut list = Self::default();
        let eos = &config.eos_token_id;
        if config.encoder_repetition_penalty != 1.0 {
            list.push(EncoderRepetitionPenalty::new(
                config.encoder_repetition_penalty,
                encoder_input_ids,
            ));
        }
        if config.repetition_penalty != 1.0 {
            list.push(RepetitionPenalty::new(config.repetition_penalty));
        }
        if config.no_repeat_ngram_size > 0 {
            list.push(NoRepeatNgram::new(config.no_repeat_ngram_size));
        }
        if config.encoder_no_repeat_ngram_size > 0 {
            list.push(EncoderNoRepeatNgram::new(
                config.encoder_no_repeat_ngram_size,
                encoder_input_ids,
            ));
        }
        if !config.bad_words_ids.is_empty() {
            list.push(NoBadWords::new(&config.bad_words_ids, eos, vocab_size)?);
        }
        // min_new_tokens has become part of the absolute minimum, so one processor does for both.
        if limits.min_length > 0 && !eos.is_empty() {
            list.push(MinLength::new(limits.min_length, eos));
        }
        if let Some(token) = config.forced_bos_token_id {
            list.push(ForcedBosToken::new(token, vocab_size)?);
        }
        if !config.forced_eos_token_id.is_empty() {
            list.push(ForcedEosToken::new(
                limits.max_length,
                &config.forced_eos_token_id,
                vocab_size,
            )?);
        }
        if !config.suppress_tokens.is_empty() {
            list.push(SuppressTokens::new(&config.suppress_tokens));
        }
        if !config.begin_suppress_tokens.is_empty() {
            // A forced first token moves what counts as the beginning to the one after it.
            let shift = usize::from(prompt_length == 1 && config.forced_bos_token_id.is_some());
            list.push(SuppressTokensAtBegin::new(
                &config.begin_suppress_tokens,
                prompt_length + shift,
            ));
        }
        if config.do_sample {
            // Beams need a way on besides the end of sequence.
            let keep = if config.num_beams > 1 {
                eos.len().max(1) + 1
            } else {
                1
            };
            list.push_filters(config, keep);
        }
        Ok(list)
    }

    /// Adds the filters of sampling, each of which leaves `keep` tokens.
    pub fn push_filters(&mut self, config: &GenerationConfig, keep: usize) {
        if config.temperature != 1.0 {
            self.push(Temperature::new(config.temperature));
        }
        if config.top_k != 0 {
            self.push(TopK::new(config.top_k, keep));
        }
        if config.top_p < 1.0 {
            self.push(TopP::new(config.top_p, keep));
        }
        if let Some(min_p) = config.min_p {
            self.push(MinP::new(min_p, keep));
        }
        if config.typical_p < 1.0 {
            self.push(Typical::new(config.typical_p, keep));
        }
        if 0.0 < config.epsilon_cutoff && config.epsilon_cutoff < 1.0 {
            self.push(EpsilonCutoff::new(config.epsilon_cutoff, keep));
        }
        if 0.0 < config.eta_cutoff && config.eta_cutoff < 1.0 {
            self.push(EtaCutoff::new(config.eta_cutoff, keep));
        }
    }

    /// Adds a processor after the others.
    pub fn push(&mut self, processor: impl LogitsProcessor + 'static) {
        self.0.push(Box::new(processor));
    }

    /// Whether there is no processor at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any processor can change the scores after `length` tokens.
    pub fn is_active(&self, length: usize) -> bool {
        self.0.iter().any(|processor| processor.is_active(length))
    }

    /// Runs every processor in order.
    pub fn process(&mut self, sequence: &[u32], scores: &mut [f32]) {
        for processor in &mut self.0 {
            if processor.is_active(sequence.len()) {
                processor.process(sequence, scores);
            }
        }
    }
}

/// Rules tokens out. Ids past the vocabulary, which no model can give, are passed over.
fn rule_out(tokens: &[u32], scores: &mut [f32]) {
    for &token in tokens {
        if let Some(score) = scores.get_mut(token as usize) {
            *score = f32::NEG_INFINITY;
        }
    }
}
