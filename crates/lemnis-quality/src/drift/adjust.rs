//! p-values of many tests at once.

use serde::{Deserialize, Serialize};

/// How p-values are adjusted for their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Correction {
    /// Not at all.
    None,
    /// Times their number (Bonferroni): controls the chance of a single false alarm.
    Bonferroni,
    /// Benjamini & Hochberg 1995: controls the share of false alarms among the alarms.
    Bh,
    /// Benjamini & Yekutieli 2001: the same under any dependence.
    By,
}

/// The adjusted p-values, in the order given.
pub fn adjust_pvalues(p: &[f64], correction: Correction) -> Vec<f64> {
    let count = p.len() as f64;
    let factor = match correction {
        Correction::None => return p.to_vec(),
        Correction::Bonferroni => return p.iter().map(|p| (p * count).min(1.0)).collect(),
        Correction::Bh => 1.0,
        Correction::By => (1..=p.len()).map(|i| 1.0 / i as f64).sum(),
    };
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut smallest = 1.0f64;
    for (rank, place) in order.iter().enumerate().rev() {
        smallest = smallest.min(p[*place] * count * factor / (rank + 1) as f64);
        adjusted[*place] = smallest.min(1.0);
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn benjamini_hochberg_is_monotone_in_p() {
        let adjusted = adjust_pvalues(&[0.01, 0.04, 0.03, 0.5], Correction::Bh);
        let wanted = [0.04, 0.053_333_333_333_333_33, 0.053_333_333_333_333_33, 0.5];
        for (found, wanted) in adjusted.iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-12, "{adjusted:?}");
        }
    }
}
