//! Gates with every kind of rule, environments one after the other, approvals, and aliases that only a gate moves.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test that cannot go on ends"
)]

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::{Up, json, lemnis, run, stderr};

const GATES: &str = "
    environments:
      staging:
        gate:
          - {metric: roc_auc, min: 0.7}
          - {latency: p99, max_ms: 1000}
          - {size: model, max_mb: 50}
          - {report: validation, of: data/raw/customers.csv}
          - {fairness: demographic_parity, by: contract, max_difference: 1, min_rows: 10}
      production:
        after: staging
        protected: true
        gate:
          - {better_than: champion, metric: roc_auc, test: delong, margin: -1}
          - {better_than: champion, metric: accuracy, test: mcnemar, margin: -1}
          - {approval: owner}
";

/// A finished quickstart whose gates are [`GATES`].
fn project(home: &Path) -> std::path::PathBuf {
    let dir = home.join("project");
    json(home, &["quickstart", "--dir", dir.to_str().unwrap(), "--port", "0", "--exit"]);
    let path = dir.join("lemnis.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, gate) = text.split_once("\n    gate:").unwrap();
    let (_, after) = gate.split_once("\nendpoints:").unwrap();
    std::fs::write(&path, format!("{before}{GATES}endpoints:{after}")).unwrap();
    dir
}

/// Runs `gate` and returns the exit code, the report and the names of the checks that do not hold.
fn gate(dir: &Path, arguments: &[&str]) -> (i32, Value, Vec<String>) {
    let output = lemnis(dir).arg("gate").args(arguments).arg("--json").output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let failed = report["checks"].as_array().unwrap().iter().filter(|check| check["passed"] != true);
    let failed = failed.map(|check| check["name"].as_str().unwrap().to_owned()).collect();
    (output.status.code().unwrap(), report, failed)
}

#[test]
fn a_version_goes_through_one_environment_after_the_other() {
    let home = tempfile::tempdir().unwrap();
    let dir = project(home.path());
    // Version 1 served first, so version 2 has the alias; 1 is what wants through now.
    let (code, _, failed) = gate(&dir, &["churn/1"]);
    assert_eq!(code, 1);
    assert_eq!(failed, ["after staging", "approval by 1 owner"]);

    let (code, report, failed) = gate(&dir, &["churn/1", "--environment", "staging"]);
    assert_eq!((code, failed), (0, Vec::<String>::new()), "{report}");
    assert_eq!(report["checks"].as_array().unwrap().len(), 5);
    let groups = report["inputs"]["groups"]["contract"].as_array().unwrap();
    assert!(groups.len() >= 2 && groups.iter().all(|group| group["rows"].as_u64().unwrap() > 0), "{report}");
    let (_, again, _) = gate(&dir, &["churn/1", "-e", "staging", "--markdown", "gate.md"]);
    assert_eq!(again["id"], report["id"], "the same decision is one report");
    let markdown = std::fs::read_to_string(dir.join("gate.md")).unwrap();
    assert!(markdown.starts_with("### ✅ churn version 1, staging"), "{markdown}");

    let (_, _, failed) = gate(&dir, &["churn/1"]);
    assert_eq!(failed, ["approval by 1 owner"]);
    let approve =
        |arguments: &[&str]| json(&dir, &[&["models", "approve", "churn/1", "-m"], arguments].concat());
    approve(&["looks wrong", "--reject"]);
    assert!(gate(&dir, &["churn/1"]).1["checks"].to_string().contains("looks wrong"));
    let said = approve(&["segments are fine"]);
    assert_eq!(said["said"].as_array().unwrap().len(), 1, "the latest word of each person counts: {said}");
    assert_eq!(approve(&["segments are fine"]), said, "saying it again adds nothing");
    let (code, report, _) = gate(&dir, &["churn/1"]);
    assert_eq!(code, 0, "{report}");
    let tests: Vec<&Value> =
        report["inputs"]["comparisons"].as_array().unwrap().iter().map(|one| &one["test"]).collect();
    assert_eq!(tests, ["delong", "mcnemar"]);

    let staged = json(&dir, &["models", "promote", "churn/1", "--environment", "staging"]);
    assert_eq!((&staged["alias"], &staged["has_alias"]), (&json!("staging"), &json!(true)));
    let models = json(&dir, &["models", "list"]);
    let holder = |alias: &str| {
        let versions = models["models"][0]["versions"].as_array().unwrap();
        let holds = |version: &&Value| version["aliases"].as_array().unwrap().iter().any(|one| one == alias);
        versions.iter().find(holds).map(|version| version["version"].clone())
    };
    assert_eq!(holder("staging"), Some(json!(1)));
}

#[test]
fn versions_are_told_apart_traced_and_taken_back() {
    let home = tempfile::tempdir().unwrap();
    let dir = project(home.path());
    let diff = json(&dir, &["models", "diff", "churn/1", "churn/2"]);
    let sections: Vec<&str> =
        diff["differences"].as_array().unwrap().iter().map(|one| one["section"].as_str().unwrap()).collect();
    assert!(["data", "metrics", "model"].iter().all(|section| sections.contains(section)), "{diff}");
    assert!(!sections.contains(&"signature") && !sections.contains(&"params"), "{diff}");
    assert_eq!(json(&dir, &["models", "diff", "churn/1", "churn/1"])["differences"], json!([]));

    let event = json(&dir, &["models", "lineage", "churn/2"]);
    assert_eq!((&event["eventType"], &event["job"]["name"]), (&json!("COMPLETE"), &json!("train")));
    let names = |side: &str| -> Vec<&str> {
        event[side].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
    };
    assert!(names("inputs").contains(&"data/prepared/train.parquet"), "{event}");
    assert!(names("outputs").contains(&"models/churn/2"), "{event}");

    json(&dir, &["models", "promote", "churn/1", "-e", "staging"]);
    json(&dir, &["models", "promote", "churn/2", "-e", "staging"]);
    let back = json(&dir, &["models", "rollback", "churn", "-e", "staging"]);
    assert_eq!((&back["alias"], &back["version"]), (&json!("staging"), &json!(1)));
    let history = json(&dir, &["models", "history", "churn"]);
    let kinds: Vec<&str> =
        history["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds[0], "alias.moved");
    assert!(kinds.contains(&"version.registered") && kinds.contains(&"gate.passed"), "{kinds:?}");
}

#[test]
fn a_protected_alias_is_moved_by_its_gate_alone() {
    let home = tempfile::tempdir().unwrap();
    let dir = project(home.path());
    let server = Up::start(&dir);
    let ask = |method: &str, alias: &str| -> (String, Value) {
        let url = format!("{}/api/2.0/mlflow/registered-models/alias", server.url);
        let body = json!({"name": "churn", "alias": alias, "version": "1"}).to_string();
        let output = Command::new("curl")
            .args(["-s", "-w", "\n%{http_code}", "-X", method, "-H", "content-type: application/json", "-d"])
            .args([&body, &url])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.to_owned(), serde_json::from_str(body).unwrap())
    };
    for method in ["POST", "DELETE"] {
        let (status, body) = ask(method, "champion");
        assert_eq!(status, "403", "{body}");
        assert_eq!(body["error_code"], "PERMISSION_DENIED");
        assert!(body["message"].as_str().unwrap().contains("lemnis models promote"), "{body}");
    }
    assert_eq!(ask("POST", "mine").0, "200", "other aliases are the client's own");
}

#[test]
fn a_gate_that_makes_no_sense_is_refused_with_its_place() {
    let home = tempfile::tempdir().unwrap();
    let dir = project(home.path());
    let path = dir.join("lemnis.yaml");
    let good = std::fs::read_to_string(&path).unwrap();
    for (from, to, said) in [
        ("approval: owner", "approval: boss", "unknown role \"boss\""),
        ("after: staging", "after: nowhere", "unknown environment \"nowhere\""),
        ("after: staging", "after: production", "comes after itself"),
        ("max_ms: 1000", "max_s: 1", "unknown field `max_s`"),
        ("protected: true", "alias: staging", "share the alias"),
    ] {
        std::fs::write(&path, good.replace(from, to)).unwrap();
        let output = run(&dir, &["gate", "churn/1"]);
        assert!(!output.status.success());
        assert!(stderr(&output).contains(said), "{to}: {}", stderr(&output));
    }
    std::fs::write(&path, &good).unwrap();
    let output = run(&dir, &["gate", "churn/1", "--environment", "nowhere"]);
    assert!(stderr(&output).contains("it has staging, production"), "{}", stderr(&output));
    assert!(stderr(&run(&dir, &["models", "approve", "churn/1", "-m", " "])).contains("say why"));
}
