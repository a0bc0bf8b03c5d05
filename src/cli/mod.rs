//! The command line: a file a subcommand, and what they share.

mod align;
mod args;
mod bench;
mod console;
mod corpus;
mod devices;
mod embed;
mod encode;
mod eval;
mod generate;
mod generating;
mod heat_map;
mod input;
mod inspect;
mod lines;
mod models;
mod module_tree;
mod pull;
mod random;
mod report;
mod request;
mod score;
#[cfg(feature = "serve")]
mod serve;
mod states;
mod stream;
mod summarize;
mod tensor_file;
mod tokenize;
mod translate;
mod verify;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

/// T5 text-to-text models on any GPU: Vulkan, Metal and DX12, no CUDA, no Python.
#[derive(Parser)]
#[command(name = "t5-gpu", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Translate(translate::Translate),
    Summarize(summarize::Summarize),
    Generate(generate::Generate),
    #[cfg(feature = "serve")]
    Serve(Box<serve::Serve>),
    Align(align::Align),
    Encode(encode::Encode),
    Score(score::Score),
    Eval(eval::Eval),
    Tokenize(tokenize::Tokenize),
    Verify(verify::Verify),
    Inspect(inspect::Inspect),
    Devices(devices::Devices),
    Bench(bench::Bench),
    Report(report::Report),
    Random(random::Random),
    Pull(pull::Pull),
    Models(models::Models),
}

/// Why a command ends without having done all it was asked to.
enum Failure {
    /// To be told in one line.
    Error(t5_gpu::Error),
    /// Told on stdout already: lines of a `--jsonl` run in their places, or a check that did not pass.
    Told,
    /// Nobody reads the results any more: stop quietly.
    ClosedPipe,
}

type Outcome<T = ()> = Result<T, Failure>;

impl From<t5_gpu::Error> for Failure {
    fn from(error: t5_gpu::Error) -> Self {
        Failure::Error(error)
    }
}

/// Errors of writing results to stdout.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
            _ => Failure::Error(t5_gpu::Error::write("stdout", error)),
        }
    }
}

/// Keeps Mesa's device-select layer out: it complains on stderr where there is no display, and only orders devices, which
/// is done here.
fn silence_device_select() {
    // SAFETY: called first thing in the process, while no other thread can be reading the environment.
    unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
}

/// Runs the command that the process was started with and turns its outcome into an exit status.
pub fn main() -> ExitCode {
    silence_device_select();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let outcome = match cli.command {
        Command::Translate(command) => command.run(),
        Command::Summarize(command) => command.run(),
        Command::Generate(command) => command.run(),
        #[cfg(feature = "serve")]
        Command::Serve(command) => command.run(),
        Command::Align(command) => command.run(),
        Command::Encode(command) => command.run(),
        Command::Score(command) => command.run(),
        Command::Eval(command) => command.run(),
        Command::Tokenize(command) => command.run(),
        Command::Verify(command) => command.run(),
        Command::Inspect(command) => command.run(),
        Command::Devices(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Report(command) => command.run(),
        Command::Random(command) => command.run(),
        Command::Pull(command) => command.run(),
        Command::Models(command) => command.run(),
    };
    match outcome {
        Ok(()) | Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(Failure::Told) => ExitCode::FAILURE,
        Err(Failure::Error(error)) => {
            report(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Help and version as clap prints them; errors in one line like all others.
fn usage(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A closed pipe is all that can go wrong.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(2)
        }
        _ => {
            let text = error.to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text);
            let parts: Vec<&str> = text
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with("Usage:"))
                .collect();
            report(&parts.join("; "));
            ExitCode::from(2)
        }
    }
}

fn report(message: &str) {
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    // There is nowhere left to complain when stderr is closed.
    let _ = writeln!(io::stderr(), "error: {message}");
}
