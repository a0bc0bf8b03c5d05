//! `t5-gpu serve` itself, with the embedded model.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A service that runs; it is killed in the end.
pub struct Program {
    child: Child,
    address: SocketAddr,
}

impl Program {
    /// Starts it at a free port and waits until it is ready.
    pub fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_t5-gpu"));
        command.args(["serve", "--port", "0"]).args(arguments);
        command.envs(variables.iter().copied());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let address = loop {
            let line = lines
                .next()
                .unwrap_or_else(|| panic!("it said {said:?}"))
                .unwrap();
            if let Some((_, rest)) = line.split_once("http://") {
                break rest.split('/').next().unwrap().parse().unwrap();
            }
            said.push(line);
        };
        // Nobody is to wait because nobody reads.
        thread::spawn(move || lines.for_each(drop));
        let program = Program { child, address };
        program.wait_until(|| program.get("/ready").0 == 200);
        program
    }

    fn wait_until(&self, is_so: impl Fn() -> bool) {
        let begin = Instant::now();
        while !is_so() {
            assert!(
                begin.elapsed() < Duration::from_secs(60),
                "it takes too long"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).unwrap()
    }

    /// Sends a request and does not wait.
    fn send(&self, method: &str, path: &str, body: &str) -> TcpStream {
        let mut stream = self.connect();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .unwrap();
        stream
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        read(self.send("GET", path, ""))
    }

    pub fn post(&self, path: &str, body: &Value) -> (u16, String) {
        read(self.send("POST", path, &body.to_string()))
    }

    fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.get("/metrics");
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in\n{text}"))
            .parse()
            .unwrap()
    }

    /// Waits for its end, which is no failure.
    fn ends(mut self) {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return;
            }
            assert!(begin.elapsed() < Duration::from_secs(30), "it does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Status and body of an answer.
fn read(mut stream: TcpStream) -> (u16, String) {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("{text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// What another command of the program says of texts.
pub fn command(arguments: &[&str], texts: &[&str]) -> Vec<String> {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_t5-gpu"));
    let output = command
        .args(arguments)
        .arg("-q")
        .args(texts)
        .assert()
        .success();
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

pub const TEXTS: [&str; 3] = [
    "I am learning German.",
    "She reads a book.",
    "The house is old.",
];

/// A request that takes long.
fn long() -> Value {
    json!({"text": "The house is old.", "from": "en", "to": "de", "num_beams": 1,
        "min_new_tokens": 3000, "max_new_tokens": 3000})
}

#[test]
fn it_says_what_the_other_commands_say() {
    let program = Program::start(&[], &[]);
    let expected = command(&["translate"], &TEXTS);
    let (status, text) = program.post(
        "/translate",
        &json!({"q": TEXTS, "source": "en", "target": "de"}),
    );
    assert_eq!(status, 200, "{text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer, json!({"translatedText": expected}));
    let (_, text) = program.post(
        "/v2/translate",
        &json!({"text": TEXTS, "target_lang": "DE"}),
    );
    let answer: Value = serde_json::from_str(&text).unwrap();
    for (translation, expected) in answer["translations"]
        .as_array()
        .unwrap()
        .iter()
        .zip(&expected)
    {
        assert_eq!(translation["text"], json!(expected));
    }

    let greedy = command(&["translate", "--num-beams", "1"], &TEXTS[..1]);
    let body = json!({"text": TEXTS[0], "from": "en", "to": "de", "stream": true});
    let (_, text) = program.post("/v1/generate", &body);
    let events: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .collect();
    let (whole, tokens) = events.split_last().unwrap();
    let streamed: String = tokens
        .iter()
        .map(|event| event["text"].as_str().unwrap())
        .collect();
    assert_eq!(streamed, greedy[0]);
    assert_eq!(whole["outputs"][0]["text"], json!(greedy[0]));

    let aligned = command(&["align"], &TEXTS[..1]);
    let (translation, pairs) = aligned[0].split_once(" ||| ").unwrap();
    let body = json!({"from": "en", "to": "de", "text": TEXTS[0], "translation": translation});
    let (_, text) = program.post("/v1/align", &body);
    let answer: Value = serde_json::from_str(&text).unwrap();
    let own: Vec<String> = answer["alignment"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| format!("{}-{}", pair[0], pair[1]))
        .collect();
    assert_eq!(own.join(" "), pairs);
}

#[test]
fn clients_that_vanish_are_no_longer_worked_for() {
    let program = Program::start(&[], &[]);
    let stream = program.send("POST", "/v1/generate", &long().to_string());
    program.wait_until(|| program.metric("t5_gpu_running_rows") == 1.0);
    drop(stream);
    program.wait_until(|| program.metric("t5_gpu_texts_cancelled_total") == 1.0);
    assert_eq!(program.metric("t5_gpu_cancelled_rows_total"), 1.0);
    program.wait_until(|| program.metric("t5_gpu_running_rows") == 0.0);
    // Half a head, half a body, no HTTP at all.
    for part in [
        "POST /transl",
        "POST /translate HTTP/1.1\r\ncontent-length: 50\r\n\r\n{\"q\"",
        "\u{0}\u{1}\n\n",
    ] {
        program.connect().write_all(part.as_bytes()).unwrap();
    }
    let body = json!({"q": TEXTS[0], "source": "en", "target": "de"});
    assert_eq!(program.post("/translate", &body).0, 200);
}

#[test]
fn a_request_too_large_sees_its_answer() {
    let program = Program::start(&["--max-body", "1000"], &[]);
    let body = json!({"q": "a".repeat(5_000_000), "source": "en", "target": "de"});
    let (status, text) = program.post("/translate", &body);
    assert_eq!(status, 413, "{text}");
}

#[test]
fn a_head_too_large_is_an_answer() {
    let program = Program::start(&[], &[]);
    let ask = |head: &str| {
        let mut stream = program.connect();
        let start = "GET /languages HTTP/1.1\r\nhost: t5\r\nconnection: close\r\n";
        // It may be answered before all of it is there.
        let _ = stream.write_all(format!("{start}{head}\r\n").as_bytes());
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    let long = |length: usize| format!("x: {}\r\n", "a".repeat(length));
    let many = |count: usize| {
        (0..count)
            .map(|i| format!("x{i}: a\r\n"))
            .collect::<String>()
    };
    assert_eq!(ask(&(long(20_000) + &many(50))), "HTTP/1.1 200");
    assert_eq!(ask(&long(1_000_000)), "HTTP/1.1 431");
    assert_eq!(ask(&many(10_000)), "HTTP/1.1 431");
    assert_eq!(program.get("/ready").0, 200);
}

#[cfg(unix)]
#[test]
fn what_runs_is_finished_when_it_is_told_to_end() {
    let program = Program::start(&[], &[]);
    let mut body = long();
    body["min_new_tokens"] = json!(200);
    body["max_new_tokens"] = json!(200);
    let stream = program.send("POST", "/v1/generate", &body.to_string());
    program.wait_until(|| program.metric("t5_gpu_running_rows") == 1.0);
    program.signal("-TERM");
    program.wait_until(|| program.get("/ready").0 == 503);
    let (status, text) = program.post(
        "/translate",
        &json!({"q": "a", "source": "en", "target": "de"}),
    );
    assert_eq!(status, 503, "{text}");
    let (status, text) = read(stream);
    assert_eq!(status, 200, "{text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        answer["outputs"][0]["token_ids"].as_array().unwrap().len(),
        200
    );
    program.ends();
}

#[cfg(unix)]
#[test]
fn told_twice_it_ends_at_once() {
    let program = Program::start(&["--shutdown-timeout", "600"], &[]);
    let _stream = program.send("POST", "/v1/generate", &long().to_string());
    program.wait_until(|| program.metric("t5_gpu_running_rows") == 1.0);
    program.signal("-TERM");
    program.wait_until(|| program.get("/ready").0 == 503);
    program.signal("-TERM");
    program.ends();
}

#[cfg(unix)]
#[test]
fn keys_are_read_again_and_variables_are_flags() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "old\n").unwrap();
    let path = file.path().to_str().unwrap();
    let variables = [
        ("T5_GPU_API_KEYS", path),
        ("T5_GPU_CHAR_LIMIT", "4"),
        ("T5_GPU_URL_PREFIX", "/"),
    ];
    let program = Program::start(&[], &variables);
    let ask = |q: &str, key: &str| {
        let body = json!({"q": q, "source": "en", "target": "de", "api_key": key});
        program.post("/translate", &body)
    };
    assert_eq!(ask("Hi.", "old").0, 200);
    assert_eq!(ask("Hi.", "new").0, 403);
    let (status, text) = ask("Hello", "old");
    assert_eq!(status, 400);
    assert!(
        text.contains("request (5) exceeds text limit (4)"),
        "{text}"
    );
    std::fs::write(file.path(), "new\n").unwrap();
    program.signal("-HUP");
    program.wait_until(|| ask("Hi.", "new").0 == 200);
    assert_eq!(ask("Hi.", "old").0, 403);
}

#[test]
fn what_is_wrong_at_the_start_is_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (arguments, words) in [
        (&["--port", &port][..], "cannot listen at 127.0.0.1"),
        (
            &["--port", "0", "--api-keys", "/no/such/file"],
            "cannot read /no/such/file",
        ),
        (
            &["--port", "0", "--model", "/no/such/model"],
            "/no/such/model",
        ),
        (&["--port", "0", "--char-limit", "-2"], "-1 for no limit"),
        (&["--port", "0", "--cors", "a\nb"], "is no origin"),
    ] {
        let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_t5-gpu"));
        let failed = command
            .args(["serve", "-q"])
            .args(arguments)
            .assert()
            .failure();
        let stderr = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
        assert!(
            stderr.contains(words) && stderr.lines().count() == 1,
            "{stderr}"
        );
    }
}
