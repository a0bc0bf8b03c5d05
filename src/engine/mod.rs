//! One thread that owns a model on a device: requests enter and leave at any step, and everybody comes in here.

mod gauges;
mod handle;
mod inbox;
mod resident;
mod worker;

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Context;
use std::thread::JoinHandle;
use std::time::Instant;

pub use gauges::Gauges;
pub use handle::Handle;

use self::handle::{Events, Sender};
use self::inbox::{Inbox, Sink};
use self::resident::Resident;
use self::worker::Worker;
use crate::generate::{Event, Request};
use crate::model::{DeviceSelection, Model};
use crate::model_files::ModelFiles;
use crate::ops::WeightDType;
use crate::{Error, Result};

/// How a model is loaded; the default takes the best device, f32 weights, and a batch size and memory that suit the device.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Which device: its index or, if it is not digits, a part of its name.
    pub device: Option<String>,
    /// How weights are kept on the GPU.
    pub dtype: WeightDType,
    /// How many texts go through the model together at most.
    pub batch_size: Option<usize>,
    /// Bytes that keys and values of sources and outputs may take on the device. They are taken as they are needed.
    pub kv_memory: Option<u64>,
    /// Source tokens that may wait for their turn; whoever comes then waits before the door.
    pub queue_tokens: Option<usize>,
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

/// A model that serves whoever asks, all together.
///
/// ```
/// # #[cfg(feature = "embedded-model")]
/// # fn main() -> t5_gpu::Result<()> {
/// use t5_gpu::generate::{Event, Request};
/// use t5_gpu::{Engine, LoadOptions, ModelFiles};
///
/// let files = ModelFiles::embedded()?;
/// let engine = Engine::load(&files, &LoadOptions::default(), &mut |_, _| ())?;
/// let source = files.tokenizer()?.unwrap().encode("translate English to German: She reads.")?;
/// for event in engine.submit(Request::new(0, source, files.generation()?), None)? {
///     match event {
///         Event::Entered => (),
///         Event::Token { token, .. } => println!("{token}"),
///         Event::Finished(outputs) => println!("{:?}", outputs[0].token_ids),
///         Event::Failed(error) => return Err(error),
///     }
/// }
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "embedded-model"))]
/// # fn main() {}
/// ```
pub struct Engine {
    resident: Arc<Resident>,
    inbox: Arc<Inbox>,
    worker: Option<JoinHandle<()>>,
    places: usize,
    kv_memory: Option<u64>,
    gauges: Arc<Mutex<Gauges>>,
}

/// Source tokens that wait at most, unless options say otherwise.
const QUEUE_TOKENS: usize = 1 << 16;
/// What keys and values may take where the device's memory is the host's, unless options say otherwise.
const SOFTWARE_KV_MEMORY: u64 = 1 << 30;

impl Engine {
    /// Loads a model; `progress` is told the bytes that are on the GPU and those that there will be.
    ///
    /// # Errors
    /// No such device, files missing or wrong, tensors missing or of the wrong shape, no decoder where there must be one, a
    /// model too large for the device.
    pub fn load(
        files: &ModelFiles,
        options: &LoadOptions,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Engine> {
        let resident = Arc::new(Resident::load(files, options, progress)?);
        let model = resident.model();
        let gpu = model.gpu();
        let is_software = gpu.info().is_software();
        let places = options
            .batch_size
            .map_or(if is_software { 8 } else { 32 }, |size| size.max(1));
        let kv_memory = options.kv_memory.or_else(|| {
            // What is left is not all for keys and values.
            let left = gpu.memory_left().map(|bytes| bytes / 4 * 3);
            let most = is_software.then_some(SOFTWARE_KV_MEMORY);
            left.into_iter().chain(most).min()
        });
        let queue_tokens = options.queue_tokens.unwrap_or(QUEUE_TOKENS);
        let inbox = Arc::new(Inbox::new(queue_tokens, model.device_selection()));
        let gauges = Arc::new(Mutex::new(Gauges::default()));
        let worker = Worker::new(
            inbox.clone(),
            resident.clone(),
            places,
            kv_memory,
            gauges.clone(),
        );
        let thread = std::thread::Builder::new()
            .name("t5-gpu engine".into())
            .spawn(|| worker.run())
            .map_err(|error| Error::Gpu(format!("no thread for the engine: {error}")))?;
        Ok(Engine {
            resident,
            inbox,
            worker: Some(thread),
            places,
            kv_memory,
            gauges,
        })
    }

    /// What the engine is doing, as of its last step. Asking costs nothing worth mentioning.
    pub fn gauges(&self) -> Gauges {
        let waiting = self.inbox.waiting();
        let published = self.gauges.lock().unwrap_or_else(PoisonError::into_inner);
        Gauges {
            waiting_requests: waiting.requests,
            waiting_tokens: waiting.tokens,
            queue_tokens: self.inbox.limit(),
            ..*published
        }
    }

    /// The model on its device, the one that it is on now.
    pub fn model(&self) -> Arc<Model> {
        self.resident.model()
    }

    /// How many requests run together at most.
    pub fn batch_size(&self) -> usize {
        self.places
    }

    /// How much of choosing tokens is left to the device from now on: for those who come when nobody runs.
    pub fn select(&self, selection: DeviceSelection) {
        self.inbox.set_selection(selection);
    }

    /// Lets a request wait for its turn, after waiting for room in the queue. Its `source` does not matter. It ends by
    /// `deadline`, with [`Error::TimedOut`].
    ///
    /// # Errors
    /// Options and token ids that cannot be used, [`Error::TooLarge`] for what would never fit,
    /// [`Error::TimedOut`], [`Error::Stopped`].
    pub fn submit(&self, request: Request, deadline: Option<Instant>) -> Result<Handle> {
        self.handle(request, deadline, true)
    }

    /// [`Engine::submit`] that does not wait.
    ///
    /// # Errors
    /// As [`Engine::submit`], and [`Error::QueueFull`].
    pub fn try_submit(&self, request: Request, deadline: Option<Instant>) -> Result<Handle> {
        self.handle(request, deadline, false)
    }

    /// [`Engine::submit`] that waits for room on no thread. A deadline is looked at whenever there may be room.
    ///
    /// # Errors
    /// As [`Engine::submit`].
    pub async fn submit_async(
        &self,
        request: Request,
        deadline: Option<Instant>,
    ) -> Result<Handle> {
        self.check(&request)?;
        let (events, sink) = events();
        let mut submission = Some((request, sink));
        let poll = |context: &mut Context<'_>| {
            (self.inbox).poll_submit(&mut submission, deadline, context)
        };
        let id = poll_fn(poll).await?;
        Ok(Handle::new(id, events, self.inbox.clone()))
    }

    fn handle(&self, request: Request, deadline: Option<Instant>, waits: bool) -> Result<Handle> {
        let (events, sink) = events();
        let id = self.send(request, deadline, waits, sink)?;
        Ok(Handle::new(id, events, self.inbox.clone()))
    }

    /// [`Engine::submit`] with somebody to tell, on the engine's thread, in place of a handle.
    pub(crate) fn send(
        &self,
        request: Request,
        deadline: Option<Instant>,
        waits: bool,
        sink: Sink,
    ) -> Result<u64> {
        self.check(&request)?;
        self.inbox.submit(request, deadline, waits, sink)
    }

    /// Ends a request without a word.
    pub(crate) fn cancel(&self, id: u64) {
        self.inbox.cancel(id);
    }

    /// Whether a request can be run at all.
    ///
    /// # Errors
    /// As [`Engine::submit`].
    pub fn check(&self, request: &Request) -> Result<()> {
        let model = self.model();
        let source = &request.encoder_input_ids;
        check_source(source, model.config().vocab_size)?;
        request.config.validate()?;
        let prompt = request.config.decoder_prompt()?;
        check_tokens(&prompt, model.config().vocab_size)?;
        let limits = request.config.length_limits(prompt.len())?;
        let positions = limits.max_length.saturating_sub(1);
        model.check_share(self.kv_memory, source.len(), request.slots(), positions)
    }

    /// Runs something on the model, and where that fails because the device is lost, once again on a new one.
    ///
    /// # Errors
    /// What `run` and opening the device report.
    pub fn on_device<T>(&self, run: impl Fn(&Model) -> Result<T>) -> Result<T> {
        let model = self.model();
        let outcome = run(&model);
        if outcome.is_err() && model.gpu().is_lost() {
            self.resident.reopen(&model)?;
            return run(&self.model());
        }
        outcome
    }

    /// Ends all requests, with [`Error::Stopped`], and the thread. Dropping the engine does the same.
    pub fn stop(&mut self) {
        self.inbox.stop();
        if let Some(worker) = self.worker.take() {
            // A panic of the thread has been told on stderr, and everybody's handle ends all the same.
            let _ = worker.join();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A request's events, and who sends them.
fn events() -> (Arc<Events>, Sink) {
    let events = Arc::new(Events::default());
    let sender = Sender(events.clone());
    (events, Box::new(move |event| sender.send(event)))
}

/// Whether an event is a request's last.
fn is_end(event: &Event) -> bool {
    matches!(event, Event::Finished(_) | Event::Failed(_))
}

/// A source is some tokens of the vocabulary.
pub(crate) fn check_source(source: &[u32], vocab_size: usize) -> Result<()> {
    if source.is_empty() {
        return Err(Error::Invalid(
            "a source needs at least one token id".into(),
        ));
    }
    check_tokens(source, vocab_size)
}

pub(crate) fn check_tokens(ids: &[u32], vocab_size: usize) -> Result<()> {
    match ids.iter().find(|&&id| id as usize >= vocab_size) {
        Some(&id) => Err(Error::TokenOutOfRange { id, vocab_size }),
        None => Ok(()),
    }
}
