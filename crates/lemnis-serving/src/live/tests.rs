//! Endpoints with real models: who answers, what is counted, what is logged.

use std::path::Path;
use std::sync::Arc;

use lemnis_core::FixedClock;
use lemnis_model::train::{Params, Target, train};
use lemnis_model::{Column, Frame, Model, Signature};

use super::{ArmName, Endpoints, Prediction, Refused};
use crate::rollout::{Begin, Fault, Policy, Rollout, RolloutState};
use crate::{Error, PredictionLog, RequestMeta};

fn features(columns: &[&str], rows: usize) -> Frame {
    let column =
        |place: usize| Column::Float((0..rows).map(|row| ((row * (place + 3)) % 17) as f64).collect());
    let columns =
        columns.iter().enumerate().map(|(place, name)| ((*name).to_owned(), column(place))).collect();
    Frame::new(columns).unwrap()
}

fn model(columns: &[&str], trees: usize) -> Arc<Model> {
    let frame = features(columns, 200);
    let labels = (0..200).map(|row| (row * 3) % 17 > 8).collect();
    let target = Target::Binary { labels, negative: "No".to_owned(), positive: "Yes".to_owned() };
    let params = Params { trees, ..Params::default() };
    Arc::new(train(&frame, &target, &params, None).unwrap().model().unwrap())
}

fn endpoints(dir: &Path) -> Endpoints {
    let clock = Arc::new(FixedClock::new(1_000));
    let log = Arc::new(PredictionLog::open(dir, clock.clone()).unwrap());
    Endpoints::new(log, clock)
}

fn rollout(steps: &[u32], fault: Option<Fault>) -> Rollout {
    Rollout::begin(Begin {
        id: "r1".to_owned(),
        endpoint: "churn".to_owned(),
        from_version: 1,
        to_version: 2,
        policy: Policy { steps: steps.to_vec(), ..Policy::default() },
        fault,
        because: None,
        now: 0,
    })
    .unwrap()
}

/// Takes the columns of the signature, as long as they are `x` and `y`.
fn parse(signature: &Signature) -> Result<Frame, String> {
    let names: Vec<&str> = signature.inputs.iter().map(|field| field.name.as_str()).collect();
    if names.contains(&"extra") { Err("no column extra".to_owned()) } else { Ok(features(&names, 1)) }
}

async fn ask(endpoints: &Endpoints, id: &str) -> Result<Prediction, Refused<String>> {
    endpoints.predict("churn", RequestMeta::new(Some(id)), parse).await
}

async fn traffic(endpoints: &Endpoints, prefix: &str, requests: usize) -> (usize, usize) {
    let (mut by_champion, mut by_canary) = (0, 0);
    for request in 0..requests {
        match ask(endpoints, &format!("{prefix}-{request}")).await.unwrap().arm {
            ArmName::Champion => by_champion += 1,
            ArmName::Canary => by_canary += 1,
        }
    }
    (by_champion, by_canary)
}

#[tokio::test]
async fn a_rollout_moves_the_traffic_and_ends_as_champion() {
    let dir = tempfile::tempdir().unwrap();
    let endpoints = endpoints(dir.path());
    assert!(matches!(ask(&endpoints, "a").await, Err(Refused::Serving(Error::NoEndpoint { .. }))));
    endpoints.deploy("churn", 1, model(&["x", "y"], 5));
    let first = ask(&endpoints, "a").await.unwrap();
    assert_eq!((first.version, first.arm, first.outputs.rows()), (1, ArmName::Champion, 1));

    endpoints.begin(&rollout(&[20, 100], None), model(&["x", "y"], 6)).unwrap();
    assert!(endpoints.tick(1).is_empty());
    let (champion, canary) = traffic(&endpoints, "q", 400).await;
    assert!((40..=120).contains(&canary), "{champion} {canary}");
    let moves = endpoints.tick(2);
    assert_eq!(moves.len(), 1);
    assert_eq!(endpoints.tick(3).len(), 1, "what was not applied is offered again");
    assert_eq!(moves[0].weight_bp, 10_000);
    endpoints.apply(&moves[0]).unwrap();
    assert!(endpoints.tick(4).is_empty(), "counting began anew");
    assert_eq!(traffic(&endpoints, "p", 60).await, (0, 60));
    let moves = endpoints.tick(5);
    assert_eq!(moves[0].state, RolloutState::Promoted);
    endpoints.apply(&moves[0]).unwrap();
    let endpoint = endpoints.get("churn").unwrap();
    let view = endpoint.view();
    assert_eq!((view.champion.version, view.previous_version, view.canary), (2, Some(1), None));
    assert_eq!(endpoints.rollback("churn").unwrap(), 1);
    assert_eq!(ask(&endpoints, "a").await.unwrap().version, 1);
    assert_eq!(endpoints.rollback("churn").unwrap(), 2);
}

#[tokio::test]
async fn a_failing_canary_costs_no_answer_and_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let endpoints = endpoints(dir.path());
    endpoints.deploy("churn", 1, model(&["x", "y"], 5));
    let drill = rollout(&[50, 100], Some(Fault { error_share: 0.5, delay_ms: 0 }));
    endpoints.begin(&drill, model(&["x", "y"], 6)).unwrap();
    let (champion, canary) = traffic(&endpoints, "q", 100).await;
    assert_eq!(champion + canary, 100);
    let moves = endpoints.tick(1);
    assert_eq!(moves[0].state, RolloutState::Aborted);
    assert!(moves[0].reason.as_ref().unwrap().starts_with("version 2 failed"), "{:?}", moves[0].reason);
    endpoints.apply(&moves[0]).unwrap();
    assert_eq!(traffic(&endpoints, "after", 20).await, (20, 0));

    let log = endpoints.log().read("churn", 0, 1_000).await.unwrap();
    let status = log.texts("status").unwrap();
    let failed = status.iter().filter(|status| status.as_deref() == Some("error")).count();
    assert!(failed > 10);
    assert_eq!(status.len() - failed, 120, "every request was answered once");
}

#[tokio::test]
async fn input_that_only_the_champion_takes_counts_against_the_canary() {
    let dir = tempfile::tempdir().unwrap();
    let endpoints = endpoints(dir.path());
    endpoints.deploy("churn", 1, model(&["x", "y"], 5));
    endpoints.begin(&rollout(&[100], None), model(&["x", "extra"], 5)).unwrap();
    let answer = ask(&endpoints, "a").await.unwrap();
    assert_eq!((answer.version, answer.arm), (1, ArmName::Champion));
    let view = endpoints.get("churn").unwrap().view();
    assert_eq!(view.canary.unwrap().step.errors, 1);
    let garbage = |_: &Signature| Err::<Frame, _>("garbage");
    let nobody = endpoints.predict("churn", RequestMeta::new(None), garbage).await;
    assert!(matches!(nobody, Err(Refused::Input("garbage"))));
    let view = endpoints.get("churn").unwrap().view();
    assert_eq!(view.canary.unwrap().step.requests, 1, "a caller's mistake is no evidence");
}

#[tokio::test]
async fn a_version_asked_for_answers_without_being_evidence() {
    let dir = tempfile::tempdir().unwrap();
    let endpoints = endpoints(dir.path());
    endpoints.deploy("churn", 1, model(&["x", "y"], 5));
    endpoints.begin(&rollout(&[1, 100], None), model(&["x", "y"], 6)).unwrap();
    let of = |version| endpoints.predict("churn", RequestMeta::new(None).with_version(Some(version)), parse);
    assert_eq!(of(2).await.unwrap().version, 2);
    assert_eq!(of(1).await.unwrap().version, 1);
    assert!(matches!(of(3).await, Err(Refused::Serving(Error::NoVersion { version: 3, .. }))));
    let view = endpoints.get("churn").unwrap().view();
    assert_eq!((view.champion.step.requests, view.champion.total.requests), (0, 1));
    let canary = view.canary.unwrap();
    assert_eq!((canary.step.requests, canary.total.requests), (0, 1));
}

#[tokio::test]
async fn one_key_stays_on_one_arm() {
    let dir = tempfile::tempdir().unwrap();
    let endpoints = endpoints(dir.path());
    endpoints.deploy("churn", 1, model(&["x", "y"], 5));
    endpoints.begin(&rollout(&[50, 100], None), model(&["x", "y"], 6)).unwrap();
    for customer in ["anna", "bert", "carl", "dora"] {
        let mut arms = Vec::new();
        for _ in 0..5 {
            let meta = RequestMeta::new(None).with_key(Some(customer));
            arms.push(endpoints.predict("churn", meta, parse).await.unwrap().arm);
        }
        arms.dedup();
        assert_eq!(arms.len(), 1);
    }
}

#[tokio::test]
async fn a_rollout_that_does_not_fit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let endpoints = endpoints(dir.path());
    assert!(matches!(
        endpoints.begin(&rollout(&[50], None), model(&["x"], 2)),
        Err(Error::NoEndpoint { .. })
    ));
    endpoints.deploy("churn", 3, model(&["x", "y"], 5));
    assert!(matches!(endpoints.begin(&rollout(&[50], None), model(&["x"], 2)), Err(Error::Conflict { .. })));
    assert!(matches!(endpoints.rollback("churn"), Err(Error::Conflict { .. })));
    endpoints.apply(&rollout(&[50], None).aborted("never began here", 1)).unwrap();
}

#[tokio::test]
async fn many_rows_are_answered_and_logged_row_by_row() {
    let dir = tempfile::tempdir().unwrap();
    let endpoints = endpoints(dir.path());
    endpoints.deploy("churn", 1, model(&["x", "y"], 5));
    let many = |_: &Signature| Ok::<_, String>(features(&["x", "y"], 1_000));
    let answer = endpoints.predict("churn", RequestMeta::new(Some("batch")), many).await.unwrap();
    assert_eq!(answer.outputs.rows(), 1_000);
    let log = endpoints.log().read("churn", 0, 10_000).await.unwrap();
    assert_eq!(log.rows(), 1_000);
    assert_eq!(log.floats("row").unwrap()[999], 999.0);
    assert!(log.has("out_probability"));
}

#[tokio::test]
async fn a_step_counts_only_while_a_rollout_runs() {
    let dir = tempfile::tempdir().unwrap();
    let endpoints = endpoints(dir.path());
    let first = model(&["x", "y"], 5);
    endpoints.deploy("churn", 1, first.clone());
    let answer = ask(&endpoints, "a").await.unwrap();
    assert!(Arc::ptr_eq(&answer.model, &first), "an answer carries the model that gave it");
    let champion = || endpoints.get("churn").unwrap().view().champion;
    assert_eq!((champion().total.requests, champion().step.requests), (1, 0));
    endpoints.begin(&rollout(&[1, 100], None), model(&["x", "y"], 6)).unwrap();
    let (by_champion, _) = traffic(&endpoints, "q", 20).await;
    assert_eq!(champion().step.requests, by_champion as u64);
}
