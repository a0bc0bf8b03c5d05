//! Files that are something other than their names say: pointers, pages, archives, other programs' formats.

use std::path::Path;

use t5_gpu::ModelFiles;

use super::toy::line;

const LFS: &[u8] =
    b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21483\nsize 242043056\n";
const XET: &[u8] = b"# xet version 0\nfilesize = 242043056\nhash = '4d7a21483'\n";

/// How files begin that stand in place of others, and what is said of them.
fn foreign() -> Vec<(Vec<u8>, &'static str)> {
    let mut tar = vec![b'x'; 512];
    tar[257..262].copy_from_slice(b"ustar");
    vec![
        (LFS.into(), "git lfs pull"),
        (XET.into(), "Git Xet pointer"),
        (b"../../blobs/4d7a21483".into(), "link into a hub cache"),
        (
            b"\n<!DOCTYPE html>\n<html><body>404</body></html>".into(),
            "web page",
        ),
        (b"<HTML><HEAD>".into(), "web page"),
        (
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03abcdef".into(),
            "packed with gzip",
        ),
        (
            b"PK\x03\x04\x14\x00\x00\x00\x08\x00abcdefghijklmnopqr".into(),
            "zip",
        ),
        (b"(\xb5/\xfd\x04\x00abcdefgh".into(), "packed with zstd"),
        (b"\xfd7zXZ\x00\x00\x04abcdefgh".into(), "packed with xz"),
        (tar, "packed with tar"),
        (b"GGUF\x03\x00\x00\x00\x00\x00\x00\x00".into(), "llama.cpp"),
        (b"\x89HDF\r\n\x1a\n\x00\x00\x00\x00".into(), "TensorFlow"),
        (vec![], "empty"),
        (vec![0; 5000], "full of zeros"),
    ]
}

/// A whole model directory, one file of it replaced.
fn with(checkpoint: &str, file: &str, content: &[u8]) -> tempfile::TempDir {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let dir = tempfile::tempdir().unwrap();
    for from in [
        fixtures.join("checkpoints").join(checkpoint),
        fixtures.join("tokenizers/codet5"),
    ] {
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let to = dir.path().join(path.file_name().unwrap());
            if path.is_file() && !to.exists() {
                std::fs::copy(&path, to).unwrap();
            }
        }
    }
    std::fs::write(dir.path().join(file), content).unwrap();
    dir
}

/// What is said of the directory's weights.
fn refused(dir: &tempfile::TempDir) -> String {
    let files = ModelFiles::open(dir.path()).unwrap();
    line(files.weights().err().expect("an error"))
}

#[test]
fn weights_that_are_something_else_say_what() {
    let mut kinds = foreign();
    kinds.push((
        b"Entry not found".into(),
        "text that begins \"Entry not found\"",
    ));
    kinds.push((
        br#"{"error":"Invalid credentials in Authorization header"}"#.into(),
        "\"{\"error\":\"Invalid",
    ));
    for (content, what) in kinds {
        for (checkpoint, file) in [
            ("t5", "model.safetensors"),
            ("pytorch-bin", "pytorch_model.bin"),
        ] {
            let dir = with(checkpoint, file, &content);
            let error = refused(&dir);
            // PyTorch's own files are zip archives, too.
            let is_own = file == "pytorch_model.bin" && what == "zip";
            assert!(
                error.contains(file) && (is_own || error.contains(what)),
                "{error}"
            );
        }
        let dir = with("sharded", "model-00002-of-00003.safetensors", &content);
        let error = refused(&dir);
        assert!(
            error.contains("model-00002-of-00003") && error.contains(what),
            "{error}"
        );
    }
}

#[test]
fn formats_under_the_others_name_say_so() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints");
    let read = |name: &str| std::fs::read(fixtures.join(name)).unwrap();
    for (name, file, right) in [
        (
            "pytorch-bin/pytorch_model.bin",
            "model.safetensors",
            "pytorch_model.bin",
        ),
        (
            "pytorch-bin-old/pytorch_model.bin",
            "model.safetensors",
            "pytorch_model.bin",
        ),
        (
            "t5/model.safetensors",
            "pytorch_model.bin",
            "model.safetensors",
        ),
    ] {
        let checkpoint = if file == "pytorch_model.bin" {
            "pytorch-bin"
        } else {
            "t5"
        };
        let dir = with(checkpoint, file, &read(name));
        let error = refused(&dir);
        assert!(error.contains(&format!("call it {right}")), "{error}");
    }
    // What is cut short is that, and not something else.
    for (checkpoint, file) in [
        ("t5", "model.safetensors"),
        ("pytorch-bin", "pytorch_model.bin"),
    ] {
        let whole = read(&format!("{checkpoint}/{file}"));
        let dir = with(checkpoint, file, &whole[..whole.len() - 100]);
        let error = refused(&dir);
        assert!(
            error.contains("truncated or corrupt") && error.contains("bytes"),
            "{error}"
        );
    }
}

#[test]
fn configs_and_tokenizers_that_are_something_else_say_what() {
    for (content, what) in foreign() {
        let fails = |file: &str, read: &dyn Fn(&ModelFiles) -> Option<t5_gpu::Error>| {
            let dir = with("sharded", file, &content);
            let error = line(read(&ModelFiles::open(dir.path()).unwrap()).expect(file));
            assert!(error.contains(file) && error.contains(what), "{error}");
        };
        fails("config.json", &|files| files.config().err());
        fails("config.json", &|files| files.config_json().err());
        fails("generation_config.json", &|files| files.generation().err());
        fails("model.safetensors.index.json", &|files| {
            files.weights().err()
        });
        for file in [
            "tokenizer_config.json",
            "tokenizer.json",
            "added_tokens.json",
            "vocab.json",
            "merges.txt",
        ] {
            fails(file, &|files| files.tokenizer().err());
        }
        let dir = with("sharded", "spiece.model", &content);
        std::fs::remove_file(dir.path().join("vocab.json")).unwrap();
        let files = ModelFiles::open(dir.path()).unwrap();
        let error = line(files.tokenizer().err().unwrap());
        assert!(
            error.contains("spiece.model") && error.contains(what),
            "{error}"
        );
    }
}
