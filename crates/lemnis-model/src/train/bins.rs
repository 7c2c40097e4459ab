//! Quantile bins: columns of floats as columns of bytes.
//!
//! A bin's upper edge is a 32-bit float between the largest value in the bin and the smallest of the next one, so
//! that "code at most b" and "value at most edge b" are the same for every training value.

use rayon::prelude::*;

/// A table in binned form.
#[derive(Debug)]
pub(crate) struct Binned {
    pub(crate) rows: usize,
    /// One code a row; the code after the last bin is "missing".
    pub(crate) codes: Vec<Vec<u8>>,
    /// Upper edges of all bins but the last, per column.
    pub(crate) edges: Vec<Vec<f32>>,
}

impl Binned {
    /// Cuts each column into at most `bins` bins of about equal numbers of rows.
    pub(crate) fn fit(columns: &[Vec<f32>], bins: usize) -> Self {
        let edges: Vec<Vec<f32>> = columns.par_iter().map(|column| cut(column, bins)).collect();
        let rows = columns.first().map_or(0, Vec::len);
        let codes =
            columns.par_iter().zip(&edges).map(|(column, edges)| code_all(column.iter(), edges)).collect();
        Self { rows, codes, edges }
    }

    /// `rows` of other columns in the same bins.
    pub(crate) fn apply(&self, columns: &[Vec<f32>], rows: &[u32]) -> Self {
        let codes = columns
            .par_iter()
            .zip(&self.edges)
            .map(|(column, edges)| code_all(rows.iter().map(|row| &column[*row as usize]), edges))
            .collect();
        Self { rows: rows.len(), codes, edges: self.edges.clone() }
    }

    /// How many bins a column has, "missing" not counted.
    pub(crate) fn bins(&self, column: usize) -> usize {
        self.edges[column].len() + 1
    }
}

fn code_all<'a>(values: impl Iterator<Item = &'a f32>, edges: &[f32]) -> Vec<u8> {
    let missing = (edges.len() + 1) as u8;
    values
        .map(|value| if value.is_nan() { missing } else { edges.partition_point(|edge| edge < value) as u8 })
        .collect()
}

fn cut(column: &[f32], bins: usize) -> Vec<f32> {
    let mut values: Vec<f32> = column.iter().copied().filter(|value| !value.is_nan()).collect();
    values.sort_unstable_by(f32::total_cmp);
    let mut distinct: Vec<(f32, usize)> = Vec::new();
    for value in values {
        match distinct.last_mut() {
            Some((last, count)) if *last == value => *count += 1,
            _ => distinct.push((value, 1)),
        }
    }
    // one code is kept for "missing"
    let bins = bins.min(255);
    let mut edges = Vec::new();
    let mut rest: usize = distinct.iter().map(|(_, count)| count).sum();
    let mut filled = 0;
    for (at, pair) in distinct.windows(2).enumerate() {
        filled += pair[0].1;
        let bins_left = bins - edges.len();
        if bins_left <= 1 {
            break;
        }
        let values_left = distinct.len() - at - 1;
        if filled * bins_left >= rest || values_left < bins_left {
            edges.push(between(pair[0].0, pair[1].0));
            rest -= filled;
            filled = 0;
        }
    }
    edges
}

/// A number at least `low` and less than `high`, the middle if it can be.
fn between(low: f32, high: f32) -> f32 {
    let middle = (f64::from(low) + (f64::from(high) - f64::from(low)) / 2.0) as f32;
    if middle >= low && middle < high { middle } else { low }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn few_values_get_a_bin_each() {
        let binned = Binned::fit(&[vec![3.0, 1.0, 2.0, f32::NAN, 1.0]], 255);
        assert_eq!(binned.edges[0], vec![1.5, 2.5]);
        assert_eq!(binned.codes[0], vec![2, 0, 1, 3, 0]);
    }

    #[test]
    fn constant_and_empty_columns_have_one_bin() {
        let binned = Binned::fit(&[vec![7.0; 4], vec![f32::NAN; 4]], 255);
        assert!(binned.edges.iter().all(Vec::is_empty));
        assert_eq!(binned.codes[1], vec![1; 4]);
    }

    #[test]
    fn infinities_have_bins() {
        let binned = Binned::fit(&[vec![f32::NEG_INFINITY, 0.0, f32::INFINITY]], 255);
        assert_eq!(binned.codes[0], vec![0, 1, 2]);
    }

    proptest! {
        #[test]
        fn codes_and_edges_agree(values in prop::collection::vec(-100i32..100, 1..400), bins in 2usize..256) {
            let column: Vec<f32> = values.iter().map(|value| *value as f32 * 0.1).collect();
            let binned = Binned::fit(std::slice::from_ref(&column), bins);
            prop_assert!(binned.bins(0) <= bins);
            for (value, code) in column.iter().zip(&binned.codes[0]) {
                for (at, edge) in binned.edges[0].iter().enumerate() {
                    prop_assert_eq!(value <= edge, usize::from(*code) <= at);
                }
            }
        }
    }
}
