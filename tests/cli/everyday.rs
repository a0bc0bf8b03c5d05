//! The hundred everyday sentences that the embedded model is judged by: what it says is what transformers says, and the
//! reader's verdicts are those that its card tells.

use std::fs;

use super::{embedded_model, fixture, stdout, t5_gpu};

struct Row {
    english: String,
    german: String,
    right: bool,
}

fn rows() -> Vec<Row> {
    let table = fs::read_to_string(fixture("everyday.tsv")).unwrap();
    table
        .lines()
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let [english, german, verdict] = columns[..] else {
                panic!("three columns in {line:?}");
            };
            assert!(["right", "wrong"].contains(&verdict), "no verdict: {line}");
            Row {
                english: english.into(),
                german: german.into(),
                right: verdict == "right",
            }
        })
        .collect()
}

#[test]
fn the_embedded_model_says_what_was_judged() {
    let rows = rows();
    assert_eq!(rows.len(), 100);
    let sentences: Vec<&str> = rows.iter().map(|row| row.english.as_str()).collect();
    let said = stdout(t5_gpu(["translate", "--quiet"]).write_stdin(sentences.join("\n")));
    let said: Vec<&str> = said.lines().collect();
    let judged: Vec<&str> = rows.iter().map(|row| row.german.as_str()).collect();
    assert_eq!(said, judged);
}

#[test]
fn the_card_tells_how_many_are_right() {
    let rows = rows();
    let right = rows.iter().filter(|row| row.right).count();
    let card = fs::read_to_string(embedded_model().join("README.md")).unwrap();
    let claim = format!("{right} of 100");
    assert!(
        card.contains(&claim),
        "{claim:?} is not in the model's card"
    );
}
