//! The one error type of the crate: what was wrong, where, and what to do, in one line.

use std::path::PathBuf;

/// What can go wrong, in words meant for the person who can put it right.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file in question.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        /// The file in question.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file was read but does not hold what it should.
    #[error("{}: {message}", path.display())]
    File {
        /// The file in question.
        path: PathBuf,
        /// What is wrong with it and what to do.
        message: String,
    },
    /// The checkpoint lacks a tensor that its config asks for.
    #[error(
        "tensor {name} is missing: the config asks for one of shape {expected:?}, the file has {instead}"
    )]
    MissingTensor {
        /// The tensor's name in the checkpoint.
        name: String,
        /// The shape the config implies.
        expected: Vec<usize>,
        /// What the file has instead, and what to do about it where that is known.
        instead: String,
    },
    /// A tensor's shape contradicts the config.
    #[error("tensor {name} has shape {found:?}, but the config asks for {expected:?}")]
    TensorShape {
        /// The tensor's name in the checkpoint.
        name: String,
        /// The shape the config implies.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A weight that is no number, or that the type that weights are kept in cannot hold.
    #[error("tensor {name} holds {} at {index:?}, {remedy}", brief(*value))]
    Weight {
        /// The tensor's name in the checkpoint.
        name: String,
        /// Where in it.
        index: Vec<usize>,
        /// What stands there.
        value: f64,
        /// Why that cannot be, and what to do.
        remedy: String,
    },
    /// The model, or a part of it, is of a kind this crate does not run.
    #[error("unsupported {what} \"{found}\": supported are {supported}")]
    Unsupported {
        /// What kind of thing: "model_type", "feed_forward_proj", "tensor dtype", ...
        what: &'static str,
        /// What the file says.
        found: String,
        /// What would have worked.
        supported: String,
    },
    /// No GPU adapter at all.
    #[error(
        "no GPU adapter found: install a Vulkan driver (Debian/Ubuntu: mesa-vulkan-drivers and libvulkan1; \
         Fedora: mesa-vulkan-drivers and vulkan-loader; Arch: vulkan-icd-loader and vulkan-swrast or your GPU's driver; \
         Windows and macOS: the GPU's current driver, DX12 and Metal come with the system)"
    )]
    NoAdapter,
    /// `--device` named something that is not there.
    #[error("no device matches \"{wanted}\"; devices: {available}")]
    UnknownDevice {
        /// What was asked for.
        wanted: String,
        /// The devices there are, by index and name.
        available: String,
    },
    /// `--device` named several.
    #[error(
        "several devices match \"{wanted}\": give the index or more of the name; devices: {available}"
    )]
    AmbiguousDevice {
        /// What was asked for.
        wanted: String,
        /// The devices there are, by index and name.
        available: String,
    },
    /// The adapter cannot hold the model or the batch.
    #[error("{what} needs {needed} bytes, but the adapter offers {available}: use {hint}")]
    TooLarge {
        /// What does not fit.
        what: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes the adapter offers.
        available: u64,
        /// What would help.
        hint: &'static str,
    },
    /// A token id outside the vocabulary.
    #[error("token id {id} is out of range: the vocabulary has {vocab_size} rows (0 to {})", vocab_size - 1)]
    TokenOutOfRange {
        /// The offending id.
        id: u32,
        /// Rows of the embedding.
        vocab_size: usize,
    },
    /// What was asked for needs a decoder, and the model is an encoder alone.
    #[error(
        "this model is an encoder alone ({reason}) and cannot generate or score text: encode gives its states, or with \
         --pooling mean one vector a text; tokenize, inspect and verify work, too"
    )]
    NoDecoder {
        /// What says so.
        reason: &'static str,
    },
    /// A model named by its hub id could not be had.
    #[error("{model}: {message}")]
    Hub {
        /// Its id, with the revision where one was given.
        model: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// More requests wait than there may.
    #[error(
        "the queue is full: {waiting} source tokens wait and {tokens} more would be past {limit}; try again later"
    )]
    QueueFull {
        /// Source tokens of the request that was turned away.
        tokens: usize,
        /// Source tokens that wait.
        waiting: usize,
        /// Source tokens that may.
        limit: usize,
    },
    /// A request's time was up before it was done.
    #[error("the request was not done by its deadline: give it more time, or ask for less at once")]
    TimedOut,
    /// The engine has stopped: nothing is answered any more.
    #[error("the engine has stopped: load the model again")]
    Stopped,
    /// An option or input that cannot be used, with the reason and the remedy.
    #[error("{0}")]
    Invalid(String),
    /// The model computes what is no number.
    #[error(
        "{what} are not finite (NaN or infinite): numbers overflow on the way, in f16 sooner than in f32, so use dtype f32; \
         where that is in use, the checkpoint's weights are damaged or too large"
    )]
    NotFinite {
        /// What came out so: "the logits", "the hidden states", ...
        what: &'static str,
    },
    /// The GPU or its driver failed.
    #[error("the GPU failed: {0}")]
    Gpu(String),
}

impl Error {
    /// [`Error::Unsupported`] of weights quantised beforehand, by what gives them away.
    pub(crate) fn quantised(mark: &str) -> Error {
        Error::Unsupported {
            what: "quantised weights",
            found: mark.into(),
            supported:
                "models as they were before quantisation; --dtype int8 quantises when it loads"
                    .into(),
        }
    }

    /// [`Error::Write`] of this file.
    pub fn write(path: impl Into<PathBuf>, source: std::io::Error) -> Error {
        Error::Write {
            path: path.into(),
            source,
        }
    }
}

/// A number with the digits that it needs, as f32 where it is one.
fn brief(value: f64) -> String {
    let single = value as f32;
    let text = match f64::from(single) == value {
        true => format!("{single:?}"),
        false => format!("{value:?}"),
    };
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
