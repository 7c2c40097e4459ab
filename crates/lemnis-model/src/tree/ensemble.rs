//! The layout of trees in memory and the walks over it.
//!
//! Rows are taken in blocks, and within a block eight rows descend a tree in step, so that the waits for memory
//! overlap. A single row descends eight trees in step instead. Sums are kept in 64 bits, and each row's sum is taken
//! in the order of the trees, so that the answer does not depend on the batch or on the number of threads.

use rayon::prelude::*;

use crate::error::{Error, Result};

/// `feature` of a leaf.
pub(crate) const LEAF: u32 = u32::MAX;
/// Flag in `feature`: NaN goes left.
pub(crate) const MISSING_LEFT: u32 = 1 << 31;
/// Flag in `feature`: the node tests equality instead of "at most".
pub(crate) const SAME: u32 = 1 << 30;
const FEATURE: u32 = SAME - 1;
/// How many rows or trees descend in step.
const STEP: usize = 8;
/// Rows a block: their features stay in the first cache level.
const BLOCK: usize = 64;
/// Rows from which blocks are shared out among threads, and rows a share.
const PARALLEL_ROWS: usize = 2048;

/// The number type of thresholds and features.
pub(crate) trait Threshold: Copy + PartialOrd + Send + Sync + std::fmt::Debug + 'static {
    /// The largest value that is not above `threshold`: `x <= threshold` is unchanged for every `x` of this type.
    fn floor(threshold: f64) -> Self;
    /// The largest value below `threshold`: `x < threshold` becomes `x <=` it.
    fn below(threshold: f64) -> Self;
    /// `threshold` itself, or NaN where this type cannot hold it: nothing equals it then.
    fn exact(threshold: f64) -> Self;
    /// `value` rounded: leaf weights need not be exact.
    fn nearest(value: f64) -> Self;
    fn missing(self) -> bool;
    fn wide(self) -> f64;
    fn zero() -> Self;
}

impl Threshold for f32 {
    fn floor(threshold: f64) -> Self {
        let nearest = threshold as f32;
        if f64::from(nearest) > threshold { nearest.next_down() } else { nearest }
    }

    fn below(threshold: f64) -> Self {
        let nearest = threshold as f32;
        if f64::from(nearest) >= threshold { nearest.next_down() } else { nearest }
    }

    fn exact(threshold: f64) -> Self {
        let nearest = threshold as f32;
        if f64::from(nearest) == threshold { nearest } else { f32::NAN }
    }

    fn nearest(value: f64) -> Self {
        value as f32
    }

    fn missing(self) -> bool {
        self.is_nan()
    }

    fn wide(self) -> f64 {
        f64::from(self)
    }

    fn zero() -> Self {
        0.0
    }
}

impl Threshold for f64 {
    fn floor(threshold: f64) -> Self {
        threshold
    }

    fn below(threshold: f64) -> Self {
        threshold.next_down()
    }

    fn exact(threshold: f64) -> Self {
        threshold
    }

    fn nearest(value: f64) -> Self {
        value
    }

    fn missing(self) -> bool {
        self.is_nan()
    }

    fn wide(self) -> f64 {
        self
    }

    fn zero() -> Self {
        0.0
    }
}

/// 12 bytes for 32-bit thresholds. The right child stands after the left one. In a leaf, `left` is the position of
/// its weights.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Node<T> {
    pub(crate) threshold: T,
    pub(crate) feature: u32,
    pub(crate) left: u32,
}

impl<T: Threshold> Node<T> {
    pub(crate) fn leaf(weights: u32) -> Self {
        Self { threshold: T::zero(), feature: LEAF, left: weights }
    }

    #[inline(always)]
    fn child<const EQUAL: bool>(&self, value: T) -> u32 {
        let right = if value.missing() {
            self.feature & MISSING_LEFT == 0
        } else if EQUAL && self.feature & SAME != 0 {
            value != self.threshold
        } else {
            value > self.threshold
        };
        self.left + u32::from(right)
    }
}

/// One tree: where it starts and which sum its leaves add to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree {
    pub(crate) root: u32,
    pub(crate) target: u32,
}

impl Tree {
    /// `target` of a tree whose leaves hold a weight for every target.
    pub(crate) const ALL: u32 = u32::MAX;
}

/// How the leaves of a row's trees are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

/// Trees in one block of memory.
#[derive(Debug)]
pub(crate) struct Ensemble<T> {
    pub(crate) nodes: Vec<Node<T>>,
    pub(crate) trees: Vec<Tree>,
    pub(crate) weights: Vec<T>,
    targets: usize,
    pub(crate) columns: usize,
    pub(crate) has_same: bool,
    pub(crate) aggregate: Aggregate,
}

impl<T: Threshold> Ensemble<T> {
    pub(crate) fn new(targets: usize) -> Self {
        Self {
            nodes: Vec::new(),
            trees: Vec::new(),
            weights: Vec::new(),
            targets,
            columns: 0,
            has_same: false,
            aggregate: Aggregate::Sum,
        }
    }

    pub(crate) fn targets(&self) -> usize {
        self.targets
    }

    /// Stores a leaf's weights and returns their position: one value where the tree has a single target.
    pub(crate) fn add_leaf(&mut self, weights: &[(u32, f64)], single: Option<u32>) -> Result<u32> {
        let position = self.weights.len() as u32;
        let width = if single.is_some() { 1 } else { self.targets };
        let mut sums = vec![0.0; width];
        for (target, weight) in weights {
            let slot = if single.is_some() { 0 } else { *target as usize };
            match sums.get_mut(slot) {
                Some(sum) if (*target as usize) < self.targets => *sum += weight,
                _ => return Err(Error::graph(format!("a leaf adds to target {target} of {}", self.targets))),
            }
        }
        self.weights.extend(sums.into_iter().map(T::nearest));
        Ok(position)
    }

    /// The combined leaf values of each row, row-major, `targets` a row. `x` is row-major with `columns` a row.
    pub(crate) fn run(&self, x: &[T], columns: usize) -> Result<Vec<f64>> {
        if columns < self.columns {
            return Err(Error::graph(format!(
                "its trees compare {} features and it was given {columns}",
                self.columns
            )));
        }
        let rows = x.len().checked_div(columns).unwrap_or(0);
        let mut sums = vec![0.0; rows * self.targets];
        if rows < PARALLEL_ROWS {
            self.rows(x, columns, &mut sums);
        } else {
            let share = PARALLEL_ROWS / 4;
            sums.par_chunks_mut(share * self.targets)
                .zip(x.par_chunks(share * columns))
                .for_each(|(sums, x)| self.rows(x, columns, sums));
        }
        Ok(sums)
    }

    fn rows(&self, x: &[T], columns: usize, sums: &mut [f64]) {
        match (self.aggregate, self.has_same) {
            (Aggregate::Min | Aggregate::Max, _) => self.extremes(x, columns, sums),
            (_, true) => self.blocks::<true>(x, columns, sums),
            (_, false) => self.blocks::<false>(x, columns, sums),
        }
        if self.aggregate == Aggregate::Average {
            let share = self.trees.len().max(1) as f64;
            sums.iter_mut().for_each(|sum| *sum /= share);
        }
    }

    fn blocks<const EQUAL: bool>(&self, x: &[T], columns: usize, sums: &mut [f64]) {
        for (x, sums) in x.chunks(BLOCK * columns).zip(sums.chunks_mut(BLOCK * self.targets)) {
            let whole = x.len() / columns / STEP * STEP;
            let (x_whole, x_rest) = x.split_at(whole * columns);
            let (sums_whole, sums_rest) = sums.split_at_mut(whole * self.targets);
            if whole > 0 {
                for tree in &self.trees {
                    let steps = x_whole.chunks_exact(STEP * columns);
                    for (x, sums) in steps.zip(sums_whole.chunks_exact_mut(STEP * self.targets)) {
                        let leaves = self.descend_rows::<EQUAL>(tree.root, x, columns);
                        for (leaf, sums) in leaves.iter().zip(sums.chunks_exact_mut(self.targets)) {
                            self.add(*tree, *leaf, sums);
                        }
                    }
                }
            }
            for (x, sums) in x_rest.chunks_exact(columns).zip(sums_rest.chunks_exact_mut(self.targets)) {
                self.one_row::<EQUAL>(x, sums);
            }
        }
    }

    fn one_row<const EQUAL: bool>(&self, x: &[T], sums: &mut [f64]) {
        let mut groups = self.trees.chunks_exact(STEP);
        for group in &mut groups {
            let mut at = [0u32; STEP];
            at.iter_mut().zip(group).for_each(|(at, tree)| *at = tree.root);
            loop {
                let mut moved = false;
                for position in &mut at {
                    let node = &self.nodes[*position as usize];
                    if node.feature != LEAF {
                        *position = node.child::<EQUAL>(x[(node.feature & FEATURE) as usize]);
                        moved = true;
                    }
                }
                if !moved {
                    break;
                }
            }
            for (tree, position) in group.iter().zip(at) {
                self.add(*tree, self.nodes[position as usize].left, sums);
            }
        }
        for tree in groups.remainder() {
            self.add(*tree, self.descend::<EQUAL>(tree.root, x), sums);
        }
    }

    fn descend<const EQUAL: bool>(&self, root: u32, x: &[T]) -> u32 {
        let mut position = root;
        loop {
            let node = &self.nodes[position as usize];
            if node.feature == LEAF {
                return node.left;
            }
            position = node.child::<EQUAL>(x[(node.feature & FEATURE) as usize]);
        }
    }

    #[inline(always)]
    fn descend_rows<const EQUAL: bool>(&self, root: u32, x: &[T], columns: usize) -> [u32; STEP] {
        let mut at = [root; STEP];
        loop {
            let mut moved = false;
            for (row, position) in at.iter_mut().enumerate() {
                let node = &self.nodes[*position as usize];
                if node.feature != LEAF {
                    let value = x[row * columns + (node.feature & FEATURE) as usize];
                    *position = node.child::<EQUAL>(value);
                    moved = true;
                }
            }
            if !moved {
                return at.map(|position| self.nodes[position as usize].left);
            }
        }
    }

    #[inline(always)]
    fn add(&self, tree: Tree, leaf: u32, sums: &mut [f64]) {
        let leaf = leaf as usize;
        if tree.target == Tree::ALL {
            let weights = &self.weights[leaf..leaf + sums.len()];
            sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight.wide());
        } else if let Some(sum) = sums.get_mut(tree.target as usize) {
            *sum += self.weights[leaf].wide();
        }
    }

    fn extremes(&self, x: &[T], columns: usize, sums: &mut [f64]) {
        for (x, sums) in x.chunks_exact(columns).zip(sums.chunks_exact_mut(self.targets)) {
            let mut found = vec![None; self.targets];
            let mut keep = |target: usize, weight: f64| {
                if let Some(slot) = found.get_mut(target) {
                    *slot = Some(match (*slot, self.aggregate) {
                        (None, _) => weight,
                        (Some(best), Aggregate::Min) => weight.min(best),
                        (Some(best), _) => weight.max(best),
                    });
                }
            };
            for tree in &self.trees {
                let leaf = self.descend::<true>(tree.root, x) as usize;
                if tree.target == Tree::ALL {
                    let weights = &self.weights[leaf..leaf + self.targets];
                    weights.iter().enumerate().for_each(|(target, weight)| keep(target, weight.wide()));
                } else {
                    keep(tree.target as usize, self.weights[leaf].wide());
                }
            }
            sums.iter_mut().zip(found).for_each(|(sum, found)| *sum = found.unwrap_or(0.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Branch, Child, Flat, Mode};
    use super::*;

    fn stump(mode: Mode, threshold: f64, missing_yes: bool) -> Flat {
        let branch =
            Branch { mode, feature: 0, threshold, missing_yes, yes: Child::Leaf(0), no: Child::Leaf(1) };
        Flat {
            targets: 1,
            roots: vec![Child::Branch(0)],
            branches: vec![branch],
            leaves: vec![0, 1, 2],
            weights: vec![(0, 1.0), (0, 0.0)],
        }
    }

    fn holds(mode: Mode, threshold: f64, x: f32) -> bool {
        stump(mode, threshold, false).build::<f32>().unwrap().run(&[x], 1).unwrap()[0] == 1.0
    }

    #[test]
    fn every_comparison_survives_being_turned_into_at_most() {
        let tenth = 0.1f64;
        for x in [0.1f32, 0.1f32.next_down(), 0.1f32.next_up(), 0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY] {
            let wide = f64::from(x);
            for threshold in [tenth, f64::from(0.1f32), 0.0] {
                assert_eq!(holds(Mode::AtMost, threshold, x), wide <= threshold, "{x} <= {threshold}");
                assert_eq!(holds(Mode::Below, threshold, x), wide < threshold, "{x} < {threshold}");
                assert_eq!(holds(Mode::AtLeast, threshold, x), wide >= threshold, "{x} >= {threshold}");
                assert_eq!(holds(Mode::Above, threshold, x), wide > threshold, "{x} > {threshold}");
                assert_eq!(holds(Mode::Equal, threshold, x), wide == threshold, "{x} == {threshold}");
                assert_eq!(holds(Mode::NotEqual, threshold, x), wide != threshold, "{x} != {threshold}");
            }
        }
    }

    #[test]
    fn a_missing_value_goes_where_the_node_says() {
        for mode in [Mode::AtMost, Mode::Above, Mode::Equal] {
            for missing_yes in [true, false] {
                let trees = stump(mode, 1.0, missing_yes).build::<f32>().unwrap();
                let expected = if missing_yes { 1.0 } else { 0.0 };
                assert_eq!(trees.run(&[f32::NAN], 1).unwrap(), vec![expected]);
            }
        }
    }

    #[test]
    fn a_node_with_two_parents_is_refused() {
        let mut flat = stump(Mode::AtMost, 1.0, false);
        flat.branches[0].yes = Child::Branch(0);
        assert!(flat.build::<f32>().is_err());
    }

    #[test]
    fn batches_answer_as_single_rows_do() {
        let trees = stump(Mode::AtMost, 0.5, true).build::<f32>().unwrap();
        let x: Vec<f32> = (0..5000).map(|row| (row % 7) as f32 / 7.0).collect();
        let batch = trees.run(&x, 1).unwrap();
        for (x, sum) in x.iter().zip(batch) {
            assert_eq!(trees.run(&[*x], 1).unwrap(), vec![sum]);
        }
    }

    #[test]
    fn nodes_take_twelve_bytes() {
        assert_eq!(size_of::<Node<f32>>(), 12);
    }
}
