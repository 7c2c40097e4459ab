//! The contract of gate reports.

use crate::gate::Check;
use crate::{GateReport, GateReports};

pub(super) async fn check<S: GateReports>(store: &S) {
    let report = |id: &str, at_ms, model: &str| GateReport {
        id: id.into(),
        at_ms,
        model: model.into(),
        challenger_version: Some(2),
        champion_version: None,
        passed: true,
        checks: vec![Check {
            name: "roc_auc >= 0.75".into(),
            passed: true,
            observed: Some(0.83),
            threshold: Some(0.75),
            detail: "roc_auc is 0.8300".into(),
        }],
        inputs: serde_json::json!({"rows": 10}),
    };
    let first = report("g1", 10, "churn");
    store.insert(&first).await.unwrap();
    store.insert(&GateReport { passed: false, ..first.clone() }).await.unwrap();
    assert_eq!(store.get("g1").await.unwrap(), Some(first), "a report never changes");
    assert_eq!(store.get("g9").await.unwrap(), None);
    store.insert(&report("g2", 10, "churn")).await.unwrap();
    store.insert(&report("g3", 5, "other")).await.unwrap();
    let ids = async |model, limit| {
        let found = store.latest(model, limit).await.unwrap();
        found.into_iter().map(|report| report.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(Some("churn"), 9).await, ["g2", "g1"], "newest first");
    assert_eq!(ids(None, 2).await, ["g2", "g1"]);
}
