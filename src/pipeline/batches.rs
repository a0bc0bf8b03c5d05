//! Requests in batches of similar length.

use std::ops::ControlFlow;

use crate::Result;

/// How much goes through the model together.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Items of a batch.
    pub items: usize,
    /// Source tokens of a batch, padding and hypotheses counted; a single item may have more.
    pub tokens: usize,
}

/// Runs what passes `check` in batches and tells `done` each item's result by its index, until it breaks off.
///
/// A batch that fails is run again in halves, until what fails is alone: memory that does not suffice for all may suffice
/// for some, and what is wrong with one item is no fault of its neighbours.
pub fn in_batches<T, A>(
    items: &[T],
    limits: Limits,
    check: impl Fn(&T) -> Result<Shape>,
    run: impl Fn(&[&T]) -> Result<Vec<A>>,
    done: &mut dyn FnMut(usize, Result<A>) -> ControlFlow<()>,
) {
    let run = |batch: &[&T], told: Told<'_, A>| {
        let answers = run(batch)?;
        Ok(answers
            .into_iter()
            .enumerate()
            .try_for_each(|(index, answer)| told(index, answer)))
    };
    // Broken off or not, there is nothing left to tell.
    let _ = run_all(items, check, |shapes| batches(shapes, limits), run, done);
}

/// As [`in_batches`], for a `run` in which items come in as others are answered: what full batches may hold goes through
/// it together, the longest first. It tells each item's answer by its index in the batch as soon as it is there.
pub fn in_turn<T, A>(
    items: &[T],
    limits: Limits,
    check: impl Fn(&T) -> Result<Shape>,
    run: impl Fn(&[&T], Told<'_, A>) -> Result<ControlFlow<()>>,
    done: &mut dyn FnMut(usize, Result<A>) -> ControlFlow<()>,
) {
    let _ = run_all(items, check, |shapes| queues(shapes, limits), run, done);
}

/// Takes an item's answer.
pub type Told<'a, A> = &'a mut dyn FnMut(usize, A) -> ControlFlow<()>;

fn run_all<T, A>(
    items: &[T],
    check: impl Fn(&T) -> Result<Shape>,
    cut: impl Fn(Vec<(usize, Shape)>) -> Vec<Vec<usize>>,
    run: impl Fn(&[&T], Told<'_, A>) -> Result<ControlFlow<()>>,
    done: &mut dyn FnMut(usize, Result<A>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut shapes = Vec::new();
    for (index, item) in items.iter().enumerate() {
        match check(item) {
            Ok(shape) => shapes.push((index, shape)),
            Err(error) => done(index, Err(error))?,
        }
    }
    // A stack of batches still to run, the shortest on top.
    let mut batches = cut(shapes);
    batches.reverse();
    while let Some(mut batch) = batches.pop() {
        let picked: Vec<&T> = batch.iter().map(|&index| &items[index]).collect();
        let mut told = vec![false; batch.len()];
        let outcome = run(&picked, &mut |index, answer| {
            told[index] = true;
            done(batch[index], Ok(answer))
        });
        match outcome {
            Ok(flow) => flow?,
            Err(error) => {
                let mut told = told.iter();
                batch.retain(|_| told.next() == Some(&false));
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

/// What a request costs.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Source tokens.
    pub tokens: usize,
    /// Hypotheses that decode side by side.
    pub rows: usize,
}

/// Sorts by length and cuts within the limits. Gives the items' indices.
fn batches(mut items: Vec<(usize, Shape)>, limits: Limits) -> Vec<Vec<usize>> {
    items.sort_by_key(|(_, shape)| shape.tokens);
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut rows = 0;
    for (index, shape) in items {
        rows += shape.rows;
        match batches.last_mut() {
            // Items come in ascending length: this one is what the others are padded to.
            Some(batch)
                if batch.len() < limits.items
                    && rows.saturating_mul(shape.tokens) <= limits.tokens =>
            {
                batch.push(index)
            }
            _ => {
                batches.push(vec![index]);
                rows = shape.rows;
            }
        }
    }
    batches
}

/// As [`batches`], but all that goes in full batches is one, and each begins with its longest item.
fn queues(items: Vec<(usize, Shape)>, limits: Limits) -> Vec<Vec<usize>> {
    let in_full_batches = |shape: &Shape| {
        let rows = limits.items.saturating_mul(shape.rows);
        rows.saturating_mul(shape.tokens) <= limits.tokens
    };
    let (mut short, long): (Vec<_>, Vec<_>) = items
        .into_iter()
        .partition(|(_, shape)| in_full_batches(shape));
    short.sort_by_key(|(_, shape)| shape.tokens);
    let mut queues = vec![short.into_iter().map(|(index, _)| index).collect()];
    queues.extend(batches(long, limits));
    queues.retain(|queue: &Vec<usize>| !queue.is_empty());
    for queue in &mut queues {
        queue.reverse();
    }
    queues
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    fn shapes(tokens: &[usize], rows: usize) -> Vec<(usize, Shape)> {
        tokens
            .iter()
            .map(|&tokens| Shape { tokens, rows })
            .enumerate()
            .collect()
    }

    #[test]
    fn batches_hold_neighbours_in_length() {
        let cut = batches(
            shapes(&[9, 2, 7, 1, 8], 1),
            Limits {
                items: 2,
                tokens: usize::MAX,
            },
        );
        assert_eq!(cut, [vec![3, 1], vec![2, 4], vec![0]]);
    }

    #[test]
    fn batches_count_padding_and_beams() {
        // 3 sources of 4 rows padded to 10 tokens would be 120.
        let cut = batches(
            shapes(&[10, 10, 10], 4),
            Limits {
                items: 32,
                tokens: 100,
            },
        );
        assert_eq!(cut, [vec![0, 1], vec![2]]);
    }

    #[test]
    fn a_source_longer_than_the_limit_goes_alone() {
        let cut = batches(
            shapes(&[5, 5000, 6000], 1),
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

    #[test]
    fn a_queue_holds_what_goes_in_full_batches() {
        let limits = Limits {
            items: 2,
            tokens: 20,
        };
        let cut = queues(shapes(&[3, 15, 10, 1, 7, 11, 4], 1), limits);
        assert_eq!(cut, [vec![2, 4, 6, 0, 3], vec![5], vec![1]]);
        assert!(queues(Vec::new(), limits).is_empty());
    }

    /// Number 4 fails in any company, and everything after it in its queue; what was told before is not told again.
    #[test]
    fn a_queue_that_fails_goes_on_with_the_rest() {
        let items: Vec<usize> = (0..9).collect();
        let mut told = Vec::new();
        let limits = Limits {
            items: 2,
            tokens: usize::MAX,
        };
        let check = |&item: &usize| {
            Ok(Shape {
                tokens: item,
                rows: 1,
            })
        };
        let run = |batch: &[&usize], told: Told<'_, usize>| {
            for (index, &&item) in batch.iter().enumerate() {
                if item == 4 {
                    return Err(Error::Invalid("no".into()));
                }
                if told(index, item * 10).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        };
        in_turn(&items, limits, check, run, &mut |index, answer| {
            assert_eq!(answer.is_err(), index == 4);
            assert!(answer.is_err() || answer.is_ok_and(|answer| answer == index * 10));
            told.push(index);
            ControlFlow::Continue(())
        });
        assert_eq!(told, [8, 7, 6, 5, 4, 3, 2, 1, 0]);
        let mut count = 0;
        in_turn(&items, limits, check, run, &mut |_, _| {
            count += 1;
            ControlFlow::Break(())
        });
        assert_eq!(count, 1);
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
                if item == 5 {
                    Err(invalid())
                } else {
                    Ok(Shape {
                        tokens: item,
                        rows: 1,
                    })
                }
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
