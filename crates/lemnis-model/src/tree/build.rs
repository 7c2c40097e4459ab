//! From a flat description of trees to the layout that is walked.
//!
//! The invariant that the walk relies on: every child index points into the node vector, and following children
//! always moves forward, so that a walk ends.

use std::collections::VecDeque;

use super::ensemble::{Ensemble, LEAF, MISSING_LEFT, Node, SAME, Threshold, Tree};
use crate::error::{Error, Result};

/// The largest number of nodes that a model may have.
const MAX_NODES: usize = 100_000_000;
/// Features must fit below the flag bits of a node.
const MAX_FEATURE: u32 = 1 << 29;

/// How a branch compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    AtMost,
    Below,
    AtLeast,
    Above,
    Equal,
    NotEqual,
}

impl Mode {
    pub(crate) fn parse(name: &[u8]) -> Result<Option<Self>> {
        Ok(Some(match name {
            b"LEAF" => return Ok(None),
            b"BRANCH_LEQ" => Mode::AtMost,
            b"BRANCH_LT" => Mode::Below,
            b"BRANCH_GTE" => Mode::AtLeast,
            b"BRANCH_GT" => Mode::Above,
            b"BRANCH_EQ" => Mode::Equal,
            b"BRANCH_NEQ" => Mode::NotEqual,
            other => {
                return Err(Error::Unsupported(format!(
                    "tree nodes of mode {}",
                    String::from_utf8_lossy(other)
                )));
            }
        }))
    }
}

/// Where a branch leads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Child {
    Branch(u32),
    Leaf(u32),
}

/// One comparison: `yes` is taken where it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Branch {
    pub(crate) mode: Mode,
    pub(crate) feature: u32,
    pub(crate) threshold: f64,
    /// Whether NaN takes `yes`.
    pub(crate) missing_yes: bool,
    pub(crate) yes: Child,
    pub(crate) no: Child,
}

/// Trees as files describe them.
#[derive(Debug, Default)]
pub(crate) struct Flat {
    pub(crate) targets: usize,
    pub(crate) roots: Vec<Child>,
    pub(crate) branches: Vec<Branch>,
    /// Start of each leaf's weights in `weights`; one more at the end.
    pub(crate) leaves: Vec<u32>,
    /// Target and weight.
    pub(crate) weights: Vec<(u32, f64)>,
}

impl Flat {
    fn leaf(&self, leaf: u32) -> Result<&[(u32, f64)]> {
        let at = leaf as usize;
        match (self.leaves.get(at), self.leaves.get(at + 1)) {
            (Some(start), Some(end)) => self.weights.get(*start as usize..*end as usize),
            _ => None,
        }
        .ok_or_else(|| Error::graph("a tree names a leaf that is not there"))
    }

    /// Lays the trees out. Fails on cycles, shared nodes and indices out of range.
    pub(crate) fn build<T: Threshold>(&self) -> Result<Ensemble<T>> {
        if self.branches.len() > MAX_NODES || self.targets == 0 {
            return Err(Error::graph("its trees have no target, or too many nodes"));
        }
        let mut ensemble = Ensemble::new(self.targets);
        ensemble.nodes.reserve(self.branches.len() * 2 + self.roots.len());
        let mut visited = vec![false; self.branches.len()];
        let mut queue = VecDeque::new();
        for root in &self.roots {
            let single = self.single_target(*root, &mut queue)?;
            let position = ensemble.nodes.len() as u32;
            ensemble.trees.push(Tree { root: position, target: single.unwrap_or(Tree::ALL) });
            ensemble.nodes.push(Node::leaf(0));
            queue.clear();
            queue.push_back((position, *root));
            while let Some((position, child)) = queue.pop_front() {
                let node = match child {
                    Child::Leaf(leaf) => Node::leaf(ensemble.add_leaf(self.leaf(leaf)?, single)?),
                    Child::Branch(index) => {
                        let branch = self.branch(index)?;
                        if std::mem::replace(&mut visited[index as usize], true) {
                            return Err(Error::graph("a tree node has two parents"));
                        }
                        let left = ensemble.nodes.len() as u32;
                        let (node, first, second) = convert(branch, left)?;
                        ensemble.has_same |= node.feature & SAME != 0;
                        ensemble.columns = ensemble.columns.max(branch.feature as usize + 1);
                        ensemble.nodes.push(Node::leaf(0));
                        ensemble.nodes.push(Node::leaf(0));
                        queue.push_back((left, first));
                        queue.push_back((left + 1, second));
                        node
                    }
                };
                ensemble.nodes[position as usize] = node;
            }
        }
        Ok(ensemble)
    }

    fn branch(&self, index: u32) -> Result<&Branch> {
        let branch = self
            .branches
            .get(index as usize)
            .ok_or_else(|| Error::graph("a tree names a node that is not there"))?;
        if branch.feature >= MAX_FEATURE {
            return Err(Error::graph(format!("a tree compares feature {}", branch.feature)));
        }
        Ok(branch)
    }

    /// The target that every leaf under `root` adds to, if it is one and the same.
    fn single_target(&self, root: Child, queue: &mut VecDeque<(u32, Child)>) -> Result<Option<u32>> {
        if self.targets == 1 {
            return Ok(Some(0));
        }
        let mut single = None;
        let mut seen = 0usize;
        queue.clear();
        queue.push_back((0, root));
        while let Some((_, child)) = queue.pop_front() {
            match child {
                Child::Branch(index) => {
                    seen += 1;
                    if seen > self.branches.len() {
                        return Err(Error::graph("a tree node has two parents"));
                    }
                    let branch = self.branch(index)?;
                    queue.push_back((0, branch.yes));
                    queue.push_back((0, branch.no));
                }
                Child::Leaf(leaf) => match (self.leaf(leaf)?, single) {
                    ([], _) => {}
                    ([(target, _)], None) => single = Some(*target),
                    ([(target, _)], Some(other)) if *target == other => {}
                    _ => return Ok(None),
                },
            }
        }
        Ok(single)
    }
}

/// A node whose left child is taken where `x <= threshold`, with the children in that order.
fn convert<T: Threshold>(branch: &Branch, left: u32) -> Result<(Node<T>, Child, Child)> {
    let Branch { mode, feature, threshold, missing_yes, yes, no } = *branch;
    let (threshold, same, yes_is_left) = match mode {
        Mode::AtMost => (T::floor(threshold), false, true),
        Mode::Above => (T::floor(threshold), false, false),
        Mode::Below => (T::below(threshold), false, true),
        Mode::AtLeast => (T::below(threshold), false, false),
        Mode::Equal => (T::exact(threshold), true, true),
        Mode::NotEqual => (T::exact(threshold), true, false),
    };
    let missing_left = missing_yes == yes_is_left;
    let flags = if missing_left { MISSING_LEFT } else { 0 } | if same { SAME } else { 0 };
    let node = Node { threshold, feature: feature | flags, left };
    if node.feature == LEAF {
        return Err(Error::graph("a tree compares a feature out of range"));
    }
    Ok(if yes_is_left { (node, yes, no) } else { (node, no, yes) })
}
