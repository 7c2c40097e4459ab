//! Pearson's test of homogeneity: do two samples of categories come from one distribution?

use statrs::function::gamma::gamma_ur;

/// The test with its degrees of freedom.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Chi2 {
    /// Σ (o − e)² / e.
    pub statistic: f64,
    /// P(χ² ≥ statistic).
    pub p_value: f64,
    /// Categories less one.
    pub dof: usize,
}

/// Compares counts over the same categories; categories that neither sample holds are left out. Nothing when a sample is
/// empty. `yates` corrects for continuity at one degree of freedom. A single category is the same by definition: p = 1.
pub fn chi2_homogeneity(reference: &[u64], current: &[u64], yates: bool) -> Option<Chi2> {
    let pairs: Vec<(f64, f64)> = reference
        .iter()
        .zip(current)
        .filter(|(r, c)| **r + **c > 0)
        .map(|(r, c)| (*r as f64, *c as f64))
        .collect();
    let n: f64 = pairs.iter().map(|pair| pair.0).sum();
    let m: f64 = pairs.iter().map(|pair| pair.1).sum();
    if n == 0.0 || m == 0.0 {
        return None;
    }
    let dof = pairs.len() - 1;
    if dof == 0 {
        return Some(Chi2 { statistic: 0.0, p_value: 1.0, dof });
    }
    let mut statistic = 0.0;
    for (r, c) in &pairs {
        let both = r + c;
        for (observed, size) in [(r, n), (c, m)] {
            let expected = both * size / (n + m);
            let mut gap = (observed - expected).abs();
            if yates && dof == 1 {
                gap -= gap.min(0.5);
            }
            statistic += gap * gap / expected;
        }
    }
    Some(Chi2 { statistic, p_value: chi2_sf(statistic, dof), dof })
}

/// P(χ² ≥ x) at `dof` degrees of freedom: the regularised upper incomplete gamma function Q(dof/2, x/2).
pub(crate) fn chi2_sf(x: f64, dof: usize) -> f64 {
    if x <= 0.0 { 1.0 } else { gamma_ur(dof as f64 / 2.0, x / 2.0).clamp(0.0, 1.0) }
}

/// The two-sided p-value of a difference of two shares, by pooled proportions; 1 where both shares are 0 or 1.
pub(crate) fn two_proportions(hits: usize, rows: usize, other_hits: usize, other_rows: usize) -> f64 {
    let (n, m) = (rows as f64, other_rows as f64);
    let pooled = (hits + other_hits) as f64 / (n + m);
    let deviation = (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
    if deviation == 0.0 || !deviation.is_finite() {
        return 1.0;
    }
    let z = (hits as f64 / n - other_hits as f64 / m) / deviation;
    statrs::function::erf::erfc(z.abs() / std::f64::consts::SQRT_2).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_textbook_table() {
        // scipy.stats.chi2_contingency([[10, 20], [20, 10]], correction=False)
        let found = chi2_homogeneity(&[10, 20], &[20, 10], false).unwrap();
        assert!((found.statistic - 6.666_666_666_666_667).abs() < 1e-12);
        assert!((found.p_value - 0.009_823_274_507_519_235).abs() < 1e-12);
    }

    #[test]
    fn one_category_is_the_same_by_definition() {
        assert_eq!(chi2_homogeneity(&[5], &[9], false).unwrap().p_value, 1.0);
    }
}
