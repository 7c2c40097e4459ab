//! The gate on versions that another client registered: no digest tag tells them apart.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use lemnis_app::model::gate;
use support::{MODEL, World, table};

async fn world(rules: &str) -> World {
    let world = World::empty("binary", rules).await;
    table(0.0).write_csv(&world.dir.path().join("holdout.csv")).unwrap();
    for trees in [1, 5, 9] {
        world.version(trees, false).await;
    }
    world
}

async fn alias(world: &World, name: &str, version: u32) {
    world.app.registry.set_alias(MODEL, name, Some(version)).await.unwrap();
}

#[tokio::test]
async fn a_report_is_found_again_for_the_same_champion_and_no_other() {
    let world = world("    gate: [{better_than: champion, metric: roc_auc}]\n").await;
    alias(&world, "champion", 1).await;
    let first = gate(&world.app, &world.who, MODEL, 3, None).await.unwrap();
    let again = gate(&world.app, &world.who, MODEL, 3, None).await.unwrap();
    assert_eq!(first, again);
    alias(&world, "champion", 2).await;
    let other = gate(&world.app, &world.who, MODEL, 3, None).await.unwrap();
    assert_ne!(first.id, other.id);
    assert_eq!((first.champion_version, other.champion_version), (Some(1), Some(2)));
}

#[tokio::test]
async fn each_rule_compares_with_its_own_alias_metric_and_confidence() {
    let rules = "    gate:\n      \
        - {better_than: champion, metric: roc_auc, confidence: 0.9}\n      \
        - {better_than: baseline, metric: log_loss, confidence: 0.99}\n      \
        - {better_than: absent, metric: brier}\n";
    let world = world(rules).await;
    alias(&world, "champion", 2).await;
    alias(&world, "baseline", 1).await;
    let report = gate(&world.app, &world.who, MODEL, 3, None).await.unwrap();
    let compared = report.inputs["comparisons"].as_array().unwrap();
    let said: Vec<_> = compared
        .iter()
        .map(|one| (one["alias"].as_str().unwrap(), one["version"].as_u64().unwrap(), &one["metric"]))
        .collect();
    assert_eq!(said, [("champion", 2, &"roc_auc".into()), ("baseline", 1, &"log_loss".into())]);
    assert_eq!(report.inputs["comparison"]["metric"], "roc_auc");
    assert_eq!(report.checks[2].detail, "no absent yet");
    // Nine trees fit these rows better than one, so the rule on the loss holds.
    assert!(report.checks[1].passed, "{}", report.checks[1].detail);
    assert_eq!(report.checks.len(), 3);
}
