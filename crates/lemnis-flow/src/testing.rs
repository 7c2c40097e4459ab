//! The suite that every adapter of [`Queue`] runs. It panics at the first broken rule.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "assertions of a test suite")]

use std::path::Path;

use serde_json::{Value, json};

use crate::{Beat, FlowState, New, Outcome, Queue};

/// Checks the port's contract on an empty queue.
pub async fn queue_conformance(queue: &dyn Queue) {
    one_key_makes_one_run(queue).await;
    the_oldest_due_run_comes_first(queue).await;
    a_lost_lease_passes_on_and_its_holder_is_refused(queue).await;
    failures_are_retried_with_backoff(queue).await;
    cancelling_ends_waiting_runs_and_tells_running_ones(queue).await;
    leases_can_be_expired_at_a_start(queue).await;
    everything_reads_back(queue).await;
}

fn new(key: Option<&str>, created_ms: i64) -> New {
    New {
        flow: "retrain".to_owned(),
        command: vec!["lemnis".to_owned(), "retrain".to_owned(), "ch\"urn".to_owned()],
        trigger: json!({ "verdict": "v1", "endpoint": "churn" }),
        idempotency_key: key.map(str::to_owned),
        max_attempts: 2,
        created_ms,
    }
}

fn done() -> Outcome {
    Outcome::Succeeded { result: json!({ "exit_code": 0 }) }
}

async fn drain(queue: &dyn Queue) {
    queue.expire_leases(1_000_000_000).await.unwrap();
    while let Some(run) = queue.lease("drain", 2_000_000_000, 1).await.unwrap() {
        assert!(queue.finish(&run.id, "drain", run.attempt, done(), 2_000_000_000).await.unwrap());
    }
}

async fn one_key_makes_one_run(queue: &dyn Queue) {
    let first = queue.enqueue(new(Some("verdict-1"), 10)).await.unwrap();
    let again = queue.enqueue(new(Some("verdict-1"), 99)).await.unwrap();
    assert_eq!(first, again);
    let other = queue.enqueue(new(None, 10)).await.unwrap();
    let another = queue.enqueue(new(None, 10)).await.unwrap();
    assert_ne!(other.id, another.id);
    drain(queue).await;
    assert_eq!(queue.enqueue(new(Some("verdict-1"), 99)).await.unwrap().state, FlowState::Succeeded);
    assert!(queue.lease("w", 3_000_000_000, 1).await.unwrap().is_none());
}

async fn the_oldest_due_run_comes_first(queue: &dyn Queue) {
    let late = queue.enqueue(new(None, 200)).await.unwrap();
    let early = queue.enqueue(new(None, 100)).await.unwrap();
    assert!(queue.lease("w", 99, 15).await.unwrap().is_none());
    assert_eq!(queue.lease("w", 150, 15).await.unwrap().unwrap().id, early.id);
    assert!(queue.lease("w", 150, 15).await.unwrap().is_none());
    assert_eq!(queue.lease("w", 200, 15_000).await.unwrap().map(|run| run.id), Some(early.id));
    assert_eq!(queue.lease("w", 200, 15_000).await.unwrap().map(|run| run.id), Some(late.id));
    drain(queue).await;
}

async fn a_lost_lease_passes_on_and_its_holder_is_refused(queue: &dyn Queue) {
    let run = queue.enqueue(new(None, 100)).await.unwrap();
    let held = queue.lease("a", 100, 15).await.unwrap().unwrap();
    assert_eq!((held.attempt, held.lease_until_ms), (1, Some(115)));
    assert_eq!(queue.heartbeat(&run.id, "a", 1, 130, None).await.unwrap(), Beat::Held);
    assert!(queue.lease("b", 130, 15).await.unwrap().is_none());
    let taken = queue.lease("b", 131, 15).await.unwrap().unwrap();
    assert_eq!((taken.id.as_str(), taken.attempt), (run.id.as_str(), 2));
    assert_eq!(queue.heartbeat(&run.id, "a", 1, 500, None).await.unwrap(), Beat::Lost);
    assert!(!queue.finish(&run.id, "a", 1, done(), 132).await.unwrap());
    assert!(queue.finish(&run.id, "b", 2, done(), 133).await.unwrap());
    assert!(!queue.finish(&run.id, "b", 2, Outcome::Cancelled, 134).await.unwrap());
    let ended = queue.get(&run.id).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.ended_ms), (FlowState::Succeeded, Some(133)));

    let run = queue.enqueue(New { max_attempts: 1, ..new(None, 200) }).await.unwrap();
    queue.lease("a", 200, 15).await.unwrap().unwrap();
    let next = queue.enqueue(new(None, 201)).await.unwrap();
    let leased = queue.lease("b", 300, 15).await.unwrap().unwrap();
    assert_eq!(leased.id, next.id, "a run without attempts is ended, and the next one is taken");
    assert_eq!(queue.get(&run.id).await.unwrap().unwrap().state, FlowState::Failed);
    drain(queue).await;
}

async fn failures_are_retried_with_backoff(queue: &dyn Queue) {
    let run = queue.enqueue(new(None, 1_000)).await.unwrap();
    let failed = |error: &str| Outcome::Failed { error: error.to_owned() };
    queue.lease("a", 1_000, 15).await.unwrap().unwrap();
    assert!(queue.finish(&run.id, "a", 1, failed("first"), 2_000).await.unwrap());
    assert!(queue.lease("a", 2_999, 15).await.unwrap().is_none());
    assert_eq!(queue.lease("a", 3_000, 15).await.unwrap().unwrap().attempt, 2);
    assert!(queue.finish(&run.id, "a", 2, failed("second"), 4_000).await.unwrap());
    let ended = queue.get(&run.id).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.error.as_deref()), (FlowState::Failed, Some("second")));
    assert!(queue.lease("a", 9_000_000, 15).await.unwrap().is_none());
}

async fn cancelling_ends_waiting_runs_and_tells_running_ones(queue: &dyn Queue) {
    let waiting = queue.enqueue(new(None, 100)).await.unwrap();
    let ended = queue.cancel(&waiting.id, 101).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.ended_ms), (FlowState::Cancelled, Some(101)));
    let running = queue.enqueue(new(None, 100)).await.unwrap();
    queue.lease("a", 100, 15).await.unwrap().unwrap();
    assert_eq!(queue.cancel(&running.id, 102).await.unwrap().unwrap().state, FlowState::Running);
    assert_eq!(queue.heartbeat(&running.id, "a", 1, 200, None).await.unwrap(), Beat::CancelRequested);
    assert!(queue.finish(&running.id, "a", 1, Outcome::Cancelled, 110).await.unwrap());
    assert_eq!(queue.get(&running.id).await.unwrap().unwrap().state, FlowState::Cancelled);
    assert!(queue.cancel("nothing", 1).await.unwrap().is_none());
}

async fn leases_can_be_expired_at_a_start(queue: &dyn Queue) {
    let run = queue.enqueue(new(None, 100)).await.unwrap();
    queue.lease("a", 100, 1_000_000).await.unwrap().unwrap();
    assert!(queue.lease("b", 200, 15).await.unwrap().is_none());
    assert_eq!(queue.expire_leases(200).await.unwrap(), 1);
    let taken = queue.lease("b", 200, 15).await.unwrap().unwrap();
    assert_eq!((taken.id.as_str(), taken.attempt), (run.id.as_str(), 2));
    drain(queue).await;
}

async fn everything_reads_back(queue: &dyn Queue) {
    let run = queue.enqueue(new(Some("k"), 5_000_000_000)).await.unwrap();
    queue.lease("a", 5_000_000_000, 15).await.unwrap().unwrap();
    let log = Path::new("/tmp/ä.log");
    assert_eq!(queue.heartbeat(&run.id, "a", 1, 5_000_000_100, Some(log)).await.unwrap(), Beat::Held);
    let now = queue.get(&run.id).await.unwrap().unwrap();
    assert_eq!(now.log_path.as_deref(), Some(log));
    assert_eq!(now.lease_until_ms, Some(5_000_000_100));
    assert_eq!((&now.command, &now.trigger, &now.result), (&run.command, &run.trigger, &Value::Null));
    assert!(queue.finish(&run.id, "a", 1, done(), 5_000_000_050).await.unwrap());
    let newest = queue.list(1).await.unwrap();
    assert_eq!(newest.len(), 1);
    assert_eq!((newest[0].id.as_str(), &newest[0].result), (run.id.as_str(), &json!({ "exit_code": 0 })));
    assert!(queue.list(1_000).await.unwrap().len() > 5);
    assert!(queue.get("nothing").await.unwrap().is_none());
}
