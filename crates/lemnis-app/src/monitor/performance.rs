//! Live performance: the answers of the version that serves, against the truth that has arrived.
//!
//! A verdict fails when the live metric is worse than the holdout's by a fifth, and the labels at hand show it with
//! confidence: a few unlucky ones are not enough.

use lemnis_quality::{Outcome, Verdict, VerdictKind};
use lemnis_tracking::ModelVersion;

use super::check::{Check, blank};
use super::labels::Labels;
use super::window::{Window, labelled};
use crate::model::against_bound;
use crate::settings::{EndpointSettings, ModelSettings};
use crate::stage::{higher_is_better, scalar_metrics};
use crate::{App, Context, Error, blocking};

/// The share of the holdout's skill that may be lost.
const TOLERATED_LOSS: f64 = 0.2;
/// How sure a failing verdict is.
const CONFIDENCE: f64 = 0.95;

/// The verdict on the labelled predictions of the window; nothing where they are too few.
pub(super) async fn judge(
    app: &App,
    cmd: &Check,
    endpoint: &EndpointSettings,
    model: &ModelSettings,
    champion: &ModelVersion,
    window: &Window,
) -> Result<Option<Verdict>, Error> {
    let accepted = Labels::of(app, &cmd.endpoint, model, Some(champion)).await?;
    let Some(joined) = labelled(app, &cmd.endpoint, model, &accepted, window).await? else {
        return Ok(None);
    };
    let rows = joined.truth.rows();
    if rows < endpoint.monitor.min_rows.min(cmd.rows.unwrap_or(usize::MAX)).max(2) / 2 {
        return Ok(None);
    }
    let holdout = match &champion.run_id {
        Some(run) => {
            app.runs.get(run).await.context("reading the run")?.and_then(|run| run.metric(&model.metric))
        }
        None => None,
    };
    let metric = model.metric.clone();
    let measured = blocking(move || {
        let metrics = scalar_metrics(&joined.truth, &joined.scores)?;
        let bound = holdout.map(|holdout| bound(&metric, holdout));
        let found = match bound {
            Some(bound) if metrics.contains_key(&metric) => {
                against_bound(&metric, CONFIDENCE, &joined.truth, &joined.scores, bound).ok()
            }
            _ => None,
        };
        Ok((metrics, bound, found))
    });
    let (metrics, bound, found) = measured.await?;
    let Some(value) = metrics.get(&model.metric).copied() else { return Ok(None) };

    let mut verdict = blank(app, cmd, VerdictKind::Performance, champion, window);
    let worse = found.as_ref().is_some_and(|found| found.high < 0.0);
    verdict.outcome = if worse { Outcome::Fail } else { Outcome::Pass };
    let name = model.metric.replace('_', " ");
    verdict.summary = match holdout {
        Some(holdout) => {
            format!("live {name} {value:.3} on {rows} labelled predictions (holdout {holdout:.3})")
        }
        None => format!("live {name} {value:.3} on {rows} labelled predictions"),
    };
    // The interval of the value, from that of its distance to the bound.
    let interval = bound.zip(found).map(|(bound, found)| match higher_is_better(&model.metric) {
        true => [bound + found.low, bound + found.high],
        false => [bound - found.high, bound - found.low],
    });
    verdict.report = serde_json::json!({
        "metric": model.metric,
        "value": value,
        "holdout": holdout,
        "bound": bound,
        "interval": interval,
        "confidence": CONFIDENCE,
        "rows": rows,
        "label_coverage": rows as f64 / window.rows.rows().max(1) as f64,
        "metrics": metrics,
    });
    Ok(Some(verdict))
}

/// The worst value that a model with this holdout value may have.
///
/// An area under the ROC curve has its skill above 0.5, what chance gives; a metric that can be negative, such as r2,
/// loses a fifth of its size and not of its sign.
fn bound(metric: &str, holdout: f64) -> f64 {
    let chance = if metric.contains("auc") { 0.5 } else { 0.0 };
    let skill = (holdout - chance).abs();
    match higher_is_better(metric) {
        true => holdout - TOLERATED_LOSS * skill,
        // As much worse as a fifth less is for a metric of which more is better: 1 / (1 - 0.2).
        false => holdout + skill * (1.0 / (1.0 - TOLERATED_LOSS) - 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_tolerated_value_counts_skill_above_chance_and_keeps_signs() {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(near(bound("roc_auc", 0.85), 0.78));
        assert!(near(bound("accuracy", 0.9), 0.72));
        assert!(near(bound("rmse", 2.0), 2.5));
        assert!(near(bound("r2", 0.5), 0.4));
        assert!(bound("r2", -0.5) < -0.5, "a bound above the holdout would always fail");
    }
}
