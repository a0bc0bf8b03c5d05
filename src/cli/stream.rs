//! `--stream`: text as it is decided, one line after the other.

use std::cell::Cell;
use std::io::{self, ErrorKind, Write};

use serde_json::{Map, Value};
use t5_gpu::pipeline::Request;
use t5_gpu::{Error, Result};

use super::generating::{Generating, one_line};
use super::lines::{Answerer, Done};

/// Prints while it answers; what is left to print in the end is the end of the line.
pub struct Streaming(pub Generating);

impl Answerer for Streaming {
    type Request = Request;
    type Answer = ();

    fn read_text(&self, text: &str) -> Result<Request> {
        self.0.read_text(text)
    }

    fn read_json(&self, fields: Map<String, Value>) -> Result<Request> {
        self.0.read_json(fields)
    }

    fn answer(&self, requests: &[Request], done: Done<'_, ()>) {
        for (index, request) in requests.iter().enumerate() {
            let closed = Cell::new(false);
            let answer = self.0.pipeline.generate_streaming(request, &mut |text| {
                print(text).map_err(|source| {
                    closed.set(source.kind() == ErrorKind::BrokenPipe);
                    Error::write("stdout", source)
                })
            });
            // Of a pipe that nobody reads, printing the line's end will tell.
            let answer = if closed.get() {
                Ok(())
            } else {
                answer.map(drop)
            };
            if done(index, answer).is_break() {
                return;
            }
        }
    }

    fn write_text(&self, _: &Request, (): &()) -> String {
        String::new()
    }

    fn write_json(&self, _: &Request, (): &()) -> Map<String, Value> {
        Map::new()
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(one_line(text).as_bytes())?;
    out.flush()
}
