//! `inspect`, `devices` and `models`.

use std::fs;

use super::{
    embedded_model, fixture, german, json_lines, model_without, stdout, t5_gpu, text,
    without_adapter,
};

#[test]
fn prints_the_module_tree_and_the_count_of_pytorch() {
    for name in [
        "t5-relu-tied",
        "t5-gated-gelu",
        "mt5-gated-silu",
        "umt5",
        "t5-small",
        "mt5-encoder",
    ] {
        let directory = fixture("module_trees").join(name);
        let output = stdout(&mut without_adapter([
            "inspect",
            "--model",
            text(&directory),
        ]));
        let tree = fs::read_to_string(directory.join("tree.txt")).unwrap();
        assert!(output.contains(&tree), "{name}:\n{output}\nis not\n{tree}");
        let count = fs::read_to_string(directory.join("parameters.txt")).unwrap();
        assert!(
            output.contains(&format!("\nparameters: {count}")),
            "{name}: {output}"
        );
        assert!(output.contains("no weights here"), "{name}");
    }
}

#[test]
fn tells_what_the_embedded_model_is() {
    let output = stdout(&mut without_adapter(["inspect"]));
    for part in [
        "t5-mini-en-de",
        "\"d_model\": 256",
        "\"feed_forward_proj\": \"relu\"",
        "(shared): Embedding(6112, 256)",
        "(1-5): 5 x T5Block(",
        // As its README has it: 8.4 million parameters, f16, 16.8 MB.
        "parameters: 83",
        "dtype: F16 (79 tensors)",
        "size: 16.8 MB",
    ] {
        assert!(output.contains(part), "no {part:?} in\n{output}");
    }
}

#[test]
fn the_object_tells_the_same() {
    let path = embedded_model();
    let output = stdout(&mut without_adapter([
        "inspect",
        "--jsonl",
        "--model",
        text(&path),
    ]));
    let object = &json_lines(&output)[0];
    assert_eq!(object["name"], "t5-mini-en-de");
    assert_eq!(object["config"]["d_ff"], 1024);
    assert_eq!(object["dtypes"]["F16"], 79);
    let parameters = object["parameters"].as_u64().unwrap();
    assert_eq!(object["bytes"], parameters * 2);

    // The config alone gives the same count.
    let directory = model_without(&["model.safetensors"]);
    let output = stdout(&mut t5_gpu([
        "inspect",
        "--jsonl",
        "--model",
        text(directory.path()),
    ]));
    let object = &json_lines(&output)[0];
    assert_eq!(object["parameters"], parameters);
    assert!(object["bytes"].is_null());
}

#[test]
fn devices_marks_one_as_the_default() {
    let output = stdout(&mut t5_gpu(["devices"]));
    assert!(output.starts_with("0: "), "{output}");
    assert_eq!(output.matches("(default)").count(), 1, "{output}");

    let devices = json_lines(&stdout(&mut t5_gpu(["devices", "--jsonl"])));
    for (index, device) in devices.iter().enumerate() {
        assert_eq!(device["index"], index);
        assert_eq!(device["default"], index == 0);
        assert!(
            ["vulkan", "metal", "dx12"].contains(&device["backend"].as_str().unwrap()),
            "{device}"
        );
        assert!(
            device["max_binding_bytes"].as_u64().unwrap() >= 1 << 27,
            "{device}"
        );
        for field in ["name", "driver", "device_type"] {
            assert!(!device[field].as_str().unwrap().is_empty(), "{device}");
        }
    }

    // A part of the name, in any case, names a device.
    let name = devices[0]["name"].as_str().unwrap().to_uppercase();
    let output = stdout(&mut t5_gpu([
        "translate",
        "--device",
        &name[..4],
        "I love you.",
    ]));
    assert_eq!(output, format!("{}\n", german("I love you.")));
}

#[test]
fn models_lists_the_cache() {
    let cache = tempfile::TempDir::new().unwrap();
    let models = |arguments: &[&'static str]| {
        let mut command = t5_gpu(["models"].into_iter().chain(arguments.iter().copied()));
        stdout(command.env("HF_HUB_CACHE", cache.path()))
    };
    assert_eq!(models(&[]), "");

    // As the hub's own tools lay a snapshot out.
    let repo = cache.path().join("models--someone--small");
    let snapshot = repo.join("snapshots/0123456789abcdef0123456789abcdef01234567");
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(repo.join("refs")).unwrap();
    fs::write(
        repo.join("refs/main"),
        "0123456789abcdef0123456789abcdef01234567",
    )
    .unwrap();
    for file in [
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "model.safetensors",
    ] {
        fs::copy(embedded_model().join(file), snapshot.join(file)).unwrap();
    }
    assert!(
        models(&[]).starts_with("someone/small (main): t5, "),
        "{}",
        models(&[])
    );
    let model = &json_lines(&models(&["--jsonl"]))[0];
    assert_eq!(model["id"], "someone/small");
    assert_eq!(model["usable"], true);

    let mut command = t5_gpu(["translate", "--model", "someone/small", "I love you."]);
    command
        .env("HF_HUB_CACHE", cache.path())
        .env("HF_HUB_OFFLINE", "1");
    assert_eq!(stdout(&mut command), format!("{}\n", german("I love you.")));

    fs::remove_file(snapshot.join("model.safetensors")).unwrap();
    assert!(models(&[]).contains("incomplete"), "{}", models(&[]));
}
