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

#[test]
fn plans_a_step_without_a_device() {
    let arguments = "bench --plan --json --arch t5-small --batch-size 1,32 --dtype f16 --gb-s 100 --tflop-s 2 --dispatch-us 10";
    let mut command = t5_gpu(arguments.split(' '));
    // There is none by that name.
    command
        .env("VK_DRIVER_FILES", "/nonexistent")
        .env("VK_ICD_FILENAMES", "/nonexistent");
    let plans: Value = serde_json::from_str(&stdout(&mut command)).unwrap();
    let plans = plans.as_array().unwrap();
    assert_eq!(plans.len(), 2);
    for (plan, batch_size) in plans.iter().zip([1.0, 32.0]) {
        let number = |field: &str| plan[field].as_f64().unwrap();
        assert_eq!(number("dispatches"), 51.0);
        assert_eq!(number("batch_size"), batch_size);
        // Six layers of 6 x 512 x 512 and 2 x 512 x 2048, and the head: two bytes each, and the gains of the norms.
        let weights = 2.0 * (6.0 * (6.0 * 262_144.0 + 2.0 * 1_048_576.0) + 32_128.0 * 512.0);
        assert!(
            (number("weight_bytes") / weights - 1.0).abs() < 0.01,
            "{plan}"
        );
        let kernels = plan["kernels"].as_array().unwrap();
        let all = |field: &str| {
            kernels
                .iter()
                .map(|row| row[field].as_f64().unwrap())
                .sum::<f64>()
        };
        for field in [
            "weight_bytes",
            "cache_bytes",
            "activation_bytes",
            "multiplications",
            "dispatches",
        ] {
            assert_eq!(all(field), number(field), "{field}");
        }
        let [gpu] = plan["at_least"].as_array().unwrap().as_slice() else {
            panic!("{plan}");
        };
        let memory = (number("weight_bytes") + number("cache_bytes")) / 100e9 * 1e3;
        let least = 51.0 * 10e-3 + memory;
        assert!(
            gpu["step_ms"].as_f64().unwrap() >= least * 0.999_999,
            "{gpu}"
        );
    }
}

#[test]
fn plans_for_well_known_gpus() {
    let table = stdout(&mut t5_gpu([
        "bench", "--plan", "--arch", "t5-base", "--dtype", "int8",
    ]));
    for name in [
        "RTX 4090",
        "RX 7900 XTX",
        "Apple M1",
        "Arc A770",
        "lm_head",
        "matvec",
    ] {
        assert!(table.contains(name), "{table}");
    }
    let failed = t5_gpu(["bench", "--plan", "--gb-s", "100"])
        .output()
        .unwrap();
    assert!(!failed.status.success());
    assert!(String::from_utf8_lossy(&failed.stderr).contains("--tflop-s"));
}
