//! How near translations come to references: [BLEU](corpus_bleu) and [chrF](corpus_chrf), the numbers that sacreBLEU gives
//! by default. Pure functions over strings.
//!
//! Post, "A Call for Clarity in Reporting BLEU Scores" (WMT 2018), says why scores are told with all that decides them: the
//! signature that every score here carries, laid out as sacreBLEU's.
//!
//! ```
//! use t5_gpu::metrics::corpus_chrf;
//!
//! // Each hypothesis has references of its own, one or several.
//! let references = [vec!["Das Haus ist wunderbar."], vec!["Ich liebe dich.", "Ich hab dich lieb."]];
//! let chrf = corpus_chrf(&["Das Haus ist schön.", "Ich liebe dich."], &references)?;
//! assert_eq!(format!("{:.2}", chrf.score), "66.67");
//! # Ok::<(), t5_gpu::Error>(())
//! ```

mod bleu;
mod chrf;
mod tokenize_13a;

pub use self::bleu::{Bleu, corpus_bleu};
pub use self::chrf::{Chrf, corpus_chrf};
pub use self::tokenize_13a::tokenize_13a;

use std::collections::HashMap;
use std::hash::Hash;

use crate::{Error, Result};

/// Checks that there is something to score, and tells how many references a hypothesis has, as signatures do.
fn count_references<H, R>(hypotheses: &[H], references: &[Vec<R>]) -> Result<String> {
    let invalid = |message: String| Err(Error::Invalid(message));
    if hypotheses.len() != references.len() {
        return invalid(format!(
            "{} hypotheses, but references for {}: give references for each",
            hypotheses.len(),
            references.len()
        ));
    }
    let Some(first) = references.first() else {
        return invalid("no hypotheses: give at least one".into());
    };
    if let Some(index) = references.iter().position(Vec::is_empty) {
        return invalid(format!(
            "hypothesis {} has no reference: give it at least one",
            index + 1
        ));
    }
    let all_alike = references.iter().all(|some| some.len() == first.len());
    Ok(if all_alike {
        first.len().to_string()
    } else {
        "var".into()
    })
}

/// The end of every signature: whose numbers these are.
fn version() -> String {
    format!("version:t5-gpu-{}", env!("CARGO_PKG_VERSION"))
}

/// How often each item comes.
fn count<T: Eq + Hash>(items: impl Iterator<Item = T>) -> HashMap<T, u64> {
    let mut counts = HashMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    counts
}

/// How many items the two have in common, repeated ones as often as both have them.
fn matches<T: Eq + Hash>(found: &HashMap<T, u64>, expected: &HashMap<T, u64>) -> u64 {
    found
        .iter()
        .map(|(item, count)| expected.get(item).map_or(0, |other| *count.min(other)))
        .sum()
}

/// What Python's `str.split` takes for whitespace: Unicode's, and ASCII's four separators.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}
