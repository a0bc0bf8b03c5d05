//! Says which model goes into the binary: models/t5-mini-en-de, or the directory that `T5_GPU_EMBEDDED_MODEL` names, best
//! by its whole path: others are taken from the package.

use std::path::{Path, PathBuf};

const FILES: [&str; 5] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "model.safetensors",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=T5_GPU_EMBEDDED_MODEL");
    let mut name = String::new();
    if std::env::var_os("CARGO_FEATURE_EMBEDDED_MODEL").is_some() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let chosen = std::env::var_os("T5_GPU_EMBEDDED_MODEL").filter(|chosen| !chosen.is_empty());
        let directory =
            root.join(chosen.map_or_else(|| "models/t5-mini-en-de".into(), PathBuf::from));
        for file in FILES.map(|file| directory.join(file)) {
            assert!(
                file.is_file(),
                "{} is missing: a model that is embedded needs {FILES:?}",
                file.display()
            );
            println!("cargo::rerun-if-changed={}", file.display());
        }
        name = directory
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        println!(
            "cargo::rustc-env=T5_GPU_EMBEDDED_DIR={}",
            directory.display()
        );
    }
    println!("cargo::rustc-env=T5_GPU_EMBEDDED_NAME={name}");
}
