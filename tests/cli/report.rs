//! `report`: what people paste.

use super::{error, fixture, stdout, t5_gpu, text};

/// The blocks by their titles.
fn blocks(markdown: &str) -> Vec<(&str, &str)> {
    markdown
        .split("\n**")
        .skip(1)
        .map(|part| {
            let (title, rest) = part.split_once("**\n```text\n").unwrap();
            (title, rest.trim_end().strip_suffix("\n```").unwrap())
        })
        .collect()
}

#[test]
fn a_report_holds_devices_checks_and_speed() {
    let model = fixture("checkpoints/t5");
    let markdown = stdout(&mut t5_gpu([
        "report",
        "--quiet",
        "--dtype",
        "f32,int8",
        "--model",
        text(&model),
    ]));
    let blocks = blocks(&markdown);
    let titles: Vec<&str> = blocks.iter().map(|(title, _)| *title).collect();
    assert_eq!(
        titles,
        [
            "devices",
            "verify f32",
            "verify int8",
            "bench f32",
            "bench int8"
        ]
    );
    assert_eq!(blocks[0].1, stdout(&mut t5_gpu(["devices"])).trim_end());
    for (title, block) in &blocks[1..3] {
        let dtype = title.split_once(' ').unwrap().1;
        assert!(block.contains(&format!("weights {dtype}")), "{block}");
        assert!(block.ends_with("computes the model correctly"), "{block}");
    }
    for (title, block) in &blocks[3..] {
        let dtype = title.split_once(' ').unwrap().1;
        assert!(block.contains(&format!(" {dtype} on ")), "{block}");
        let batches: Vec<&str> = block
            .lines()
            .skip(3)
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert_eq!(batches, ["1", "8", "32"], "{block}");
    }
    assert!(markdown.starts_with("### t5-gpu "), "{markdown}");
}

#[test]
fn what_cannot_be_reported_on_is_told_at_once() {
    let message = error(&mut t5_gpu(["report", "--device", "no such device"]));
    assert!(message.contains("no device matches"), "{message}");
    let message = error(&mut t5_gpu(["report", "--model", "./no-such-model"]));
    assert!(message.contains("no-such-model"), "{message}");
}
