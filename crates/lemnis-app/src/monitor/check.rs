//! One check of an endpoint: drift of what it is asked, performance of what it answered, and what follows from it.

use lemnis_core::{Action, Principal};
use lemnis_flow::{FlowState, New};
use lemnis_quality::drift::{DriftReport, compare};
use lemnis_quality::{Outcome, Verdict, VerdictKind};
use lemnis_serving::feature_column;
use lemnis_table::Table;
use lemnis_tracking::ModelVersion;
use serde::{Deserialize, Serialize};

use super::window::{Window, labelled, newest};
use crate::model::CHAMPION;
use crate::settings::{EndpointSettings, ModelSettings, Reaction};
use crate::stage::{higher_is_better, scalar_metrics};
use crate::{App, Context, Error, artifact, authorise, frame};

/// Judges an endpoint's newest predictions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Check {
    /// The endpoint.
    pub endpoint: String,
    /// How many of the newest predictions; the monitor's window where it is not said.
    #[serde(default)]
    pub rows: Option<usize>,
    /// Only predictions whose request id starts so.
    #[serde(default)]
    pub request_prefix: Option<String>,
    /// Whether a drift verdict starts what `on_drift` says.
    #[serde(default = "yes")]
    pub react: bool,
}

fn yes() -> bool {
    true
}

/// What a check found.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// Of the inputs.
    pub drift: Verdict,
    /// Of the answers whose truth is known, where there are enough of them.
    pub performance: Option<Verdict>,
    /// The retrain that the verdict started, or the one that it found under way.
    pub flow_run: Option<String>,
}

/// Compares, keeps the verdicts, and reacts.
pub async fn check(app: &App, who: &Principal, cmd: &Check) -> Result<Checked, Error> {
    authorise(who, Action::Operate)?;
    let settings = app.project.settings()?;
    let endpoint = settings.endpoint(&cmd.endpoint)?;
    let model = settings.model(endpoint.model_name())?;
    let champion = app
        .registry
        .version_by_alias(endpoint.model_name(), CHAMPION)
        .await
        .context("finding the champion")?;
    let champion = champion.ok_or_else(|| {
        Error::conflict(format!("{} serves no version yet", cmd.endpoint), "promote a version first")
    })?;

    let window = newest(app, &cmd.endpoint, endpoint, cmd.rows, cmd.request_prefix.as_deref()).await?;
    let drift = drift_verdict(app, cmd, endpoint, model, &champion, &window).await?;
    app.verdicts.insert(&drift).await.context("keeping the verdict")?;
    let performance = performance_verdict(app, cmd, endpoint, model, &champion, &window).await?;
    if let Some(verdict) = &performance {
        app.verdicts.insert(verdict).await.context("keeping the verdict")?;
    }
    if drift.outcome == Outcome::Drift {
        let data = serde_json::json!({ "verdict": drift.id, "summary": drift.summary });
        app.record(format!("{}/event", drift.id), who, "drift.detected", drift.subject.clone(), data).await?;
    }
    let wanted =
        cmd.react && drift.outcome == Outcome::Drift && endpoint.monitor.on_drift == Reaction::Retrain;
    let flow_run =
        if wanted { Some(retrain(app, who, cmd, endpoint, &drift, &champion).await?) } else { None };
    Ok(Checked { drift, performance, flow_run })
}

async fn drift_verdict(
    app: &App,
    cmd: &Check,
    endpoint: &EndpointSettings,
    model: &ModelSettings,
    champion: &ModelVersion,
    window: &Window,
) -> Result<Verdict, Error> {
    let mut verdict = blank(app, cmd, VerdictKind::Drift, champion, window);
    let least = endpoint.monitor.min_rows.min(cmd.rows.unwrap_or(usize::MAX));
    if window.rows.rows() < least.max(1) {
        verdict.summary =
            format!("{} predictions are too few to judge ({least} are needed)", window.rows.rows());
        return Ok(verdict);
    }
    let (reference, reference_uri) = reference(app, champion).await?;
    let reference = reference.drop(&[&model.target]).context("comparing")?;
    let mut seen = Vec::new();
    for name in reference.names() {
        let logged = feature_column(name);
        if window.rows.has(&logged) {
            seen.push((name.to_owned(), window.rows.column(&logged).context("comparing")?));
        }
    }
    let seen = Table::from_columns(seen).context("comparing")?;
    let report = compare(&reference, &seen, None, &endpoint.monitor.drift).context("comparing")?;
    verdict.outcome = if report.drift { Outcome::Drift } else { Outcome::Pass };
    verdict.summary = sentence(&report);
    verdict.inputs["reference"] = reference_uri.into();
    verdict.inputs["settings"] = to_json(&endpoint.monitor.drift)?;
    verdict.report = to_json(&report)?;
    Ok(verdict)
}

/// The rows that the version was trained on, as its run kept them.
async fn reference(app: &App, champion: &ModelVersion) -> Result<(Table, String), Error> {
    let run = champion.artifact_uri().trim_end_matches("/model").to_owned();
    let uri = format!("{run}/reference");
    let key = format!("reference-{}", lemnis_core::Digest::sha256(uri.as_bytes()).short());
    let folder = artifact::local_copy(app, &uri, &key).await?;
    Ok((frame::read_table(&folder.join("reference.parquet"))?, uri))
}

fn sentence(report: &DriftReport) -> String {
    let drifted: Vec<&str> =
        report.columns.iter().filter(|one| one.drifted()).map(|one| one.column.as_str()).collect();
    let counts =
        format!("{} of {} columns drifted", report.number_of_drifted_columns, report.number_of_columns);
    let named = match drifted.len() {
        0 => String::new(),
        1..=4 => format!(" ({})", drifted.join(", ")),
        _ => format!(" ({}, …)", drifted[..4].join(", ")),
    };
    let word = if report.drift { "drift" } else { "no drift" };
    format!("{word}: {counts}{named}")
}

async fn performance_verdict(
    app: &App,
    cmd: &Check,
    endpoint: &EndpointSettings,
    model: &ModelSettings,
    champion: &ModelVersion,
    window: &Window,
) -> Result<Option<Verdict>, Error> {
    let Some(joined) = labelled(app, &cmd.endpoint, model, window).await? else { return Ok(None) };
    let rows = joined.truth.rows();
    if rows < endpoint.monitor.min_rows.min(cmd.rows.unwrap_or(usize::MAX)).max(2) / 2 {
        return Ok(None);
    }
    let metrics = scalar_metrics(&joined.truth, &joined.scores)?;
    let Some(value) = metrics.get(&model.metric).copied() else { return Ok(None) };
    let holdout = match &champion.run_id {
        Some(run) => {
            app.runs.get(run).await.context("reading the run")?.and_then(|run| run.metric(&model.metric))
        }
        None => None,
    };
    let mut verdict = blank(app, cmd, VerdictKind::Performance, champion, window);
    // Worse than the holdout by more than a fifth of it says that the world has changed.
    let worse = holdout.is_some_and(|holdout| match higher_is_better(&model.metric) {
        true => value < holdout * 0.8,
        false => value > holdout * 1.25,
    });
    verdict.outcome = if worse { Outcome::Fail } else { Outcome::Pass };
    let name = model.metric.replace('_', " ");
    verdict.summary = match holdout {
        Some(holdout) => {
            format!("live {name} {value:.3} on {rows} labelled predictions (holdout {holdout:.3})")
        }
        None => format!("live {name} {value:.3} on {rows} labelled predictions"),
    };
    verdict.report = serde_json::json!({
        "metric": model.metric,
        "value": value,
        "holdout": holdout,
        "rows": rows,
        "label_coverage": rows as f64 / window.rows.rows().max(1) as f64,
        "metrics": metrics,
    });
    Ok(Some(verdict))
}

fn blank(app: &App, cmd: &Check, kind: VerdictKind, champion: &ModelVersion, window: &Window) -> Verdict {
    Verdict {
        id: uuid::Uuid::now_v7().simple().to_string(),
        at_ms: app.clock.now_ms(),
        subject: format!("endpoint/{}", cmd.endpoint),
        kind,
        outcome: Outcome::NotComputed,
        summary: String::new(),
        inputs: serde_json::json!({
            "endpoint": cmd.endpoint,
            "version": champion.version,
            "rows": window.rows.rows(),
            "from_ms": window.from_ms,
            "to_ms": window.to_ms,
            "request_prefix": cmd.request_prefix,
        }),
        report: serde_json::Value::Null,
    }
}

/// Queues a retrain, unless one is under way or was started for the same version within the cooldown.
async fn retrain(
    app: &App,
    who: &Principal,
    cmd: &Check,
    endpoint: &EndpointSettings,
    verdict: &Verdict,
    champion: &ModelVersion,
) -> Result<String, Error> {
    let now = app.clock.now_ms();
    let cooldown_ms = endpoint.monitor.cooldown_minutes as i64 * 60_000;
    let known = app.queue.list(200).await.context("looking for flow runs")?;
    let same = known
        .into_iter()
        .filter(|run| run.flow == "retrain" && run.trigger["endpoint"] == cmd.endpoint.as_str());
    for run in same {
        let open = matches!(run.state, FlowState::Queued | FlowState::Running);
        let recent = run.trigger["version"] == champion.version && now - run.created_ms < cooldown_ms;
        if open || recent && run.state == FlowState::Succeeded {
            return Ok(run.id);
        }
    }
    let new = New {
        flow: "retrain".to_owned(),
        trigger: serde_json::json!({
            "endpoint": cmd.endpoint,
            "version": champion.version,
            "verdict": verdict.id,
            "because": verdict.summary,
        }),
        idempotency_key: Some(format!("retrain/{}", verdict.id)),
        command: ["lemnis", "retrain", &cmd.endpoint, "--verdict", &verdict.id].map(str::to_owned).to_vec(),
        max_attempts: 3,
        created_ms: now,
    };
    let run = app.queue.enqueue(new).await.context("queueing the retrain")?;
    let data = serde_json::json!({ "flow_run": run.id, "verdict": verdict.id, "because": verdict.summary });
    app.record(format!("flow.queued/{}", run.id), who, "flow.queued", verdict.subject.clone(), data).await?;
    Ok(run.id)
}

fn to_json(value: &impl Serialize) -> Result<serde_json::Value, Error> {
    serde_json::to_value(value)
        .map_err(|error| Error::invalid(format!("a report cannot be written: {error}")))
}
