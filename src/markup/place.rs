//! Tags back into a translation, where the alignment says. What Bergamot's html.cpp does is the measure: an element holds what
//! comes from what it held. Here each has one stretch of the translation, so that no tag comes twice.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::Aligned;
use super::segment::{Mark, MarkKind, Segment};
use super::tree::Tree;

/// Elements within each other more deeply than this are left where they are, and the text between their tags is translated
/// piece by piece: to place them would take the square of their number.
pub const DEEPEST: usize = 200;

/// A word or sign of the translation.
struct Word {
    /// Its bytes.
    at: Range<usize>,
    /// The byte of the source that it comes from.
    source: usize,
    /// The innermost element there.
    element: usize,
}

/// The translation of a segment with its tags, as markup.
pub fn place(segment: &Segment, tree: &Tree, aligned: &Aligned) -> String {
    let words = words(segment, tree, aligned);
    let operations = Placer {
        tree,
        words: &words,
    }
    .operations();
    render(segment, aligned, &words, &operations)
}

/// The translation's words. Parts of a word go where its first part goes.
fn words(segment: &Segment, tree: &Tree, aligned: &Aligned) -> Vec<Word> {
    let mut last = 0;
    let found = aligned.text.split_word_bound_indices();
    found
        .filter(|(_, word)| !word.trim().is_empty())
        .map(|(at, word)| {
            let before = aligned
                .links
                .partition_point(|link| link.target.start <= at);
            let links = &aligned.links[before.saturating_sub(1)..];
            let end = at + word.len();
            let link = links
                .iter()
                .find(|link| link.target.end > at && link.target.start < end);
            if let Some(link) = link {
                // A token may begin with the space before its word.
                let from = link.source.start.min(segment.plain.len());
                let rest = segment.plain.get(from..).unwrap_or_default();
                last = from + (rest.len() - rest.trim_start().len());
                last = last.min(link.source.end.max(from));
            }
            Word {
                at: at..end,
                source: last,
                element: tree.innermost(last),
            }
        })
        .collect()
}

/// What the translation is made of, in order.
enum Operation {
    /// These words.
    Words(Range<usize>),
    /// A mark, by its index.
    Mark(usize),
}

struct Placer<'s> {
    tree: &'s Tree,
    words: &'s [Word],
}

/// An element under way.
struct Frame {
    node: usize,
    /// Its children with their words, the next one last.
    items: Vec<(Range<usize>, usize)>,
    /// The first word that has not been put.
    cursor: usize,
    end: usize,
}

impl Placer<'_> {
    fn operations(&self) -> Vec<Operation> {
        let mut operations = Vec::new();
        let mut frames = vec![self.frame(0, 0..self.words.len())];
        while let Some(frame) = frames.last_mut() {
            if let Some((words, node)) = frame.items.pop() {
                if frame.cursor < words.start {
                    operations.push(Operation::Words(frame.cursor..words.start));
                }
                frame.cursor = words.end.max(frame.cursor);
                operations.extend(self.tree.nodes[node].open.map(Operation::Mark));
                if self.tree.nodes[node].close.is_some() {
                    frames.push(self.frame(node, words));
                }
                continue;
            }
            if frame.cursor < frame.end {
                operations.push(Operation::Words(frame.cursor..frame.end));
            }
            operations.extend(self.tree.nodes[frame.node].close.map(Operation::Mark));
            frames.pop();
        }
        operations
    }

    fn frame(&self, node: usize, words: Range<usize>) -> Frame {
        let mut items = self.children(node, words.clone());
        items.reverse();
        Frame {
            node,
            items,
            cursor: words.start,
            end: words.end,
        }
    }

    /// The children of an element that has these words, with theirs, in the order of the translation.
    fn children(&self, node: usize, words: Range<usize>) -> Vec<(Range<usize>, usize)> {
        let children = &self.tree.nodes[node].children;
        if children.is_empty() {
            return Vec::new();
        }
        let mut runs = vec![words.start..words.start; children.len()];
        // The longest run of each child's words; one word of nobody else's may be between.
        let mut run: Option<(usize, Range<usize>)> = None;
        for index in words.clone() {
            let child = self.tree.child_around(node, self.words[index].element);
            let goes_on = run
                .as_ref()
                .is_some_and(|(of, run)| Some(*of) == child && index - run.end <= 1);
            match (&mut run, child) {
                (Some((_, run)), _) if goes_on => run.end = index + 1,
                (_, Some(child)) => run = Some((child, index..index + 1)),
                (Some((_, open)), None) if index > open.end => run = None,
                (_, None) => {}
            }
            if let Some((child, run)) = &run
                && run.len() > runs[*child].len()
            {
                runs[*child] = run.clone();
            }
        }
        let mut taken: Vec<Range<usize>> =
            runs.iter().filter(|run| !run.is_empty()).cloned().collect();
        taken.sort_by_key(|run| run.start);
        // What has no words stands before the word that comes from what followed it.
        let mut by_source: Vec<(usize, usize)> = words
            .clone()
            .map(|index| (self.words[index].source, index))
            .collect();
        by_source.sort_unstable();
        let mut items: Vec<(Range<usize>, usize)> = Vec::new();
        for (run, &child) in runs.into_iter().zip(children) {
            if !run.is_empty() {
                items.push((run, child));
                continue;
            }
            let next = by_source.partition_point(|(source, _)| *source < self.tree.nodes[child].at);
            let at = by_source.get(next).map_or(words.end, |(_, index)| *index);
            // Not into another element.
            let around = taken
                .partition_point(|run| run.start < at)
                .checked_sub(1)
                .map(|index| &taken[index]);
            let at = match around {
                Some(run) if run.end > at => run.start,
                _ => at,
            };
            items.push((at..at, child));
        }
        // In the order of the source where the translation leaves it open: what has no words before what has.
        items.sort_by_key(|(run, _)| (run.start, !run.is_empty()));
        items
    }
}

/// Whether a mark between two words stands before the space between them, if there is one: it keeps to the word that it
/// touches in the source, what ends an element to the one before and the rest to the one behind it where it touches both.
fn stands_before_space(segment: &Segment, mark: &Mark) -> bool {
    let (before, after) = segment.plain.split_at(mark.at);
    let touches_before = before.ends_with(|c: char| !c.is_whitespace());
    let touches_after = after.starts_with(|c: char| !c.is_whitespace());
    touches_before && (!touches_after || matches!(mark.kind, MarkKind::Close(_)))
}

fn render(
    segment: &Segment,
    aligned: &Aligned,
    words: &[Word],
    operations: &[Operation],
) -> String {
    let mut markup = String::with_capacity(2 * aligned.text.len());
    let mut writer = segment.spellings.writer();
    // Of the translation, what has been written, and the first byte of the next word.
    let mut written = 0;
    let mut next = 0;
    let gap_end = |next: usize| {
        words
            .get(next)
            .map_or(aligned.text.len(), |word| word.at.start)
    };
    for operation in operations {
        match operation {
            Operation::Words(range) => {
                let end = words[range.end - 1].at.end;
                writer.write(&aligned.text[written..end], &mut markup);
                written = end;
                next = range.end;
            }
            Operation::Mark(index) => {
                let mark = &segment.marks[*index];
                if !stands_before_space(segment, mark) {
                    writer.write(&aligned.text[written..gap_end(next)], &mut markup);
                    written = gap_end(next);
                }
                markup.push_str(&mark.raw);
            }
        }
    }
    writer.write(&aligned.text[written..], &mut markup);
    markup
}
