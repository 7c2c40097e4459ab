//! The two-sample Kolmogorov–Smirnov test, as `scipy.stats.ks_2samp` defines it.

use rayon::slice::ParallelSliceMut;
use serde::Serialize;

use super::kolmogorov::{kolmogorov_sf, kstwo_sf, two_sample_exact};

/// Beyond this many values on a side, `Auto` takes the asymptotic law.
const AUTO_EXACT: usize = 10_000;

/// Which law the p-value follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KsMethod {
    /// Exact up to 10,000 values on either side, asymptotic beyond.
    Auto,
    /// Exact, by lattice paths.
    Exact,
    /// The one-sample law at n·m/(n+m) values.
    Asymptotic,
    /// Kolmogorov's limit.
    Kolmogorov,
}

/// A statistic and how likely one at least as large is when nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Test {
    /// The statistic.
    pub statistic: f64,
    /// The p-value, in [0, 1].
    pub p_value: f64,
}

/// Compares the distributions of two samples. Nothing when a side is empty; values must not be NaN.
pub fn ks(reference: &[f64], current: &[f64], method: KsMethod) -> Option<Test> {
    let mut a = reference.to_vec();
    let mut b = current.to_vec();
    sort(&mut a);
    sort(&mut b);
    ks_sorted(&a, &b, method)
}

/// As [`ks`], for whole numbers beyond 2⁵³ too, which a float cannot tell apart.
pub fn ks_whole(reference: &[i64], current: &[i64], method: KsMethod) -> Option<Test> {
    let mut pooled: Vec<i64> = reference.iter().chain(current).copied().collect();
    pooled.sort_unstable();
    pooled.dedup();
    let rank = |value: &i64| pooled.binary_search(value).map_or(0.0, |place| place as f64);
    let a: Vec<f64> = reference.iter().map(rank).collect();
    let b: Vec<f64> = current.iter().map(rank).collect();
    ks(&a, &b, method)
}

/// As [`ks`], on samples in ascending order.
pub fn ks_sorted(a: &[f64], b: &[f64], method: KsMethod) -> Option<Test> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let d = largest_gap(a, b);
    let (n, m) = (a.len() as f64, b.len() as f64);
    let effective = n * m / (n + m);
    let test = match method {
        KsMethod::Kolmogorov => Test { statistic: d, p_value: kolmogorov_sf(effective.sqrt() * d) },
        KsMethod::Exact => exact(a.len(), b.len(), d),
        KsMethod::Auto if a.len().max(b.len()) <= AUTO_EXACT => exact(a.len(), b.len(), d),
        KsMethod::Auto | KsMethod::Asymptotic => {
            let rounded = effective.round_ties_even();
            Test { statistic: d, p_value: kstwo_sf(rounded, d).clamp(0.0, 1.0) }
        }
    };
    Some(test)
}

fn exact(n: usize, m: usize, d: f64) -> Test {
    let (statistic, p_value) = two_sample_exact(n, m, d);
    Test { statistic, p_value }
}

/// The largest distance of the two empirical distribution functions.
fn largest_gap(a: &[f64], b: &[f64]) -> f64 {
    let (n, m) = (a.len(), b.len());
    let (mut i, mut j, mut largest) = (0, 0, 0.0f64);
    while i < n && j < m {
        let value = a[i].min(b[j]);
        while i < n && a[i] <= value {
            i += 1;
        }
        while j < m && b[j] <= value {
            j += 1;
        }
        largest = largest.max((i as f64 / n as f64 - j as f64 / m as f64).abs());
    }
    largest
}

/// Ascending, with -0.0 equal to 0.0.
pub(crate) fn sort(values: &mut [f64]) {
    let order = |a: &f64, b: &f64| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal);
    if values.len() > 50_000 { values.par_sort_unstable_by(order) } else { values.sort_unstable_by(order) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_samples_have_no_distance() {
        let test = ks(&[1.0, 2.0, 3.0], &[3.0, 1.0, 2.0], KsMethod::Auto).unwrap();
        assert_eq!((test.statistic, test.p_value), (0.0, 1.0));
    }

    #[test]
    fn an_empty_side_is_not_judged() {
        assert_eq!(ks(&[], &[1.0], KsMethod::Auto), None);
    }

    #[test]
    fn whole_numbers_beyond_floats_are_told_apart() {
        let big = 1i64 << 53;
        let test = ks_whole(&[big, big, big], &[big + 1, big + 1, big + 1], KsMethod::Exact).unwrap();
        assert_eq!(test.statistic, 1.0);
    }
}
