//! The population stability index with bins that lose no value.
//!
//! Right-closed bins at the unique interior quantiles of the reference, the first and the last open: ties collapse bins
//! instead of emptying them, and no present value falls outside. A reference with few distinct values gets a bin each.

use serde::Serialize;

use super::ks::sort;

/// How empty bins are kept from making the index infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Smoothing {
    /// (c + 0.5) / (n + 0.5 k), Jeffreys' prior.
    Jeffreys,
    /// max(c / n, ε), not renormalised.
    Floor(f64),
}

/// The index with the bins behind it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Psi {
    /// Σ (a − e) ln(a / e).
    pub psi: f64,
    /// The interior edges; nothing where each distinct value has a bin.
    pub edges: Option<Vec<f64>>,
    /// The distinct values, where each has a bin.
    pub values: Option<Vec<f64>>,
    /// Counts of the reference by bin.
    pub ref_counts: Vec<u64>,
    /// Counts of the present by bin.
    pub cur_counts: Vec<u64>,
}

/// The index of numbers. Nothing when a side is empty; values must be finite.
pub fn psi(
    reference: &[f64],
    current: &[f64],
    buckets: usize,
    smoothing: Smoothing,
    categorical_at_most: usize,
) -> Option<Psi> {
    if reference.is_empty() || current.is_empty() || buckets < 2 {
        return None;
    }
    let mut a = reference.to_vec();
    sort(&mut a);
    let mut distinct = a.clone();
    distinct.dedup();
    let mut b = current.to_vec();
    sort(&mut b);
    if distinct.len() <= categorical_at_most {
        let mut keys = distinct;
        keys.extend(&b);
        sort(&mut keys);
        keys.dedup();
        let count = |sorted: &[f64]| -> Vec<u64> {
            keys.iter()
                .map(|key| {
                    let first = sorted.partition_point(|value| value < key);
                    (sorted.partition_point(|value| value <= key) - first) as u64
                })
                .collect()
        };
        let (ref_counts, cur_counts) = (count(&a), count(&b));
        let psi = psi_of_counts(&ref_counts, &cur_counts, smoothing);
        return Some(Psi { psi, edges: None, values: Some(keys), ref_counts, cur_counts });
    }
    let edges = interior_edges(&a, buckets);
    let (ref_counts, cur_counts) = (bin_counts(&a, &edges), bin_counts(&b, &edges));
    let psi = psi_of_counts(&ref_counts, &cur_counts, smoothing);
    Some(Psi { psi, edges: Some(edges), values: None, ref_counts, cur_counts })
}

/// The index of two lists of counts over the same bins.
pub fn psi_of_counts(reference: &[u64], current: &[u64], smoothing: Smoothing) -> f64 {
    let bins = reference.len() as f64;
    let (n, m) = (reference.iter().sum::<u64>() as f64, current.iter().sum::<u64>() as f64);
    let share = |count: u64, total: f64| match smoothing {
        Smoothing::Jeffreys => (count as f64 + 0.5) / (total + 0.5 * bins),
        Smoothing::Floor(floor) => (count as f64 / total).max(floor),
    };
    reference
        .iter()
        .zip(current)
        .map(|(expected, actual)| {
            let (e, a) = (share(*expected, n), share(*actual, m));
            (a - e) * (a / e).ln()
        })
        .sum()
}

/// What two samples of one population of these sizes show on average: (k − 1)(1/n + 1/m) (Yurdakul 2018).
pub fn noise_floor(bins: usize, reference_rows: usize, current_rows: usize) -> f64 {
    (bins.max(1) - 1) as f64 * (1.0 / reference_rows.max(1) as f64 + 1.0 / current_rows.max(1) as f64)
}

fn interior_edges(sorted: &[f64], buckets: usize) -> Vec<f64> {
    let mut edges: Vec<f64> = (1..buckets).map(|i| quantile(sorted, i as f64 / buckets as f64)).collect();
    edges.dedup();
    edges
}

/// Linear interpolation between order statistics, Hyndman & Fan 1996 type 7, evaluated as NumPy does.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let place = q * (sorted.len() - 1) as f64;
    let low = place.floor();
    let fraction = place - low;
    let a = sorted[low as usize];
    let b = sorted[(low as usize + 1).min(sorted.len() - 1)];
    let step = b - a;
    if fraction >= 0.5 { b - step * (1.0 - fraction) } else { a + step * fraction }
}

fn bin_counts(sorted: &[f64], edges: &[f64]) -> Vec<u64> {
    let mut counts = Vec::with_capacity(edges.len() + 1);
    let mut before = 0;
    for edge in edges {
        let upto = sorted.partition_point(|value| value <= edge);
        counts.push((upto - before) as u64);
        before = upto;
    }
    counts.push((sorted.len() - before) as u64);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_beyond_the_reference_are_counted() {
        let reference: Vec<f64> = (0..1000).map(f64::from).collect();
        let current: Vec<f64> =
            (0..1000).map(|value| f64::from(value) + if value % 3 == 0 { 5000.0 } else { 0.0 }).collect();
        let found = psi(&reference, &current, 10, Smoothing::Floor(1e-4), 20).unwrap();
        assert_eq!(found.cur_counts.iter().sum::<u64>(), 1000);
        assert!(found.psi > 0.3, "{}", found.psi);
    }

    #[test]
    fn ties_collapse_bins_instead_of_emptying_them() {
        let reference: Vec<f64> =
            (0..1000).map(|value| if value < 650 { 0.0 } else { f64::from(value) }).collect();
        let found = psi(&reference, &reference, 10, Smoothing::Jeffreys, 20).unwrap();
        assert!(found.psi.abs() < 1e-12);
        assert!(found.ref_counts.iter().all(|count| *count > 0));
    }
}
