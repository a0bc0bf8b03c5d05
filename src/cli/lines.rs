//! The loop of every command that answers lines: texts from the command line or stdin, or `--jsonl` objects, each
//! answered in its place.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
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

/// What a command makes of many lines together.
pub trait BatchAnswerer: Answerer {
    /// Answers requests in any order, telling each as soon as it is there, by its index, until told to stop.
    fn answer(&self, requests: &[Self::Request], done: Done<'_, Self::Answer>);
}

/// Takes one answer by its request's index.
pub type Done<'d, T> = &'d mut dyn FnMut(usize, Result<T>) -> ControlFlow<()>;

/// Lines on their way in, read while the model is loading and working.
pub struct Lines {
    /// `None` at the end.
    incoming: Receiver<Option<Line>>,
    /// Where those who want no more lines say so.
    end: SyncSender<Option<Line>>,
    has_ended: Cell<bool>,
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
        let end = sender.clone();
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
                let line = Line {
                    number: index + 1,
                    content,
                    is_argument,
                };
                if sender.send(Some(line)).is_err() {
                    return;
                }
            }
            // Those who have all they want are gone.
            let _ = sender.send(None);
        });
        Lines {
            incoming,
            end,
            has_ended: Cell::new(false),
            jsonl: args.jsonl,
            total,
        }
    }

    /// Waits for a line; `None` at the end.
    fn next(&self) -> Option<Line> {
        if self.has_ended.get() {
            return None;
        }
        let line = self.incoming.recv().ok().flatten();
        self.has_ended.set(line.is_none());
        line
    }

    /// Waits for a line, then takes what else is there, up to `most`. Empty at the end.
    fn window(&self, most: usize) -> Vec<Line> {
        let mut lines: Vec<Line> = self.next().into_iter().collect();
        while !lines.is_empty() && lines.len() < most {
            match self.incoming.try_recv() {
                Ok(Some(line)) => lines.push(line),
                Ok(None) => {
                    self.has_ended.set(true);
                    break;
                }
                Err(_) => break,
            }
        }
        lines
    }
}

/// A line that was read, and what became of it: a request or more.
struct Place<R> {
    /// What error messages call the line.
    name: String,
    number: usize,
    content: Content<R>,
}

enum Content<R> {
    /// Blank stays blank.
    Blank,
    Wrong {
        id: Value,
        error: Error,
    },
    Request {
        id: Value,
        request: R,
    },
}

impl<R> Place<R> {
    /// The same line with what is made of its request, or with what is wrong with it.
    fn map<Q>(self, make: impl FnOnce(R) -> Result<Q>) -> Place<Q> {
        let content = match self.content {
            Content::Blank => Content::Blank,
            Content::Wrong { id, error } => Content::Wrong { id, error },
            Content::Request { id, request } => match make(request) {
                Ok(request) => Content::Request { id, request },
                Err(error) => Content::Wrong { id, error },
            },
        };
        Place {
            name: self.name,
            number: self.number,
            content,
        }
    }
}

/// Reads a line.
fn parse<A: Answerer>(answerer: &A, jsonl: bool, line: Line) -> Place<A::Request> {
    let (name, number) = (line.name(), line.number);
    let (id, request) = match line.content {
        Err(error) => (Value::Null, Err(error)),
        Ok(text) if text.trim().is_empty() => {
            return Place {
                name,
                number,
                content: Content::Blank,
            };
        }
        Ok(text) if line.is_argument || !jsonl => {
            (Value::from(number - 1), answerer.read_text(&text))
        }
        Ok(text) => match serde_json::from_str::<Value>(&text) {
            Ok(Value::Object(mut fields)) => {
                let id = fields.remove("id").unwrap_or(Value::Null);
                (id, answerer.read_json(fields))
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
    let content = match request {
        Ok(request) => Content::Request { id, request },
        Err(error) => Content::Wrong { id, error },
    };
    Place {
        name,
        number,
        content,
    }
}

/// Answers all lines, `window` of them at a time, in order.
pub fn answer_lines<A: BatchAnswerer>(
    answerer: &A,
    lines: &Lines,
    window: usize,
    console: &Console,
) -> Outcome {
    let bar = console.lines(lines.total);
    let mut writer = Writer::new(answerer, lines.jsonl);
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
    writer.outcome()
}

/// Answers lines in order that are read while others are answered: each is handed on by `submit` as soon as it is read,
/// and then waited for in its turn. Up to `ahead` lines may be under way.
pub fn answer_as_they_come<A, P>(
    answerer: &A,
    lines: &Lines,
    ahead: usize,
    submit: impl Fn(&A::Request) -> Result<P>,
    wait: impl Fn(P) -> Result<A::Answer> + Sync,
    console: &Console,
) -> Outcome
where
    A: Answerer + Sync,
    A::Request: Send,
    P: Send,
{
    let bar = console.lines(lines.total);
    let (sender, places) = sync_channel::<Place<(A::Request, P)>>(ahead);
    let end = lines.end.clone();
    let jsonl = lines.jsonl;
    let outcome = thread::scope(|scope| {
        let printer = scope.spawn(|| {
            let mut writer = Writer::new(answerer, jsonl);
            let outcome = writer.answer_in_turn(places, &wait, || bar.inc(1));
            // Whoever reads lines reads no more of them; where many are there, it finds out by itself.
            let _ = end.try_send(None);
            outcome.and(writer.outcome())
        });
        while let Some(line) = lines.next() {
            let place = parse(answerer, jsonl, line).map(|request| {
                let pending = submit(&request)?;
                Ok((request, pending))
            });
            if sender.send(place).is_err() {
                break;
            }
        }
        drop(sender);
        printer
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    bar.finish_and_clear();
    outcome
}

struct Writer<'a, A: Answerer> {
    answerer: &'a A,
    jsonl: bool,
    failed: bool,
}

impl<'a, A: Answerer> Writer<'a, A> {
    fn new(answerer: &'a A, jsonl: bool) -> Self {
        Writer {
            answerer,
            jsonl,
            failed: false,
        }
    }

    fn outcome(&self) -> Outcome {
        if self.failed {
            Err(Failure::Told)
        } else {
            Ok(())
        }
    }

    /// Waits for each answer in turn and prints it. What is printed is seen before anything is waited for.
    fn answer_in_turn<P>(
        &mut self,
        places: Receiver<Place<(A::Request, P)>>,
        wait: &impl Fn(P) -> Result<A::Answer>,
        printed: impl Fn(),
    ) -> Outcome {
        let mut out = BufWriter::new(io::stdout().lock());
        loop {
            let place = match places.try_recv() {
                Err(TryRecvError::Empty) => {
                    out.flush()?;
                    places.recv().ok()
                }
                place => place.ok(),
            };
            let Some(place) = place else {
                return Ok(out.flush()?);
            };
            if matches!(place.content, Content::Request { .. }) {
                out.flush()?;
            }
            let mut answer = None;
            let place = place.map(|(request, pending)| {
                answer = Some(wait(pending));
                Ok(request)
            });
            let request = match &place.content {
                Content::Request { request, .. } => Some(request),
                _ => None,
            };
            self.write(&mut out, &place, request, answer)?;
            printed();
        }
    }

    /// Prints one line's answer.
    fn write<R>(
        &mut self,
        out: &mut impl Write,
        place: &Place<R>,
        request: Option<&A::Request>,
        answer: Option<Result<A::Answer>>,
    ) -> Outcome {
        let (id, answer) = match (&place.content, request.zip(answer)) {
            (Content::Request { id, .. }, Some((request, answer))) => {
                let answer = answer.and_then(|answer| {
                    self.answerer
                        .keep(&key(id, place.number), request, &answer)?;
                    Ok((request, answer))
                });
                (id, answer.map_err(|error| error.to_string()))
            }
            (Content::Wrong { id, error }, _) => (id, Err(error.to_string())),
            _ => return Ok(writeln!(out)?),
        };
        match (answer, self.jsonl) {
            (Ok((request, answer)), true) => {
                let mut object = Map::from_iter([("id".to_owned(), id.clone())]);
                object.extend(self.answerer.write_json(request, &answer));
                writeln!(out, "{}", Value::Object(object))?;
            }
            (Ok((request, answer)), false) => {
                writeln!(out, "{}", self.answerer.write_text(request, &answer))?
            }
            (Err(error), true) => {
                self.failed = true;
                let error = format!("{}: {error}", place.name);
                writeln!(out, "{}", serde_json::json!({"id": id, "error": error}))?;
            }
            (Err(error), false) => {
                out.flush()?;
                return Err(Error::Invalid(format!("{}: {error}", place.name)).into());
            }
        }
        Ok(())
    }
}

impl<A: BatchAnswerer> Writer<'_, A> {
    fn answer(&mut self, lines: Vec<Line>) -> Outcome {
        let mut requests = Vec::new();
        let mut places: VecDeque<Place<usize>> = VecDeque::new();
        for line in lines {
            places.push_back(parse(self.answerer, self.jsonl, line).map(|request| {
                requests.push(request);
                Ok(requests.len() - 1)
            }));
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

    /// Prints what is ready and in turn.
    fn print(
        &mut self,
        places: &mut VecDeque<Place<usize>>,
        requests: &[A::Request],
        answers: &mut [Option<Result<A::Answer>>],
    ) -> Outcome {
        let mut out = BufWriter::new(io::stdout().lock());
        while let Some(place) = places.pop_front_if(|place| match &place.content {
            Content::Request { request, .. } => answers[*request].is_some(),
            _ => true,
        }) {
            let (request, answer) = match &place.content {
                Content::Request { request, .. } => {
                    (Some(&requests[*request]), answers[*request].take())
                }
                _ => (None, None),
            };
            self.write(&mut out, &place, request, answer)?;
        }
        Ok(out.flush()?)
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

fn not_json(error: &serde_json::Error) -> Error {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    Error::Invalid(format!(
        "not valid JSON at column {}: {message}",
        error.column()
    ))
}
