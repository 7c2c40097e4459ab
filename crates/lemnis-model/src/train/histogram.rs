//! Histograms of gradients by bin, and the best cut that can be read off them.
//!
//! Columns are shared out among threads, never rows: each sum is taken by one thread in row order, so that it does
//! not depend on how many there are.

use rayon::prelude::*;

use super::bins::Binned;
use super::loss::Gradient;
use super::params::Params;

/// From this many additions on, columns are shared out among threads.
const PARALLEL_WORK: usize = 40_000;
/// The smallest sum of second derivatives in a leaf.
const MIN_CURVATURE: f64 = 1e-3;

/// Sums over rows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    pub(crate) gradient: f64,
    pub(crate) curvature: f64,
    pub(crate) rows: u32,
}

impl Sums {
    pub(crate) fn plus(self, other: Sums) -> Sums {
        Sums {
            gradient: self.gradient + other.gradient,
            curvature: self.curvature + other.curvature,
            rows: self.rows + other.rows,
        }
    }

    pub(crate) fn minus(self, other: Sums) -> Sums {
        Sums {
            gradient: self.gradient - other.gradient,
            curvature: self.curvature - other.curvature,
            rows: self.rows - other.rows,
        }
    }

    fn score(self, l2: f64) -> f64 {
        self.gradient * self.gradient / (self.curvature + l2)
    }
}

/// Sums by column and bin, for the columns of one tree; the last bin of a column is "missing".
#[derive(Clone, Debug)]
pub(crate) struct Histogram(Vec<Vec<Sums>>);

/// A cut of a node's rows in two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Split {
    pub(crate) gain: f64,
    pub(crate) column: usize,
    /// Codes up to this one go left.
    pub(crate) bin: u8,
    pub(crate) missing_left: bool,
    pub(crate) left: Sums,
}

impl Histogram {
    /// Sums over `rows`; `gradients` stand in the order of `rows`.
    pub(crate) fn build(binned: &Binned, columns: &[usize], rows: &[u32], gradients: &[Gradient]) -> Self {
        let one = |column: &usize| {
            let mut sums = vec![Sums::default(); binned.bins(*column) + 1];
            let codes = &binned.codes[*column];
            for (row, [gradient, curvature]) in rows.iter().zip(gradients) {
                let sum = &mut sums[usize::from(codes[*row as usize])];
                sum.gradient += f64::from(*gradient);
                sum.curvature += f64::from(*curvature);
                sum.rows += 1;
            }
            sums
        };
        Self(if rows.len() * columns.len() >= PARALLEL_WORK {
            columns.par_iter().map(one).collect()
        } else {
            columns.iter().map(one).collect()
        })
    }

    /// The histogram of a node's other child.
    pub(crate) fn minus(mut self, child: &Histogram) -> Self {
        for (mine, theirs) in self.0.iter_mut().zip(&child.0) {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine = mine.minus(*theirs);
            }
        }
        self
    }

    /// The cut that lowers the loss most; among equals the first column, the lowest bin.
    pub(crate) fn best(&self, columns: &[usize], total: Sums, params: &Params) -> Option<Split> {
        let mut best: Option<Split> = None;
        for (sums, column) in self.0.iter().zip(columns) {
            if let Some(split) = best_of(sums, *column, total, params)
                && best.is_none_or(|best| split.gain > best.gain)
            {
                best = Some(split);
            }
        }
        best
    }
}

fn best_of(sums: &[Sums], column: usize, total: Sums, params: &Params) -> Option<Split> {
    let (missing, bins) = sums.split_last()?;
    if bins.len() < 2 && missing.rows == 0 {
        return None;
    }
    let min_rows = params.min_child_rows as u32;
    if total.rows < 2 * min_rows {
        return None;
    }
    let before = total.score(params.l2);
    let mut best: Option<Split> = None;
    let mut consider = |left: Sums, bin: usize, missing_left: bool| {
        let right = total.minus(left);
        if left.rows < min_rows
            || right.rows < min_rows
            || left.curvature < MIN_CURVATURE
            || right.curvature < MIN_CURVATURE
        {
            return;
        }
        let gain = left.score(params.l2) + right.score(params.l2) - before;
        if gain > best.map_or(1e-9, |best| best.gain) {
            best = Some(Split { gain, column, bin: bin as u8, missing_left, left });
        }
    };
    let mut left = Sums::default();
    for (bin, sum) in bins.iter().enumerate() {
        left = left.plus(*sum);
        // an empty bin cuts where the one before it does
        if sum.rows == 0 {
            continue;
        }
        let last = bin + 1 == bins.len();
        if missing.rows > 0 {
            consider(left, bin, false);
            if !last {
                consider(left.plus(*missing), bin, true);
            }
        } else if !last {
            // nothing is known of missing values here: they follow the larger part
            consider(left, bin, left.rows * 2 >= total.rows);
        }
    }
    best
}
