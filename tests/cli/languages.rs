//! `--from` and `--to`: languages by code, by name, and as models call them.

use std::fs;

use serde_json::{Value, json};

use super::{error, german, json_lines, model_with, stdout, t5_gpu, text};

#[test]
fn languages_go_by_code_or_name() {
    let mut command = t5_gpu([
        "translate",
        "--from",
        "English",
        "--to",
        "GERMAN",
        "I love you.",
    ]);
    assert_eq!(stdout(&mut command), format!("{}\n", german("I love you.")));
}

/// Whoever's vocabulary has `<2de>` wants it in front.
#[test]
fn a_vocabulary_names_the_target() {
    let directory = model_with("task_specific_params", json!({}));
    let path = directory.path().join("tokenizer.json");
    let mut tokenizer: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let pieces = tokenizer["model"]["vocab"].as_array_mut().unwrap();
    for (piece, target) in pieces.iter_mut().rev().zip(["<2de>", "<2zh_Hant>"]) {
        *piece = json!([target, 0.0]);
    }
    fs::write(&path, tokenizer.to_string()).unwrap();

    let ids = |arguments: &[&str]| {
        let mut command = t5_gpu(arguments.iter().copied());
        command.args(["--jsonl", "--quiet", "--model", text(directory.path())]);
        command.args(["--num-beams=1", "--max-new-tokens=8"]);
        json_lines(&stdout(&mut command))[0]["outputs"][0]["token_ids"].clone()
    };
    let english = "The house is wonderful.";
    let german = ids(&["generate", &format!("<2de> {english}")]);
    for to in ["de", "German", "DE", "deu", "de-DE"] {
        assert_eq!(ids(&["translate", "--to", to, english]), german, "{to}");
    }
    let chinese = ids(&["generate", &format!("<2zh_Hant> {english}")]);
    assert_eq!(ids(&["translate", "--to", "zh-hant", english]), chinese);
    let phrase = ids(&[
        "generate",
        &format!("translate English to German: {english}"),
    ]);
    assert_ne!(phrase, german);
    for to in ["fr", "zh", "xx"] {
        let mut command = t5_gpu(["translate", "--to", to, english]);
        let error = error(command.args(["--model", text(directory.path())]));
        assert!(error.contains("zh_Hant, de"), "{error}");
    }
}

/// What the error for a pair that the config does not list says to do works.
#[test]
fn every_code_of_a_config_works() {
    let prefix = "translate English to German: ";
    let directory = model_with(
        "task_specific_params",
        json!({
            "translation_nds_to_de": {"prefix": prefix, "num_beams": 1},
            "translation_zh-CN_to_pt-BR": {"prefix": prefix, "num_beams": 1},
        }),
    );
    let model = text(directory.path());
    let error = error(&mut t5_gpu(["translate", "--model", model, "I love you."]));
    let advice: Vec<&str> = error
        .split('(')
        .filter_map(|part| Some(part.split_once(')')?.0))
        .collect();
    assert_eq!(advice, ["--from nds --to de", "--from zh-CN --to pt-BR"]);
    let others = ["--from NDS --to German", "--from zh_cn --to PT_BR"];
    for arguments in advice.into_iter().chain(others) {
        let mut command = t5_gpu(["translate", "--quiet", "--model", model]);
        command.args(arguments.split(' ')).arg("I love you.");
        assert_eq!(stdout(&mut command), format!("{}\n", german("I love you.")));
    }
}
