//! Endpoints from what runs in this process, their durable state, and the verdicts on them.

use indexmap::IndexSet;
use lemnis_quality::drift::DriftSettings;
use lemnis_quality::{Verdict, VerdictKind};
use lemnis_serving::rollout::{Rollout, RolloutState, Transition};
use lemnis_serving::{ArmStats, EndpointState, EndpointView};
use serde_json::Value;

use super::{drift, plain, predictions, settings, trimmed, verdict_row};
use crate::view::{
    Arm, ArmShare, EndpointDetail, EndpointList, EndpointRow, LiveMetric, Moment, RolloutRow, State,
    TransitionRow,
};
use crate::{App, Context, Error, Settings};

/// Verdicts on one page.
const VERDICTS: usize = 30;
/// Rollouts on one page.
const ROLLOUTS: usize = 10;
/// All of the traffic, in basis points.
const WHOLE: u32 = 10_000;

/// All endpoints.
pub async fn endpoints(app: &App) -> Result<EndpointList, Error> {
    let (settings, _) = settings(app);
    Ok(EndpointList { endpoints: rows(app, settings.as_ref()).await? })
}

/// Endpoints that are declared, were deployed, or answer here: in that order.
pub(super) async fn rows(app: &App, settings: Option<&Settings>) -> Result<Vec<EndpointRow>, Error> {
    let states = app.rollouts.list_endpoints().await.context("looking for endpoints")?;
    let declared = settings.into_iter().flat_map(|settings| settings.endpoints.keys().cloned());
    let mut names: IndexSet<String> = declared.collect();
    names.extend(states.iter().map(|state| state.name.clone()));
    names.extend(app.endpoints.list().iter().map(|endpoint| endpoint.name().to_owned()));
    let mut rows = Vec::with_capacity(names.len());
    for name in names {
        let state = states.iter().find(|state| state.name == name);
        rows.push(row(app, &name, settings, state).await?);
    }
    Ok(rows)
}

async fn row(
    app: &App,
    name: &str,
    settings: Option<&Settings>,
    state: Option<&EndpointState>,
) -> Result<EndpointRow, Error> {
    let live = app.endpoints.get(name).map(|endpoint| endpoint.view());
    let declared =
        settings.and_then(|settings| settings.endpoints.get(name)).map(|endpoint| endpoint.model_name());
    let model = state.map(|state| state.model.as_str()).or(declared).unwrap_or(name).to_owned();
    let rollouts = app.rollouts.list_rollouts(Some(name), 1).await.context("looking for rollouts")?;
    let serving = state.map(|state| state.champion_version);
    let drift = newest(app, name, VerdictKind::Drift, serving).await?;
    let performance = newest(app, name, VerdictKind::Performance, serving).await?;

    let arms = live.as_ref().map(arms).unwrap_or_default();
    let requests: u64 = arms.iter().map(|arm| arm.requests).sum();
    let errors: u64 = arms.iter().map(|arm| arm.errors).sum();
    let busiest = arms.iter().max_by_key(|arm| arm.requests);
    let rollout = rollouts.first().map(rollout_row);
    let verdicts = [drift.as_ref(), performance.as_ref()];
    let alarmed = verdicts.into_iter().flatten().any(|verdict| verdict.state == State::Attention);
    let is_moving =
        rollout.as_ref().is_some_and(|rollout| rollout.state == RolloutState::Progressing.as_str());
    Ok(EndpointRow {
        name: name.to_owned(),
        model,
        state: match () {
            () if live.is_none() => State::Idle,
            () if errors * 100 > requests || alarmed => State::Attention,
            () if is_moving => State::Working,
            () => State::Ok,
        },
        split: arms
            .iter()
            .map(|arm| ArmShare { arm: arm.arm.clone(), version: arm.version, weight_bp: arm.weight_bp })
            .collect(),
        requests,
        errors,
        p50_us: busiest.and_then(|arm| arm.p50_us),
        p95_us: busiest.and_then(|arm| arm.p95_us),
        rollout,
        drift,
        performance,
    })
}

/// The newest verdict on the version that serves: what was said of an earlier one is no news of this one.
async fn newest(
    app: &App,
    name: &str,
    kind: VerdictKind,
    serving: Option<u32>,
) -> Result<Option<crate::view::VerdictRow>, Error> {
    let of_serving = |verdict: &&Verdict| match (verdict.inputs["version"].as_u64(), serving) {
        (Some(judged), Some(serving)) => judged == u64::from(serving),
        _ => true,
    };
    Ok(verdicts(app, name, kind).await?.iter().rev().find(of_serving).map(verdict_row))
}

fn arms(view: &EndpointView) -> Vec<Arm> {
    let mut arms = vec![arm(
        "champion",
        view.champion.version,
        WHOLE.saturating_sub(view.weight_bp),
        &view.champion.total,
    )];
    if let Some(canary) = &view.canary {
        arms.push(arm("canary", canary.version, view.weight_bp, &canary.total));
    }
    arms
}

fn arm(name: &str, version: u32, weight_bp: u32, stats: &ArmStats) -> Arm {
    let known = |micros: u64| (micros > 0).then_some(micros);
    Arm {
        arm: name.to_owned(),
        version,
        weight_bp,
        requests: stats.requests,
        errors: stats.errors,
        p50_us: known(stats.p50_us),
        p95_us: known(stats.p95_us),
        p99_us: known(stats.p99_us),
    }
}

fn rollout_row(rollout: &Rollout) -> RolloutRow {
    RolloutRow {
        id: rollout.id.clone(),
        from_version: Some(rollout.from_version),
        to_version: rollout.to_version,
        state: rollout.state.as_str().to_owned(),
        steps: rollout.policy.steps.clone(),
        weight_bp: rollout.weight_bp,
        reason: rollout.reason.clone(),
        history: rollout.history.iter().map(transition).collect(),
    }
}

fn transition(step: &Transition) -> TransitionRow {
    TransitionRow {
        at: Moment(step.at_ms),
        weight_bp: step.weight_bp,
        what: step.what.clone(),
        evidence: evidence(&step.evidence),
    }
}

/// The figures behind a step: counts of both arms, or what asked for the rollout.
fn evidence(value: &Value) -> String {
    let mut parts = Vec::new();
    if let Some(requests) = value["canary"]["requests"].as_u64() {
        parts.push(format!("{} errors in {requests} requests", plain(&value["canary"]["errors"])));
        let milliseconds = |value: &Value| {
            value.as_f64().filter(|us| *us > 0.0).map(|us| trimmed((us / 10.0).round() / 100.0))
        };
        if let Some(canary) = milliseconds(&value["canary"]["p95_us"]) {
            let against = milliseconds(&value["baseline_p95_us"])
                .map(|own| format!(" against {own} ms"))
                .unwrap_or_default();
            parts.push(format!("p95 {canary} ms{against}"));
        }
    } else {
        for (name, value) in value.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            parts.push(format!("{} {}", name.replace('_', " "), plain(value)));
        }
    }
    parts.join(", ")
}

/// One endpoint with all its evidence.
pub async fn endpoint(app: &App, name: &str) -> Result<EndpointDetail, Error> {
    let (settings, _) = settings(app);
    let state = app.rollouts.get_endpoint(name).await.context("looking for the endpoint")?;
    let live = app.endpoints.get(name);
    let declared = settings.as_ref().and_then(|settings| settings.endpoints.get(name));
    if state.is_none() && live.is_none() && declared.is_none() {
        return Err(Error::Missing { what: "endpoint", name: name.to_owned() });
    }
    let own: DriftSettings = declared.map(|endpoint| endpoint.monitor.drift.clone()).unwrap_or_default();
    let row = row(app, name, settings.as_ref(), state.as_ref()).await?;
    let arms = live.map(|endpoint| arms(&endpoint.view())).unwrap_or_default();
    let rollouts = app.rollouts.list_rollouts(Some(name), ROLLOUTS).await.context("looking for rollouts")?;
    let drifts = verdicts(app, name, VerdictKind::Drift).await?;
    let performances = verdicts(app, name, VerdictKind::Performance).await?;
    let judged = drift::judged(&drifts);
    let (latency, predictions) = predictions::newest(app, name).await?;
    Ok(EndpointDetail {
        row,
        arms,
        latency,
        rollouts: rollouts.iter().map(rollout_row).collect(),
        drift_share_threshold: judged.share_threshold.unwrap_or(own.drift_share),
        psi_threshold: judged.psi_threshold.unwrap_or(own.psi_threshold),
        drift: judged.points,
        features: judged.features,
        heat: judged.heat,
        live: performances.iter().filter_map(live_metric).collect(),
        predictions,
    })
}

/// The newest verdicts on an endpoint, oldest first.
async fn verdicts(app: &App, name: &str, kind: VerdictKind) -> Result<Vec<Verdict>, Error> {
    let subject = format!("endpoint/{name}");
    let mut found =
        app.verdicts.latest(Some(&subject), Some(kind), VERDICTS).await.context("looking for verdicts")?;
    found.reverse();
    Ok(found)
}

fn live_metric(verdict: &Verdict) -> Option<LiveMetric> {
    Some(LiveMetric {
        verdict: verdict.id.clone(),
        at: Moment(verdict.at_ms),
        metric: verdict.report["metric"].as_str()?.to_owned(),
        value: verdict.report["value"].as_f64()?,
        expected: verdict.report["holdout"].as_f64(),
        rows: verdict.report["rows"].as_u64().unwrap_or_default() as usize,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_evidence_of_a_step_reads_as_figures() {
        let judged = serde_json::json!({
            "canary": { "requests": 120, "errors": 1, "p95_us": 433 }, "baseline_p95_us": 409,
        });
        assert_eq!(evidence(&judged), "1 errors in 120 requests, p95 0.43 ms against 0.41 ms");
        let asked = serde_json::json!({ "because": "gate-churn-2", "fault": null });
        assert_eq!(evidence(&asked), "because gate-churn-2");
    }
}
