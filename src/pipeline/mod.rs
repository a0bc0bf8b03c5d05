//! Text in, text out: a tokenizer, a model on a GPU and generation put together.

mod batches;
mod embed;
mod forward;
mod score;
mod stream;

use std::ops::ControlFlow;
use std::path::Path;

pub use self::forward::{DecoderForward, Forward, ForwardRequest};
pub use self::score::{Score, ScoreRequest};

use self::batches::{Limits, Shape, Told, in_batches, in_turn};
use crate::generate::{self, Observer};
use crate::gpu::{DeviceInfo, Gpu};
use crate::model::{DeviceSelection, Model};
use crate::model_files::ModelFiles;
use crate::ops::WeightDType;
use crate::parameters::Parameters;
use crate::task::{Targets, Task};
use crate::tokenizer::Tokenizer;
use crate::{Error, GenerationConfig, Result, T5Config};

/// How a model is loaded; the default takes the best device, f32 weights and a batch size that suits the device.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Which device: its index or, if it is not digits, a part of its name.
    pub device: Option<String>,
    /// How weights are kept on the GPU.
    pub dtype: WeightDType,
    /// How many texts go through the model together. Unless it is set, long texts go in smaller batches.
    pub batch_size: Option<usize>,
    /// Which part of the model.
    pub part: Part,
}

/// What of a model is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// All that the checkpoint holds.
    #[default]
    All,
    /// Encoder and decoder, both of which there must be.
    Both,
    /// The encoder, for which the decoder takes no memory.
    Encoder,
}

/// What is asked of a model: a source and how to continue from it.
#[derive(Clone, Debug)]
pub struct Request {
    /// Token ids with `</s>`.
    pub input_ids: Vec<u32>,
    /// How to decode.
    pub options: GenerationConfig,
    /// Whether outputs come with their tokens' log-probabilities.
    pub token_logprobs: bool,
}

impl Request {
    /// A request for the outputs alone.
    pub fn new(input_ids: Vec<u32>, options: GenerationConfig) -> Request {
        Request {
            input_ids,
            options,
            token_logprobs: false,
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
}

/// A loaded model with all that it takes to go from text to text.
///
/// ```no_run
/// let model = t5_gpu::Pipeline::open("path/to/t5-small")?;
/// let german = model.generate(&["translate English to German: The house is wonderful."])?;
/// assert_eq!(german, ["Das Haus ist wunderbar."]);
/// # Ok::<(), t5_gpu::Error>(())
/// ```
pub struct Pipeline {
    model: Model,
    tokenizer: Option<Tokenizer>,
    generation: GenerationConfig,
    limits: Limits,
    selection: DeviceSelection,
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
        let config = files.config()?;
        let generation = files.generation()?;
        let weights = files.weights()?;
        let mut parameters = Parameters::load(&weights, &config)?;
        match options.part {
            Part::Encoder => parameters.decoder = None,
            Part::Both => parameters.require_decoder(&config)?,
            Part::All => (),
        }
        let tokenizer = files.tokenizer()?;
        let gpu = Gpu::open(options.device.as_deref())?;
        let model = Model::load(&gpu, &config, &parameters, options.dtype, progress)?;
        let default = if gpu.info().is_software() { 8 } else { 32 };
        let limits = match options.batch_size {
            Some(size) => Limits {
                items: size.max(1),
                tokens: usize::MAX,
            },
            None => Limits {
                items: default,
                tokens: default * COMFORTABLE_TOKENS,
            },
        };
        Ok(Pipeline {
            selection: model.device_selection(),
            model,
            tokenizer,
            generation,
            limits,
        })
    }

    /// Reads all logits back and chooses tokens on the CPU, in greedy decoding and beam search too: the same tokens, more
    /// slowly.
    pub fn choosing_on_cpu(self) -> Pipeline {
        Pipeline {
            selection: DeviceSelection::NONE,
            ..self
        }
    }

    /// The architecture.
    pub fn config(&self) -> &T5Config {
        self.model.config()
    }

    /// The device that the model is on.
    pub fn device(&self) -> &DeviceInfo {
        self.model.gpu().info()
    }

    /// The model's own generation defaults.
    pub fn generation(&self) -> &GenerationConfig {
        &self.generation
    }

    /// The tokenizer, where the model has one.
    pub fn tokenizer(&self) -> Option<&Tokenizer> {
        self.tokenizer.as_ref()
    }

    /// The model, for what this face does not offer.
    pub fn model(&self) -> &Model {
        &self.model
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
        self.generate_with(texts, "", &self.generation)
    }

    /// Translates between languages given by code or English name, as [`Task::translation`] finds how.
    ///
    /// # Errors
    /// A language that is unknown or that the model does not have, and as [`Pipeline::generate`].
    pub fn translate(
        &self,
        texts: &[impl AsRef<str>],
        from: &str,
        to: &str,
    ) -> Result<Vec<String>> {
        let targets = || Ok(self.tokenizer.as_ref().map(Targets::of).unwrap_or_default());
        let task = Task::translation(self.config(), targets, from, to)?;
        let mut options = self.generation.clone();
        options.apply_defaults(&task.options)?;
        self.generate_with(texts, &task.prefix, &options)
    }

    fn generate_with(
        &self,
        texts: &[impl AsRef<str>],
        prefix: &str,
        options: &GenerationConfig,
    ) -> Result<Vec<String>> {
        let tokenizer = self.tokenizer.as_ref().ok_or_else(|| {
            Error::Invalid("this model has no tokenizer: use generate_each with token ids".into())
        })?;
        let requests = texts
            .iter()
            .map(|text| {
                let input_ids = tokenizer.encode(&format!("{prefix}{}", text.as_ref()))?;
                Ok(Request::new(input_ids, options.clone()))
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

    /// Answers requests, as many together as a batch holds and others as these are done, telling each request's outputs, or what is wrong with it, as soon
    /// as they are there, by the request's index, until told to stop. A request's outputs do not depend on the others.
    pub fn generate_each(
        &self,
        requests: &[Request],
        done: &mut dyn FnMut(usize, Result<Vec<Output>>) -> ControlFlow<()>,
    ) {
        let check = |request: &Request| {
            self.check_request(request)?;
            Ok(Shape {
                tokens: request.input_ids.len(),
                rows: generate::Request::new(0, Vec::new(), request.options.clone()).slots(),
            })
        };
        in_turn(
            requests,
            self.limits,
            check,
            |batch, told| self.generate_batch(batch, told),
            done,
        );
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
            Ok(Shape {
                tokens: source.len(),
                rows: 1,
            })
        };
        let run = |batch: &[&Vec<u32>]| {
            let sources: Vec<Vec<u32>> = batch.iter().map(|&source| source.clone()).collect();
            let states = self.model.encode(&sources)?.hidden_states()?;
            forward::check_states(&states)?;
            Ok(states)
        };
        in_batches(sources, self.limits, check, run, done);
    }

    /// Each request's outputs as soon as they are there, by its index.
    fn generate_batch(
        &self,
        batch: &[&Request],
        told: Told<'_, Vec<Output>>,
    ) -> Result<ControlFlow<()>> {
        let requests: Vec<generate::Request> = batch
            .iter()
            .map(|request| generate::Request {
                token_logprobs: request.token_logprobs,
                ..generate::Request::new(0, request.input_ids.clone(), request.options.clone())
            })
            .collect();
        let places = requests.len().min(self.limits.items);
        let mut decoder = self.model.shared_decoder(None, self.selection)?;
        let mut teller = Teller {
            pipeline: self,
            requests: &requests,
            told,
            flow: ControlFlow::Continue(()),
        };
        generate::generate_in_turn(&mut decoder, &requests, places, &mut teller)?;
        Ok(teller.flow)
    }

    /// The text begins with the decoder prefix, as the sequences of transformers do; the token ids do not.
    fn output(&self, output: generate::Output, request: &generate::Request) -> Result<Output> {
        let mut ids = request.config.decoder_prompt()?.split_off(1);
        ids.extend_from_slice(&output.token_ids);
        let tokenizer = self.tokenizer.as_ref();
        let text = tokenizer
            .map(|tokenizer| tokenizer.decode(&ids, true))
            .transpose()?;
        Ok(Output {
            text,
            token_ids: output.token_ids,
            score: output.score,
            token_logprobs: output.token_logprobs,
        })
    }

    fn check_request(&self, request: &Request) -> Result<()> {
        self.check_source(&request.input_ids)?;
        request.options.validate()?;
        let prompt = request.options.decoder_prompt()?;
        self.check_tokens(&prompt)?;
        request.options.length_limits(prompt.len())?;
        Ok(())
    }

    fn check_source(&self, source: &[u32]) -> Result<()> {
        if source.is_empty() {
            return Err(Error::Invalid(
                "a source needs at least one token id".into(),
            ));
        }
        self.check_tokens(source)
    }

    fn check_tokens(&self, ids: &[u32]) -> Result<()> {
        let vocab_size = self.config().vocab_size;
        match ids.iter().find(|&&id| id as usize >= vocab_size) {
            Some(&id) => Err(Error::TokenOutOfRange { id, vocab_size }),
            None => Ok(()),
        }
    }
}

/// Tells outputs as requests are finished, until it is told to stop.
struct Teller<'a> {
    pipeline: &'a Pipeline,
    requests: &'a [generate::Request],
    told: Told<'a, Vec<Output>>,
    flow: ControlFlow<()>,
}

impl Observer for Teller<'_> {
    fn finished(&mut self, index: usize, outputs: &[generate::Output]) -> Result<ControlFlow<()>> {
        let request = &self.requests[index];
        let outputs = outputs
            .iter()
            .map(|output| self.pipeline.output(output.clone(), request))
            .collect::<Result<_>>()?;
        self.flow = (self.told)(index, outputs);
        Ok(self.flow)
    }
}

/// Sources of up to so many tokens go in full batches.
const COMFORTABLE_TOKENS: usize = 512;
