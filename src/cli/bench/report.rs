//! Results as people read them.

use std::time::Duration;

use serde_json::{Value, json};
use t5_gpu::gpu::KernelTime;

/// With three decimals.
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// A line on the model and the device, one on what the device can do at most, a line a workload; profiles below.
pub fn table(results: &[Value]) -> String {
    let Some(first) = results.first() else {
        return String::new();
    };
    let string = |name: &str| first[name].as_str().unwrap_or_default();
    let mut text = format!(
        "{} {} on {} ({}), loaded in {:.0} ms\n",
        string("arch"),
        string("dtype"),
        string("device"),
        string("driver"),
        number(&first["load_ms"]),
    );
    text += &format!(
        "host peak {}; the device copies {} and multiplies matrices at {} at most\n",
        megabytes(&results[results.len() - 1]["host_peak_bytes"]),
        rate(&first["ceiling"]["copy_gb_s"], "GB/s"),
        rate(&first["ceiling"]["matmul_gflop_s"], "GFLOP/s"),
    );
    text += &line(COLUMNS.map(|(title, _)| title.to_owned()));
    for result in results {
        text += &line(COLUMNS.map(|(_, cell)| cell(result)));
    }
    text += &results.iter().map(profile_table).collect::<String>();
    text
}

type Cell = fn(&Value) -> String;

const COLUMNS: [(&str, Cell); 13] = [
    ("batch", |result| result["batch_size"].to_string()),
    ("beams", |result| result["num_beams"].to_string()),
    ("source", |result| result["source_length"].to_string()),
    ("new", |result| result["new_tokens"].to_string()),
    ("encode ms", |result| decimals(&result["encode_ms"], 2)),
    ("first ms", |result| decimals(&result["first_token_ms"], 2)),
    ("step ms", |result| {
        decimals(&result["step_ms"]["median"], 2)
    }),
    ("p90", |result| decimals(&result["step_ms"]["p90"], 2)),
    ("tokens/s", |result| {
        decimals(&result["tokens_per_second"], 1)
    }),
    ("source/s", |result| {
        decimals(&result["source_tokens_per_second"], 0)
    }),
    ("GB/s", |result| of(result, "gb_s", "copy_share")),
    ("GFLOP/s", |result| of(result, "gflop_s", "matmul_share")),
    ("gpu", |result| megabytes(&result["gpu_bytes"])),
];

/// Right-aligned columns; the two with shares are wider.
fn line(cells: [String; COLUMNS.len()]) -> String {
    let mut text = String::new();
    for (cell, (title, _)) in cells.iter().zip(COLUMNS) {
        let width = match title {
            "batch" | "beams" | "source" | "new" => 7,
            "GB/s" | "GFLOP/s" => 14,
            _ => 10,
        };
        text += &format!("{cell:>width$}");
    }
    text + "\n"
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn decimals(value: &Value, decimals: usize) -> String {
    format!("{:.decimals$}", number(value))
}

/// What a step achieved and its share of the ceiling.
fn of(result: &Value, achieved: &str, share: &str) -> String {
    let achieved = decimals(&result["achieved"][achieved], 1);
    match result["achieved"][share].as_f64() {
        Some(share) => format!("{achieved} ({:.0}%)", 100.0 * share),
        None => achieved,
    }
}

fn rate(value: &Value, unit: &str) -> String {
    match value.as_f64() {
        Some(value) => format!("{value:.1} {unit}"),
        None => format!("an unknown number of {unit}"),
    }
}

fn megabytes(value: &Value) -> String {
    match value.as_f64() {
        Some(bytes) => format!("{:.0} MB", bytes / 1e6),
        None => "unknown".into(),
    }
}

/// Kernels, the dearest first, with their share of all GPU time.
pub fn profile(times: &[KernelTime]) -> Value {
    let all: Duration = times.iter().map(|time| time.total).sum();
    times
        .iter()
        .map(|time| {
            json!({
                "kernel": time.kernel,
                "calls": time.calls,
                "total_ms": milliseconds(time.total),
                "share": time.total.as_secs_f64() / all.as_secs_f64().max(f64::MIN_POSITIVE),
            })
        })
        .collect()
}

fn profile_table(result: &Value) -> String {
    let Some(kernels) = result["profile"].as_array() else {
        return String::new();
    };
    let mut text = format!(
        "\nbatch {}, beams {}, source {}, new {}: GPU time by kernel\n{:>28}{:>8}{:>12}{:>8}\n",
        result["batch_size"],
        result["num_beams"],
        result["source_length"],
        result["new_tokens"],
        "kernel",
        "calls",
        "total ms",
        "share"
    );
    for kernel in kernels {
        let name = kernel["kernel"].as_str().unwrap_or_default();
        let total = number(&kernel["total_ms"]);
        let share = 100.0 * number(&kernel["share"]);
        text += &format!(
            "{name:>28}{:>8}{total:>12.2}{share:>7.1}%\n",
            kernel["calls"].to_string()
        );
    }
    text
}
