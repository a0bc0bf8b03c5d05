//! Text in, text out: a tokenizer, a model on a GPU and generation put together.

mod align;
mod answers;
mod each;
mod embed;
mod forward;
pub mod json;
mod score;
mod stream;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, OnceLock};

pub use self::align::AlignRequest;
pub use self::answers::Pending;
pub use self::forward::{DecoderForward, Forward, ForwardRequest};
pub use self::score::{Score, ScoreRequest};
pub use self::stream::{Following, Progress};

use self::each::{Limits, in_batches};
use crate::alignment::Alignment;
use crate::engine::{Engine, LoadOptions, check_source, check_tokens};
use crate::gpu::DeviceInfo;
use crate::model::{DeviceSelection, Model};
use crate::model_files::ModelFiles;
use crate::task::{Targets, Task};
use crate::tokenizer::Tokenizer;
use crate::{Error, GenerationConfig, Result, T5Config};

/// What is asked of a model: a source and how to continue from it.
#[derive(Clone, Debug)]
pub struct Request {
    /// Token ids with `</s>`.
    pub input_ids: Vec<u32>,
    /// How to decode.
    pub options: GenerationConfig,
    /// Whether outputs come with their tokens' log-probabilities.
    pub token_logprobs: bool,
    /// Whether outputs come with their alignment.
    pub alignment: bool,
}

impl Request {
    /// A request for the outputs alone.
    pub fn new(input_ids: Vec<u32>, options: GenerationConfig) -> Request {
        Request {
            input_ids,
            options,
            token_logprobs: false,
            alignment: false,
        }
    }
}

/// One of the outputs of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// The decoder prefix and what follows it; `None` where the model directory has no tokenizer.
    pub text: Option<String>,
    /// With `</s>`, without the start token and the decoder prefix.
    pub token_ids: Vec<u32>,
    /// Beam search's score of the sequence.
    pub score: Option<f32>,
    /// Of each token, the model's log-probability, before any processor; where the request asked for them.
    pub token_logprobs: Option<Vec<f32>>,
    /// How much each token attended to each of the source's while it was chosen, the mean over layers and heads; where the
    /// request asked for it.
    pub alignment: Option<Alignment>,
}

impl Output {
    /// An output of which nothing but its text is known.
    pub fn of_text(text: String) -> Output {
        Output {
            text: Some(text),
            token_ids: Vec::new(),
            score: None,
            token_logprobs: None,
            alignment: None,
        }
    }
}

/// A loaded model with all that it takes to go from text to text: an [`Engine`] and a tokenizer. Threads may share it, and
/// what they ask for is answered together.
///
/// ```no_run
/// let model = t5_gpu::Pipeline::open("path/to/t5-small")?;
/// let german = model.generate(&["translate English to German: The house is wonderful."])?;
/// assert_eq!(german, ["Das Haus ist wunderbar."]);
/// # Ok::<(), t5_gpu::Error>(())
/// ```
pub struct Pipeline {
    engine: Engine,
    tokenizer: Option<Arc<Tokenizer>>,
    config: T5Config,
    generation: GenerationConfig,
    device: DeviceInfo,
    limits: Limits,
    targets: OnceLock<Targets>,
}

impl Pipeline {
    /// Opens a model directory in Hugging Face's layout on the best device.
    ///
    /// # Errors
    /// As [`Pipeline::load`].
    pub fn open(directory: impl AsRef<Path>) -> Result<Pipeline> {
        Pipeline::load(
            &ModelFiles::open(directory)?,
            &LoadOptions::default(),
            &mut |_, _| (),
        )
    }

    /// Opens the model that comes with the crate: English to German, if the build was not told of another.
    ///
    /// # Errors
    /// As [`Pipeline::load`].
    pub fn embedded() -> Result<Pipeline> {
        Pipeline::load(
            &ModelFiles::embedded()?,
            &LoadOptions::default(),
            &mut |_, _| (),
        )
    }

    /// Loads a model; `progress` is told the bytes that are on the GPU and those that there will be.
    ///
    /// # Errors
    /// No such device, files missing or wrong, tensors missing or of the wrong shape, no decoder where there must be one, a
    /// model too large for the device.
    pub fn load(
        files: &ModelFiles,
        options: &LoadOptions,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Pipeline> {
        let generation = files.generation()?;
        let tokenizer = files.tokenizer()?;
        let engine = Engine::load(files, options, progress)?;
        let items = engine.batch_size();
        let tokens = match options.batch_size {
            Some(_) => usize::MAX,
            None => items * COMFORTABLE_TOKENS,
        };
        let model = engine.model();
        Ok(Pipeline {
            engine,
            tokenizer: tokenizer.map(Arc::new),
            config: model.config().clone(),
            generation,
            device: model.gpu().info().clone(),
            limits: Limits { items, tokens },
            targets: OnceLock::new(),
        })
    }

    /// Reads all logits back and chooses tokens on the CPU, in greedy decoding and beam search too: the same tokens, more
    /// slowly.
    pub fn choosing_on_cpu(self) -> Pipeline {
        self.engine.select(DeviceSelection::NONE);
        self
    }

    /// The architecture.
    pub fn config(&self) -> &T5Config {
        &self.config
    }

    /// The device that the model is on.
    pub fn device(&self) -> &DeviceInfo {
        &self.device
    }

    /// The model's own generation defaults.
    pub fn generation(&self) -> &GenerationConfig {
        &self.generation
    }

    /// The languages that the vocabulary has tokens for, where the model is one of those that are told so.
    pub fn targets(&self) -> &Targets {
        self.targets
            .get_or_init(|| self.tokenizer().map(Targets::of).unwrap_or_default())
    }

    /// How to translate between two languages, given by code or English name, with the options that the model has for that.
    ///
    /// # Errors
    /// A language that is unknown or that the model does not have.
    pub fn translation(&self, from: &str, to: &str) -> Result<(Task, GenerationConfig)> {
        let task = Task::translation(&self.config, || Ok(self.targets()), from, to)?;
        let mut options = self.generation.clone();
        options.apply_defaults(&task.options)?;
        Ok((task, options))
    }

    /// The tokenizer, where the model has one.
    pub fn tokenizer(&self) -> Option<&Tokenizer> {
        self.tokenizer.as_deref()
    }

    /// The model on its device, for what this face does not offer.
    pub fn model(&self) -> Arc<Model> {
        self.engine.model()
    }

    /// The engine, for token ids in and out.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// How many texts go through the model together at most.
    pub fn batch_size(&self) -> usize {
        self.limits.items
    }

    /// Continues each text as it stands with the model's own generation defaults.
    ///
    /// # Errors
    /// The first text's that fails; [`Pipeline::generate_each`] tells all apart.
    pub fn generate(&self, texts: &[impl AsRef<str>]) -> Result<Vec<String>> {
        let tokenizer = self.tokenizer.as_ref().ok_or_else(|| {
            Error::Invalid("this model has no tokenizer: use generate_each with token ids".into())
        })?;
        let requests = texts
            .iter()
            .map(|text| {
                let input_ids = tokenizer.encode(text.as_ref())?;
                Ok(Request::new(input_ids, self.generation.clone()))
            })
            .collect::<Result<Vec<_>>>()?;
        let mut texts = vec![String::new(); requests.len()];
        let mut outcome = Ok(());
        self.generate_each(&requests, &mut |index, outputs| match outputs {
            Ok(outputs) => {
                texts[index] = outputs
                    .into_iter()
                    .next()
                    .and_then(|output| output.text)
                    .unwrap_or_default();
                ControlFlow::Continue(())
            }
            Err(error) => {
                outcome = Err(error);
                ControlFlow::Break(())
            }
        });
        outcome.map(|()| texts)
    }

    /// The encoder's last hidden state of each source, `[source length, d_model]` row-major, told as by
    /// [`Pipeline::generate_each`].
    pub fn encode_each(
        &self,
        sources: &[Vec<u32>],
        done: &mut dyn FnMut(usize, Result<Vec<f32>>) -> ControlFlow<()>,
    ) {
        let check = |source: &Vec<u32>| {
            self.check_source(source)?;
            Ok(source.len())
        };
        let run = |batch: &[&Vec<u32>]| {
            let sources: Vec<Vec<u32>> = batch.iter().map(|&source| source.clone()).collect();
            let states = self
                .engine
                .on_device(|model| model.encode(&sources)?.hidden_states())?;
            forward::check_states(&states)?;
            Ok(states)
        };
        in_batches(sources, self.limits, check, run, done);
    }

    fn check_source(&self, source: &[u32]) -> Result<()> {
        check_source(source, self.config.vocab_size)
    }

    fn check_tokens(&self, ids: &[u32]) -> Result<()> {
        check_tokens(ids, self.config.vocab_size)
    }
}

/// Sources of up to so many tokens go in full batches.
const COMFORTABLE_TOKENS: usize = 512;
