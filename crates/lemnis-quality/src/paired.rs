//! Tests of two models on the same rows that need no resampling: DeLong's for areas under the ROC curve, McNemar's for
//! shares of right answers.
//!
//! Both answer as the [paired bootstrap](crate::bootstrap) does: a difference that is positive where the challenger is
//! better, and one-sided bounds at the confidence asked for. `resamples` and `seed` are 0.

use statrs::distribution::{Beta, ContinuousCDF, Normal};

use crate::bootstrap::Paired;
use crate::{Error, Result};

/// DeLong, DeLong and Clarke-Pearson (1988) for two correlated areas, by the midranks of Sun and Xu (2014):
/// O(n log n). `labels` say which rows are positive; both score lists have a value for each row.
///
/// Fails without rows of both classes.
pub fn delong(labels: &[bool], champion: &[f64], challenger: &[f64], confidence: f64) -> Result<Paired> {
    same_length("the champion's scores", champion.len(), labels.len())?;
    same_length("the challenger's scores", challenger.len(), labels.len())?;
    let positives = labels.iter().filter(|label| **label).count();
    if positives == 0 || positives == labels.len() {
        return Err(Error::Empty { what: "one of the two classes" });
    }
    let normal = Normal::standard();
    let z = normal.inverse_cdf(in_range(confidence)?);
    let (before, after) = (Placements::of(labels, champion), Placements::of(labels, challenger));
    let difference = after.area - before.area;
    let spread = variance_of_difference(&before.positives, &after.positives)
        + variance_of_difference(&before.negatives, &after.negatives);
    let error = spread.sqrt();
    Ok(Paired {
        champion: before.area,
        challenger: after.area,
        difference,
        low: difference - z * error,
        high: difference + z * error,
        p_better: if error > 0.0 { normal.cdf(difference / error) } else { share_without_spread(difference) },
        resamples: 0,
        seed: 0,
    })
}

/// McNemar's exact test (1947) on two lists that say which rows each model answered right.
///
/// The rows on which they differ decide: of `n` of them the challenger wins `b`. The bounds are those of Clopper and
/// Pearson (1934) on `b / n`, scaled to the difference of the shares, so `low > 0` exactly where the one-sided test
/// rejects.
pub fn mcnemar(champion: &[bool], challenger: &[bool], confidence: f64) -> Result<Paired> {
    same_length("the challenger's answers", challenger.len(), champion.len())?;
    if champion.is_empty() {
        return Err(Error::Empty { what: "the table to compare on" });
    }
    let confidence = in_range(confidence)?;
    let count = |wanted: fn(bool, bool) -> bool| {
        champion.iter().zip(challenger).filter(|(a, b)| wanted(**a, **b)).count() as f64
    };
    let (won, lost) = (count(|a, b| !a && b), count(|a, b| a && !b));
    let rows = champion.len() as f64;
    let scaled = |share: f64| (2.0 * share - 1.0) * (won + lost) / rows;
    let low = if won == 0.0 { 0.0 } else { beta(won, lost + 1.0)?.inverse_cdf(1.0 - confidence) };
    let high = if lost == 0.0 { 1.0 } else { beta(won + 1.0, lost)?.inverse_cdf(confidence) };
    let difference = (won - lost) / rows;
    Ok(Paired {
        champion: count(|a, _| a) / rows,
        challenger: count(|_, b| b) / rows,
        difference,
        low: scaled(low),
        high: scaled(high),
        // The mid-p share, which is one half where neither is better.
        p_better: if won + lost == 0.0 { 0.5 } else { beta(won + 0.5, lost + 0.5)?.sf(0.5) },
        resamples: 0,
        seed: 0,
    })
}

/// An area and what each row adds to it.
struct Placements {
    area: f64,
    /// For each positive row, the share of negative rows below it.
    positives: Vec<f64>,
    /// For each negative row, the share of positive rows above it.
    negatives: Vec<f64>,
}

impl Placements {
    fn of(labels: &[bool], scores: &[f64]) -> Self {
        let class = |wanted: bool| -> Vec<f64> {
            labels
                .iter()
                .zip(scores)
                .filter(|(label, _)| **label == wanted)
                .map(|(_, score)| *score)
                .collect()
        };
        let (above, below) = (class(true), class(false));
        let (m, n) = (above.len() as f64, below.len() as f64);
        let all = midranks(scores);
        let within = |wanted: bool| -> Vec<f64> {
            labels.iter().zip(&all).filter(|(label, _)| **label == wanted).map(|(_, rank)| *rank).collect()
        };
        let share = |among: Vec<f64>, own: Vec<f64>, others: f64| -> Vec<f64> {
            among.iter().zip(own).map(|(rank, own)| (rank - own) / others).collect()
        };
        let positives = share(within(true), midranks(&above), n);
        let negatives: Vec<f64> =
            share(within(false), midranks(&below), m).into_iter().map(|below| 1.0 - below).collect();
        Self { area: positives.iter().sum::<f64>() / m, positives, negatives }
    }
}

/// The rank of each value, from 1; equal values share the mean of their ranks.
fn midranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let mut end = start + 1;
        while end < order.len() && values[order[end]] == values[order[start]] {
            end += 1;
        }
        let rank = (start + end + 1) as f64 / 2.0;
        for place in &order[start..end] {
            ranks[*place] = rank;
        }
        start = end;
    }
    ranks
}

/// The sample variance of `after - before`, over their number; 0 for a single row, which says nothing of spread.
fn variance_of_difference(before: &[f64], after: &[f64]) -> f64 {
    let count = before.len() as f64;
    let differences = || before.iter().zip(after).map(|(before, after)| after - before);
    let mean = differences().sum::<f64>() / count;
    let squares: f64 = differences().map(|difference| (difference - mean).powi(2)).sum();
    squares / (count - 1.0).max(1.0) / count
}

fn share_without_spread(difference: f64) -> f64 {
    match difference.partial_cmp(&0.0) {
        Some(std::cmp::Ordering::Greater) => 1.0,
        Some(std::cmp::Ordering::Less) => 0.0,
        _ => 0.5,
    }
}

fn beta(a: f64, b: f64) -> Result<Beta> {
    Beta::new(a, b).map_err(|_| Error::Range { what: "a count", value: a, wanted: "positive" })
}

fn in_range(confidence: f64) -> Result<f64> {
    if (0.5..1.0).contains(&confidence) {
        return Ok(confidence);
    }
    Err(Error::Range { what: "the confidence", value: confidence, wanted: "in [0.5, 1)" })
}

fn same_length(what: &'static str, found: usize, wanted: usize) -> Result<()> {
    if found == wanted { Ok(()) } else { Err(Error::Length { what, found, wanted }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(found: f64, wanted: f64) {
        assert!((found - wanted).abs() < 1e-9, "{found} is not {wanted}");
    }

    /// The definition: every positive row against every negative one.
    fn by_pairs(labels: &[bool], scores: &[f64]) -> (f64, Vec<f64>, Vec<f64>) {
        let class = |wanted| {
            labels.iter().zip(scores).filter(move |(label, _)| **label == wanted).map(|(_, score)| *score)
        };
        let kernel = |above: f64, below: f64| match above.partial_cmp(&below) {
            Some(std::cmp::Ordering::Greater) => 1.0,
            Some(std::cmp::Ordering::Equal) => 0.5,
            _ => 0.0,
        };
        let (m, n) = (class(true).count() as f64, class(false).count() as f64);
        let positives: Vec<f64> = class(true)
            .map(|above| class(false).map(|below| kernel(above, below)).sum::<f64>() / n)
            .collect();
        let negatives: Vec<f64> = class(false)
            .map(|below| class(true).map(|above| kernel(above, below)).sum::<f64>() / m)
            .collect();
        (positives.iter().sum::<f64>() / m, positives, negatives)
    }

    proptest! {
        #[test]
        fn midranks_place_rows_as_all_pairs_do(rows in proptest::collection::vec((any::<bool>(), 0u8..6), 2..60)) {
            let labels: Vec<bool> = rows.iter().map(|row| row.0).collect();
            let scores: Vec<f64> = rows.iter().map(|row| f64::from(row.1)).collect();
            prop_assume!(labels.contains(&true) && labels.contains(&false));
            let (area, positives, negatives) = by_pairs(&labels, &scores);
            let found = Placements::of(&labels, &scores);
            prop_assert!((found.area - area).abs() < 1e-12);
            for (found, wanted) in found.positives.iter().zip(&positives).chain(found.negatives.iter().zip(&negatives)) {
                prop_assert!((found - wanted).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn delong_gives_the_interval_of_the_definition() {
        let labels: Vec<bool> = "110011010110100010011011".chars().map(|one| one == '1').collect();
        let champion = [
            0.3, 1.0, 1.9, -0.3, 0.3, 1.5, -0.9, 0.2, 0.9, 1.1, 0.6, 0.7, -2.3, 1.0, -1.0, -1.7, 0.8, 0.7,
            -0.4, -0.6, 0.5, -0.1, 1.9, 1.2,
        ];
        let challenger = [
            1.3, 2.2, -0.2, -0.9, 1.7, 1.7, -0.2, 0.3, 0.2, -1.4, 1.8, 0.5, -0.5, 0.1, -1.0, 0.8, -0.9, -0.9,
            0.7, 2.3, -1.1, -0.5, 1.4, 0.5,
        ];
        // numpy: the covariance of all pairs; scipy.stats.norm: the quantile.
        let found = delong(&labels, &champion, &challenger, 0.95).unwrap();
        close(found.champion, 0.636_363_636_363_636_4);
        close(found.challenger, 0.692_307_692_307_692_3);
        close(found.low, -0.214_294_707_530_960_86);
        close(found.high, 0.326_182_819_419_072_73);
        close(found.p_better, 0.633_264_842_707_185_4);
    }

    #[test]
    fn equal_models_are_not_better() {
        let labels = [true, false, true, false];
        let scores = [0.9, 0.2, 0.6, 0.7];
        let found = delong(&labels, &scores, &scores, 0.95).unwrap();
        assert_eq!((found.difference, found.low, found.p_better), (0.0, 0.0, 0.5));
        let right = [true, true, false];
        let found = mcnemar(&right, &right, 0.95).unwrap();
        assert_eq!((found.difference, found.p_better), (0.0, 0.5));
        assert!(found.low <= 0.0 && found.high >= 0.0);
    }

    #[test]
    fn mcnemar_bounds_are_those_of_the_exact_binomial_test() {
        // 13 rows won, 5 lost, 82 alike; scipy.stats.binomtest(13, 18).proportion_ci, one-sided at 95 %.
        let rows = |won: bool| -> Vec<bool> {
            (0..100)
                .map(|row| {
                    if row < 13 {
                        won
                    } else if row < 18 {
                        !won
                    } else {
                        row % 2 == 0
                    }
                })
                .collect()
        };
        let found = mcnemar(&rows(false), &rows(true), 0.95).unwrap();
        close(found.difference, 0.08);
        close(found.low, 0.000_781_830_196_401_705);
        close(found.high, 0.138_086_787_004_907_4);
        close(found.p_better, 0.971_873_989_588_408_5);
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        assert!(delong(&[true, true], &[0.1, 0.2], &[0.1, 0.2], 0.95).is_err());
        assert!(delong(&[true, false], &[0.1], &[0.1, 0.2], 0.95).is_err());
        assert!(mcnemar(&[], &[], 0.95).is_err());
        assert!(mcnemar(&[true], &[true], 95.0).is_err());
    }
}
