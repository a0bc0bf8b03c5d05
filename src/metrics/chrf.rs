//! chrF: Popović, "chrF: character n-gram F-score for automatic MT evaluation" (WMT 2015).

use std::collections::HashMap;
use std::fmt;

use super::{count, count_references, is_space, matches, version};
use crate::Result;

/// The longest n-grams, in characters.
const ORDER: usize = 6;
/// Recall weighs so many times as much as precision.
const BETA: f64 = 2.0;

/// A corpus' chrF2; displayed as sacreBLEU does.
#[derive(Clone, Debug, PartialEq)]
pub struct Chrf {
    /// 0 to 100.
    pub score: f64,
    /// What the score depends on, laid out as sacreBLEU's.
    pub signature: String,
}

impl fmt::Display for Chrf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chrF{BETA}|{} = {:.2}", self.signature, self.score)
    }
}

/// chrF2 of hypotheses, each against its own references, as sacreBLEU's `corpus_chrf` by default: n-grams of up to six
/// characters (Unicode scalar values), whitespace left out, case kept, no word n-grams, and the mean over those orders
/// alone that both sides have.
///
/// Of several references the one counts that a hypothesis scores best with. The empty string is a reference like others:
/// leave out those that are missing.
///
/// # Errors
/// [`Error::Invalid`](crate::Error::Invalid): no hypotheses, or one without references.
pub fn corpus_chrf<H: AsRef<str>, R: AsRef<str>>(
    hypotheses: &[H],
    references: &[Vec<R>],
) -> Result<Chrf> {
    let references_each = count_references(hypotheses, references)?;
    let mut sum = Statistics::default();
    for (hypothesis, references) in hypotheses.iter().zip(references) {
        let hypothesis = Characters::new(hypothesis.as_ref());
        let references: Vec<Characters> = references
            .iter()
            .map(|reference| Characters::new(reference.as_ref()))
            .collect();
        sum.add(&Statistics::best(&hypothesis, &references));
    }
    let signature = format!(
        "nrefs:{references_each}|case:mixed|eff:yes|nc:{ORDER}|nw:0|space:no|{}",
        version()
    );
    Ok(Chrf {
        score: sum.score(),
        signature,
    })
}

/// A text without whitespace.
struct Characters {
    text: String,
    /// Where in bytes each character begins, and where the last one ends.
    bounds: Vec<usize>,
}

impl Characters {
    fn new(text: &str) -> Characters {
        let text = text.replace(is_space, "");
        let bounds = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        Characters {
            bounds: bounds.collect(),
            text,
        }
    }

    fn ngrams(&self, order: usize) -> HashMap<&str, u64> {
        let ends = self.bounds.iter().skip(order);
        count(
            self.bounds
                .iter()
                .zip(ends)
                .map(|(&begin, &end)| &self.text[begin..end]),
        )
    }
}

/// n-grams by order, from one character.
#[derive(Clone, Default)]
struct Statistics([Order; ORDER]);

/// How many n-grams there are of one length.
#[derive(Clone, Default)]
struct Order {
    hypothesis: u64,
    reference: u64,
    matched: u64,
}

impl Statistics {
    /// Against the reference that gives the best score, the first of equals.
    fn best(hypothesis: &Characters, references: &[Characters]) -> Statistics {
        let ngrams: [_; ORDER] = std::array::from_fn(|index| hypothesis.ngrams(index + 1));
        let mut best: Option<(f64, Statistics)> = None;
        for reference in references {
            let statistics = Statistics::new(&ngrams, reference);
            let score = statistics.score();
            if best.as_ref().is_none_or(|(least, _)| score > *least) {
                best = Some((score, statistics));
            }
        }
        best.map_or_else(Statistics::default, |(_, statistics)| statistics)
    }

    fn new(hypothesis: &[HashMap<&str, u64>; ORDER], reference: &Characters) -> Statistics {
        Statistics(std::array::from_fn(|index| {
            let expected = reference.ngrams(index + 1);
            if expected.is_empty() {
                // Too short a reference is not held against the hypothesis.
                return Order::default();
            }
            Order {
                hypothesis: hypothesis[index].values().sum(),
                reference: expected.values().sum(),
                matched: matches(&hypothesis[index], &expected),
            }
        }))
    }

    fn add(&mut self, other: &Statistics) {
        for (sum, order) in self.0.iter_mut().zip(&other.0) {
            sum.hypothesis += order.hypothesis;
            sum.reference += order.reference;
            sum.matched += order.matched;
        }
    }

    /// The F-score, in percent, of precision and recall averaged over the orders that both sides have.
    fn score(&self) -> f64 {
        let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
        for order in &self.0 {
            if order.hypothesis > 0 && order.reference > 0 {
                precision += order.matched as f64 / order.hypothesis as f64;
                recall += order.matched as f64 / order.reference as f64;
                orders += 1.0;
            }
        }
        if precision + recall == 0.0 {
            return 0.0;
        }
        let (precision, recall) = (precision / orders, recall / orders);
        let factor = BETA * BETA;
        let score = (1.0 + factor) * precision * recall / (factor * precision + recall);
        100.0 * score
    }
}
