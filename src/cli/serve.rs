//! `t5-gpu serve`

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::FalseyValueParser;
use t5_gpu::serve::{Models, Settings, serve};
use t5_gpu::{LoadOptions, Part, Pipeline, WeightDType};
use tracing_subscriber::EnvFilter;

use super::Outcome;
use super::args::{ModelArg, bytes, dtype};
use super::console::Console;

/// Serve the APIs of LibreTranslate and DeepL, a page and more over HTTP
///
/// Every flag can be set by an environment variable: --char-limit by T5_GPU_CHAR_LIMIT.
#[derive(Args)]
pub struct Serve {
    /// The address to listen at; 0.0.0.0 is all of this machine's
    #[arg(
        long,
        default_value = "127.0.0.1",
        value_name = "ADDRESS",
        env = "T5_GPU_HOST"
    )]
    host: String,
    /// The port to listen at; 0 is any that is free
    #[arg(long, default_value = "5000", value_name = "PORT", env = "T5_GPU_PORT")]
    port: u16,
    /// A model as for translate; several serve the languages of all, each pair by the one that fits best
    #[arg(
        long,
        value_name = "DIR|ID",
        env = "T5_GPU_MODEL",
        value_delimiter = ','
    )]
    model: Vec<String>,
    /// Which GPU: its index or a part of its name, as `t5-gpu devices` lists them
    #[arg(long, value_name = "INDEX|NAME", env = "T5_GPU_DEVICE")]
    device: Option<String>,
    /// How weights are kept on the GPU: f32, f16 or int8
    #[arg(long, default_value = "f32", value_parser = dtype, env = "T5_GPU_DTYPE")]
    dtype: WeightDType,
    /// How many texts go through a model together (default: by device)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), env = "T5_GPU_BATCH_SIZE")]
    batch_size: Option<u32>,
    /// What keys and values of texts may take of the device's memory (default: by device)
    #[arg(long, value_name = "BYTES", value_parser = bytes, env = "T5_GPU_KV_MEMORY")]
    kv_memory: Option<u64>,
    #[command(flatten)]
    limits: LimitArgs,
    /// A file of keys: a line is KEY, or KEY LIMIT where it may send so many texts a minute, or KEY LIMIT CHARACTERS; it is
    /// read again on SIGHUP. Without it, nobody is asked for a key
    #[arg(long, value_name = "FILE", env = "T5_GPU_API_KEYS")]
    api_keys: Option<PathBuf>,
    /// No files, only text
    #[arg(long, value_parser = FalseyValueParser::new(), env = "T5_GPU_DISABLE_FILES_TRANSLATION")]
    disable_files_translation: bool,
    /// What all paths begin with: /translate
    #[arg(long, default_value = "", value_name = "PATH", value_parser = prefix, env = "T5_GPU_URL_PREFIX")]
    url_prefix: String,
    /// Web pages of which origin may ask: https://example.org, or * for all (default: none)
    #[arg(long, value_name = "ORIGIN", env = "T5_GPU_CORS")]
    cors: Option<String>,
    /// How long what runs may take on SIGTERM
    #[arg(long, default_value = "30", value_name = "SECONDS", value_parser = seconds, env = "T5_GPU_SHUTDOWN_TIMEOUT")]
    shutdown_timeout: Duration,
    /// Nothing on stderr but errors
    #[arg(long, short, value_parser = FalseyValueParser::new(), env = "T5_GPU_QUIET")]
    quiet: bool,
}

/// What one client may ask for, and all together; -1 is no limit.
#[derive(Args)]
struct LimitArgs {
    /// Characters that a text may have; -1 is no limit
    #[arg(long, default_value = "20000", value_name = "N", value_parser = limit, allow_negative_numbers = true, env = "T5_GPU_CHAR_LIMIT")]
    char_limit: Limit,
    /// Texts that a request may have; -1 is no limit
    #[arg(long, default_value = "1000", value_name = "N", value_parser = limit, allow_negative_numbers = true, env = "T5_GPU_BATCH_LIMIT")]
    batch_limit: Limit,
    /// Alternatives that a text may be given; -1 is no limit
    #[arg(long, default_value = "10", value_name = "N", value_parser = limit, allow_negative_numbers = true, env = "T5_GPU_ALTERNATIVES_LIMIT")]
    alternatives_limit: Limit,
    /// Texts that a client may send in a minute; -1 is no limit
    #[arg(long, default_value = "-1", value_name = "N", value_parser = limit, allow_negative_numbers = true, env = "T5_GPU_REQ_LIMIT")]
    req_limit: Limit,
    /// Source tokens that may wait for their turn; whoever comes then is told to come again
    #[arg(
        long,
        default_value = "65536",
        value_name = "N",
        env = "T5_GPU_QUEUE_TOKENS"
    )]
    queue_tokens: usize,
    /// How long a request may take
    #[arg(long, default_value = "120", value_name = "SECONDS", value_parser = seconds, env = "T5_GPU_TIMEOUT")]
    timeout: Duration,
    /// Bytes that a request's body may have: 2000000 or 2MiB
    #[arg(long, default_value = "2MiB", value_name = "BYTES", value_parser = bytes, env = "T5_GPU_MAX_BODY")]
    max_body: u64,
    /// Connections that may be open; others wait
    #[arg(long, default_value = "1024", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000), env = "T5_GPU_MAX_CONNECTIONS")]
    max_connections: u32,
}

/// So many, or as many as one likes.
#[derive(Clone, Copy)]
struct Limit(Option<u32>);

impl Limit {
    fn size(self) -> Option<usize> {
        self.0.map(|limit| limit as usize)
    }
}

fn limit(text: &str) -> Result<Limit, String> {
    match text
        .parse::<i64>()
        .map(|number| (number, u32::try_from(number)))
    {
        Ok((-1, _)) => Ok(Limit(None)),
        Ok((_, Ok(limit))) => Ok(Limit(Some(limit))),
        _ => Err("give a number, or -1 for no limit".into()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse::<f64>().ok();
    let duration = number.and_then(|number| Duration::try_from_secs_f64(number).ok());
    // Further than that clocks do not reach.
    let duration = duration.filter(|duration| duration.as_secs() < 1 << 31);
    duration.ok_or_else(|| "give a number of seconds".into())
}

/// Begins with a slash and does not end with one.
fn prefix(text: &str) -> Result<String, String> {
    let path = text.trim_matches('/');
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    if !path.chars().all(is_plain) || path.contains("//") {
        return Err("give a path of letters, digits, - . _ ~ and /".into());
    }
    Ok(match path {
        "" => String::new(),
        path => format!("/{path}"),
    })
}

impl Serve {
    pub fn run(self) -> Outcome {
        let level = if self.quiet { "error" } else { "info" };
        // What others in the process say is for those who look for it.
        let filter = EnvFilter::try_from_env("T5_GPU_LOG")
            .unwrap_or_else(|_| EnvFilter::new(format!("error,t5_gpu={level}")));
        let log = tracing_subscriber::fmt().with_env_filter(filter);
        let log = log.with_ansi(io::stderr().is_terminal());
        let log = log.with_writer(io::stderr).with_target(false);
        // The journal has times of its own.
        match std::env::var_os("JOURNAL_STREAM") {
            Some(_) => log.without_time().init(),
            None => log.init(),
        }
        let settings = Settings {
            char_limit: self.limits.char_limit.size(),
            batch_limit: self.limits.batch_limit.size(),
            alternatives_limit: self.limits.alternatives_limit.size(),
            req_limit: self.limits.req_limit.0,
            api_keys: self.api_keys,
            files: !self.disable_files_translation,
            url_prefix: self.url_prefix,
            timeout: self.limits.timeout,
            max_body: usize::try_from(self.limits.max_body).unwrap_or(usize::MAX),
            max_connections: self.limits.max_connections as usize,
            cors: self.cors,
            shutdown_timeout: self.shutdown_timeout,
            ..Settings::default()
        };
        let models = match self.model.is_empty() {
            true => vec![None],
            false => self.model.into_iter().map(Some).collect(),
        };
        let options = LoadOptions {
            device: self.device,
            dtype: self.dtype,
            batch_size: self.batch_size.map(|size| size as usize),
            kv_memory: self.kv_memory,
            queue_tokens: Some(self.limits.queue_tokens),
            part: Part::Both,
        };
        let quiet = self.quiet;
        let load = move || {
            let console = Console::new(quiet);
            let load = |model| {
                let files = ModelArg { model }.files(quiet)?;
                console.notes(files.generation_defaults()?.notes);
                let pipeline = Pipeline::load(&files, &options, &mut |_, _| ())?;
                console.device(pipeline.device());
                Ok(pipeline)
            };
            let pipelines: t5_gpu::Result<Vec<Pipeline>> = models.into_iter().map(load).collect();
            Ok(Models::new(pipelines?))
        };
        Ok(serve(settings, &self.host, self.port, load)?)
    }
}
