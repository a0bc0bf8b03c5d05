//! `translate` on texts of any length: what has to stay stays, and each sentence is what it is alone.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::{error, german, stdout, t5_gpu, text};

fn whole(arguments: &[&str], input: &str) -> String {
    let mut command = t5_gpu(["translate", "--quiet", "--whole"]);
    stdout(command.args(arguments).write_stdin(input.to_owned()))
}

#[test]
fn sentences_are_translated_alone_and_the_space_around_them_stays() {
    let (love, reads) = (german("I love you."), german("She reads."));
    assert_eq!(
        whole(
            &[],
            "\u{feff}\n  - I love you.  She reads.\t\r\n\n> 1) I love you.\n---\n\n"
        ),
        format!("\n  - {love}  {reads}\t\r\n\n> 1) {love}\n---\n\n")
    );
    // Streamed it is the same, and so it is by lines.
    let lines = "  I love you. She reads.\n\n* She reads.\n";
    let expected = format!("  {love} {reads}\n\n* {reads}\n");
    let greedy = ["--num-beams", "1", "--stream"];
    assert_eq!(whole(&greedy, lines), whole(&greedy[..2], lines));
    let by_line =
        |input: &str| stdout(t5_gpu(["translate", "--quiet"]).write_stdin(input.to_owned()));
    assert_eq!(by_line(lines), expected);
    // Lines that are broken to fit a width.
    assert_eq!(
        whole(&["--wrapped"], "I love\nyou. She\nreads.\n"),
        format!("{love} {reads}\n")
    );
}

#[test]
fn without_splitting_the_model_gets_the_line() {
    let line = "I love you. She reads.";
    let prefixed = format!("translate English to German: {line}");
    let bare = [
        "generate",
        "--quiet",
        "--num-beams",
        "4",
        "--max-length",
        "129",
        "--early-stopping",
    ];
    let expected = stdout(t5_gpu(bare).arg(&prefixed));
    assert_eq!(
        stdout(&mut t5_gpu(["translate", "--quiet", "--no-split", line])),
        expected
    );
}

#[test]
fn placeholders_come_out_as_they_went_in() {
    for (line, placeholders) in [
        ("Deleted %s of %d files.", &["%s", "%d"][..]),
        (
            "Hello {name}, you have {0} new messages.",
            &["{name}", "{0}"],
        ),
        (
            "Write to jane@example.org or see https://example.org/a?b=1.",
            &["jane@example.org", "https://example.org/a?b=1."],
        ),
        (
            "Run `rm -rf x` and open Report-2.pdf.",
            &["`rm -rf x`", "Report-2.pdf"],
        ),
        (
            "He paid 1,250.50 for 17 of them in 1984.",
            &["1,250.50", "17", "1984"],
        ),
        (
            "{{a}}{{b}} ${c} %(d)s :e_f <0>",
            &["{{a}}{{b}}", "${c}", "%(d)s", ":e_f", "<0>"],
        ),
    ] {
        let translation = stdout(&mut t5_gpu(["translate", "--quiet", line]));
        for placeholder in placeholders {
            let count = translation.matches(placeholder).count();
            assert_eq!(count, 1, "{placeholder} in {translation}");
        }
    }
}

#[test]
fn a_glossary_says_how_terms_are_translated() {
    let directory = TempDir::new().unwrap();
    let glossary = directory.path().join("glossary.csv");
    fs::write(&glossary, "house,Gebäude\nT5\n").unwrap();
    let translate = || t5_gpu(["translate", "--quiet", "--glossary", text(&glossary)]);
    let translation = stdout(translate().arg("The house is wonderful. I use T5 every day."));
    assert!(
        translation.contains("Gebäude") && translation.contains("T5"),
        "{translation}"
    );
    fs::write(&glossary, "a\tb\n\nc\td\na\te\n").unwrap();
    let message = error(translate().arg("a"));
    assert!(
        message.contains("glossary.csv")
            && message.contains("line 4: \"a\" is there twice, line 1"),
        "{message}"
    );
}

/// A text that the model repeats itself over, and one longer than it takes, are told of and answered.
#[test]
fn what_is_too_long_is_told() {
    let long = format!("He saw {} and a tree.", "a house, ".repeat(150).trim_end());
    let output = t5_gpu(["translate", "--num-beams", "1", &long])
        .output()
        .unwrap();
    assert!(output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("note: the sentence that begins with \"He saw a house"),
        "{stderr}"
    );
    let translation = String::from_utf8(output.stdout).unwrap();
    assert!(translation.matches("Haus").count() > 30, "{translation}");
}

#[test]
fn several_outputs_of_several_sentences_are_joined_in_order() {
    let line = r#"{"id":1,"text":"I love you. She reads.","num_return_sequences":2,"num_beams":4}"#;
    let answer = stdout(t5_gpu(["translate", "--quiet", "--jsonl"]).write_stdin(line));
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let of = |line: &str| -> Vec<Value> {
        let line = format!(r#"{{"text":"{line}","num_return_sequences":2,"num_beams":4}}"#);
        let answer = stdout(t5_gpu(["translate", "--quiet", "--jsonl"]).write_stdin(line));
        serde_json::from_str::<Value>(&answer).unwrap()["outputs"]
            .as_array()
            .unwrap()
            .clone()
    };
    let (love, reads) = (of("I love you."), of("She reads."));
    for index in 0..2 {
        let joined = &answer["outputs"][index];
        let texts = [&love, &reads].map(|outputs| outputs[index]["text"].as_str().unwrap());
        assert_eq!(joined["text"].as_str().unwrap(), texts.join(" "));
        let scores = [&love, &reads].map(|outputs| outputs[index]["score"].as_f64().unwrap());
        let score = joined["score"].as_f64().unwrap();
        assert!((score - (scores[0] + scores[1]) / 2.0).abs() < 1e-5);
    }
}

#[test]
fn tags_of_markup_stay_around_what_they_were_around() {
    let html = |text: &str| {
        stdout(&mut t5_gpu([
            "translate",
            "--quiet",
            "--format",
            "html",
            text,
        ]))
    };
    let bare = stdout(&mut t5_gpu([
        "translate",
        "--quiet",
        "The house is wonderful.",
    ]));
    let marked = html("The <b class='a>b'>house</b> is <i>wonderful</i>.");
    assert!(marked.contains("<b class='a>b'>Haus</b>"), "{marked}");
    let text = marked
        .replace("<b class='a>b'>", "")
        .replace("</b>", "")
        .replace("<i>", "")
        .replace("</i>", "");
    assert_eq!(text, bare);
    // Blocks are texts of their own; what is no text stays.
    let page = "<ul><li>I love you.</li> <li>She reads.</li></ul><script>I love you.</script>&lt;script&gt;";
    let (love, reads) = (german("I love you."), german("She reads."));
    let expected = format!("<ul><li>{love}</li> <li>{reads}</li></ul><script>I love you.</script>");
    let page = html(page);
    assert!(page.starts_with(&expected), "{page}");
    assert!(!page[expected.len()..].contains('<'), "{page}");
}
