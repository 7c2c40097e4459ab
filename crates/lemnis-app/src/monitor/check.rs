//! One check of an endpoint: drift of what it is asked, performance of what it answered, and what follows from it.

use lemnis_core::{Action, Principal};
use lemnis_quality::drift::{DriftReport, compare};
use lemnis_quality::{Outcome, Verdict, VerdictKind};
use lemnis_serving::feature_column;
use lemnis_table::Table;
use lemnis_tracking::ModelVersion;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::performance;
use super::react::react;
use super::reference;
use super::window::{Wanted, Window, newest};
use crate::model::CHAMPION;
use crate::settings::{EndpointSettings, ModelSettings};
use crate::{App, Context, Error, authorise, blocking, frame};

/// Judges the newest predictions of the version that serves an endpoint.
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
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
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Checked {
    /// Of the inputs.
    pub drift: Verdict,
    /// Of the answers whose truth is known, where there are enough of them.
    pub performance: Option<Verdict>,
    /// The retrain that the verdict started, or the one that it found under way.
    pub flow_run: Option<String>,
}

/// Compares, keeps the verdicts, and reacts.
///
/// The reaction to drift comes before anything else that may fail.
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

    let wanted = Wanted {
        rows: cmd.rows.unwrap_or(endpoint.monitor.window_rows),
        prefix: cmd.request_prefix.clone(),
        version: Some(champion.version),
        ..Wanted::default()
    };
    let window = newest(app, &cmd.endpoint, &wanted).await?;
    let drift = drift_verdict(app, cmd, endpoint, model, &champion, &window).await?;
    app.verdicts.insert(&drift).await.context("keeping the verdict")?;
    let flow_run = react(app, who, &cmd.endpoint, endpoint, &drift).await?;
    if drift.outcome == Outcome::Drift {
        let data = serde_json::json!({ "verdict": drift.id, "summary": drift.summary });
        app.record(format!("{}/event", drift.id), who, "drift.detected", drift.subject.clone(), data).await?;
    }
    let performance = performance::judge(app, cmd, endpoint, model, &champion, &window).await?;
    if let Some(verdict) = &performance {
        app.verdicts.insert(verdict).await.context("keeping the verdict")?;
    }
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
        verdict.summary = format!(
            "{} predictions of version {} are too few to judge ({least} are needed)",
            window.rows.rows(),
            champion.version
        );
        return Ok(verdict);
    }
    let Some((path, reference_uri)) = reference::of(app, champion).await? else {
        verdict.summary =
            format!("version {} has no training rows to compare with: {}", champion.version, reference::HOW);
        return Ok(verdict);
    };
    let (rows, target) = (window.rows.clone(), model.target.clone());
    let settings = endpoint.monitor.drift.clone();
    let report = blocking(move || {
        let mut reference = frame::read_table(&path)?;
        if reference.has(&target) {
            reference = reference.drop(&[&target]).context("comparing")?;
        }
        let mut seen = Vec::new();
        for name in reference.names() {
            let logged = feature_column(name);
            if rows.has(&logged) {
                seen.push((name.to_owned(), rows.column(&logged).context("comparing")?));
            }
        }
        let seen = Table::from_columns(seen).context("comparing")?;
        compare(&reference, &seen, None, &settings).context("comparing")
    })
    .await?;
    verdict.outcome = if report.drift { Outcome::Drift } else { Outcome::Pass };
    verdict.summary = sentence(&report);
    verdict.inputs["reference"] = reference_uri.into();
    verdict.inputs["settings"] = to_json(&endpoint.monitor.drift)?;
    verdict.report = to_json(&report)?;
    Ok(verdict)
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

/// A verdict of the check on the window, not computed yet.
pub(super) fn blank(
    app: &App,
    cmd: &Check,
    kind: VerdictKind,
    champion: &ModelVersion,
    window: &Window,
) -> Verdict {
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
            "react": cmd.react,
        }),
        report: serde_json::Value::Null,
    }
}

fn to_json(value: &impl Serialize) -> Result<serde_json::Value, Error> {
    serde_json::to_value(value)
        .map_err(|error| Error::invalid(format!("a report cannot be written: {error}")))
}
