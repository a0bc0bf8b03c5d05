//! The loop of every command that answers lines: texts from the command line or stdin, or `--jsonl` objects, each
//! answered in its place.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use serde_json::{Map, Value};
use t5_gpu::{Error, Result};

use super::args::LineArgs;
use super::console::Console;
use super::input::lines_of;
use super::{Failure, Outcome};

/// What a command makes of its lines.
pub trait Answerer {
    type Request;
    type Answer;

    /// A request out of a plain text.
    fn read_text(&self, text: &str) -> Result<Self::Request>;
    /// A request out of a `--jsonl` object, its `id` taken out.
    fn read_json(&self, fields: Map<String, Value>) -> Result<Self::Request>;
    /// Answers requests in any order, telling each as soon as it is there, by its index, until told to stop.
    fn answer(&self, requests: &[Self::Request], done: Done<'_, Self::Answer>);
    /// What is printed for a plain text, without the last newline.
    fn write_text(&self, request: &Self::Request, answer: &Self::Answer) -> String;
    /// Takes an answer in its turn, before it is printed; `id` is the request's, or else its line's number, from 0.
    fn keep(&self, id: &str, request: &Self::Request, answer: &Self::Answer) -> Result<()> {
        let _ = (id, request, answer);
        Ok(())
    }
    /// The fields of the `--jsonl` answer but `id`.
    fn write_json(&self, request: &Self::Request, answer: &Self::Answer) -> Map<String, Value>;
}

/// Takes one answer by its request's index.
pub type Done<'d, T> = &'d mut dyn FnMut(usize, Result<T>) -> ControlFlow<()>;

/// Lines on their way in, read while the model is loading and working.
pub struct Lines {
    incoming: Receiver<Line>,
    jsonl: bool,
    total: Option<u64>,
}

struct Line {
    /// From 1.
    number: usize,
    content: Result<String>,
    /// Texts of the command line are plain under `--jsonl` too; their id is their place, from 0.
    is_argument: bool,
}

impl Line {
    /// What error messages call it.
    fn name(&self) -> String {
        format!(
            "{} {}",
            if self.is_argument { "text" } else { "line" },
            self.number
        )
    }
}

/// How many lines are read ahead.
const READ_AHEAD: usize = 4096;

impl Lines {
    /// Starts reading.
    pub fn open(args: &LineArgs, console: &Console) -> Lines {
        let (sender, incoming) = sync_channel(READ_AHEAD);
        let texts = args.texts.clone();
        let total = (!texts.is_empty()).then_some(texts.len() as u64);
        if total.is_none() && io::stdin().is_terminal() {
            console.note("reading lines from the terminal, end with Ctrl-D");
        }
        // Ends with the input, or with the process while it waits for more.
        thread::spawn(move || {
            let given = texts.into_iter().map(|text| (Ok(text), true));
            let lines: Box<dyn Iterator<Item = (Result<String>, bool)>> = match total {
                Some(_) => Box::new(given),
                None => {
                    Box::new(lines_of(io::stdin().lock(), "stdin".into()).map(|line| (line, false)))
                }
            };
            for (index, (content, is_argument)) in lines.enumerate() {
                if sender
                    .send(Line {
                        number: index + 1,
                        content,
                        is_argument,
                    })
                    .is_err()
                {
                    return;
                }
            }
        });
        Lines {
            incoming,
            jsonl: args.jsonl,
            total,
        }
    }

    /// Waits for a line, then takes what else is there, up to `most`. Empty at the end.
    fn window(&self, most: usize) -> Vec<Line> {
        let first = self.incoming.recv().ok();
        first
            .into_iter()
            .chain(self.incoming.try_iter())
            .take(most)
            .collect()
    }
}

/// What became of a line before it is answered.
enum Place {
    /// Blank stays blank.
    Blank,
    Wrong {
        id: Value,
        error: Error,
    },
    /// The request of that index, out of the line of that number.
    Request {
        id: Value,
        index: usize,
        number: usize,
    },
}

/// Answers all lines, `window` of them at a time, in order.
pub fn answer_lines<A: Answerer>(
    answerer: &A,
    lines: &Lines,
    window: usize,
    console: &Console,
) -> Outcome {
    let bar = console.lines(lines.total);
    let mut writer = Writer {
        answerer,
        jsonl: lines.jsonl,
        failed: false,
    };
    loop {
        let batch = lines.window(window);
        if batch.is_empty() {
            break;
        }
        let count = batch.len() as u64;
        writer.answer(batch)?;
        bar.inc(count);
    }
    bar.finish_and_clear();
    if writer.failed {
        Err(Failure::Told)
    } else {
        Ok(())
    }
}

struct Writer<'a, A: Answerer> {
    answerer: &'a A,
    jsonl: bool,
    failed: bool,
}

impl<A: Answerer> Writer<'_, A> {
    fn answer(&mut self, lines: Vec<Line>) -> Outcome {
        let mut requests = Vec::new();
        let mut places: VecDeque<(String, Place)> = VecDeque::new();
        for line in lines {
            let (name, number) = (line.name(), line.number);
            let place = match self.parse(line) {
                None => Place::Blank,
                Some((id, Ok(request))) => {
                    requests.push(request);
                    Place::Request {
                        id,
                        index: requests.len() - 1,
                        number,
                    }
                }
                Some((id, Err(error))) => Place::Wrong { id, error },
            };
            places.push_back((name, place));
        }
        let mut answers: Vec<Option<Result<A::Answer>>> = requests.iter().map(|_| None).collect();
        let answerer = self.answerer;
        let mut outcome = self.print(&mut places, &requests, &mut answers);
        if outcome.is_ok() {
            answerer.answer(&requests, &mut |index, answer| {
                answers[index] = Some(answer);
                outcome = self.print(&mut places, &requests, &mut answers);
                if outcome.is_ok() {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            });
        }
        outcome
    }

    /// `None` for a blank line.
    fn parse(&self, line: Line) -> Option<(Value, Result<A::Request>)> {
        let name = line.name();
        let (id, request) = match line.content {
            Err(error) => (Value::Null, Err(error)),
            Ok(text) if text.trim().is_empty() => return None,
            Ok(text) if line.is_argument || !self.jsonl => {
                (Value::from(line.number - 1), self.answerer.read_text(&text))
            }
            Ok(text) => match serde_json::from_str::<Value>(&text) {
                Ok(Value::Object(mut fields)) => {
                    let id = fields.remove("id").unwrap_or(Value::Null);
                    (id, self.answerer.read_json(fields))
                }
                Ok(_) => (
                    Value::Null,
                    Err(Error::Invalid(
                        "not a JSON object such as {\"text\":\"...\"}".into(),
                    )),
                ),
                Err(error) => (Value::Null, Err(not_json(&error))),
            },
        };
        Some((id, request.map_err(|error| at(&name, error))))
    }

    /// Prints what is ready and in turn.
    fn print(
        &mut self,
        places: &mut VecDeque<(String, Place)>,
        requests: &[A::Request],
        answers: &mut [Option<Result<A::Answer>>],
    ) -> Outcome {
        let mut out = io::stdout().lock();
        let mut printed = false;
        while let Some((_, place)) = places.front() {
            if matches!(place, Place::Request { index, .. } if answers[*index].is_none()) {
                break;
            }
            let Some((name, place)) = places.pop_front() else {
                break;
            };
            let (id, answer) = match place {
                Place::Blank => {
                    writeln!(out)?;
                    printed = true;
                    continue;
                }
                Place::Wrong { id, error } => (id, Err(error)),
                Place::Request { id, index, number } => {
                    let request = &requests[index];
                    let answer = answers[index].take().expect("checked above");
                    let answer = answer.and_then(|answer| {
                        self.answerer.keep(&key(&id, number), request, &answer)?;
                        Ok((request, answer))
                    });
                    (id, answer.map_err(|error| at(&name, error)))
                }
            };
            match (answer, self.jsonl) {
                (Ok((request, answer)), true) => {
                    let mut object = Map::from_iter([("id".to_owned(), id)]);
                    object.extend(self.answerer.write_json(request, &answer));
                    writeln!(out, "{}", Value::Object(object))?;
                }
                (Ok((request, answer)), false) => {
                    writeln!(out, "{}", self.answerer.write_text(request, &answer))?
                }
                (Err(error), true) => {
                    self.failed = true;
                    writeln!(
                        out,
                        "{}",
                        serde_json::json!({"id": id, "error": error.to_string()})
                    )?;
                }
                (Err(error), false) => {
                    out.flush()?;
                    return Err(error.into());
                }
            }
            printed = true;
        }
        if printed {
            out.flush()?;
        }
        Ok(())
    }
}

/// What a kept answer goes by.
fn key(id: &Value, number: usize) -> String {
    match id {
        Value::Null => (number - 1).to_string(),
        Value::String(id) => id.clone(),
        id => id.to_string(),
    }
}

/// Says which line an error is about.
fn at(name: &str, error: Error) -> Error {
    Error::Invalid(format!("{name}: {error}"))
}

fn not_json(error: &serde_json::Error) -> Error {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    Error::Invalid(format!(
        "not valid JSON at column {}: {message}",
        error.column()
    ))
}
