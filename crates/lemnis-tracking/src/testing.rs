//! The suite that every adapter of the ports runs on an empty store. It panics at the first broken rule.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "assertions of a test suite")]

mod evidence;
mod experiments;
mod registry;
mod runs;
mod traces;

use crate::{
    Assessments, Error, EvaluationDatasets, Experiments, GateReports, Issues, LoggedModels, Registry, Result,
    Runs, Scorers, Traces, Webhooks,
};

/// Checks the contract of every port on one empty store.
pub async fn tracking_conformance<S>(store: &S)
where
    S: Experiments + Runs + LoggedModels + Registry + GateReports,
{
    experiments::check(store).await;
    runs::check(store).await;
    runs::check_search(store).await;
    runs::check_history(store).await;
    registry::check_logged_models(store).await;
    registry::check(store).await;
    registry::check_search(store).await;
    evidence::check(store).await;
}

/// Checks the contract of the ports of traces, of evaluation and of webhooks on one empty store.
pub async fn genai_conformance<S>(store: &S)
where
    S: Traces + Assessments + EvaluationDatasets + Scorers + Issues + Webhooks,
{
    traces::check(store).await;
    traces::check_evaluation(store).await;
    traces::check_webhooks(store).await;
}

/// What a refused call said.
fn refusal<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result {
        Err(Error::Refused { message, .. }) => message,
        other => panic!("not refused: {other:?}"),
    }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, with: &str) {
    let said = refusal(result);
    assert!(said.contains(with), "{said:?} does not say {with:?}");
}
