//! `--stream`: text as it is decided, one line after the other.

use std::io::{self, ErrorKind, Write};

use serde_json::{Map, Value};
use t5_gpu::{Error, Result};

use super::generating::one_line;
use super::lines::Answerer;

/// What is left to print when a text has been printed is the end of its line.
pub struct Streaming<'a, A>(pub &'a A);

impl<A: Answerer> Answerer for Streaming<'_, A> {
    type Request = A::Request;
    type Answer = ();

    fn read_text(&self, text: &str) -> Result<A::Request> {
        self.0.read_text(text)
    }

    fn read_json(&self, fields: Map<String, Value>) -> Result<A::Request> {
        self.0.read_json(fields)
    }

    fn write_text(&self, _: &A::Request, (): &()) -> String {
        String::new()
    }

    fn write_json(&self, _: &A::Request, (): &()) -> Map<String, Value> {
        Map::new()
    }
}

/// Prints a text as `stream` gives it.
pub fn print_as_decided(
    stream: impl FnOnce(&mut dyn FnMut(&str) -> Result<()>) -> Result<()>,
) -> Result<()> {
    let mut closed = false;
    let answer = stream(&mut |text| {
        print(text).map_err(|source| {
            closed = source.kind() == ErrorKind::BrokenPipe;
            Error::write("stdout", source)
        })
    });
    // Of a pipe that nobody reads, printing the line's end will tell.
    if closed { Ok(()) } else { answer }
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(one_line(text).as_bytes())?;
    out.flush()
}
