//! Looking inside: states and attentions as files and fields, alignments, text as it is decided.

use std::fs;

use safetensors::SafeTensors;
use serde_json::{Value, json};
use t5_gpu::reference::{DecodeOptions, EncodeOptions, Reference};
use t5_gpu::{ModelFiles, Parameters};
use tempfile::TempDir;

use super::{error, german, json_lines, stdout, t5_gpu, text};

/// The embedded model's heads, and its layers on either side.
const HEADS: usize = 4;
const SENTENCE: &str = "translate English to German: I love you.";

fn reference() -> Reference {
    let files = ModelFiles::embedded().unwrap();
    let config = files.config().unwrap();
    let weights = files.weights().unwrap();
    Reference::new(&config, &Parameters::load(&weights, &config).unwrap())
}

fn ids(text: &str) -> Vec<u32> {
    let tokenizer = ModelFiles::embedded()
        .unwrap()
        .tokenizer()
        .unwrap()
        .unwrap();
    tokenizer.encode(text).unwrap()
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let bound = 1e-4 * (expected.abs() / 10.0).max(1.0);
        assert!(
            (found - expected).abs() <= bound,
            "{found} is not {expected}"
        );
    }
}

#[track_caller]
fn assert_rows_sum_to_one(weights: &[f32], width: usize) {
    for row in weights.chunks_exact(width) {
        let sum: f32 = row.iter().sum();
        assert!((sum - 1.0).abs() < 1e-5, "{row:?}");
    }
}

/// All numbers of nested lists, and how many there are of each level.
fn flat(value: &Value) -> (Vec<f32>, Vec<usize>) {
    let mut shape = Vec::new();
    let mut level = value;
    while let Value::Array(values) = level {
        shape.push(values.len());
        level = &values[0];
    }
    fn walk(value: &Value, out: &mut Vec<f32>) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| walk(value, out)),
            number => out.push(number.as_f64().unwrap() as f32),
        }
    }
    let mut all = Vec::new();
    walk(value, &mut all);
    assert_eq!(all.len(), shape.iter().product::<usize>());
    (all, shape)
}

struct Tensors(Vec<u8>);

impl Tensors {
    fn floats(&self, name: &str) -> (Vec<f32>, Vec<usize>) {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file
            .tensor(name)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(tensor.dtype(), safetensors::Dtype::F32);
        let values = tensor.data().chunks_exact(4);
        let values = values.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
        (values.collect(), tensor.shape().to_vec())
    }

    fn ids(&self, name: &str) -> Vec<u32> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap();
        assert_eq!(tensor.dtype(), safetensors::Dtype::I64);
        let values = tensor.data().chunks_exact(8);
        values
            .map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap()) as u32)
            .collect()
    }

    fn names(&self) -> Vec<String> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let mut names: Vec<String> = file.names().into_iter().map(str::to_owned).collect();
        names.sort();
        names
    }
}

/// Runs `encode` with `--output`; gives what it prints and what it writes.
fn encode_to_file(arguments: &[&str], input: &str) -> (String, Tensors) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("states.safetensors");
    let mut command = t5_gpu(["encode", "--output", text(&path)]);
    let printed = stdout(command.args(arguments).write_stdin(input));
    (printed, Tensors(fs::read(path).unwrap()))
}

#[test]
fn states_are_those_of_the_reference() {
    let target = "Ich liebe dich.";
    let (_, tensors) = encode_to_file(
        &[
            "--hidden-states",
            "--attentions",
            "--target",
            target,
            SENTENCE,
            "Good morning.",
        ],
        "",
    );
    let reference = reference();
    for (line, source) in [SENTENCE, "Good morning."].iter().enumerate() {
        let source = ids(source);
        let labels = ids(target);
        let fed = [&[0], &labels[..labels.len() - 1]].concat();
        assert_eq!(tensors.ids(&format!("{line}.input_ids")), source);
        assert_eq!(tensors.ids(&format!("{line}.decoder_input_ids")), fed);

        let encoded = reference
            .encode_with(&source, EncodeOptions::default())
            .unwrap();
        let last = encoded.hidden_states.last().unwrap();
        let decoded = reference
            .decode_with(last, &fed, DecodeOptions::default())
            .unwrap();
        let (s, t) = (source.len(), fed.len());
        let (hidden, shape) = tensors.floats(&format!("{line}.hidden"));
        assert_eq!(shape, [s, 256]);
        assert_close(&hidden, last);
        for (name, expected, rest) in [
            ("hidden_states", &encoded.hidden_states, vec![s, 256]),
            ("attentions", &encoded.attentions, vec![HEADS, s, s]),
            (
                "decoder_hidden_states",
                &decoded.hidden_states,
                vec![t, 256],
            ),
            ("decoder_attentions", &decoded.attentions, vec![HEADS, t, t]),
            (
                "cross_attentions",
                &decoded.cross_attentions,
                vec![HEADS, t, s],
            ),
        ] {
            let (found, shape) = tensors.floats(&format!("{line}.{name}"));
            assert_eq!(shape, [&[expected.len()], &rest[..]].concat(), "{name}");
            assert_close(&found, &expected.concat());
            if name.ends_with("attentions") {
                assert_rows_sum_to_one(&found, rest[2]);
            }
        }
    }
}

#[test]
fn fields_and_file_say_the_same() {
    let requests = "{\"id\":\"a\",\"text\":\"Good morning.\"}\n\n{\"input_ids\":[17,23,5,1],\"labels\":[3,99,1]}\n";
    let flags = ["--jsonl", "--hidden-states", "--attentions", "--generate"];
    let mut command = t5_gpu(["encode"]);
    let printed = stdout(command.args(flags).write_stdin(requests));
    let (contract, tensors) = encode_to_file(&flags, requests);
    let names = tensors.names();
    assert_eq!(names.len(), 16, "{names:?}");
    for (line, id) in [(0, "a"), (2, "2")] {
        let fields: Value = serde_json::from_str(printed.lines().nth(line).unwrap()).unwrap();
        for name in [
            "hidden",
            "hidden_states",
            "attentions",
            "decoder_hidden_states",
            "decoder_attentions",
            "cross_attentions",
        ] {
            assert_eq!(
                flat(&fields[name]),
                tensors.floats(&format!("{id}.{name}")),
                "{name}"
            );
        }
        let fed = tensors.ids(&format!("{id}.decoder_input_ids"));
        assert_eq!(fields["decoder_input_ids"], json!(fed));
        // With a file, lines hold what they always hold.
        let fields: Value = serde_json::from_str(contract.lines().nth(line).unwrap()).unwrap();
        let mut names: Vec<_> = fields.as_object().unwrap().keys().collect();
        names.sort();
        assert_eq!(names, ["hidden", "id", "input_ids", "shape"]);
    }
    // One target is generated, the other is given.
    let mut command = t5_gpu(["generate", "--jsonl"]);
    let generated = &json_lines(&stdout(command.write_stdin("{\"text\":\"Good morning.\"}")))[0];
    let output = generated["outputs"][0]["token_ids"].as_array().unwrap();
    let fed = tensors.ids("a.decoder_input_ids");
    assert_eq!(json!(fed[1..]), json!(output[..output.len() - 1]));
    assert_eq!(tensors.ids("2.decoder_input_ids"), [0, 3, 99]);
}

#[test]
fn the_encoder_alone_has_no_decoder_states() {
    let (printed, tensors) = encode_to_file(&["--attentions", "a"], "");
    assert!(printed.starts_with("shape ["), "{printed}");
    assert_eq!(tensors.names(), ["0.attentions", "0.hidden", "0.input_ids"]);
}

#[test]
fn states_that_cannot_be_given_say_why() {
    let failure = |arguments: &[&str]| error(t5_gpu(["encode", "-q"]).args(arguments));
    assert!(failure(&["--attentions", "a"]).contains("--output"));
    assert!(failure(&["--jsonl", "--target", "b", "a"]).contains("--hidden-states"));
    assert!(failure(&["--output", "/nowhere/a.safetensors", "a"]).contains("/nowhere"));

    let directory = TempDir::new().unwrap();
    let path = directory.path().join("twice.safetensors");
    let mut command = t5_gpu(["encode", "--jsonl", "--output", text(&path)]);
    command.write_stdin("{\"id\":7,\"text\":\"a\"}\n{\"id\":\"7\",\"text\":\"b\"}\n");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let lines = json_lines(&String::from_utf8(output.stdout).unwrap());
    assert!(
        lines[1]["error"]
            .as_str()
            .unwrap()
            .contains("second result"),
        "{lines:?}"
    );
    assert_eq!(
        Tensors(fs::read(path).unwrap()).ids("7.input_ids"),
        ids("a")
    );
}

#[test]
fn align_pairs_words_and_draws_tokens() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("map.svg");
    let printed = stdout(&mut t5_gpu([
        "align",
        "--output",
        text(&path),
        "I love you.",
        "Where is the train station?",
    ]));
    let sources = ["I love you.", "Where is the train station?"];
    assert_eq!(printed.lines().count(), sources.len());
    for (line, source) in printed.lines().zip(sources) {
        let (target, pairs) = line.split_once(" ||| ").unwrap();
        assert_eq!(target, german(source));
        let words = |text: &str| text.split(' ').count();
        for (place, pair) in pairs.split(' ').enumerate() {
            let (from, to) = pair.split_once('-').unwrap();
            let from: usize = from.parse().unwrap();
            // Each word of the translation is paired with one of the text.
            assert!(from < words(source) && to == place.to_string(), "{line}");
        }
        assert_eq!(words(pairs), words(target), "{line}");
    }

    let picture = fs::read_to_string(path).unwrap();
    let document = roxmltree::Document::parse(&picture).unwrap();
    let elements = |name: &str| {
        let name = name.to_owned();
        document
            .descendants()
            .filter(move |node| node.has_tag_name(name.as_str()))
    };
    let labels: Vec<&str> = elements("text").filter_map(|node| node.text()).collect();
    for label in [&german("I love you."), "▁love", "</s>", "▁station"] {
        assert!(labels.contains(&label), "{label} in {labels:?}");
    }
    let tokens = |source: &str, target: &str| {
        ids(&format!("translate English to German: {source}")).len() * ids(target).len()
    };
    let cells = tokens("I love you.", &german("I love you."))
        + tokens(
            "Where is the train station?",
            &german("Where is the train station?"),
        );
    assert_eq!(elements("title").count(), cells);
    for cell in elements("rect").filter(|node| node.has_attribute("fill-opacity")) {
        let opacity: f32 = cell.attribute("fill-opacity").unwrap().parse().unwrap();
        assert!((0.0..=1.0).contains(&opacity));
    }
}

#[test]
fn alignments_are_those_of_the_references_attention() {
    let requests = "{\"id\":1,\"text\":\"I love you.\"}\n{\"id\":2,\"text\":\"My father works.\",\"num_beams\":2}\n";
    let mut command = t5_gpu(["align", "--jsonl", "--tokens"]);
    let answers = json_lines(&stdout(command.write_stdin(requests)));
    let reference = reference();
    for (answer, source) in answers.iter().zip(["I love you.", "My father works."]) {
        let source = ids(&format!("translate English to German: {source}"));
        let target: Vec<u32> = serde_json::from_value(answer["token_ids"].clone()).unwrap();
        assert_eq!(
            answer["source_tokens"].as_array().unwrap().len(),
            source.len()
        );
        assert_eq!(
            answer["target_tokens"].as_array().unwrap().len(),
            target.len()
        );
        let fed = [&[0], &target[..target.len() - 1]].concat();
        let hidden = reference.encode(&source).unwrap();
        let decoded = reference
            .decode_with(&hidden, &fed, DecodeOptions::default())
            .unwrap();
        let layers = &decoded.cross_attentions;
        let parts = (layers.len() * HEADS) as f32;
        let mut pairs = Vec::new();
        let mut mean = Vec::new();
        for position in 0..fed.len() {
            let weight = |key: usize| -> f32 {
                let at = |layer: &Vec<f32>, head| {
                    layer[(head * fed.len() + position) * source.len() + key]
                };
                let heads = |layer| (0..HEADS).map(|head| at(layer, head)).sum::<f32>();
                layers.iter().map(heads).sum::<f32>() / parts
            };
            let row: Vec<f32> = (0..source.len()).map(weight).collect();
            let most = row.iter().copied().fold(0.0, f32::max);
            pairs.push([row.iter().position(|&x| x == most).unwrap(), position]);
            mean.extend(row);
        }
        let (attention, shape) = flat(&answer["attention"]);
        assert_eq!(shape, [fed.len(), source.len()]);
        assert_rows_sum_to_one(&attention, source.len());
        assert_close(&attention, &mean);
        assert_eq!(answer["alignment"], json!(pairs));
    }
}

#[test]
fn align_takes_a_layer_and_refuses_what_it_cannot_do() {
    let layers = |arguments: &[&str]| {
        let mut command = t5_gpu(["align", "-q", "--jsonl"]);
        flat(&json_lines(&stdout(command.args(arguments).arg("She reads.")))[0]["attention"]).0
    };
    let (first, second, both) = (layers(&["--layer=1"]), layers(&["--layer=2"]), layers(&[]));
    assert_ne!(first, second);
    for ((first, second), both) in first.iter().zip(&second).zip(&both) {
        assert!(((first + second) / 2.0 - both).abs() < 1e-6);
    }
    let failure = |arguments: &[&str]| error(t5_gpu(["align", "-q"]).args(arguments));
    assert!(failure(&["--layer", "3", "a"]).contains("1 to 2"));
    assert!(failure(&["--output", "map.png", "a"]).contains(".svg"));
    assert!(failure(&["--to", "xx", "a"]).contains("unknown language"));
}

#[test]
fn streamed_text_is_the_text() {
    let lines = "translate English to German: Where is the train station?\n\nno prefix at all, just words\nGrüße!\n";
    for options in [
        &["--max-new-tokens", "30"][..],
        &["--do-sample", "--seed", "5", "--temperature", "1.5"],
    ] {
        let run = |stream: &[&str]| {
            let mut command = t5_gpu(["generate"]);
            stdout(command.args(options).args(stream).write_stdin(lines))
        };
        let whole = run(&[]);
        assert_eq!(whole.lines().count(), 4);
        assert_eq!(run(&["--stream"]), whole);
    }
}

#[test]
fn what_cannot_be_streamed_says_why() {
    let failure =
        |arguments: &[&str]| error(t5_gpu(["generate", "-q", "--stream"]).args(arguments));
    assert!(failure(&["--num-beams", "2", "a"]).contains("num_beams 1"));
    let several = ["--do-sample", "--num-return-sequences", "2", "a"];
    assert!(failure(&several).contains("num_return_sequences 1"));
    assert!(failure(&["--jsonl", "a"]).contains("--jsonl"));
}

#[test]
fn generated_tokens_have_the_logprobs_that_scoring_gives_them() {
    let request = json!({"text": SENTENCE, "num_beams": 3, "num_return_sequences": 2, "token_logprobs": true});
    let mut command = t5_gpu(["generate", "--jsonl"]);
    let input = format!("{request}\n{}\n", json!({"text": SENTENCE, "num_beams": 1}));
    let answers = json_lines(&stdout(command.write_stdin(input)));
    assert_eq!(answers[1]["outputs"][0].get("token_logprobs"), None);
    let outputs = answers[0]["outputs"].as_array().unwrap();
    assert_eq!(outputs.len(), 2);
    for output in outputs {
        let score = json!({"text": SENTENCE, "labels": output["token_ids"]}).to_string();
        let mut command = t5_gpu(["score", "--jsonl"]);
        let scored = &json_lines(&stdout(command.write_stdin(score)))[0];
        assert_close(
            &flat(&output["token_logprobs"]).0,
            &flat(&scored["token_logprobs"]).0,
        );
    }
}
