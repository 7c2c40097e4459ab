//! The loop end to end on the built-in sample: the first test to read.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on ends"
)]

mod support;

use serde_json::Value;
use support::{json, run, stderr};

#[test]
fn the_loop_closes_and_is_repeated_for_nothing() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("project");
    let dir_name = dir.to_str().unwrap();
    let arguments = ["quickstart", "--dir", dir_name, "--port", "0", "--exit"];
    let first = json(home.path(), &arguments);

    // The steps left what the next ones and the user need.
    let training = &first["steps"]["training"]["metrics"];
    assert!(training["roc_auc"].as_f64().unwrap() > 0.75, "{training}");
    for file in
        ["lemnis.yaml", "dvc.lock", "data/raw/customers.csv.dvc", "checks/raw.yaml", "models/churn/MLmodel"]
    {
        assert!(dir.join(file).is_file(), "{file} is missing");
    }

    // Both verdicts are kept, with their outcome.
    let calm = first["steps"]["monitor"]["calm"].as_str().unwrap();
    let drift = first["steps"]["monitor"]["drift"].as_str().unwrap();
    assert_ne!(calm, drift);

    // A second pipeline run has nothing to do.
    let outcomes = json(&dir, &["repro"]);
    assert!(!outcomes.to_string().contains("\"ran\""), "{outcomes}");
    assert_eq!(json(&dir, &["status"]), serde_json::json!({}));

    // One champion; as many versions as models were made.
    let models = json(&dir, &["models", "list"]);
    let versions = models["models"][0]["versions"].as_array().unwrap().clone();
    let champions = versions.iter().filter(|version| has_alias(version, "champion")).count();
    assert_eq!(champions, 1, "{models}");
    assert_eq!(versions.len(), 2, "{models}");

    // The chain of evidence reaches from the endpoint to the data.
    let why = json(&dir, &["why", "churn"]).to_string();
    for word in ["sha256:", "gate", "churn"] {
        assert!(why.contains(word), "{word} is not in {why}");
    }

    // What the training stage read and ran in is part of the chain, and the champion comes out the same again.
    assert!(why.contains("stage train ran"), "{why}");
    let again = json(&dir, &["reproduce", "churn"]);
    assert_eq!(again["identical"], true, "{again}");
    assert!(again["compared"].as_u64().unwrap() >= 4, "{again}");

    // Started again, everything is found done.
    let again = json(home.path(), &arguments);
    assert_eq!(again["steps"], first["steps"]);
    let after = json(&dir, &["models", "list"]);
    assert_eq!(after["models"][0]["versions"].as_array().unwrap().len(), 2);
}

fn has_alias(version: &Value, alias: &str) -> bool {
    version["aliases"].as_array().is_some_and(|aliases| aliases.iter().any(|one| one == alias))
}

#[test]
fn a_broken_pipeline_names_the_stage_and_its_last_words() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    std::fs::write(dir.join("dvc.yaml"), "stages:\n  bad:\n    cmd: echo the reason; exit 3\n").unwrap();
    assert!(
        std::process::Command::new("git").args(["init", "-q"]).current_dir(dir).status().unwrap().success()
    );
    std::fs::create_dir(dir.join(".dvc")).unwrap();
    std::fs::write(dir.join(".dvc/config"), "").unwrap();
    let output = run(dir, &["repro"]);
    assert_eq!(output.status.code(), Some(255));
    assert!(stderr(&output).contains("bad"), "{}", stderr(&output));
}
