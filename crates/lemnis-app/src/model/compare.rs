//! Models on the same rows, with the luck that those rows bring: two of them against each other, or one against a bound.

use lemnis_quality::bootstrap::{Paired, RocAuc, paired};
use lemnis_quality::paired::{delong, mcnemar};
use lemnis_tracking::gate::{BetterThan, Comparison, Test};

use crate::stage::{Scores, Truth, higher_is_better, scalar_metrics};
use crate::{Context, Error};

/// Resamples of the bootstrap.
const RESAMPLES: usize = 1_000;
/// Resamples for a metric that is computed anew on each, which takes long.
const FEW_RESAMPLES: usize = 200;
/// Its seed: the same inputs give the same decision.
const SEED: u64 = 20_260_101;

/// A metric of one model when each row counts so many times.
type Measure<'a> = Box<dyn Fn(&[u32]) -> f64 + Sync + 'a>;

/// Compares as `rule` asks for: an interval of the difference at its confidence.
pub(super) fn compare(
    rule: &BetterThan,
    truth: &Truth,
    champion: &Scores,
    challenger: &Scores,
) -> Result<Comparison, Error> {
    let BetterThan { metric, confidence, .. } = rule;
    let rows = truth.rows();
    let found = match (rule.test, truth, champion, challenger) {
        (Test::Delong, Truth::Binary(labels), Scores::Binary(before), Scores::Binary(after)) => {
            delong(labels, before, after, *confidence)
        }
        (Test::Mcnemar, _, _, _) => {
            let right = |scores| -> Result<Vec<bool>, Error> {
                Ok(row_values("accuracy", truth, scores)?.into_iter().map(|value| value == 1.0).collect())
            };
            mcnemar(&right(champion)?, &right(challenger)?, *confidence)
        }
        (Test::Delong, ..) => {
            return Err(Error::invalid_with(
                "`test: delong` compares models of two classes",
                "leave `test` out of the gate rule",
            ));
        }
        (Test::Bootstrap, ..) => {
            let (a, b) = (measure(metric, truth, champion)?, measure(metric, truth, challenger)?);
            let better = higher_is_better(metric);
            paired(|counts| (a(counts), b(counts)), rows, better, RESAMPLES, SEED, *confidence)
        }
    };
    let found = found.context("comparing with the champion")?;
    Ok(Comparison {
        metric: metric.clone(),
        champion: found.champion,
        challenger: found.challenger,
        difference: found.difference,
        low: found.low,
        high: found.high,
        p_better: found.p_better,
        test: rule.test,
        resamples: found.resamples,
        seed: found.seed,
        rows,
    })
}

/// How far `metric` lies above `bound`, or below it where less is better, with an interval at `confidence`.
pub(crate) fn against_bound(
    metric: &str,
    confidence: f64,
    truth: &Truth,
    scores: &Scores,
    bound: f64,
) -> Result<Paired, Error> {
    let (measured, resamples) = match measure(metric, truth, scores) {
        Ok(measure) => (measure, RESAMPLES),
        Err(_) => (computed_anew(metric, truth, scores), FEW_RESAMPLES),
    };
    let rows = truth.rows();
    paired(|counts| (bound, measured(counts)), rows, higher_is_better(metric), resamples, SEED, confidence)
        .context("judging the live metric")
}

fn measure<'a>(metric: &str, truth: &'a Truth, scores: &'a Scores) -> Result<Measure<'a>, Error> {
    if let (Truth::Binary(labels), Scores::Binary(scores), "roc_auc") = (truth, scores, metric) {
        let sorted = RocAuc::new(labels, scores);
        return Ok(Box::new(move |counts| sorted.of(counts)));
    }
    let root = metric == "rmse";
    let values = row_values(metric, truth, scores)?;
    Ok(Box::new(move |counts| {
        let total: f64 = counts.iter().zip(&values).map(|(count, value)| f64::from(*count) * value).sum();
        let mean = total / counts.iter().map(|count| f64::from(*count)).sum::<f64>();
        if root { mean.sqrt() } else { mean }
    }))
}

/// Any metric, from the rows as often as they count; NaN where it is undefined on them.
fn computed_anew<'a>(metric: &str, truth: &'a Truth, scores: &'a Scores) -> Measure<'a> {
    let metric = metric.to_owned();
    Box::new(move |counts| {
        let rows: Vec<usize> = counts
            .iter()
            .enumerate()
            .flat_map(|(row, count)| std::iter::repeat_n(row, *count as usize))
            .collect();
        scalar_metrics(&truth.take(&rows), &scores.take(&rows))
            .ok()
            .and_then(|all| all.get(&metric).copied())
            .unwrap_or(f64::NAN)
    })
}

/// What each row adds to a metric that is a mean over rows, or the root of one.
fn row_values(metric: &str, truth: &Truth, scores: &Scores) -> Result<Vec<f64>, Error> {
    let undefined = || {
        Error::invalid_with(
            format!("versions cannot be compared by {metric:?} here"),
            "use roc_auc, accuracy, log_loss or brier for two classes, accuracy for several, rmse, mse or mae for numbers",
        )
    };
    match (truth, scores) {
        (Truth::Binary(labels), Scores::Binary(scores)) => {
            let value: fn(bool, f64) -> f64 = match metric {
                "accuracy" => |label, score| f64::from(u8::from(label == (score >= 0.5))),
                "brier" => |label, score| (score - f64::from(u8::from(label))).powi(2),
                "log_loss" => |label, score| {
                    let p = score.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
                    -(if label { p } else { 1.0 - p }).ln()
                },
                _ => return Err(undefined()),
            };
            Ok(labels.iter().zip(scores).map(|(label, score)| value(*label, *score)).collect())
        }
        (Truth::Multiclass(labels), Scores::Multiclass(decided)) if metric == "accuracy" => {
            Ok(labels.iter().zip(decided).map(|(a, b)| f64::from(u8::from(a == b))).collect())
        }
        (Truth::Regression(truth), Scores::Regression(predicted)) => {
            let value: fn(f64) -> f64 = match metric {
                "rmse" | "mse" => |gap| gap * gap,
                "mae" => f64::abs,
                _ => return Err(undefined()),
            };
            Ok(truth.iter().zip(predicted).map(|(truth, predicted)| value(truth - predicted)).collect())
        }
        _ => Err(undefined()),
    }
}
