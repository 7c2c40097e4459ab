//! The loop on real data, where the machine has it: two classes, a stream, a number to predict.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on ends"
)]

mod support;

use std::path::Path;

use serde_json::Value;
use support::{json, shared};

fn quickstart(data: &Path, target: &str) -> (tempfile::TempDir, Value) {
    let home = tempfile::tempdir().unwrap();
    let arguments = [
        "quickstart",
        data.to_str().unwrap(),
        "--target",
        target,
        "--dir",
        "project",
        "--port",
        "0",
        "--exit",
    ];
    let said = json(home.path(), &arguments);
    (home, said)
}

#[test]
fn telco_churn_reaches_the_expected_area() {
    let Some(data) = shared("telco churn", "telco-churn.csv") else { return };
    let (_home, said) = quickstart(&data, "Churn");
    let area = said["steps"]["training"]["metrics"]["roc_auc"].as_f64().unwrap();
    assert!(area >= 0.83, "{area}");
}

#[test]
fn the_electricity_stream_closes_the_loop() {
    let Some(data) = shared("electricity", "electricity.csv") else { return };
    let (_home, said) = quickstart(&data, "class");
    assert!(said["steps"]["training"]["metrics"]["roc_auc"].as_f64().unwrap() > 0.88, "{said}");
}

#[test]
fn daily_temperatures_are_a_regression() {
    let Some(data) = shared("temperatures", "daily-min-temperatures.csv") else { return };
    let (_home, said) = quickstart(&data, "Temp");
    assert!(said["steps"]["training"]["metrics"]["r2"].as_f64().unwrap() > 0.3, "{said}");
}
