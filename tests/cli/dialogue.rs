//! A caller that talks with the process: asks, waits for the answer, asks again.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::{fixture, german, text};

/// A process whose answers come line by line.
struct Dialogue {
    child: Child,
    answers: mpsc::Receiver<String>,
}

impl Dialogue {
    fn begin(arguments: &[&str]) -> Dialogue {
        let mut child = Command::new(env!("CARGO_BIN_EXE_t5-gpu"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, answers) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Dialogue { child, answers }
    }

    fn say(&mut self, lines: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(lines.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    /// Waits far longer than any answer takes.
    fn hear(&self) -> String {
        self.answers
            .recv_timeout(Duration::from_secs(300))
            .expect("an answer before the next question")
    }

    fn end(mut self) -> bool {
        drop(self.child.stdin.take());
        self.child.wait().unwrap().success()
    }
}

#[test]
fn lines_are_answered_before_the_next_one_comes() {
    for extra in [
        &["translate"][..],
        &["translate", "--stream", "--num-beams", "1"],
    ] {
        let mut dialogue = Dialogue::begin(extra);
        for english in ["She reads.", "I love you."] {
            dialogue.say(&format!("{english}\n"));
            let answer = dialogue.hear();
            if extra.len() == 1 {
                assert_eq!(answer, german(english));
            }
            dialogue.say("\n");
            assert_eq!(dialogue.hear(), "");
        }
        assert!(dialogue.end());
    }
}

#[test]
fn jsonl_is_answered_before_the_next_one_comes() {
    let mut dialogue = Dialogue::begin(&["generate", "--jsonl"]);
    for id in 0..4 {
        let question = format!("{{\"id\":{id},\"input_ids\":[17,23,5,1],\"max_new_tokens\":3}}\n");
        dialogue.say(&question);
        let answer: Value = serde_json::from_str(&dialogue.hear()).unwrap();
        assert_eq!(answer["id"], id);
        dialogue.say("{\n");
        let answer: Value = serde_json::from_str(&dialogue.hear()).unwrap();
        assert!(answer["error"].is_string());
    }
    assert!(!dialogue.end());
}

/// Answers come while the caller still writes, and what waits in between is bounded.
#[test]
fn many_lines_are_answered_in_order_while_they_are_written() {
    const LINES: usize = 20_000;
    let model = fixture("checkpoints/t5");
    let mut dialogue = Dialogue::begin(&["generate", "--jsonl", "--model", text(&model)]);
    let mut stdin = dialogue.child.stdin.take().unwrap();
    let (sender, progress) = mpsc::sync_channel(0);
    let writer = thread::spawn(move || {
        for id in 0..LINES {
            let line = if id % 40 == 0 {
                format!("{{\"id\":{id},\"input_ids\":[5,6,1],\"max_new_tokens\":2}}\n")
            } else {
                "\n".to_owned()
            };
            if id == LINES / 2 {
                // Half of them are enough for the first answers.
                stdin.flush().unwrap();
                sender.send(()).unwrap();
            }
            stdin.write_all(line.as_bytes()).unwrap();
        }
    });
    for id in 0..LINES {
        if id == 1 {
            progress.recv().unwrap();
        }
        let answer = dialogue.hear();
        if id % 40 == 0 {
            let answer: Value = serde_json::from_str(&answer).unwrap();
            assert_eq!(answer["id"], id);
        } else {
            assert_eq!(answer, "");
        }
    }
    writer.join().unwrap();
    assert!(dialogue.end());
}
