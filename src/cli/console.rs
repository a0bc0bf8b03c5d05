//! What is told on stderr: notes and progress.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};
use t5_gpu::DeviceInfo;

/// Stderr, unless `--quiet`.
pub struct Console {
    quiet: bool,
}

impl Console {
    pub fn new(quiet: bool) -> Console {
        Console { quiet }
    }

    /// One line.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            // Results matter, notes do not: a closed stderr is no reason to stop.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// What a person should know of the model's files, a line each.
    pub fn notes(&self, notes: impl IntoIterator<Item = String>) {
        for note in notes {
            self.note(&format!("note: {note}"));
        }
    }

    /// Which device was chosen.
    pub fn device(&self, info: &DeviceInfo) {
        self.note(&format!(
            "device: {} ({}, {})",
            info.name, info.backend, info.device_type
        ));
        if info.is_software() {
            self.note(
                "note: this is a software adapter, the CPU runs the shaders; with a GPU, install its driver for speed",
            );
        }
    }

    /// A bar that counts bytes.
    pub fn bytes(&self, what: &'static str) -> ProgressBar {
        self.bar(
            what,
            "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}",
            Some(0),
        )
    }

    /// A bar that counts lines, `total` where that is known. Hidden while results go to the same terminal.
    pub fn lines(&self, total: Option<u64>) -> ProgressBar {
        if io::stdout().is_terminal() {
            return ProgressBar::hidden();
        }
        match total {
            Some(total) => self.progress(total),
            None => self.bar("", "{spinner} {pos} lines, {per_sec}", None),
        }
    }

    /// A bar that counts lines while no results are printed.
    pub fn progress(&self, total: u64) -> ProgressBar {
        let style = "[{bar:30}] {pos}/{len} lines, {per_sec}, {eta} left";
        self.bar("", style, Some(total))
    }

    fn bar(&self, message: &'static str, style: &str, total: Option<u64>) -> ProgressBar {
        if self.quiet || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        bar.with_style(
            ProgressStyle::with_template(style).expect("the templates above are well-formed"),
        )
        .with_message(message)
    }
}
