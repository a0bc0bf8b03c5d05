//! `t5-gpu`: parse, run the command, print the error; nothing else.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
