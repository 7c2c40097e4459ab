//! Challenger against champion on the same rows.

use lemnis_quality::bootstrap::{RocAuc, paired};
use lemnis_tracking::gate::Comparison;

use crate::stage::{Scores, Truth, higher_is_better};
use crate::{Context, Error};

/// Resamples of the bootstrap.
const RESAMPLES: usize = 1_000;
/// Its seed: the same inputs give the same decision.
const SEED: u64 = 20_260_101;

/// Compares by `metric`: a paired bootstrap with an interval at `confidence`.
pub(super) fn compare(
    metric: &str,
    confidence: f64,
    truth: &Truth,
    champion: &Scores,
    challenger: &Scores,
) -> Result<Comparison, Error> {
    let rows = truth.rows();
    let better = higher_is_better(metric);
    let found = match (truth, champion, challenger, metric) {
        (Truth::Binary(labels), Scores::Binary(a), Scores::Binary(b), "roc_auc") => {
            let (a, b) = (RocAuc::new(labels, a), RocAuc::new(labels, b));
            paired(|counts| (a.of(counts), b.of(counts)), rows, better, RESAMPLES, SEED, confidence)
        }
        _ => {
            let root = metric == "rmse";
            let a = row_values(metric, truth, champion)?;
            let b = row_values(metric, truth, challenger)?;
            let mean = |counts: &[u32], values: &[f64]| {
                let total: f64 =
                    counts.iter().zip(values).map(|(count, value)| f64::from(*count) * value).sum();
                let mean = total / counts.iter().map(|count| f64::from(*count)).sum::<f64>();
                if root { mean.sqrt() } else { mean }
            };
            paired(|counts| (mean(counts, &a), mean(counts, &b)), rows, better, RESAMPLES, SEED, confidence)
        }
    };
    let found = found.context("comparing with the champion")?;
    Ok(Comparison {
        metric: metric.to_owned(),
        champion: found.champion,
        challenger: found.challenger,
        difference: found.difference,
        low: found.low,
        high: found.high,
        p_better: found.p_better,
        resamples: found.resamples,
        seed: found.seed,
        rows,
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
