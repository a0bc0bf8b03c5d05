//! Outputs that do not find their end.

/// Whether an output is one that a decoder fell into rather than a translation: the same few tokens again and again, where the
/// source has nothing of the kind, or many times as many tokens as the source.
pub fn is_runaway(source: &[u32], output: &[u32]) -> bool {
    output.len() > 3 * source.len() + 20 || has_loop(output, 4) && !has_loop(source, 3)
}

/// The longest pattern of a loop that is looked for.
const LONGEST_PATTERN: usize = 12;
/// A loop of a short pattern has to be so long: "no, no, no, no" is none.
const LOOP_TOKENS: usize = 10;

/// Whether somewhere a pattern of a few tokens stands so many times in a row.
fn has_loop(ids: &[u32], times: usize) -> bool {
    (1..=LONGEST_PATTERN).any(|pattern| {
        // Of a pattern `times` times in a row, each token but those of the first time equals the one a pattern earlier.
        let needed = (pattern * times).max(LOOP_TOKENS) - pattern;
        let mut run = 0;
        ids.iter()
            .zip(ids.iter().skip(pattern))
            .any(|(earlier, token)| {
                run = if earlier == token { run + 1 } else { 0 };
                run >= needed
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_and_floods_are_runaways() {
        let source: Vec<u32> = (1..20).collect();
        assert!(is_runaway(&source, &[1, 2, 3].repeat(4)));
        assert!(is_runaway(
            &source,
            &[9, 8, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 1]
        ));
        assert!(is_runaway(&[4, 1], &(0..30).collect::<Vec<u32>>()));
    }

    #[test]
    fn what_repeats_a_little_or_as_the_source_does_is_none() {
        let source: Vec<u32> = (1..20).collect();
        assert!(!is_runaway(&source, &source));
        assert!(!is_runaway(&source, &[5, 6, 5, 6, 5, 6, 1]));
        assert!(!is_runaway(
            &source,
            &[[1, 2, 3].repeat(3), vec![4, 5]].concat()
        ));
        let chorus = [7, 8, 9, 10].repeat(5);
        assert!(!is_runaway(&chorus, &[17, 18, 19].repeat(5)));
        assert!(!is_runaway(&[3, 1], &[]));
    }
}
