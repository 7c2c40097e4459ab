//! Step 8: the drift verdict starts a retrain; the challenger meets the gate; traffic moves, and comes back when it must.
//!
//! Both ends are shown. The challenger that the gate lets through goes from 10 % to all of the traffic. Then a drill
//! deploys the other version with injected failures, and the rollout takes the traffic back by itself.

use std::time::{Duration, Instant};

use lemnis_app::monitor::{self, Check};
use lemnis_app::release::{self, Deploy};
use lemnis_core::ErrorKind;
use lemnis_flow::{FlowRun, FlowState, New};
use lemnis_serving::Fault;
use lemnis_serving::rollout::{Rollout, RolloutState};
use lemnis_table::Table;
use serde_json::{Value, json};

use super::Loop;
use super::display::{Outcome, Step};
use super::journal::Journal;
use super::traffic::Traffic;
use super::watch::{SHIFTED, live};
use crate::output::Failure;

/// How long one retrain may take.
const RETRAIN_LIMIT: Duration = Duration::from_secs(600);
/// How long a queued run may wait for the worker, which looks every moment.
const PICK_UP_LIMIT: Duration = Duration::from_secs(20);
/// How long one rollout may take under the quickstart's traffic.
const ROLLOUT_LIMIT: Duration = Duration::from_secs(120);
/// The share of requests that the drill's canary fails.
const DRILL_ERRORS: f64 = 0.3;

pub async fn react(it: &Loop<'_>, step: &Step, journal: &mut Journal) -> Result<(Outcome, Value), Failure> {
    let name = journal.plan.model.clone();
    let target = journal.plan.target.clone();
    let live = live(it, journal).await?;
    let traffic = Traffic::new(&it.url, &name)?;

    if journal.facts("monitor")["drifted"] == false {
        let outcome =
            Outcome::new("the changed rows were no drift by the rules of lemnis.yaml: nothing to react to")
                .again(format!("lemnis retrain {name}"));
        return Ok((outcome, json!({ "champion": 1 })));
    }
    let run = retrain(it, step, &name, &traffic, &live.shifted, &target).await?;
    let report = it.app.gate_reports.latest(Some(&name), 1).await?.into_iter().next();
    let report =
        report.ok_or_else(|| Failure::new(ErrorKind::Internal, "the retrain left no gate report"))?;
    let challenger = report.challenger_version.unwrap_or_default();
    let detail: Vec<&str> = report.checks.iter().map(|check| check.detail.as_str()).collect();
    let mut outcome = Outcome::new(format!(
        "drift verdict → flow run {} → version {challenger}; gate {}: {}",
        run.id.get(..8).unwrap_or(&run.id),
        if report.passed { "passed" } else { "not passed" },
        detail.join("; ")
    ));

    if report.passed {
        let ended = drive(it, step, &traffic, &live.same, &target, &name, "rollout").await?;
        outcome = match ended {
            Some(rollout) => outcome.and(story(&rollout)),
            None => outcome.and(format!("version {challenger} took over")),
        };
    }

    // The endpoint's own state ends with the rollout; the alias follows a moment later.
    let serving = it.app.rollouts.get_endpoint(&name).await?;
    let champion = serving
        .ok_or_else(|| Failure::new(ErrorKind::Internal, format!("endpoint {name} went away")))?
        .champion_version;
    let other = if champion == challenger { champion.saturating_sub(1).max(1) } else { challenger };
    if other != champion {
        let done = drill(it, step, &traffic, &live.same, &target, &name, other).await?;
        outcome =
            outcome.and(format!("drill, {:.0} % injected failures: {}", DRILL_ERRORS * 100.0, story(&done)));
    }
    let outcome = outcome
        .again(format!("lemnis retrain {name}"))
        .again(format!("lemnis deploy {name} --version {challenger}"))
        .again(format!("lemnis rollback {name}"));
    Ok((outcome, json!({ "flow_run": run.id, "gate": report.id, "champion": champion })))
}

/// Has the monitor judge the changed rows and react; waits for the flow run that it starts.
async fn retrain(
    it: &Loop<'_>,
    step: &Step,
    endpoint: &str,
    traffic: &Traffic,
    shifted: &Table,
    target: &str,
) -> Result<FlowRun, Failure> {
    step.says("drift → retrain");
    let earlier = it.app.queue.list(20).await?;
    let known = earlier.into_iter().find(|run| run.flow == "retrain" && run.trigger["endpoint"] == endpoint);
    let id = match known {
        Some(run) if matches!(run.state, FlowState::Failed | FlowState::Cancelled) => again(it, &run).await?,
        Some(run) => run.id,
        None => {
            let cmd = Check {
                endpoint: endpoint.to_owned(),
                rows: Some(shifted.rows()),
                request_prefix: Some(SHIFTED.to_owned()),
                react: true,
            };
            let mut checked = monitor::check(&it.app, &it.who, &cmd).await?;
            if checked.drift.outcome == lemnis_quality::Outcome::NotComputed {
                // The end of a killed server's prediction log is lost: the rows are sent again under the same ids.
                traffic.send(shifted, target, SHIFTED).await?;
                traffic.tell_truth(shifted, target, SHIFTED).await?;
                checked = monitor::check(&it.app, &it.who, &cmd).await?;
            }
            checked.flow_run.ok_or_else(|| {
                Failure::new(
                    ErrorKind::Conflict,
                    format!("the verdict started no retrain: {}", checked.drift.summary),
                )
                .with_hint("is on_drift: retrain set in lemnis.yaml?")
            })?
        }
    };
    let started = Instant::now();
    loop {
        let run = it.app.queue.get(&id).await?;
        let run = run.ok_or_else(|| Failure::new(ErrorKind::Internal, format!("flow run {id} went away")))?;
        match run.state {
            FlowState::Succeeded => return Ok(run),
            FlowState::Failed | FlowState::Cancelled => {
                let mut failure =
                    Failure::new(ErrorKind::Internal, format!("the retrain (flow run {id}) failed"));
                failure.messages.extend(run.error.clone());
                failure.messages.extend(tail(&run));
                return Err(failure);
            }
            FlowState::Queued | FlowState::Running => {}
        }
        if run.state == FlowState::Queued && started.elapsed() > PICK_UP_LIMIT {
            return Err(Failure::new(ErrorKind::Unavailable, format!("no worker takes flow run {id}"))
                .with_hint("is the disk full? free some space and start quickstart again"));
        }
        if started.elapsed() > RETRAIN_LIMIT {
            return Err(Failure::new(ErrorKind::Internal, format!("flow run {id} does not end")));
        }
        if let Some(line) = tail(&run).last() {
            step.says(format!("drift → retrain: {line}"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Queues what `ended` could not finish in an earlier start, such as one that lost each attempt to a kill.
async fn again(it: &Loop<'_>, ended: &FlowRun) -> Result<String, Failure> {
    let run = New {
        flow: ended.flow.clone(),
        command: ended.command.clone(),
        trigger: ended.trigger.clone(),
        idempotency_key: Some(format!("again/{}", ended.id)),
        max_attempts: ended.max_attempts,
        created_ms: it.context.clock.now_ms(),
    };
    Ok(it.app.queue.enqueue(run).await?.id)
}

/// The last lines of a flow run's log.
fn tail(run: &FlowRun) -> Vec<String> {
    let text = run.log_path.as_ref().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.get(lines.len().saturating_sub(8)..).unwrap_or_default().to_vec()
}

/// Sends traffic until the endpoint's active rollout has ended; returns how, or nothing when none was active.
async fn drive(
    it: &Loop<'_>,
    step: &Step,
    traffic: &Traffic,
    rows: &Table,
    target: &str,
    endpoint: &str,
    prefix: &str,
) -> Result<Option<Rollout>, Failure> {
    let Some(first) = it.app.rollouts.active_rollout(endpoint).await? else { return Ok(None) };
    let started = Instant::now();
    let mut round = 0;
    let chunk = rows.slice(0, rows.rows().min(200))?;
    while let Some(active) = it.app.rollouts.active_rollout(endpoint).await? {
        step.says(format!(
            "rollout of version {}: {} % of the traffic",
            active.to_version,
            active.weight_bp / 100
        ));
        traffic.send(&chunk, target, &format!("{prefix}-{}-{round}", short(&first.id))).await?;
        round += 1;
        if started.elapsed() > ROLLOUT_LIMIT {
            return Err(Failure::new(ErrorKind::Internal, format!("the rollout {} does not end", first.id)));
        }
    }
    Ok(it.app.rollouts.get_rollout(&first.id).await?)
}

/// Deploys `version` with injected failures and waits until the rollout has taken the traffic back.
async fn drill(
    it: &Loop<'_>,
    step: &Step,
    traffic: &Traffic,
    rows: &Table,
    target: &str,
    endpoint: &str,
    version: u32,
) -> Result<Rollout, Failure> {
    step.says("drill: a canary that fails");
    if it.app.rollouts.active_rollout(endpoint).await?.is_none() {
        let deploy = Deploy {
            endpoint: endpoint.to_owned(),
            version: Some(version),
            all_at_once: false,
            force: false,
            fault: Some(Fault { error_share: DRILL_ERRORS, delay_ms: 0 }),
            because: Some("drill".to_owned()),
        };
        release::deploy(&it.app, &it.who, &deploy).await?;
    }
    let ended = drive(it, step, traffic, rows, target, endpoint, "drill").await?;
    let ended = ended.ok_or_else(|| Failure::new(ErrorKind::Internal, "the drill's rollout went away"))?;
    if ended.state != RolloutState::Aborted {
        return Err(Failure::new(
            ErrorKind::Internal,
            format!("the failing canary was not taken back: {}", story(&ended)),
        ));
    }
    Ok(ended)
}

/// A rollout in one sentence.
fn story(rollout: &Rollout) -> String {
    let mut weights: Vec<String> =
        rollout.history.iter().map(|transition| format!("{} %", transition.weight_bp / 100)).collect();
    weights.dedup();
    let end = match rollout.state {
        RolloutState::Promoted => "took over".to_owned(),
        RolloutState::Aborted => format!("rolled back: {}", rollout.reason.clone().unwrap_or_default()),
        _ => "goes on".to_owned(),
    };
    format!("version {} {} {end}", rollout.to_version, weights.join(" → "))
}

fn short(id: &str) -> &str {
    id.get(id.len().saturating_sub(6)..).unwrap_or(id)
}
