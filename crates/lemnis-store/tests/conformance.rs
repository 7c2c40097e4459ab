//! The port suites on SQLite, in memory and in a file, and on PostgreSQL.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::sync::Arc;

use lemnis_core::{Classify, ErrorKind, Event, EventLog};
use lemnis_quality::{Outcome, Verdict, VerdictKind, Verdicts};
use lemnis_store::{SecretKeys, Store};
use lemnis_testkit::Postgres;
use lemnis_tracking::testing::{genai_conformance, tracking_conformance};
use lemnis_tracking::{Batch, ExperimentId, Metric, NewRun, Param, Runs};

#[tokio::test]
async fn tracking_ports_hold_their_contracts_in_memory() {
    tracking_conformance(&Store::in_memory().await.unwrap()).await;
}

#[tokio::test]
async fn ports_of_traces_hold_their_contracts() {
    genai_conformance(&Store::in_memory().await.unwrap()).await;
    let dir = tempfile::tempdir().unwrap();
    genai_conformance(&keeping_secrets(Store::open(&dir.path().join("lemnis.db")).await.unwrap()).await)
        .await;
}

/// The store with a key for secrets.
async fn keeping_secrets(store: Store) -> Store {
    let keys = SecretKeys::in_file("unused").with_given(&format!("{}=", "k".repeat(43))).unwrap();
    store.with_secrets(keys).await.unwrap()
}

#[tokio::test]
async fn tracking_ports_hold_their_contracts_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    tracking_conformance(&Store::open(&dir.path().join("lemnis.db")).await.unwrap()).await;
}

/// Every port's suite on one PostgreSQL server, each on a database of its own.
#[tokio::test]
async fn every_port_holds_its_contract_on_postgresql() {
    let Some(server) = Postgres::start().unwrap() else { return };
    let store = async |name: &str| Store::connect(&server.create(name).unwrap()).await.unwrap();
    tracking_conformance(&store("tracking").await).await;
    genai_conformance(&keeping_secrets(store("genai").await).await).await;
    nul_is_a_callers_mistake(&store("nul").await).await;
    lemnis_flow::testing::queue_conformance(&store("flow").await).await;
    lemnis_serving::testing::rollouts_conformance(&store("serving").await).await;
    events(&store("events").await).await;
    verdicts(&store("verdicts").await).await;
}

/// PostgreSQL keeps no text with NUL: that is told as such, and the store goes on.
async fn nul_is_a_callers_mistake(store: &Store) {
    let run = Runs::create(store, &NewRun::new(ExperimentId::DEFAULT, 1)).await.unwrap();
    let batch = Batch { params: vec![Param::new("a", "b\0")], ..Batch::default() };
    let refused = Runs::log(store, &run.info.run_id, &batch).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
    assert!(Runs::get(store, &run.info.run_id).await.unwrap().unwrap().params.is_empty());
}

#[tokio::test]
async fn what_is_written_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lemnis.db");
    let store = Store::open(&path).await.unwrap();
    let run = Runs::create(&store, &NewRun::new(ExperimentId::DEFAULT, 1)).await.unwrap();
    // The first store is left open, as a process that was killed leaves its files.
    let again = Store::open(&path).await.unwrap();
    assert_eq!(Runs::get(&again, &run.info.run_id).await.unwrap().unwrap(), run);
    store.close().await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lemnis.db");
    std::fs::write(&path, vec![b'x'; 8192]).unwrap();
    let error = Store::open(&path).await.err().unwrap();
    assert!(error.to_string().contains("lemnis.db"), "{error}");
}

#[tokio::test]
async fn writers_that_wait_share_a_commit_and_fail_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(&dir.path().join("lemnis.db")).await.unwrap());
    let run = Runs::create(store.as_ref(), &NewRun::new(ExperimentId::DEFAULT, 1)).await.unwrap().info.run_id;
    let mut tasks = Vec::new();
    for index in 0..200_i64 {
        let (store, run) = (store.clone(), run.clone());
        tasks.push(tokio::spawn(async move {
            let batch = Batch {
                metrics: vec![Metric::new(format!("m{}", index % 7), index as f64, index).at_step(index)],
                // Every tenth contradicts the param that the others agree on.
                params: vec![Param::new("p", if index % 10 == 9 { "other" } else { "same" })],
                ..Batch::default()
            };
            (index, store.log(&run, &batch).await)
        }));
    }
    let mut refused = 0;
    for task in tasks {
        let (index, result) = task.await.unwrap();
        // Whoever comes first sets the param; the rest are told apart by its value.
        refused += usize::from(result.is_err());
        assert!(result.is_ok() || index < 200);
    }
    let found = Runs::get(store.as_ref(), &run).await.unwrap().unwrap();
    let (same, points) = (found.param("p") == Some("same"), found.metrics.len());
    assert_eq!(refused, if same { 20 } else { 180 });
    assert_eq!(points, 7);
}

#[tokio::test]
async fn events_are_appended_once_and_read_newest_first() {
    events(&Store::in_memory().await.unwrap()).await;
}

async fn events(store: &Store) {
    let event = |id: &str, at_ms, subject: &str| Event {
        id: id.into(),
        at_ms,
        actor: "ada".into(),
        kind: "alias.moved".into(),
        subject: subject.into(),
        data: serde_json::json!({"version": 2}),
    };
    for (id, at_ms, subject) in
        [("a", 1, "model/x"), ("b", 2, "model/y"), ("a", 9, "model/z"), ("c", 2, "model/x")]
    {
        store.append(&event(id, at_ms, subject)).await.unwrap();
    }
    let ids = async |subject, limit| {
        let events = EventLog::latest(store, subject, limit).await.unwrap();
        events.into_iter().map(|event| event.id).collect::<String>()
    };
    assert_eq!(ids(None, 9).await, "cba");
    assert_eq!(ids(Some("model/x"), 9).await, "ca");
    assert_eq!(ids(None, 1).await, "c");
}

#[tokio::test]
async fn verdicts_are_kept_and_found_by_subject_and_kind() {
    verdicts(&Store::in_memory().await.unwrap()).await;
}

async fn verdicts(store: &Store) {
    let verdict = |id: &str, at_ms, kind, outcome| Verdict {
        id: id.into(),
        at_ms,
        subject: "endpoint/churn".into(),
        kind,
        outcome,
        summary: "3 of 10 columns drifted".into(),
        inputs: serde_json::json!({"rows": 10}),
        report: serde_json::json!({"psi": 0.3}),
    };
    let first = verdict("a", 1, VerdictKind::Drift, Outcome::NotComputed);
    Verdicts::insert(store, &first).await.unwrap();
    Verdicts::insert(store, &verdict("a", 2, VerdictKind::Drift, Outcome::Pass)).await.unwrap();
    Verdicts::insert(store, &verdict("b", 3, VerdictKind::Performance, Outcome::Fail)).await.unwrap();
    assert_eq!(Verdicts::get(store, "a").await.unwrap(), Some(first), "a verdict never changes");
    let ids = async |subject, kind| {
        let verdicts = Verdicts::latest(store, subject, kind, 9).await.unwrap();
        verdicts.into_iter().map(|verdict| verdict.id).collect::<String>()
    };
    assert_eq!(ids(None, None).await, "ba");
    assert_eq!(ids(Some("endpoint/churn"), Some(VerdictKind::Drift)).await, "a");
    assert_eq!(ids(Some("endpoint/other"), None).await, "");
}
