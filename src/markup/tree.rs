//! The marks of a text as elements within each other.

use std::collections::HashMap;
use std::ops::Range;

use super::segment::{Mark, MarkKind};

/// An element, or what stands for itself, in the order of the source: those in an element come behind it, all of them before
/// whatever comes after it.
#[derive(Debug)]
pub struct Node {
    /// The mark that begins it; `None` for the whole text.
    pub open: Option<usize>,
    /// The mark that ends it, where it is an element.
    pub close: Option<usize>,
    /// Where it begins, in bytes of the plain text.
    pub at: usize,
    /// Nodes directly in it, in order.
    pub children: Vec<usize>,
    /// Behind the last node in it.
    pub end: usize,
}

/// All nodes; the first is the whole text.
pub struct Tree {
    pub nodes: Vec<Node>,
    /// From which byte on which node is the innermost element.
    innermost: Vec<(usize, usize)>,
}

impl Tree {
    /// Tags that have no counterpart stand for themselves. In linear time.
    pub fn new(marks: &[Mark]) -> Tree {
        let closes = pairs(marks);
        let mut nodes = vec![Node {
            open: None,
            close: None,
            at: 0,
            children: Vec::new(),
            end: 0,
        }];
        let mut innermost = vec![(0, 0)];
        let mut stack = vec![0];
        for (index, mark) in marks.iter().enumerate() {
            if stack.len() > 1 && nodes[stack[stack.len() - 1]].close == Some(index) {
                let last = stack.pop().unwrap_or_default();
                nodes[last].end = nodes.len();
            } else {
                let node = nodes.len();
                let close = closes.get(&index).copied();
                nodes[stack[stack.len() - 1]].children.push(node);
                nodes.push(Node {
                    open: Some(index),
                    close,
                    at: mark.at,
                    children: Vec::new(),
                    end: node + 1,
                });
                if close.is_some() {
                    stack.push(node);
                }
            }
            innermost.push((mark.at, stack[stack.len() - 1]));
        }
        nodes[0].end = nodes.len();
        Tree { nodes, innermost }
    }

    /// The innermost element around a byte of the plain text.
    pub fn innermost(&self, at: usize) -> usize {
        let before = self.innermost.partition_point(|(from, _)| *from <= at);
        self.innermost[before - 1].1
    }

    /// Which of a node's children, by its place among them, has this node in it.
    pub fn child_around(&self, parent: usize, node: usize) -> Option<usize> {
        let children = &self.nodes[parent].children;
        let before = children.partition_point(|&child| child <= node);
        let child = before.checked_sub(1)?;
        (node < self.nodes[children[child]].end).then_some(child)
    }

    /// How deep elements lie within each other.
    pub fn depth(&self) -> usize {
        // Ends of the elements that are open; nodes come in order.
        let mut open: Vec<Range<usize>> = Vec::new();
        let mut depth = 0;
        for (index, node) in self.nodes.iter().enumerate().skip(1) {
            while open.last().is_some_and(|range| range.end <= index) {
                open.pop();
            }
            if node.close.is_some() {
                open.push(index..node.end);
                depth = depth.max(open.len());
            }
        }
        depth
    }
}

/// Which mark ends which: the nearest open one of the name. What is open inside then has no end.
fn pairs(marks: &[Mark]) -> HashMap<usize, usize> {
    let mut closes = HashMap::new();
    let mut open: Vec<(usize, String)> = Vec::new();
    let mut count: HashMap<String, usize> = HashMap::new();
    for (index, mark) in marks.iter().enumerate() {
        match &mark.kind {
            MarkKind::Open(name) => {
                let name = name.to_ascii_lowercase();
                *count.entry(name.clone()).or_default() += 1;
                open.push((index, name));
            }
            MarkKind::Close(name) => {
                let name = name.to_ascii_lowercase();
                if count.get(&name).is_none_or(|count| *count == 0) {
                    continue;
                }
                while let Some((opened, other)) = open.pop() {
                    count.entry(other.clone()).and_modify(|count| *count -= 1);
                    if other == name {
                        closes.insert(opened, index);
                        break;
                    }
                }
            }
            MarkKind::Atom => {}
        }
    }
    closes
}
