//! The suite that every adapter of [`Rollouts`] runs. It panics at the first broken rule.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "assertions of a test suite")]

use crate::rollout::{Begin, Fault, Policy, Rollout, RolloutState};
use crate::{EndpointState, Error, Rollouts, Truth};

/// Checks the port's contract on an empty store.
pub async fn rollouts_conformance(store: &dyn Rollouts) {
    endpoints_are_replaced_and_listed_as_they_came(store).await;
    an_endpoint_has_one_active_rollout(store).await;
    an_ended_rollout_does_not_move(store).await;
    settling_keeps_both_or_neither(store).await;
    truth_is_kept_once(store).await;
}

fn begin(id: &str, endpoint: &str, now: i64) -> Rollout {
    Rollout::begin(Begin {
        id: id.to_owned(),
        endpoint: endpoint.to_owned(),
        from_version: 1,
        to_version: 2,
        policy: Policy::default(),
        fault: Some(Fault { error_share: 0.3, delay_ms: 7 }),
        because: Some("gate-1".to_owned()),
        now,
    })
    .unwrap()
}

async fn endpoints_are_replaced_and_listed_as_they_came(store: &dyn Rollouts) {
    assert_eq!(store.get_endpoint("churn").await.unwrap(), None);
    let churn = EndpointState::new("churn", "churn", 1, 10);
    store.put_endpoint(&churn).await.unwrap();
    store.put_endpoint(&EndpointState::new("ärger", "ärger", 1, 10)).await.unwrap();
    store.put_endpoint(&EndpointState::new("a", "a", 1, 10)).await.unwrap();
    let next = churn.promoted(2, 20);
    store.put_endpoint(&next).await.unwrap();
    assert_eq!(store.get_endpoint("churn").await.unwrap(), Some(next));
    let names: Vec<String> = store.list_endpoints().await.unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["churn", "ärger", "a"]);
}

async fn an_endpoint_has_one_active_rollout(store: &dyn Rollouts) {
    assert_eq!(store.active_rollout("churn").await.unwrap(), None);
    let first = begin("r1", "churn", 100);
    store.put_rollout(&first).await.unwrap();
    store.put_rollout(&begin("other", "a", 100)).await.unwrap();
    assert_eq!(store.active_rollout("churn").await.unwrap().as_ref(), Some(&first));
    assert_eq!(store.get_rollout("r1").await.unwrap().as_ref(), Some(&first));
    let refused = store.put_rollout(&begin("r2", "churn", 101)).await.unwrap_err();
    assert!(matches!(refused, Error::Conflict { .. }), "{refused:?}");
    assert_eq!(store.get_rollout("r2").await.unwrap(), None);
    let ended = first.superseded(3, 102);
    store.put_rollout(&ended).await.unwrap();
    assert_eq!(store.active_rollout("churn").await.unwrap(), None);
    store.put_rollout(&begin("r2", "churn", 103)).await.unwrap();
    let ids = |rollouts: Vec<Rollout>| rollouts.into_iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!(ids(store.list_rollouts(Some("churn"), 10).await.unwrap()), ["r2", "r1"]);
    assert_eq!(ids(store.list_rollouts(None, 2).await.unwrap()), ["r2", "other"]);
    assert_eq!(store.get_rollout("nothing").await.unwrap(), None);
}

async fn an_ended_rollout_does_not_move(store: &dyn Rollouts) {
    let ended = store.get_rollout("r1").await.unwrap().unwrap();
    assert_eq!(ended.state, RolloutState::Superseded);
    store.put_rollout(&ended).await.unwrap();
    let mut revived = ended.clone();
    revived.state = RolloutState::Promoted;
    assert!(matches!(store.put_rollout(&revived).await, Err(Error::Conflict { .. })));
    assert_eq!(store.get_rollout("r1").await.unwrap(), Some(ended));
}

async fn settling_keeps_both_or_neither(store: &dyn Rollouts) {
    let active = store.active_rollout("churn").await.unwrap().unwrap();
    let endpoint = store.get_endpoint("churn").await.unwrap().unwrap();
    let mut promoted = active.clone();
    promoted.state = RolloutState::Promoted;
    let moved = endpoint.promoted(7, 200);
    store.settle(&promoted, &moved).await.unwrap();
    assert_eq!(store.get_endpoint("churn").await.unwrap(), Some(moved.clone()));
    assert_eq!(store.active_rollout("churn").await.unwrap(), None);
    let late = active.aborted("too late", 201);
    assert!(store.settle(&late, &moved.promoted(9, 201)).await.is_err());
    assert_eq!(store.get_endpoint("churn").await.unwrap(), Some(moved));
    assert_eq!(store.get_rollout(&active.id).await.unwrap(), Some(promoted));
}

async fn truth_is_kept_once(store: &dyn Rollouts) {
    let truth = |request: &str, row: u32, label: &str, received_ms: i64| Truth {
        request_id: request.to_owned(),
        row,
        label: label.to_owned(),
        received_ms,
    };
    let batch = [truth("q1", 0, "Yes", 10), truth("q1", 1, "No", 10), truth("q2", 0, "No", 10)];
    assert_eq!(store.feedback_insert("churn", &batch).await.unwrap(), 3);
    assert_eq!(store.feedback_insert("churn", &batch).await.unwrap(), 0);
    let more = [truth("q2", 0, "Yes", 99), truth("q3", 0, "Yes", 20), truth("q3", 0, "No", 20)];
    assert_eq!(store.feedback_insert("churn", &more).await.unwrap(), 1);
    assert_eq!(store.feedback_insert("other", &batch[..1]).await.unwrap(), 1);
    assert_eq!(store.feedback_insert("churn", &[]).await.unwrap(), 0);
    let since = store.feedback_since("churn", 11, 10).await.unwrap();
    assert_eq!(since, [truth("q3", 0, "Yes", 20)]);
    assert_eq!(store.feedback_since("churn", 0, 2).await.unwrap().len(), 2);
    let ids: Vec<String> = ["q2", "q1", "missing"].map(str::to_owned).to_vec();
    let mut found = store.feedback_for("churn", &ids).await.unwrap();
    found.sort_by(|a, b| (&a.request_id, a.row).cmp(&(&b.request_id, b.row)));
    assert_eq!(found, batch);
    let many: Vec<Truth> = (0..5_000).map(|n| truth(&format!("m{n}"), 0, "x", 30)).collect();
    assert_eq!(store.feedback_insert("churn", &many).await.unwrap(), 5_000);
    let ids: Vec<String> = (0..5_000).map(|n| format!("m{n}")).collect();
    assert_eq!(store.feedback_for("churn", &ids).await.unwrap().len(), 5_000);
}
