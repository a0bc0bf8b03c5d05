//! What is said on stderr beside progress.

use std::io::Write;

/// One line, unless nothing is to be said. Notes do not matter: a closed stderr is no reason to stop.
pub(super) fn note(quiet: bool, text: &str) {
    if !quiet {
        let _ = writeln!(std::io::stderr(), "note: {text}");
    }
}
