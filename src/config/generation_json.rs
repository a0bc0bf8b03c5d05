//! Generation options out of JSON: names, types, and what becomes of names that transformers knows and this crate does not.

use serde_json::{Map, Value};

use super::{EarlyStopping, GenerationConfig};
use crate::{Error, Result};

impl GenerationConfig {
    /// Sets the options that `options` names, leaves the others, and gives back the names that are no generation options.
    /// `null` sets an option back to its default.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the option whose value is of the wrong type, or that transformers has and this crate
    /// does not, when it is set to something that would change the output.
    pub fn apply_json(&mut self, options: &Map<String, Value>) -> Result<Vec<String>> {
        let others = self.apply(options)?;
        match others.not_offered.first() {
            Some(name) => Err(Error::Invalid(format!(
                "generation option {name} is not supported: leave it out"
            ))),
            None => Ok(others.unknown),
        }
    }

    /// [`Self::apply_json`] for what a model's files say: gives back the names of what transformers has and this crate does
    /// not, when it is set to something that would change the output, and passes over what is no generation option, as
    /// transformers does. Negative token ids, by which files say that there is none, are left out.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the option whose value is of the wrong type.
    pub fn apply_defaults(&mut self, options: &Map<String, Value>) -> Result<Vec<String>> {
        let mut options = options.clone();
        leave_out_negative_ids(&mut options);
        Ok(self.apply(&options)?.not_offered)
    }

    fn apply(&mut self, options: &Map<String, Value>) -> Result<Others> {
        let default = Self::default();
        let mut others = Others::default();
        for (name, value) in options {
            let option = Opt { name, value };
            match name.as_str() {
                "max_new_tokens" => self.max_new_tokens = option.nullable(Opt::size)?,
                "max_length" => self.max_length = option.nullable(Opt::size)?,
                "min_new_tokens" => self.min_new_tokens = option.nullable(Opt::size)?,
                "min_length" => self.min_length = option.or(default.min_length, Opt::size)?,
                "num_beams" => self.num_beams = option.or(default.num_beams, Opt::size)?,
                "num_return_sequences" => {
                    self.num_return_sequences =
                        option.or(default.num_return_sequences, Opt::size)?;
                }
                "length_penalty" => {
                    self.length_penalty = option.or(default.length_penalty, Opt::number)?
                }
                "early_stopping" => {
                    self.early_stopping = option.or(default.early_stopping, Opt::early_stopping)?
                }
                "no_repeat_ngram_size" => {
                    self.no_repeat_ngram_size =
                        option.or(default.no_repeat_ngram_size, Opt::size)?;
                }
                "encoder_no_repeat_ngram_size" => {
                    self.encoder_no_repeat_ngram_size =
                        option.or(default.encoder_no_repeat_ngram_size, Opt::size)?;
                }
                "repetition_penalty" => {
                    self.repetition_penalty = option.or(default.repetition_penalty, Opt::number)?
                }
                "encoder_repetition_penalty" => {
                    self.encoder_repetition_penalty =
                        option.or(default.encoder_repetition_penalty, Opt::number)?;
                }
                "bad_words_ids" => self.bad_words_ids = option.or(Vec::new(), Opt::token_lists)?,
                "forced_bos_token_id" => self.forced_bos_token_id = option.nullable(Opt::token)?,
                "forced_eos_token_id" => {
                    self.forced_eos_token_id = option.or(Vec::new(), Opt::tokens)?
                }
                "suppress_tokens" => self.suppress_tokens = option.or(Vec::new(), Opt::tokens)?,
                "begin_suppress_tokens" => {
                    self.begin_suppress_tokens = option.or(Vec::new(), Opt::tokens)?
                }
                "do_sample" => self.do_sample = option.or(default.do_sample, Opt::boolean)?,
                "temperature" => self.temperature = option.or(default.temperature, Opt::number)?,
                "top_k" => self.top_k = option.or(default.top_k, Opt::size)?,
                "top_p" => self.top_p = option.or(default.top_p, Opt::number)?,
                "min_p" => self.min_p = option.nullable(Opt::number)?,
                "typical_p" => self.typical_p = option.or(default.typical_p, Opt::number)?,
                "epsilon_cutoff" => {
                    self.epsilon_cutoff = option.or(default.epsilon_cutoff, Opt::number)?
                }
                "eta_cutoff" => self.eta_cutoff = option.or(default.eta_cutoff, Opt::number)?,
                "seed" => self.seed = option.nullable(Opt::unsigned)?,
                "eos_token_id" => self.eos_token_id = option.or(Vec::new(), Opt::tokens)?,
                "pad_token_id" => self.pad_token_id = option.nullable(Opt::token)?,
                "bos_token_id" => self.bos_token_id = option.nullable(Opt::token)?,
                "decoder_start_token_id" => {
                    self.decoder_start_token_id = option.nullable(Opt::token)?
                }
                "decoder_input_ids" => {
                    self.decoder_input_ids = option.or(Vec::new(), Opt::tokens)?
                }
                _ if option.is_without_effect() => {}
                _ if NOT_OFFERED.iter().any(|(other, _)| other == name) => {
                    others.not_offered.push(name.clone());
                }
                _ => others.unknown.push(name.clone()),
            }
        }
        Ok(others)
    }
}

/// Of the tokens that nothing goes wrong without.
fn leave_out_negative_ids(options: &mut Map<String, Value>) {
    let is_negative = |id: &Value| id.as_i64().is_some_and(|id| id < 0);
    for name in [
        "eos_token_id",
        "pad_token_id",
        "bos_token_id",
        "suppress_tokens",
        "begin_suppress_tokens",
    ] {
        match options.get_mut(name) {
            Some(Value::Array(ids)) => ids.retain(|id| !is_negative(id)),
            Some(id) if is_negative(id) => *id = Value::Null,
            _ => {}
        }
    }
}

/// Names that no option of this crate has.
#[derive(Default)]
struct Others {
    unknown: Vec<String>,
    /// Those of transformers' that would change the output.
    not_offered: Vec<String>,
}

/// Options of transformers that would change the output and that this crate does not have, with the values besides
/// `null` that leave them off.
const NOT_OFFERED: [(&str, &[f64]); 18] = [
    ("assistant_early_exit", &[]),
    ("constraints", &[]),
    ("diversity_penalty", &[0.0]),
    ("dola_layers", &[]),
    ("exponential_decay_length_penalty", &[]),
    ("force_words_ids", &[]),
    ("forced_decoder_ids", &[]),
    ("guidance_scale", &[1.0]),
    ("max_time", &[]),
    ("num_beam_groups", &[1.0]),
    ("penalty_alpha", &[0.0]),
    ("sequence_bias", &[]),
    ("stop_strings", &[]),
    ("token_healing", &[]),
    ("top_h", &[]),
    ("remove_invalid_values", &[]),
    ("renormalize_logits", &[]),
    ("watermarking_config", &[]),
];

/// Options of transformers that do not bear on which tokens come out here.
const IGNORED: [&str; 27] = [
    "_from_model_config",
    "transformers_version",
    "use_cache",
    "cache_implementation",
    "output_attentions",
    "output_hidden_states",
    "output_logits",
    "output_scores",
    "return_dict_in_generate",
    "num_assistant_tokens",
    "num_assistant_tokens_schedule",
    "assistant_confidence_threshold",
    "assistant_lookbehind",
    "target_lookbehind",
    "disable_compile",
    "assistant_ensemble_weight",
    "cache_config",
    "compile_config",
    "continuous_batching_config",
    "is_assistant",
    "low_memory",
    "max_cache_len",
    "max_matching_ngram_size",
    "prefill_chunk_size",
    "prompt_lookup_num_tokens",
    "speculation_type",
    "use_mtp",
];

/// One option as JSON gives it.
#[derive(Clone, Copy)]
struct Opt<'a> {
    name: &'a str,
    value: &'a Value,
}

impl Opt<'_> {
    fn wrong(self, wanted: &str) -> Error {
        let mut found = self.value.to_string();
        if let Some((end, _)) = found.char_indices().nth(60) {
            found.truncate(end);
            found.push_str("...");
        }
        Error::Invalid(format!(
            "generation option {} must be {wanted}, but is {found}",
            self.name
        ))
    }

    fn nullable<T>(self, read: impl Fn(Self) -> Result<T>) -> Result<Option<T>> {
        if self.value.is_null() {
            Ok(None)
        } else {
            read(self).map(Some)
        }
    }

    fn or<T>(self, default: T, read: impl Fn(Self) -> Result<T>) -> Result<T> {
        if self.value.is_null() {
            Ok(default)
        } else {
            read(self)
        }
    }

    fn is_without_effect(self) -> bool {
        if IGNORED.contains(&self.name) {
            return true;
        }
        let Some((_, neutral)) = NOT_OFFERED.iter().find(|(name, _)| *name == self.name) else {
            return false;
        };
        match self.value {
            Value::Null | Value::Bool(false) => true,
            value => value
                .as_f64()
                .is_some_and(|number| neutral.contains(&number)),
        }
    }

    fn boolean(self) -> Result<bool> {
        self.value
            .as_bool()
            .ok_or_else(|| self.wrong("true or false"))
    }

    fn unsigned(self) -> Result<u64> {
        self.value
            .as_u64()
            .ok_or_else(|| self.wrong("a whole number, 0 or more"))
    }

    fn size(self) -> Result<usize> {
        self.unsigned()?
            .try_into()
            .map_err(|_| self.wrong("a smaller number"))
    }

    fn number(self) -> Result<f64> {
        self.value.as_f64().ok_or_else(|| self.wrong("a number"))
    }

    fn token(self) -> Result<u32> {
        token_id(self.value).ok_or_else(|| self.wrong("a token id"))
    }

    /// One token id or a list of them.
    fn tokens(self) -> Result<Vec<u32>> {
        match self.value {
            Value::Array(ids) => ids.iter().map(token_id).collect::<Option<_>>(),
            id => token_id(id).map(|id| vec![id]),
        }
        .ok_or_else(|| self.wrong("a token id or a list of token ids"))
    }

    fn token_lists(self) -> Result<Vec<Vec<u32>>> {
        let list = |value: &Value| {
            value
                .as_array()?
                .iter()
                .map(token_id)
                .collect::<Option<Vec<_>>>()
        };
        self.value
            .as_array()
            .and_then(|lists| lists.iter().map(list).collect())
            .ok_or_else(|| self.wrong("a list of lists of token ids"))
    }

    fn early_stopping(self) -> Result<EarlyStopping> {
        match self.value {
            Value::Bool(false) => Ok(EarlyStopping::No),
            Value::Bool(true) => Ok(EarlyStopping::Yes),
            Value::String(word) if word == "never" => Ok(EarlyStopping::Never),
            _ => Err(self.wrong("true, false or \"never\"")),
        }
    }
}

fn token_id(value: &Value) -> Option<u32> {
    value.as_u64()?.try_into().ok()
}
