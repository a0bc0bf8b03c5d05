//! Generation options by their Hugging Face names: `generation_config.json`, a task's block, `--jsonl` fields.
//!
//! Layers are applied in order with [`GenerationConfig::apply_json`], a later one winning: `config.json`,
//! `generation_config.json`, a block of `task_specific_params`, the command's or the request's own options.

use std::path::Path;

use super::generation_defaults::{in_file, read_object};
use crate::{Error, Result};

/// `early_stopping` of beam search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EarlyStopping {
    /// `false`: stop when the best running beam, at its present length, cannot beat the worst finished hypothesis.
    #[default]
    No,
    /// `true`: stop as soon as `num_beams` hypotheses are finished.
    Yes,
    /// `"never"`: stop only when no better hypothesis is possible, up to the maximum length.
    Never,
}

/// Every generation option, with transformers' names and defaults. `None` and empty lists mean "not set".
#[derive(Clone, Debug, PartialEq)]
pub struct GenerationConfig {
    /// At most so many tokens after the start token and the decoder prefix. Where set, it beats `max_length`.
    pub max_new_tokens: Option<usize>,
    /// At most so many tokens with the start token and the decoder prefix.
    pub max_length: Option<usize>,
    /// No end of sequence before so many new tokens. Where set, it beats `min_length`.
    pub min_new_tokens: Option<usize>,
    /// No end of sequence before so many tokens, the start token and the decoder prefix counted.
    pub min_length: usize,

    /// 1: greedy or sampling; more: beam search.
    pub num_beams: usize,
    /// How many outputs a request gives: at most `num_beams` in beam search, any number in sampling.
    pub num_return_sequences: usize,
    /// Hypotheses are ranked by `log-probability / length^length_penalty`.
    pub length_penalty: f64,
    /// When beam search stops.
    pub early_stopping: EarlyStopping,

    /// No n-gram of this size twice in the output (0: off).
    pub no_repeat_ngram_size: usize,
    /// No n-gram of this size of the source in the output (0: off).
    pub encoder_no_repeat_ngram_size: usize,
    /// Above 1 makes tokens that the output already has less likely (1: off).
    pub repetition_penalty: f64,
    /// Above 1 makes tokens of the source more likely (1: off).
    pub encoder_repetition_penalty: f64,
    /// Token sequences that may not appear.
    pub bad_words_ids: Vec<Vec<u32>>,
    /// The token that must come right after the start token.
    pub forced_bos_token_id: Option<u32>,
    /// The tokens one of which must come last when the maximum length is reached.
    pub forced_eos_token_id: Vec<u32>,
    /// Tokens that never appear.
    pub suppress_tokens: Vec<u32>,
    /// Tokens that do not appear first.
    pub begin_suppress_tokens: Vec<u32>,

    /// Draw the next token instead of taking the likeliest.
    pub do_sample: bool,
    /// Divides logits before sampling.
    pub temperature: f64,
    /// Draw from the so many likeliest tokens (0: off).
    pub top_k: usize,
    /// Draw from the smallest set of likeliest tokens with this much probability together (1: off).
    pub top_p: f64,
    /// Draw from tokens at least this fraction as likely as the likeliest.
    pub min_p: Option<f64>,
    /// Draw from the tokens nearest to the expected surprise with this much probability together (1: off).
    pub typical_p: f64,
    /// Draw from tokens with at least this probability (0: off).
    pub epsilon_cutoff: f64,
    /// As `epsilon_cutoff`, but less strict where the distribution is flat (0: off).
    pub eta_cutoff: f64,
    /// Seeds sampling; the same seed gives the same output. `None`: another output every time.
    pub seed: Option<u64>,

    /// Tokens that end an output.
    pub eos_token_id: Vec<u32>,
    /// What transformers fills batches up with; nothing is padded with it here.
    pub pad_token_id: Option<u32>,
    /// The start token where `decoder_start_token_id` is not set.
    pub bos_token_id: Option<u32>,
    /// The token the decoder starts from; where it is not set, `bos_token_id` is.
    pub decoder_start_token_id: Option<u32>,
    /// A decoder prefix that the output continues. The start token is put before it unless it is there already.
    pub decoder_input_ids: Vec<u32>,
}

impl Default for GenerationConfig {
    fn default() -> Self {
        Self {
            max_new_tokens: None,
            max_length: None,
            min_new_tokens: None,
            min_length: 0,
            num_beams: 1,
            num_return_sequences: 1,
            length_penalty: 1.0,
            early_stopping: EarlyStopping::No,
            no_repeat_ngram_size: 0,
            encoder_no_repeat_ngram_size: 0,
            repetition_penalty: 1.0,
            encoder_repetition_penalty: 1.0,
            bad_words_ids: Vec::new(),
            forced_bos_token_id: None,
            forced_eos_token_id: Vec::new(),
            suppress_tokens: Vec::new(),
            begin_suppress_tokens: Vec::new(),
            do_sample: false,
            temperature: 1.0,
            top_k: 50,
            top_p: 1.0,
            min_p: None,
            typical_p: 1.0,
            epsilon_cutoff: 0.0,
            eta_cutoff: 0.0,
            seed: None,
            eos_token_id: Vec::new(),
            pad_token_id: None,
            bos_token_id: None,
            decoder_start_token_id: None,
            decoder_input_ids: Vec::new(),
        }
    }
}

/// How long an output may and must be, counted in decoder tokens: start token and prefix included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthLimits {
    /// No sequence grows beyond this many tokens.
    pub max_length: usize,
    /// No sequence ends before this many tokens.
    pub min_length: usize,
}

/// New tokens where neither `max_length` nor `max_new_tokens` is set.
const DEFAULT_NEW_TOKENS: usize = 20;
/// Hypotheses or outputs of a request, at most: far more than is of use, and few enough to count with.
const MOST_SEQUENCES: usize = 4096;

impl GenerationConfig {
    /// Reads a `generation_config.json`. Names that are no generation options are ignored, as transformers ignores them.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`].
    pub fn from_file(path: &Path) -> Result<Self> {
        let mut config = Self::default();
        config
            .apply_json(&read_object(path)?)
            .map_err(|error| in_file(path, &error))?;
        Ok(config)
    }

    /// Checks that the options make sense, each alone and together.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the option, its value and what would do.
    pub fn validate(&self) -> Result<()> {
        let invalid = |message: String| Err(Error::Invalid(message));
        if self.num_beams == 0 {
            return invalid(
                "num_beams is 0: use 1 for greedy decoding or more for beam search".into(),
            );
        }
        if self.num_return_sequences == 0 {
            return invalid("num_return_sequences is 0: ask for at least 1".into());
        }
        for (name, value) in [
            ("num_beams", self.num_beams),
            ("num_return_sequences", self.num_return_sequences),
        ] {
            if value > MOST_SEQUENCES {
                return invalid(format!(
                    "{name} is {value}: it must be at most {MOST_SEQUENCES}"
                ));
            }
        }
        if self.num_beams == 1 && self.num_return_sequences > 1 && !self.do_sample {
            return invalid(format!(
                "num_return_sequences is {}, but greedy decoding gives one output: set num_beams or do_sample",
                self.num_return_sequences
            ));
        }
        if self.num_beams > 1 && self.num_return_sequences > self.num_beams {
            return invalid(format!(
                "num_return_sequences is {}, but num_beams is {}: ask for no more outputs than beams",
                self.num_return_sequences, self.num_beams
            ));
        }
        if self.max_new_tokens == Some(0) {
            return invalid("max_new_tokens is 0: it must be at least 1".into());
        }
        if self.do_sample {
            self.validate_sampling()?;
        }
        for (name, value) in [
            ("repetition_penalty", self.repetition_penalty),
            (
                "encoder_repetition_penalty",
                self.encoder_repetition_penalty,
            ),
        ] {
            if !(value > 0.0 && value.is_finite()) {
                return invalid(format!("{name} is {value}: it must be above 0"));
            }
        }
        if !self.length_penalty.is_finite() {
            return invalid(format!(
                "length_penalty is {}: it must be a finite number",
                self.length_penalty
            ));
        }
        if self.bad_words_ids.iter().any(Vec::is_empty) {
            return invalid(
                "bad_words_ids holds an empty list: each entry needs at least one token id".into(),
            );
        }
        let suppressed = |token: &u32| self.suppress_tokens.contains(token);
        for (name, forced) in [
            ("forced_bos_token_id", self.forced_bos_token_id.as_slice()),
            ("forced_eos_token_id", self.forced_eos_token_id.as_slice()),
        ] {
            if !forced.is_empty() && forced.iter().all(suppressed) {
                return invalid(format!(
                    "every token of {name} is also in suppress_tokens: take it out of one of them"
                ));
            }
        }
        Ok(())
    }

    /// The options that nothing but sampling reads.
    fn validate_sampling(&self) -> Result<()> {
        if !(self.temperature > 0.0 && self.temperature.is_finite()) {
            return Err(Error::Invalid(format!(
                "temperature is {}: it must be above 0 (for greedy decoding leave do_sample out)",
                self.temperature
            )));
        }
        for (name, value) in [
            ("top_p", self.top_p),
            ("min_p", self.min_p.unwrap_or(0.0)),
            ("typical_p", self.typical_p),
            ("epsilon_cutoff", self.epsilon_cutoff),
            ("eta_cutoff", self.eta_cutoff),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::Invalid(format!(
                    "{name} is {value}: it must be between 0 and 1"
                )));
            }
        }
        Ok(())
    }

    /// What the decoder is fed before the first new token: the start token and the decoder prefix.
    ///
    /// # Errors
    /// [`Error::Invalid`] where no start token is known.
    pub fn decoder_prompt(&self) -> Result<Vec<u32>> {
        let start = self.decoder_start_token_id.or(self.bos_token_id).ok_or_else(|| {
            Error::Invalid(
                "decoder_start_token_id is not set: put it into generation_config.json or config.json".into(),
            )
        })?;
        let mut prompt = Vec::with_capacity(1 + self.decoder_input_ids.len());
        if self.decoder_input_ids.first() != Some(&start) {
            prompt.push(start);
        }
        prompt.extend_from_slice(&self.decoder_input_ids);
        Ok(prompt)
    }

    /// The absolute limits for a decoder prompt of `prompt_length` tokens, start token included.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the prompt leaves no room for a new token.
    pub fn length_limits(&self, prompt_length: usize) -> Result<LengthLimits> {
        let max_length = match (self.max_new_tokens, self.max_length) {
            (Some(new), _) => prompt_length.saturating_add(new),
            (None, Some(length)) => length,
            (None, None) => prompt_length + DEFAULT_NEW_TOKENS,
        };
        if prompt_length >= max_length {
            return Err(Error::Invalid(format!(
                "max_length is {max_length}, but start token and decoder prefix are {prompt_length} already: \
                 raise it or use max_new_tokens"
            )));
        }
        let min_length = self
            .min_new_tokens
            .map_or(self.min_length, |new| prompt_length.saturating_add(new));
        Ok(LengthLimits {
            max_length,
            min_length,
        })
    }
}
