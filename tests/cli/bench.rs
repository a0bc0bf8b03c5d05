//! `bench`

use serde_json::Value;

use super::{stdout, t5_gpu};

fn assert_result(result: &Value, arch: &str, batch_size: u64) {
    assert_eq!(result["arch"], arch);
    assert_eq!(result["batch_size"], batch_size);
    for field in ["device", "driver"] {
        assert!(!result[field].as_str().unwrap().is_empty(), "{result}");
    }
    for field in ["load_ms", "encode_ms", "tokens_per_second"] {
        assert!(result[field].as_f64().unwrap() > 0.0, "{result}");
    }
    let (median, p90) = (
        result["step_ms"]["median"].as_f64().unwrap(),
        result["step_ms"]["p90"].as_f64().unwrap(),
    );
    assert!(0.0 < median && median <= p90, "{result}");
    let number = |pointer: &str| result.pointer(pointer).unwrap().as_f64().unwrap();
    // The first token takes the encoder and a step, and no longer than all tokens. Medians of few runs: some slack.
    assert!(
        number("/encode_ms") < number("/first_token_ms")
            && number("/first_token_ms") < 1.5 * number("/total_ms"),
        "{result}"
    );
    let tokens = number("/batch_size") * number("/new_tokens");
    let rate = tokens / number("/total_ms") * 1e3;
    assert!(
        (rate / number("/tokens_per_second") - 1.0).abs() < 0.01,
        "{result}"
    );
    let rate = number("/batch_size") * number("/source_length") / number("/encode_ms") * 1e3;
    assert!(
        (rate / number("/source_tokens_per_second") - 1.0).abs() < 0.01,
        "{result}"
    );
    for (achieved, share, ceiling) in [
        ("gb_s", "copy_share", "copy_gb_s"),
        ("gflop_s", "matmul_share", "matmul_gflop_s"),
    ] {
        let achieved = number(&format!("/achieved/{achieved}"));
        let ceiling = number(&format!("/ceiling/{ceiling}"));
        assert!(achieved > 0.0 && ceiling > 0.0, "{result}");
        let expected = achieved / ceiling;
        let share = number(&format!("/achieved/{share}"));
        assert!((share / expected - 1.0).abs() < 1e-6, "{result}");
    }
}

#[test]
fn measures_every_combination() {
    let arguments = "bench --json --batch-size 1,2 --num-beams 1,3 --source-length 4 --new-tokens 2,3 --repeat 1";
    let results: Value = serde_json::from_str(&stdout(&mut t5_gpu(arguments.split(' ')))).unwrap();
    let found: Vec<[u64; 3]> = results
        .as_array()
        .unwrap()
        .iter()
        .map(|result| {
            ["new_tokens", "num_beams", "batch_size"].map(|name| result[name].as_u64().unwrap())
        })
        .collect();
    let expected = [
        [2, 1, 1],
        [2, 1, 2],
        [2, 3, 1],
        [2, 3, 2],
        [3, 1, 1],
        [3, 1, 2],
        [3, 3, 1],
        [3, 3, 2],
    ];
    assert_eq!(found, expected);
}

#[test]
fn reads_logits_back_where_asked_to() {
    let arguments =
        "bench --json --token-selection cpu --batch-size 2 --new-tokens 3 --repeat 1 --profile";
    let output = t5_gpu(arguments.split(' ')).output().unwrap();
    if !output.status.success() {
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("timestamp queries"), "{stderr}");
        return;
    }
    let results: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_result(&results[0], "t5-mini-en-de", 2);
    assert_eq!(results[0]["token_selection"], "cpu");
    let kernels = results[0]["profile"].as_array().unwrap();
    assert!(
        !kernels.is_empty() && kernels.iter().all(|kernel| kernel["kernel"] != "argmax"),
        "{results}"
    );
}

#[test]
fn measures_a_model_at_each_batch_size() {
    let arguments = "bench --json --batch-size 1,3 --num-beams 2 --source-length 5 --new-tokens 4 --repeat 2 --dtype f16";
    let results: Value = serde_json::from_str(&stdout(&mut t5_gpu(arguments.split(' ')))).unwrap();
    let results = results.as_array().unwrap();
    assert_eq!(results.len(), 2);
    for (result, batch_size) in results.iter().zip([1, 3]) {
        assert_result(result, "t5-mini-en-de", batch_size);
        assert_eq!(result["dtype"], "f16");
        assert_eq!(result["num_beams"], 2);
        assert_eq!(result["source_length"], 5);
        assert_eq!(result["new_tokens"], 4);
        // 8.4 million weights of two bytes.
        assert!(
            result["gpu_bytes"].as_u64().unwrap() > 16_000_000,
            "{result}"
        );
        if cfg!(target_os = "linux") {
            assert!(
                result["host_peak_bytes"].as_u64().unwrap() > 16_000_000,
                "{result}"
            );
        }
    }
}

#[test]
fn measures_a_shape_with_random_weights() {
    let arguments = "bench --json --arch t5-small --batch-size 1 --new-tokens 2 --repeat 1";
    let results: Value = serde_json::from_str(&stdout(&mut t5_gpu(arguments.split(' ')))).unwrap();
    assert_result(&results[0], "t5-small", 1);
    assert!(results[0]["gpu_bytes"].as_u64().unwrap() > 60_506_624 * 4);
}

#[test]
fn prints_a_table() {
    let arguments = "bench --batch-size 1,2 --source-length 1 --new-tokens 2 --repeat 1";
    let output = stdout(&mut t5_gpu(arguments.split(' ')));
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), 5, "{output}");
    assert!(lines[0].starts_with("t5-mini-en-de f32 on "), "{output}");
    assert!(
        lines[2].contains("tokens/s") && lines[3].trim_start().starts_with("1 "),
        "{output}"
    );
}

#[test]
fn profiles_kernels_where_the_adapter_can() {
    let arguments = "bench --json --profile --batch-size 2 --new-tokens 2 --repeat 1";
    let output = t5_gpu(arguments.split(' ')).output().unwrap();
    if !output.status.success() {
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("timestamp queries"), "{stderr}");
        return;
    }
    let results: Value = serde_json::from_slice(&output.stdout).unwrap();
    let kernels = results[0]["profile"].as_array().unwrap();
    let share: f64 = kernels
        .iter()
        .map(|kernel| kernel["share"].as_f64().unwrap())
        .sum();
    assert!((share - 1.0).abs() < 1e-6, "{results}");
    assert!(
        kernels
            .iter()
            .all(|kernel| kernel["calls"].as_u64().unwrap() > 0),
        "{results}"
    );
}
