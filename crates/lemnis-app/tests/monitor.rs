//! Monitors on real SQLite, a real prediction log and a real model.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use lemnis_app::monitor;
use lemnis_core::{Classify, ErrorKind};
use lemnis_flow::Outcome as FlowOutcome;
use lemnis_quality::{Outcome, Verdict, VerdictKind};
use lemnis_serving::Truth;
use support::World;

#[tokio::test]
async fn a_label_that_is_no_class_refuses_the_call_and_is_named() {
    let world = World::new().await;
    for label in ["maybe", ""] {
        let cmd = monitor::Feedback {
            endpoint: "churn".to_owned(),
            feedback: ["yes", label]
                .map(|label| monitor::Label { request_id: "r".to_owned(), row: 0, label: label.into() })
                .to_vec(),
        };
        let error = monitor::feedback(&world.app, &world.who, &cmd).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("feedback[1]"), "{error}");
        assert!(error.hint().unwrap().contains("no, yes"));
    }
    let kept = world.app.rollouts.feedback_for("churn", &["r".to_owned()]).await.unwrap();
    assert!(kept.is_empty(), "a refused call keeps nothing");
}

#[tokio::test]
async fn a_regression_takes_finite_numbers_alone() {
    let world = World::empty("regression", "").await;
    for label in ["NaN", "inf", "abc", ""] {
        let error = world.say("r", label.into()).await.unwrap_err();
        assert!(error.to_string().contains("feedback[1]"), "{error}");
    }
    assert_eq!(world.say("r", 2.5.into()).await.unwrap(), 2);
}

#[tokio::test]
async fn a_meaningless_label_in_the_store_hides_no_other() {
    let world = World::new().await;
    world.predict("r", 0.0).await;
    let bad = Truth { request_id: "r".to_owned(), row: 0, label: "maybe".to_owned(), received_ms: 1 };
    world.app.rollouts.feedback_insert("churn", &[bad]).await.unwrap();
    world.tell("r", 200, false).await;
    let performance = world.check(false).await.performance.unwrap();
    // The newest 100 of the 200 rows are judged; row 0 is not among them unless more are asked for.
    let cmd =
        monitor::Check { endpoint: "churn".to_owned(), rows: Some(200), request_prefix: None, react: false };
    let all = monitor::check(&world.app, &world.who, &cmd).await.unwrap().performance.unwrap();
    assert_eq!((performance.report["rows"].as_u64(), all.report["rows"].as_u64()), (Some(100), Some(199)));
}

/// A verdict as a check leaves it.
fn drift(world: &World, id: &str, react: bool) -> Verdict {
    Verdict {
        id: id.to_owned(),
        at_ms: lemnis_core::Clock::now_ms(world.clock.as_ref()),
        subject: "endpoint/churn".to_owned(),
        kind: VerdictKind::Drift,
        outcome: Outcome::Drift,
        summary: "drift".to_owned(),
        inputs: serde_json::json!({ "version": 1, "react": react, "rows": 100 }),
        report: serde_json::Value::Null,
    }
}

#[tokio::test]
async fn a_reaction_that_was_cut_off_is_made_up_for_once() {
    let world = World::new().await;
    world.app.verdicts.insert(&drift(&world, "quiet", false)).await.unwrap();
    monitor::check_due(&world.app, &world.who).await.unwrap();
    assert_eq!(world.retrains().await, 0, "nobody asked for a reaction");
    world.clock.advance_ms(1);
    world.app.verdicts.insert(&drift(&world, "cut-off", true)).await.unwrap();
    for _ in 0..3 {
        monitor::check_due(&world.app, &world.who).await.unwrap();
    }
    let runs = world.app.queue.list(10).await.unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].idempotency_key.as_deref(), Some("retrain/cut-off"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_checks_at_once_start_one_retrain() {
    let world = World::new().await;
    world.predict("r", 40.0).await;
    let (a, b) = tokio::join!(world.check(true), world.check(true));
    assert_eq!((a.drift.outcome, b.drift.outcome), (Outcome::Drift, Outcome::Drift));
    assert_eq!(a.flow_run, b.flow_run);
    assert_eq!(world.retrains().await, 1);
}

#[tokio::test]
async fn the_cooldown_holds_for_the_endpoint_whatever_version_serves() {
    let world = World::new().await;
    world.predict("r", 40.0).await;
    let first = world.check(true).await.flow_run.unwrap();
    let now = || lemnis_core::Clock::now_ms(world.clock.as_ref());
    let leased = world.app.queue.lease("w", now(), 60_000).await.unwrap().unwrap();
    let done = FlowOutcome::Succeeded { result: serde_json::Value::Null };
    world.app.queue.finish(&leased.id, "w", leased.attempt, done, now()).await.unwrap();

    let second = world.version(9, true).await;
    world.crown(2, second).await;
    world.predict("s", 40.0).await;
    let checked = world.check(true).await;
    assert_eq!(checked.drift.outcome, Outcome::Drift);
    assert_eq!((checked.flow_run.unwrap(), world.retrains().await), (first, 1));

    world.clock.advance_ms(61 * 60_000);
    world.check(true).await;
    assert_eq!(world.retrains().await, 2);
}

#[tokio::test]
async fn a_verdict_is_on_the_answers_of_the_version_that_it_names() {
    let world = World::new().await;
    world.predict("old", 40.0).await;
    let second = world.version(9, true).await;
    world.crown(2, second).await;
    let early = world.check(false).await.drift;
    assert_eq!((early.outcome, early.inputs["rows"].as_u64()), (Outcome::NotComputed, Some(0)));
    world.predict("new", 0.0).await;
    let drift = world.check(false).await.drift;
    assert_eq!(drift.outcome, Outcome::Pass, "{}", drift.summary);
    assert_eq!(drift.inputs["version"], 2);
}

#[tokio::test]
async fn a_few_unlucky_labels_are_no_failure_and_many_are() {
    let world = World::new().await;
    world.predict("r", 0.0).await;
    world.tell("r", 200, true).await;
    let bad = world.check(false).await.performance.unwrap();
    assert_eq!(bad.outcome, Outcome::Fail, "{}", bad.report);

    let world = World::new().await;
    world.predict("r", 0.0).await;
    world.tell("r", 200, false).await;
    let good = world.check(false).await.performance.unwrap();
    assert_eq!(good.outcome, Outcome::Pass, "{}", good.report);
    assert!(good.summary.starts_with("live roc auc"), "{}", good.summary);
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_checked_keeps_no_other_waiting() {
    let world = World::new().await;
    let model = world.app.endpoints.get("churn").unwrap().model();
    world.app.endpoints.deploy("broken", 1, model);
    // A file where the endpoint's log would be cannot be read as a folder.
    std::fs::write(world.app.project.predictions_dir().join("broken"), "").unwrap();
    world.predict("r", 40.0).await;
    monitor::check_due(&world.app, &world.who).await.unwrap();
    let verdicts = world.app.verdicts.latest(Some("endpoint/churn"), None, 5).await.unwrap();
    assert_eq!(verdicts.len(), 1);
    assert_eq!(world.retrains().await, 1);
}

#[tokio::test]
async fn without_training_rows_the_verdict_says_how_to_give_them() {
    let world = World::empty("binary", "").await;
    let model = world.version(5, false).await;
    world.crown(1, model).await;
    world.predict("r", 0.0).await;
    let drift = world.check(true).await.drift;
    assert_eq!(drift.outcome, Outcome::NotComputed);
    assert!(drift.summary.contains("reference/reference.parquet"), "{}", drift.summary);
}

#[tokio::test]
async fn only_validations_of_data_with_a_plain_id_are_taken() {
    let world = World::new().await;
    let good = Verdict {
        kind: VerdictKind::Validation,
        subject: "data/raw.csv".to_owned(),
        outcome: Outcome::Pass,
        ..drift(&world, "validation-0a.1", false)
    };
    monitor::keep_validation(&world.app, &world.who, &good).await.unwrap();
    let long = "x".repeat(81);
    for id in ["", ".hidden", "../../etc/passwd", "a/b", "a b", long.as_str()] {
        let bad = Verdict { id: id.to_owned(), ..good.clone() };
        let error = monitor::keep_validation(&world.app, &world.who, &bad).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{id:?}");
    }
    for bad in [
        Verdict { kind: VerdictKind::Drift, ..good.clone() },
        Verdict { subject: "endpoint/churn".to_owned(), ..good.clone() },
        Verdict { subject: "data/".to_owned(), ..good.clone() },
    ] {
        assert!(monitor::keep_validation(&world.app, &world.who, &bad).await.is_err());
    }
}
