//! What a drift verdict starts: one retrain, however often it is asked for.
//!
//! The flow run's key is the verdict's id, so that a reaction which a crash cut off is made up for by asking again.

use lemnis_core::Principal;
use lemnis_flow::{FlowRun, FlowState, New};
use lemnis_quality::{Outcome, Verdict};

use crate::settings::{EndpointSettings, Reaction};
use crate::{App, Context, Error};

/// How many of the newest flow runs are looked through.
const RUNS: usize = 200;

/// The retrain that the verdict starts, or the one that makes it needless; nothing where none is wanted.
pub(super) async fn react(
    app: &App,
    who: &Principal,
    endpoint: &str,
    settings: &EndpointSettings,
    verdict: &Verdict,
) -> Result<Option<String>, Error> {
    let wanted = verdict.outcome == Outcome::Drift
        && verdict.inputs["react"] == true
        && settings.monitor.on_drift == Reaction::Retrain;
    if !wanted {
        return Ok(None);
    }
    let _reacting = app.reacting.lock().await;
    let key = format!("retrain/{}", verdict.id);
    let known = app.queue.list(RUNS).await.context("looking for flow runs")?;
    let mut same = known
        .into_iter()
        .filter(|run| run.flow == "retrain" && run.trigger["endpoint"] == endpoint)
        .filter(|run| run.idempotency_key.as_ref() == Some(&key) || covers(run, settings, verdict));
    if let Some(run) = same.next() {
        return Ok(Some(run.id));
    }
    let new = New {
        flow: "retrain".to_owned(),
        trigger: serde_json::json!({
            "endpoint": endpoint,
            "version": verdict.inputs["version"],
            "verdict": verdict.id,
            "because": verdict.summary,
        }),
        idempotency_key: Some(key),
        command: ["lemnis", "retrain", endpoint, "--verdict", &verdict.id].map(str::to_owned).to_vec(),
        max_attempts: 3,
        created_ms: app.clock.now_ms(),
    };
    let run = app.queue.enqueue(new).await.context("queueing the retrain")?;
    let data = serde_json::json!({ "flow_run": run.id, "verdict": verdict.id, "because": verdict.summary });
    app.record(format!("flow.queued/{}", run.id), who, "flow.queued", verdict.subject.clone(), data).await?;
    Ok(Some(run.id))
}

/// Whether `run` makes another one needless: it is under way, was when the verdict was given, or succeeded within the
/// cooldown before it. The verdict's time counts and not the present, so that asking again gives the same answer.
fn covers(run: &FlowRun, settings: &EndpointSettings, verdict: &Verdict) -> bool {
    let cooldown_ms =
        i64::try_from(settings.monitor.cooldown_minutes).unwrap_or(i64::MAX).saturating_mul(60_000);
    match run.state {
        FlowState::Queued | FlowState::Running => true,
        FlowState::Succeeded => {
            let seen_by_verdict = run.ended_ms.is_some_and(|ended| ended >= verdict.at_ms);
            seen_by_verdict || verdict.at_ms.saturating_sub(run.created_ms) < cooldown_ms
        }
        _ => false,
    }
}
