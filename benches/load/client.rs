//! One client, what it asks for, and the program that it asks.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The answer that each request gets alone, by its path and body.
pub type Expected = HashMap<String, Value>;

/// What came of a request.
#[derive(Debug)]
pub enum Outcome {
    Right,
    /// As it should be, for it asked for something impossible.
    Refused(u16),
    /// The client did not wait.
    Vanished,
    Wrong(String),
    /// There was no answer.
    Lost(String),
    NoConnection,
}

const TEXTS: [&str; 8] = [
    "I am learning German.",
    "She reads a book.",
    "The house is old.",
    "Where is the train station?",
    "Please send us the invoice by Friday.",
    "The weather is fine today, and we are going to the lake.",
    "He opened the door, looked around and went away again without a word.",
    "Thank you very much.",
];

/// All requests that are answered: path and body.
fn requests() -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    for (index, text) in TEXTS.iter().enumerate() {
        let next = TEXTS[(index + 1) % TEXTS.len()];
        all.push((
            "/translate",
            json!({"q": text, "source": "auto", "target": "de"}),
        ));
        all.push((
            "/translate",
            json!({"q": format!("<p>{text} <b>{next}</b></p>"), "source": "en",
            "target": "de", "format": "html"}),
        ));
        all.push((
            "/translate",
            json!({"q": [text, next, ""], "source": "en", "target": "de",
            "alternatives": 2}),
        ));
        all.push((
            "/v2/translate",
            json!({"text": [text, next], "target_lang": "DE"}),
        ));
        all.push((
            "/imme",
            json!({"source_lang": "en", "target_lang": "de", "text_list": [text]}),
        ));
        all.push((
            "/v1/generate",
            json!({"id": index, "text": text, "from": "en", "to": "de", "num_beams": 1}),
        ));
    }
    all
}

fn key(path: &str, body: &Value) -> String {
    format!("{path} {body}")
}

/// Asks for each of them while nobody else does.
pub fn alone(program: &Program) -> Expected {
    let answers = requests().into_iter().map(|(path, body)| {
        let (status, text) = program.post(path, &body).expect("an answer");
        assert_eq!(status, 200, "{path} {body}: {text}");
        (key(path, &body), serde_json::from_str(&text).expect("JSON"))
    });
    answers.collect()
}

/// What a client does at one turn.
pub fn act(program: &Program, expected: &Expected, client: u64, turn: u64) -> Outcome {
    // Mixes well enough, and is the same in every run.
    let mixed = (client * 1_000_003 + turn).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let (what, which) = (mixed % 20, (mixed / 20) as usize);
    let requests = requests();
    let (path, body) = &requests[which % requests.len()];
    let stream = json!({"text": TEXTS[which % 8], "from": "en", "to": "de", "stream": true, "min_new_tokens": 60});
    match what {
        0 => program.vanish(path, &body.to_string(), 0),
        1 => program.vanish("/v1/generate", &stream.to_string(), 400),
        2 => program.half(path, &body.to_string()),
        3 => expect(
            program.post(path, &json!({"q": "x".repeat(10_000_000)})),
            413,
        ),
        4 => answered(
            program.slowly(path, &body.to_string()),
            expected,
            path,
            body,
        ),
        5 => expect(
            program.post(
                "/translate",
                &json!({"q": "a", "source": "en", "target": "xx"}),
            ),
            400,
        ),
        6 => expect(
            program.post(
                "/translate",
                &json!({"q": "a", "source": "en", "target": "de",
            "alternatives": 1_000_000_000_000_u64}),
            ),
            400,
        ),
        7 => expect(
            program.post(
                "/v1/generate",
                &json!({"text": "a", "num_beams": 1_000_000}),
            ),
            400,
        ),
        8 => expect(program.post("/v2/translate", &json!([])), 400),
        9 => expect(program.post("/nothing", body), 404),
        _ => answered(program.post(path, body), expected, path, body),
    }
}

type Answer = Result<(u16, String), Outcome>;

fn expect(answer: Answer, wanted: u16) -> Outcome {
    match answer {
        Ok((status, _)) if status == wanted || status == 503 => Outcome::Refused(status),
        Ok((status, text)) => Outcome::Wrong(format!("{status} and not {wanted}: {text}")),
        Err(outcome) => outcome,
    }
}

fn answered(answer: Answer, expected: &Expected, path: &str, body: &Value) -> Outcome {
    match answer {
        Ok((200, text)) => {
            let wanted = &expected[&key(path, body)];
            match serde_json::from_str::<Value>(&text) {
                Ok(value) if value == *wanted => Outcome::Right,
                _ => Outcome::Wrong(format!("{path} {body}: {text} and not {wanted}")),
            }
        }
        Ok((status @ (429 | 503), _)) => Outcome::Refused(status),
        Ok((status, text)) => Outcome::Wrong(format!("{path} {body}: {status} {text}")),
        Err(outcome) => outcome,
    }
}

/// The program that runs.
pub struct Program {
    child: Mutex<Child>,
    id: u32,
    address: SocketAddr,
}

impl Program {
    /// Starts it at a free port and waits until it is ready.
    pub fn start(binary: &str) -> Program {
        let mut command = Command::new(binary);
        command.args(["serve", "--port", "0", "--timeout", "600"]);
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its stderr")).lines();
        let address = loop {
            let line = lines.next().expect("a line").expect("text");
            if let Some((_, rest)) = line.split_once("http://") {
                break rest
                    .split('/')
                    .next()
                    .unwrap_or_default()
                    .parse()
                    .expect("an address");
            }
        };
        thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .for_each(|line| eprintln!("{line}"))
        });
        let id = child.id();
        let program = Program {
            child: Mutex::new(child),
            id,
            address,
        };
        while !matches!(program.get("/ready"), Ok((200, _))) {
            thread::sleep(Duration::from_millis(50));
        }
        program
    }

    fn head(&self, method: &str, path: &str, length: usize) -> String {
        format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n",
            self.address
        )
    }

    fn connect(&self) -> Result<TcpStream, Outcome> {
        let stream = TcpStream::connect(self.address).map_err(|_| Outcome::NoConnection)?;
        stream
            .set_read_timeout(Some(Duration::from_secs(900)))
            .map_err(|error| Outcome::Lost(error.to_string()))?;
        Ok(stream)
    }

    fn send(&self, method: &str, path: &str, body: &str) -> Result<TcpStream, Outcome> {
        let mut stream = self.connect()?;
        let text = self.head(method, path, body.len()) + body;
        stream
            .write_all(text.as_bytes())
            .map_err(|error| lost(path, &error))?;
        Ok(stream)
    }

    pub fn get(&self, path: &str) -> Answer {
        read(path, self.send("GET", path, "")?)
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        read(path, self.send("POST", path, &body.to_string())?)
    }

    /// A byte after the other, nearly.
    fn slowly(&self, path: &str, body: &str) -> Answer {
        let mut stream = self.connect()?;
        let text = self.head("POST", path, body.len()) + body;
        for part in text.as_bytes().chunks(40) {
            stream.write_all(part).map_err(|error| lost(path, &error))?;
            thread::sleep(Duration::from_millis(5));
        }
        read(path, stream)
    }

    /// Reads so many bytes of the answer and is gone.
    fn vanish(&self, path: &str, body: &str, bytes: u64) -> Outcome {
        match self.send("POST", path, body) {
            Ok(stream) => {
                // Whether they came is no matter.
                let _ = stream.take(bytes).read_to_end(&mut Vec::new());
                Outcome::Vanished
            }
            Err(outcome) => outcome,
        }
    }

    /// Sends half a body and is gone.
    fn half(&self, path: &str, body: &str) -> Outcome {
        match self.connect() {
            Ok(mut stream) => {
                let text = self.head("POST", path, 2 * body.len()) + body;
                let _ = stream.write_all(text.as_bytes());
                Outcome::Vanished
            }
            Err(outcome) => outcome,
        }
    }

    pub fn metric(&self, name: &str) -> f64 {
        let Ok((_, text)) = self.get("/metrics") else {
            return f64::NAN;
        };
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or(f64::NAN)
    }

    /// MiB that it has in memory, where the system says so.
    pub fn memory(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id)).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
        Some(kib / 1024.0)
    }

    /// Tells it to end.
    pub fn terminate(&self) {
        let id = self.id.to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status();
        assert!(told.is_ok_and(|status| status.success()));
    }

    /// Whether it ends, and without a failure.
    pub fn ended_well(&self) -> bool {
        let begin = Instant::now();
        let mut child = self.child.lock().expect("nobody else waits");
        while begin.elapsed() < Duration::from_secs(60) {
            if let Ok(Some(status)) = child.try_wait() {
                return status.success();
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        false
    }
}

fn lost(path: &str, error: &std::io::Error) -> Outcome {
    Outcome::Lost(format!("{path}: {error}"))
}

fn read(path: &str, mut stream: TcpStream) -> Answer {
    let mut text = String::new();
    stream
        .read_to_string(&mut text)
        .map_err(|error| lost(path, &error))?;
    let parts = text.split_once("\r\n\r\n");
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    match (parts, status) {
        (Some((_, body)), Some(status)) => Ok((status, body.to_owned())),
        _ => Err(Outcome::Lost(format!("{path}: {text:?}"))),
    }
}
