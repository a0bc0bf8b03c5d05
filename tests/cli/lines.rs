//! Plain text: arguments and stdin, a line in, a line out.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use super::{
    embedded_model, error, fixture, german, json_lines, model_without, stdout, t5_gpu, text,
    undecided, without_adapter,
};

#[test]
fn translates_arguments() {
    let station = "Where is the train station?";
    let mut command = t5_gpu([
        "translate",
        "The house is wonderful.",
        "I love you.",
        station,
    ]);
    let expected = format!(
        "Das Haus ist wunderbar.\n{}\n{}\n",
        german("I love you."),
        german(station)
    );
    assert_eq!(stdout(&mut command), expected);
}

#[test]
fn options_change_the_translation() {
    let [english, greedy, beams] = undecided();
    let mut command = t5_gpu(["translate", "--num-beams", "1", &english]);
    assert_eq!(stdout(&mut command), format!("{greedy}\n"));
    let mut command = t5_gpu(["translate", &english]);
    assert_eq!(stdout(&mut command), format!("{beams}\n"));
    let mut command = t5_gpu([
        "translate",
        "--max-new-tokens=2",
        "--num-beams=1",
        "I love you.",
    ]);
    assert_eq!(stdout(&mut command), "Ich liebe\n");
}

#[test]
fn tokens_are_the_same_wherever_they_are_selected() {
    let translate = |selection| {
        stdout(&mut t5_gpu([
            "translate",
            "--quiet",
            "--num-beams",
            "1",
            "--token-selection",
            selection,
            "The house is wonderful.",
            "She reads.",
        ]))
    };
    let on_gpu = translate("gpu");
    assert_eq!(on_gpu.lines().count(), 2);
    assert_eq!(translate("cpu"), on_gpu);
}

#[test]
fn stdin_keeps_order_and_blank_lines() {
    let mut command = t5_gpu(["translate", "--batch-size", "2", "--quiet"]);
    command.write_stdin("The house is wonderful.\n\nI love you.\r\n   \nShe reads.");
    assert_eq!(
        stdout(&mut command),
        format!(
            "Das Haus ist wunderbar.\n\n{}\n\n{}\n",
            german("I love you."),
            german("She reads.")
        )
    );
}

#[test]
fn no_input_gives_no_output() {
    assert_eq!(stdout(t5_gpu(["translate"]).write_stdin("")), "");
}

#[test]
fn a_model_directory_works_as_the_embedded_model() {
    let path = embedded_model();
    let mut command = t5_gpu([
        "translate",
        "--model",
        text(&path),
        "--dtype",
        "f16",
        "I love you.",
    ]);
    assert_eq!(stdout(&mut command), format!("{}\n", german("I love you.")));
}

#[test]
fn generate_adds_no_prefix() {
    let mut command = t5_gpu([
        "generate",
        "translate English to German: The house is wonderful.",
    ]);
    assert_eq!(stdout(&mut command), "Das Haus ist wunderbar.\n");
}

#[test]
fn a_task_brings_prefix_and_options() {
    let mut command = t5_gpu([
        "generate",
        "--task",
        "translation_en_to_de",
        "Where is the train station?",
    ]);
    let expected = german("Where is the train station?");
    assert_eq!(stdout(&mut command), format!("{expected}\n"));
    let message = error(&mut t5_gpu(["generate", "--task", "summarization", "a"]));
    assert!(
        message.contains("summarization") && message.contains("translation_en_to_de"),
        "{message}"
    );
}

#[test]
fn summarize_adds_its_prefix() {
    let summary = stdout(&mut t5_gpu(["summarize", "She reads."]));
    assert_eq!(
        summary,
        stdout(&mut t5_gpu(["generate", "summarize: She reads."]))
    );
    assert_ne!(summary, stdout(&mut t5_gpu(["generate", "She reads."])));
}

#[test]
fn the_device_is_told_unless_quiet() {
    let output = t5_gpu(["translate", "I love you."]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("device: "), "{stderr}");
    assert_eq!(
        stderr.contains("note: this is a software adapter"),
        stderr.contains("software)"),
        "{stderr}"
    );
    let output = t5_gpu(["translate", "--quiet", "I love you."])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn scores_stand_in_front() {
    let mut command = t5_gpu([
        "translate",
        "--with-score",
        "--num-return-sequences",
        "2",
        "She reads.",
    ]);
    let output = stdout(&mut command);
    let lines: Vec<(f64, &str)> = output
        .lines()
        .map(|line| {
            let (score, text) = line.split_once('\t').unwrap();
            (score.parse().unwrap(), text)
        })
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].1, german("She reads."));
    assert!(0.0 > lines[0].0 && lines[0].0 >= lines[1].0, "{output}");
}

#[test]
fn the_same_seed_gives_the_same_text() {
    let sample = |seed| {
        let arguments = [
            "generate",
            "--do-sample",
            "--temperature",
            "2",
            "--seed",
            seed,
            "once upon a time",
        ];
        stdout(&mut t5_gpu(arguments))
    };
    assert_eq!(sample("1"), sample("1"));
    assert_ne!(sample("1"), sample("2"));
}

#[test]
fn every_generation_option_has_its_flag() {
    let translate = |options: &[&str]| {
        let arguments = ["translate", "--num-beams", "1", "She reads."];
        stdout(&mut t5_gpu(arguments.iter().chain(options).copied()))
    };
    let greedy = translate(&[]);
    let others = ["--encoder-repetition-penalty", "1"];
    let cutoffs = ["--epsilon-cutoff", "0.99", "--eta-cutoff", "0.99"];
    assert_eq!(translate(&others), greedy);
    // Cut down to the likeliest token, what is drawn is what greedy decoding takes.
    let sampling = ["--do-sample", "--seed", "1"];
    assert_eq!(translate(&[&sampling[..], &cutoffs[..2]].concat()), greedy);
    assert_eq!(translate(&[&sampling[..], &cutoffs[2..]].concat()), greedy);
    assert_eq!(
        translate(&[&sampling[..], &["--typical-p", "0.000001"]].concat())
            .lines()
            .count(),
        1
    );
    let first = stdout(&mut t5_gpu([
        "generate",
        "--jsonl",
        "--num-beams",
        "1",
        "translate English to German: She reads.",
    ]));
    let object: serde_json::Value = serde_json::from_str(&first).unwrap();
    let first = object["outputs"][0]["token_ids"][0].to_string();
    assert_ne!(translate(&["--begin-suppress-tokens", &first]), greedy);
}

#[test]
fn tokenize_needs_no_adapter() {
    // The ids of the seed sentence, as the model's README has its tokens.
    let mut command = without_adapter(["tokenize", "--tokens", "I love you.", "She reads."]);
    assert_eq!(
        stdout(&mut command),
        "▁I ▁love ▁you . </s>\n▁She ▁read s . </s>\n"
    );
    let output = stdout(without_adapter(["tokenize"]).write_stdin("I love you.\n\nShe reads.\n"));
    let lines: Vec<&str> = output.split('\n').collect();
    assert_eq!(lines.len(), 4, "{output}");
    assert!(
        lines[0].ends_with(" 1") && lines[1].is_empty() && lines[2].ends_with(" 1"),
        "{output}"
    );
}

#[test]
fn encode_prints_a_summary() {
    let output = stdout(&mut t5_gpu(["encode", "She reads."]));
    assert_eq!(output.lines().next(), Some("shape [5, 256]"));
    assert_eq!(output.lines().count(), 6);
}

#[test]
fn invalid_utf8_is_told_by_its_line() {
    let mut command = t5_gpu(["translate", "--quiet"]);
    command.write_stdin(b"I love you.\nab\xff\nShe reads.\n".as_slice());
    let output = command.output().unwrap();
    let expected = format!("{}\n", german("I love you."));
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    let message = error(&mut command);
    assert!(
        message.contains("line 2: invalid UTF-8 at byte 3"),
        "{message}"
    );
}

#[test]
fn lines_are_answered_as_they_come() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_t5-gpu"))
        .args(["translate", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for (line, answer) in [
        ("I love you.", german("I love you.")),
        ("She reads.", german("She reads.")),
    ] {
        writeln!(input, "{line}").unwrap();
        let mut got = String::new();
        output.read_line(&mut got).unwrap();
        assert_eq!(got, format!("{answer}\n"));
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_closed_pipe_stops_quietly() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_t5-gpu"))
        .args(["translate", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    input.write_all(b"I love you.\n").unwrap();
    output.read_line(&mut String::new()).unwrap();
    drop(output);
    // Ends while there is more to read.
    let _ = input.write_all("She reads.\n".repeat(20).as_bytes());
    let status = child.wait().unwrap();
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(stderr, "");
}

/// The output goes on from the text given; fed as ids, with --stream and with beams it is the same.
#[test]
fn a_target_prefix_is_continued() {
    let run = |extra: &[&str]| {
        let mut arguments = vec!["translate", "--num-beams", "1", "I have a small house."];
        arguments.extend(extra);
        stdout(&mut t5_gpu(arguments))
    };
    let free = run(&[]);
    let begun = run(&["--target-prefix", "Wir haben"]);
    assert!(!free.starts_with("Wir haben"), "{free}");
    assert!(
        begun.starts_with("Wir haben ") && begun.contains("Haus"),
        "{begun}"
    );
    assert_eq!(run(&["--target-prefix", "Wir haben", "--stream"]), begun);
    let ids = stdout(&mut t5_gpu(["tokenize", "Wir haben"]));
    let ids: Vec<&str> = ids.split_whitespace().filter(|id| *id != "1").collect();
    assert_eq!(run(&["--decoder-input-ids", &ids.join(",")]), begun);
}

/// What a model's files ask for and do not get is told once, and not with --quiet.
#[test]
fn notes_on_a_models_generation_config_come_once() {
    let model = model_without(&["generation_config.json"]);
    let own = r#"{"decoder_start_token_id": 0, "pad_token_id": 0, "renormalize_logits": true}"#;
    std::fs::write(model.path().join("generation_config.json"), own).unwrap();
    let arguments = [
        "generate",
        "--model",
        text(model.path()),
        "--jsonl",
        "one",
        "two",
    ];
    let output = t5_gpu(arguments).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    for (word, times) in [
        ("renormalize_logits in generation_config.json", 1),
        ("no eos_token_id", 1),
    ] {
        assert_eq!(stderr.matches(word).count(), times, "{stderr}");
    }
    // Twenty tokens each: nothing ends them.
    for answer in json_lines(&String::from_utf8(output.stdout).unwrap()) {
        assert_eq!(
            answer["outputs"][0]["token_ids"].as_array().unwrap().len(),
            20
        );
    }
    let quiet = t5_gpu(arguments).arg("--quiet").output().unwrap();
    assert_eq!(String::from_utf8(quiet.stderr).unwrap(), "");
}

/// What a byte order mark stands before, as editors on Windows write it, is the same input.
#[test]
fn a_byte_order_mark_is_no_part_of_the_input() {
    let byt5 = fixture("tokenizers/byt5");
    let mut tokenize = t5_gpu(["tokenize", "--model", text(&byt5)]);
    // Bytes as they are, 3 on; a mark that is not in front is text.
    let ids = "75 108 1\n242 190 194 75 1\n";
    assert_eq!(
        stdout(tokenize.write_stdin("\u{feff}Hi\r\n\u{feff}H\n")),
        ids
    );
    for empty in ["", "\u{feff}"] {
        let mut tokenize = t5_gpu(["tokenize", "--model", text(&byt5)]);
        assert_eq!(stdout(tokenize.write_stdin(empty)), "");
    }
    let mut tokenize = t5_gpu(["tokenize", "--model", text(&byt5)]);
    assert_eq!(stdout(tokenize.write_stdin("\u{feff}\n")), "\n");

    let mut translate = t5_gpu(["translate", "--jsonl", "--quiet"]);
    translate.write_stdin("\u{feff}{\"text\":\"I love you.\"}\n{\"text\":\"She reads.\"}\n");
    let said: Vec<String> = json_lines(&stdout(&mut translate))
        .iter()
        .map(|line| line["outputs"][0]["text"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(said, [german("I love you."), german("She reads.")]);
}

#[test]
fn text_in_another_encoding_is_told_once() {
    let byt5 = fixture("tokenizers/byt5");
    let utf16: Vec<u8> = "Hi\nyou\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let utf32: Vec<u8> = "\u{feff}Hi\n"
        .chars()
        .flat_map(|c| u32::from(c).to_le_bytes())
        .collect();
    let big: Vec<u8> = "Hi\nyou\n"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    let marked = [b"\xff\xfe", &utf16[..]].concat();
    let marked_big = [b"\xfe\xff", &big[..]].concat();
    for (input, name) in [
        (&marked, "UTF-16"),
        (&marked_big, "UTF-16"),
        (&utf16, "UTF-16LE"),
        (&big, "UTF-16BE"),
        (&utf32, "UTF-32"),
    ] {
        let mut tokenize = t5_gpu(["tokenize", "--model", text(&byt5)]);
        let error = error(tokenize.write_stdin(input.clone()));
        assert!(
            error.contains("line 1") && error.contains(&format!("-f {name} ")),
            "{error}"
        );
        let mut tokenize = t5_gpu(["tokenize", "--jsonl", "--model", text(&byt5)]);
        let output = tokenize.write_stdin(input.clone()).output().unwrap();
        assert!(!output.status.success());
        let said = json_lines(std::str::from_utf8(&output.stdout).unwrap());
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0]["error"].as_str().unwrap().contains(name),
            "{said:?}"
        );
    }
}
