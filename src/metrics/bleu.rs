//! BLEU: Papineni, Roukos, Ward and Zhu, "BLEU: a Method for Automatic Evaluation of Machine Translation" (ACL 2002).

use std::collections::HashMap;
use std::fmt;

use super::{count, count_references, matches, tokenize_13a, version};
use crate::Result;

/// The longest n-grams, in words.
const ORDER: usize = 4;

/// A corpus' BLEU and what it is made of; displayed as sacreBLEU does.
#[derive(Clone, Debug, PartialEq)]
pub struct Bleu {
    /// 0 to 100.
    pub score: f64,
    /// Of n-grams of one to four words: how many of a hundred are in a reference, after smoothing.
    pub precisions: [f64; ORDER],
    /// What the score was multiplied with because hypotheses are shorter than references, 0 to 1.
    pub brevity_penalty: f64,
    /// Tokens of all hypotheses.
    pub hypothesis_length: u64,
    /// Tokens of the references, of each hypothesis the one that comes nearest in length.
    pub reference_length: u64,
    /// What the score depends on, laid out as sacreBLEU's.
    pub signature: String,
}

impl fmt::Display for Bleu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratio = match self.reference_length {
            0 => 0.0,
            length => self.hypothesis_length as f64 / length as f64,
        };
        let [p1, p2, p3, p4] = self.precisions;
        write!(
            f,
            "BLEU|{} = {:.2} {p1:.1}/{p2:.1}/{p3:.1}/{p4:.1} (BP = {:.3} ratio = {ratio:.3} hyp_len = {} ref_len = {})",
            self.signature,
            self.score,
            self.brevity_penalty,
            self.hypothesis_length,
            self.reference_length
        )
    }
}

/// BLEU of hypotheses, each against its own references, as sacreBLEU's `corpus_bleu` by default: n-grams of up to four
/// words, [13a tokens](tokenize_13a), case kept, and where a size has no match, half a match, then a quarter, ... (the
/// smoothing of mteval-v13a, sacreBLEU's `exp`).
///
/// An n-gram counts as often as the one reference has it that has it most; of reference lengths the nearest counts, the
/// shorter one of two. The empty string is a reference like others: leave out those that are missing.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid): no hypotheses, or one without references.
pub fn corpus_bleu<H: AsRef<str>, R: AsRef<str>>(
    hypotheses: &[H],
    references: &[Vec<R>],
) -> Result<Bleu> {
    let references_each = count_references(hypotheses, references)?;
    let mut sum = Statistics::default();
    for (hypothesis, references) in hypotheses.iter().zip(references) {
        let references: Vec<Vec<String>> = references
            .iter()
            .map(|reference| tokenize_13a(reference.as_ref()))
            .collect();
        sum.add(&tokenize_13a(hypothesis.as_ref()), &references);
    }
    let signature = format!(
        "nrefs:{references_each}|case:mixed|eff:no|tok:13a|smooth:exp|{}",
        version()
    );
    Ok(sum.score(signature))
}

/// All that the score depends on, summed over segments.
#[derive(Default)]
struct Statistics {
    hypothesis_length: u64,
    reference_length: u64,
    /// By order, from one word: n-grams of hypotheses that are in their references, and all.
    matched: [u64; ORDER],
    total: [u64; ORDER],
}

impl Statistics {
    fn add(&mut self, hypothesis: &[String], references: &[Vec<String>]) {
        let length = hypothesis.len();
        let nearest = references
            .iter()
            .map(Vec::len)
            .min_by_key(|&other| (other.abs_diff(length), other));
        self.hypothesis_length += length as u64;
        self.reference_length += nearest.unwrap_or(0) as u64;
        for order in 1..=ORDER {
            let mut expected: HashMap<&[String], u64> = HashMap::new();
            for reference in references {
                for (ngram, times) in count(reference.windows(order)) {
                    let most = expected.entry(ngram).or_default();
                    *most = times.max(*most);
                }
            }
            let ngrams = hypothesis.windows(order);
            self.total[order - 1] += ngrams.len() as u64;
            self.matched[order - 1] += matches(&count(ngrams), &expected);
        }
    }

    fn score(&self, signature: String) -> Bleu {
        let brevity_penalty = if self.hypothesis_length >= self.reference_length {
            1.0
        } else {
            // Minus infinity where there are no hypotheses' tokens at all: 0.
            (1.0 - self.reference_length as f64 / self.hypothesis_length as f64).exp()
        };
        let precisions = self.precisions();
        // The geometric mean: 0 where one of them is.
        let logs: f64 = precisions.iter().map(|precision| precision.ln()).sum();
        Bleu {
            score: brevity_penalty * (logs / ORDER as f64).exp(),
            precisions,
            brevity_penalty,
            hypothesis_length: self.hypothesis_length,
            reference_length: self.reference_length,
            signature,
        }
    }

    /// In percent. Without a single match nothing is smoothed.
    fn precisions(&self) -> [f64; ORDER] {
        let mut precisions = [0.0; ORDER];
        if self.matched == [0; ORDER] {
            return precisions;
        }
        let mut smallest = 1.0;
        for (order, precision) in precisions.iter_mut().enumerate() {
            let (matched, total) = (self.matched[order] as f64, self.total[order] as f64);
            *precision = if total == 0.0 {
                0.0
            } else if matched == 0.0 {
                smallest /= 2.0;
                100.0 * smallest / total
            } else {
                100.0 * matched / total
            };
        }
        precisions
    }
}
