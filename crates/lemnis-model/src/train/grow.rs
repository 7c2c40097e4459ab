//! Growing one tree, best leaf first.

use super::bins::Binned;
use super::histogram::{Histogram, Split, Sums};
use super::loss::Gradient;
use super::params::Params;

/// A node of a grown tree; children come after their parent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Node {
    /// Codes up to `bin` of `column` go left.
    Branch { column: u32, bin: u8, missing_left: bool, left: u32, right: u32 },
    /// What the tree adds to a row's score, learning rate included. Held as the exported model holds it.
    Leaf(f32),
}

/// A grown tree.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
    /// Loss reduction by column.
    pub(crate) gains: Vec<(u32, f64)>,
}

impl Tree {
    /// What the tree adds to the score of `row`.
    pub(crate) fn value(&self, binned: &Binned, row: usize) -> f64 {
        let mut at = 0;
        loop {
            match self.nodes[at] {
                Node::Leaf(value) => return f64::from(value),
                Node::Branch { column, bin, missing_left, left, right } => {
                    let column = column as usize;
                    let code = binned.codes[column][row];
                    let goes_left =
                        if usize::from(code) == binned.bins(column) { missing_left } else { code <= bin };
                    at = if goes_left { left } else { right } as usize;
                }
            }
        }
    }
}

/// A leaf that may still be split.
struct Open {
    node: usize,
    start: usize,
    end: usize,
    depth: usize,
    total: Sums,
    histogram: Histogram,
    split: Option<Split>,
}

/// Grows a tree on `rows`, which are reordered, with the gradients of all rows; `columns` are those it may use.
pub(crate) fn grow(
    binned: &Binned,
    columns: &[usize],
    rows: &mut [u32],
    gradients: &[Gradient],
    params: &Params,
) -> Tree {
    let mut tree = Tree { nodes: vec![Node::Leaf(0.0)], gains: Vec::new() };
    let mut spare: Vec<u32> = Vec::with_capacity(rows.len());
    let mut of_node: Vec<Gradient> = Vec::with_capacity(rows.len());
    let histogram = |rows: &[u32], of_node: &mut Vec<Gradient>| {
        of_node.clear();
        of_node.extend(rows.iter().map(|row| gradients[*row as usize]));
        Histogram::build(binned, columns, rows, of_node)
    };
    let root = histogram(rows, &mut of_node);
    let mut total = Sums { rows: rows.len() as u32, ..Sums::default() };
    for [gradient, curvature] in &of_node {
        total.gradient += f64::from(*gradient);
        total.curvature += f64::from(*curvature);
    }
    let split = root.best(columns, total, params);
    let mut open = vec![Open { node: 0, start: 0, end: rows.len(), depth: 0, total, histogram: root, split }];
    let mut leaves = 1;
    while leaves < params.leaves {
        let Some((position, split)) = best_leaf(&open) else { break };
        let leaf = open.swap_remove(position);
        let part = &mut rows[leaf.start..leaf.end];
        let middle = leaf.start + partition(binned, part, &split, &mut spare);
        let (left, right) = (tree.nodes.len() as u32, tree.nodes.len() as u32 + 1);
        tree.nodes[leaf.node] = Node::Branch {
            column: split.column as u32,
            bin: split.bin,
            missing_left: split.missing_left,
            left,
            right,
        };
        tree.nodes.extend([Node::Leaf(0.0), Node::Leaf(0.0)]);
        tree.gains.push((split.column as u32, split.gain));
        leaves += 1;

        let depth = leaf.depth + 1;
        let deeper = leaves < params.leaves && (params.max_depth == 0 || depth < params.max_depth);
        let (left_total, right_total) = (split.left, leaf.total.minus(split.left));
        // the smaller child is summed, the larger one is the difference
        let left_is_smaller = middle - leaf.start <= leaf.end - middle;
        let (left_histogram, right_histogram) = if !deeper {
            (Histogram::build(binned, &[], &[], &[]), Histogram::build(binned, &[], &[], &[]))
        } else if left_is_smaller {
            let small = histogram(&rows[leaf.start..middle], &mut of_node);
            let large = leaf.histogram.minus(&small);
            (small, large)
        } else {
            let small = histogram(&rows[middle..leaf.end], &mut of_node);
            let large = leaf.histogram.minus(&small);
            (large, small)
        };
        let mut push = |node: u32, start: usize, end: usize, total: Sums, histogram: Histogram| {
            let split = histogram.best(columns, total, params);
            open.push(Open { node: node as usize, start, end, depth, total, histogram, split });
        };
        push(left, leaf.start, middle, left_total, left_histogram);
        push(right, middle, leaf.end, right_total, right_histogram);
    }
    for leaf in open {
        let value = -leaf.total.gradient / (leaf.total.curvature + params.l2) * params.learning_rate;
        tree.nodes[leaf.node] = Node::Leaf(if value.is_finite() { value as f32 } else { 0.0 });
    }
    tree
}

/// The open leaf whose split gains most; among equals the one that became a node first.
fn best_leaf(open: &[Open]) -> Option<(usize, Split)> {
    let mut best: Option<(usize, Split)> = None;
    for (position, leaf) in open.iter().enumerate() {
        if let Some(split) = leaf.split {
            let better = match best {
                None => true,
                Some((other, best)) => {
                    split.gain > best.gain || (split.gain == best.gain && leaf.node < open[other].node)
                }
            };
            if better {
                best = Some((position, split));
            }
        }
    }
    best
}

/// Moves the rows that go left to the front, keeping the order on both sides; returns how many there are.
fn partition(binned: &Binned, rows: &mut [u32], split: &Split, spare: &mut Vec<u32>) -> usize {
    let codes = &binned.codes[split.column];
    let missing = binned.bins(split.column);
    spare.clear();
    let mut kept = 0;
    for at in 0..rows.len() {
        let row = rows[at];
        let code = codes[row as usize];
        let left = if usize::from(code) == missing { split.missing_left } else { code <= split.bin };
        if left {
            rows[kept] = row;
            kept += 1;
        } else {
            spare.push(row);
        }
    }
    rows[kept..].copy_from_slice(spare);
    kept
}
