//! Drift verdicts as points in time, the newest one's features, and a grid of features over verdicts.

use lemnis_quality::{Outcome, Verdict};
use serde_json::Value;

use crate::view::{DriftPoint, FeatureDrift, HeatRow, Moment};

/// Features of the grid.
const HEAT_ROWS: usize = 40;

/// What a row of verdicts says.
#[derive(Default)]
pub(super) struct Judged {
    pub(super) points: Vec<DriftPoint>,
    pub(super) features: Vec<FeatureDrift>,
    pub(super) heat: Vec<HeatRow>,
    pub(super) share_threshold: Option<f64>,
    pub(super) psi_threshold: Option<f64>,
}

/// Reads `verdicts`, oldest first. A report of another shape gives a point without features.
pub(super) fn judged(verdicts: &[Verdict]) -> Judged {
    let mut judged = Judged { points: verdicts.iter().map(point).collect(), ..Judged::default() };
    let features: Vec<Vec<FeatureDrift>> = verdicts.iter().map(|verdict| features(&verdict.report)).collect();
    let Some(newest) = features.iter().rposition(|features| !features.is_empty()) else { return judged };
    judged.share_threshold = verdicts[newest].report["drift_share_threshold"].as_f64();
    judged.psi_threshold = verdicts[newest].inputs["settings"]["psi_threshold"].as_f64();
    judged.features = features[newest].clone();
    judged.features.sort_by(|a, b| {
        let rank = |one: &FeatureDrift| (one.status == "drift", one.psi.unwrap_or(-1.0));
        let (a, b) = (rank(a), rank(b));
        b.0.cmp(&a.0).then(b.1.total_cmp(&a.1))
    });
    judged.heat = judged
        .features
        .iter()
        .filter(|feature| feature.status != "not_computed")
        .take(HEAT_ROWS)
        .map(|feature| HeatRow {
            column: feature.column.clone(),
            cells: features
                .iter()
                .map(|all| {
                    let own = all.iter().find(|other| other.column == feature.column)?;
                    Some((own.psi?, own.status == "drift"))
                })
                .collect(),
        })
        .collect();
    judged
}

fn point(verdict: &Verdict) -> DriftPoint {
    let count = |name: &str| verdict.report[name].as_u64().unwrap_or_default() as usize;
    DriftPoint {
        verdict: verdict.id.clone(),
        at: Moment(verdict.at_ms),
        share: verdict.report["share_of_drifted_columns"].as_f64().unwrap_or_default(),
        drifted: count("number_of_drifted_columns"),
        features: count("number_of_columns"),
        outcome: if verdict.report.is_null() { Outcome::NotComputed } else { verdict.outcome }
            .as_str()
            .to_owned(),
        rows: verdict.inputs["rows"].as_u64().unwrap_or_default() as usize,
        summary: verdict.summary.clone(),
    }
}

fn features(report: &Value) -> Vec<FeatureDrift> {
    let columns = report["columns"].as_array().into_iter().flatten();
    columns.filter_map(|column| serde_json::from_value(column.clone()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lemnis_quality::VerdictKind;

    fn verdict(id: &str, columns: Value) -> Verdict {
        let report = match columns {
            Value::Null => Value::Null,
            columns => serde_json::json!({
                "columns": columns, "share_of_drifted_columns": 0.5, "number_of_columns": 2,
                "number_of_drifted_columns": 1, "drift_share_threshold": 0.3,
            }),
        };
        Verdict {
            id: id.to_owned(),
            at_ms: 1,
            subject: "endpoint/churn".to_owned(),
            kind: VerdictKind::Drift,
            outcome: Outcome::Drift,
            summary: String::new(),
            inputs: serde_json::json!({ "rows": 500, "settings": { "psi_threshold": 0.2 } }),
            report,
        }
    }

    #[test]
    fn features_are_sorted_by_drift_and_lined_up_over_verdicts() {
        let column = |name: &str, status: &str, psi: f64| serde_json::json!({ "column": name, "status": status, "psi": psi });
        let seen = judged(&[
            verdict("1", serde_json::json!([column("a", "ok", 0.05)])),
            verdict("2", Value::Null),
            verdict("3", serde_json::json!([column("b", "ok", 0.3), column("a", "drift", 0.25)])),
        ]);
        assert_eq!(seen.features.iter().map(|one| one.column.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(seen.heat[0].cells, [Some((0.05, false)), None, Some((0.25, true))]);
        assert_eq!(seen.heat[1].cells, [None, None, Some((0.3, false))]);
        assert_eq!((seen.psi_threshold, seen.share_threshold), (Some(0.2), Some(0.3)));
        assert_eq!(seen.points[1].outcome, "not_computed");
        assert_eq!(seen.points[2].rows, 500);
    }

    #[test]
    fn no_verdict_is_no_drift_to_show() {
        let seen = judged(&[]);
        assert!(seen.points.is_empty() && seen.features.is_empty() && seen.heat.is_empty());
    }
}
