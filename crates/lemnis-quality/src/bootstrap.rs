//! The paired bootstrap: is the challenger better, or did it have luck with these rows?
//!
//! Both are measured on the same resampled rows, so that what the rows have in common cancels out. The interval is the
//! percentile interval (Efron 1979) of the difference; the same seed gives the same interval on every machine.

use rand::SeedableRng;
use rand::distr::{Distribution, Uniform};
use rand_pcg::Pcg64Mcg;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::drift::{quantile, sort};
use crate::{Error, Result};

/// Two models on the same rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    /// The champion's value on all rows.
    pub champion: f64,
    /// The challenger's value on all rows.
    pub challenger: f64,
    /// By how much the challenger is better; positive is better, whatever the metric's direction.
    pub difference: f64,
    /// Lower end of the one-sided interval: the difference is above it with the confidence asked for.
    pub low: f64,
    /// Upper end, at the same confidence.
    pub high: f64,
    /// The share of the resamples in which the challenger is better.
    pub p_better: f64,
    /// Resamples.
    pub resamples: usize,
    /// The seed.
    pub seed: u64,
}

/// Resamples rows `resamples` times and measures both models on each.
///
/// `metric` takes how often each row was drawn and returns the champion's and the challenger's values; a resample on
/// which one of them is NaN is left out. With `higher_is_better` false, less is better.
pub fn paired(
    metric: impl Fn(&[u32]) -> (f64, f64) + Sync,
    rows: usize,
    higher_is_better: bool,
    resamples: usize,
    seed: u64,
    confidence: f64,
) -> Result<Paired> {
    if rows == 0 {
        return Err(Error::Empty { what: "the table to compare on" });
    }
    if !(0.5..1.0).contains(&confidence) {
        return Err(Error::Range { what: "the confidence", value: confidence, wanted: "in [0.5, 1)" });
    }
    let sign = if higher_is_better { 1.0 } else { -1.0 };
    let (champion, challenger) = metric(&vec![1; rows]);
    let draw = Uniform::new(0, rows).map_err(|_| Error::Empty { what: "the table to compare on" })?;
    let mut differences: Vec<f64> = (0..resamples as u64)
        .into_par_iter()
        .map(|resample| {
            // A generator for each resample: the result does not depend on the number of threads.
            let mut random = Pcg64Mcg::seed_from_u64(seed ^ resample.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let mut counts = vec![0u32; rows];
            for _ in 0..rows {
                counts[draw.sample(&mut random)] += 1;
            }
            let (champion, challenger) = metric(&counts);
            sign * (challenger - champion)
        })
        .filter(|difference| !difference.is_nan())
        .collect();
    if differences.is_empty() {
        return Err(Error::Empty { what: "the list of resamples with a defined metric" });
    }
    sort(&mut differences);
    let better = differences.iter().filter(|difference| **difference > 0.0).count();
    Ok(Paired {
        champion,
        challenger,
        difference: sign * (challenger - champion),
        low: quantile(&differences, 1.0 - confidence),
        high: quantile(&differences, confidence),
        p_better: better as f64 / differences.len() as f64,
        resamples: differences.len(),
        seed,
    })
}

/// The area under the ROC curve of many resamples: the scores are sorted once.
#[derive(Clone, Debug)]
pub struct RocAuc {
    /// Row, whether it is positive, whether the next row in order has another score.
    order: Vec<(u32, bool, bool)>,
}

impl RocAuc {
    /// Sorts the rows by score.
    pub fn new(labels: &[bool], scores: &[f64]) -> Self {
        let mut rows: Vec<u32> = (0..labels.len() as u32).collect();
        rows.sort_by(|a, b| scores[*a as usize].total_cmp(&scores[*b as usize]));
        let order = rows
            .iter()
            .enumerate()
            .map(|(place, row)| {
                let last =
                    rows.get(place + 1).is_none_or(|next| scores[*next as usize] != scores[*row as usize]);
                (*row, labels[*row as usize], last)
            })
            .collect();
        Self { order }
    }

    /// The area when row `i` counts `counts[i]` times; NaN with one class.
    pub fn of(&self, counts: &[u32]) -> f64 {
        let (mut below, mut area, mut positives) = (0.0, 0.0, 0.0);
        let (mut tied_positive, mut tied_negative) = (0.0, 0.0);
        for (row, positive, last) in &self.order {
            let count = f64::from(counts[*row as usize]);
            if *positive {
                tied_positive += count
            } else {
                tied_negative += count
            }
            if *last {
                area += tied_positive * (below + tied_negative / 2.0);
                below += tied_negative;
                positives += tied_positive;
                (tied_positive, tied_negative) = (0.0, 0.0);
            }
        }
        if below == 0.0 || positives == 0.0 { f64::NAN } else { area / (below * positives) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_once_gives_the_same_area() {
        let labels: Vec<bool> = (0..200).map(|row| row % 3 == 0).collect();
        let scores: Vec<f64> = (0..200)
            .map(|row| f64::from((row * 37) % 50) + f64::from(u8::from(row % 3 == 0)) * 9.0)
            .collect();
        let direct = crate::metrics::roc_auc(&labels, &scores, None);
        assert!((RocAuc::new(&labels, &scores).of(&[1; 200]) - direct).abs() < 1e-12);
    }

    #[test]
    fn the_same_seed_gives_the_same_interval_and_a_better_model_is_seen() {
        let truth: Vec<f64> = (0..300).map(f64::from).collect();
        let error = |counts: &[u32], size: f64| {
            let total: f64 =
                counts.iter().enumerate().map(|(row, c)| f64::from(*c) * size * (truth[row] % 7.0)).sum();
            total / counts.iter().map(|c| f64::from(*c)).sum::<f64>()
        };
        let run =
            || paired(|counts| (error(counts, 1.0), error(counts, 0.5)), 300, false, 200, 7, 0.95).unwrap();
        let found = run();
        assert_eq!(found, run());
        assert!(found.low > 0.0 && found.p_better == 1.0, "{found:?}");
    }
}
