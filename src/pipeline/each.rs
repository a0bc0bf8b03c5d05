//! Requests in batches of similar length.

use std::ops::ControlFlow;

use crate::Result;

/// How much goes through the model together.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Items of a batch.
    pub items: usize,
    /// Tokens of a batch, padding counted; a single item may have more.
    pub tokens: usize,
}

/// Runs what passes `check`, which gives an item's tokens, in batches and tells `done` each item's result by its index,
/// until it breaks off.
///
/// A batch that fails is run again in halves, until what fails is alone: memory that does not suffice for all may suffice
/// for some, and what is wrong with one item is no fault of its neighbours.
pub fn in_batches<T, A>(
    items: &[T],
    limits: Limits,
    check: impl Fn(&T) -> Result<usize>,
    run: impl Fn(&[&T]) -> Result<Vec<A>>,
    done: &mut dyn FnMut(usize, Result<A>) -> ControlFlow<()>,
) {
    // Broken off or not, there is nothing left to tell.
    let _ = run_all(items, limits, check, run, done);
}

fn run_all<T, A>(
    items: &[T],
    limits: Limits,
    check: impl Fn(&T) -> Result<usize>,
    run: impl Fn(&[&T]) -> Result<Vec<A>>,
    done: &mut dyn FnMut(usize, Result<A>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut lengths = Vec::new();
    for (index, item) in items.iter().enumerate() {
        match check(item) {
            Ok(tokens) => lengths.push((index, tokens)),
            Err(error) => done(index, Err(error))?,
        }
    }
    // A stack of batches still to run, the shortest on top.
    let mut batches = batches(lengths, limits);
    batches.reverse();
    while let Some(mut batch) = batches.pop() {
        let picked: Vec<&T> = batch.iter().map(|&index| &items[index]).collect();
        match run(&picked) {
            Ok(answers) => {
                for (&index, answer) in batch.iter().zip(answers) {
                    done(index, Ok(answer))?;
                }
            }
            Err(error) => {
                if let [last] = batch[..] {
                    done(last, Err(error))?;
                } else {
                    let rest = batch.split_off(batch.len() / 2);
                    batches.extend([rest, batch]);
                }
            }
        }
    }
    ControlFlow::Continue(())
}

/// Sorts by length and cuts within the limits. Gives the items' indices.
fn batches(mut items: Vec<(usize, usize)>, limits: Limits) -> Vec<Vec<usize>> {
    items.sort_by_key(|(_, tokens)| *tokens);
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for (index, tokens) in items {
        match batches.last_mut() {
            // Items come in ascending length: this one is what the others are padded to.
            Some(batch)
                if batch.len() < limits.items
                    && (batch.len() + 1).saturating_mul(tokens) <= limits.tokens =>
            {
                batch.push(index)
            }
            _ => batches.push(vec![index]),
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    fn lengths(tokens: &[usize]) -> Vec<(usize, usize)> {
        tokens.iter().copied().enumerate().collect()
    }

    #[test]
    fn batches_hold_neighbours_in_length() {
        let cut = batches(
            lengths(&[9, 2, 7, 1, 8]),
            Limits {
                items: 2,
                tokens: usize::MAX,
            },
        );
        assert_eq!(cut, [vec![3, 1], vec![2, 4], vec![0]]);
    }

    #[test]
    fn batches_count_padding() {
        // Three sources padded to 40 tokens would be 120.
        let limits = Limits {
            items: 32,
            tokens: 100,
        };
        let cut = batches(lengths(&[10, 40, 35]), limits);
        assert_eq!(cut, [vec![0, 2], vec![1]]);
    }

    #[test]
    fn a_source_longer_than_the_limit_goes_alone() {
        let cut = batches(
            lengths(&[5, 5000, 6000]),
            Limits {
                items: 32,
                tokens: 100,
            },
        );
        assert_eq!(cut, [vec![0], vec![1], vec![2]]);
        assert!(
            batches(
                Vec::new(),
                Limits {
                    items: 32,
                    tokens: 100
                }
            )
            .is_empty()
        );
    }

    /// Runs eleven items of which number 3 fails in any company and number 5 does not pass the check, and at most
    /// four of which go together.
    fn run(break_at: usize) -> Vec<(usize, bool)> {
        let items: Vec<usize> = (0..11).collect();
        let mut told = Vec::new();
        let invalid = || Error::Invalid("no".into());
        in_batches(
            &items,
            Limits {
                items: 8,
                tokens: usize::MAX,
            },
            |&item| {
                if item == 5 { Err(invalid()) } else { Ok(item) }
            },
            |batch| {
                if batch.len() > 4 || batch.contains(&&3) {
                    return Err(invalid());
                }
                Ok(batch.iter().map(|&&item| item * 10).collect())
            },
            &mut |index, answer| {
                told.push((index, answer.is_ok()));
                assert!(answer.is_err() || answer.is_ok_and(|answer| answer == index * 10));
                if told.len() == break_at {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        );
        told
    }

    #[test]
    fn one_that_fails_does_not_take_its_neighbours_along() {
        let mut told = run(usize::MAX);
        told.sort();
        let expected: Vec<(usize, bool)> =
            (0..11).map(|item| (item, item != 3 && item != 5)).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn breaking_off_ends_it() {
        assert_eq!(run(2).len(), 2);
    }
}
