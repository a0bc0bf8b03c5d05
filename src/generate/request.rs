use crate::config::LengthLimits;
use crate::generate::processors::ProcessorList;
use crate::{Error, GenerationConfig, Result};

/// One source to decode and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Its row in the encoded batch.
    pub source: u32,
    /// Its tokens, which the `encoder_*` options look at.
    pub encoder_input_ids: Vec<u32>,
    /// All layers of options applied.
    pub config: GenerationConfig,
    /// Whether outputs come with their tokens' log-probabilities.
    pub token_logprobs: bool,
    /// Whether outputs come with their alignment.
    pub alignment: bool,
}

impl Request {
    /// A request for the outputs alone.
    pub fn new(source: u32, encoder_input_ids: Vec<u32>, config: GenerationConfig) -> Self {
        Self {
            source,
            encoder_input_ids,
            config,
            token_logprobs: false,
            alignment: false,
        }
    }

    /// How many hypotheses run side by side, each in a slot of its own.
    pub fn slots(&self) -> usize {
        if self.config.num_beams > 1 {
            self.config.num_beams
        } else {
            self.config.num_return_sequences
        }
    }
}

/// One decoded sequence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// With the end-of-sequence token, without the start token and the decoder prefix.
    pub token_ids: Vec<u32>,
    /// Beam search's sequence score: log-probability / length^length_penalty.
    pub score: Option<f32>,
    /// Of each token, the model's log-probability, before any processor; where the request asked for them.
    pub token_logprobs: Option<Vec<f32>>,
    /// How much each token, while it was chosen, attended to each of the source's: `[tokens, source tokens]`, the mean over
    /// heads and layers of cross-attention; where the request asked for it.
    pub alignment: Option<Vec<f32>>,
}

/// What a search needs to know of its request, whose options are valid.
pub(super) struct Plan {
    pub source: u32,
    /// The first of the search's slots. Like the source, it is known when the search enters a batch.
    pub slot: u32,
    /// Start token and decoder prefix.
    pub prompt: Vec<u32>,
    pub limits: LengthLimits,
    pub eos_token_id: Vec<u32>,
    pub processors: ProcessorList,
    pub token_logprobs: bool,
    /// Tokens of the source, where outputs come with their alignment.
    pub aligned: Option<usize>,
}

impl Plan {
    pub fn new(request: &Request, vocab_size: usize) -> Result<Self> {
        let config = &request.config;
        let prompt = config.decoder_prompt()?;
        if let Some(&id) = prompt.iter().find(|&&id| id as usize >= vocab_size) {
            return Err(Error::TokenOutOfRange { id, vocab_size });
        }
        let limits = config.length_limits(prompt.len())?;
        let processors = ProcessorList::new(
            config,
            limits,
            prompt.len(),
            &request.encoder_input_ids,
            vocab_size,
        )?;
        Ok(Self {
            source: 0,
            slot: 0,
            prompt,
            limits,
            eos_token_id: config.eos_token_id.clone(),
            processors,
            token_logprobs: request.token_logprobs,
            aligned: (request.alignment).then_some(request.encoder_input_ids.len()),
        })
    }

    /// Whether a hypothesis of `length` tokens, `token` the last of them, is complete.
    pub fn is_complete(&self, length: usize, token: u32) -> bool {
        length >= self.limits.max_length || self.eos_token_id.contains(&token)
    }
}
