//! Step 7: held-out rows as live traffic, first as they are, then from a changed world; then the truth arrives.

use lemnis_app::{artifact, monitor};
use lemnis_core::ErrorKind;
use lemnis_quality::Outcome as Verdict;
use serde_json::{Value, json};

use super::Loop;
use super::display::{Outcome, Step};
use super::journal::Journal;
use super::serve_step::live_rows;
use super::shift::{self, Live};
use super::traffic::Traffic;
use crate::output::{self, Failure};

/// The request ids of the unchanged rows start so.
pub const SAME: &str = "replay-same";
/// The request ids of the changed rows start so.
pub const SHIFTED: &str = "replay-shifted";

pub async fn monitor(it: &Loop<'_>, step: &Step, journal: &mut Journal) -> Result<(Outcome, Value), Failure> {
    let name = journal.plan.model.clone();
    let target = journal.plan.target.clone();
    let live = live(it, journal).await?;
    let traffic = Traffic::new(&it.url, &name)?;

    step.says("replaying held-out rows as they are");
    let same = traffic.send(&live.same, &target, SAME).await?;
    let calm = check(it, &name, live.same.rows(), Some(SAME)).await?;

    step.says("replaying a changed slice");
    let shifted = traffic.send(&live.shifted, &target, SHIFTED).await?;

    step.says("the truth arrives");
    let labels = traffic.tell_truth(&live.same, &target, SAME).await?
        + traffic.tell_truth(&live.shifted, &target, SHIFTED).await?;
    let before = check(it, &name, live.same.rows(), Some(SAME)).await?;
    let after = check(it, &name, live.shifted.rows(), Some(SHIFTED)).await?;
    let drifted = after.drift.outcome == Verdict::Drift;

    let outcome = Outcome::new(format!("{} rows as they are: {}", same.sent, calm.drift.summary))
        .and(format!("{} rows changed ({}): {}", shifted.sent, live.how, after.drift.summary))
        .and(format!(
            "{labels} labels arrived late: {}; on the changed rows {}",
            before.performance.as_ref().map_or("no live metric", |verdict| verdict.summary.as_str()),
            after.performance.as_ref().map_or("no live metric", |verdict| verdict.summary.as_str())
        ))
        .and(format!(
            "latency p50 {}, p99 {}",
            output::duration(same.quantile(0.5)),
            output::duration(same.quantile(0.99))
        ))
        .again(format!("lemnis drift {name}"));
    Ok((outcome, json!({ "calm": calm.drift.id, "drift": after.drift.id, "drifted": drifted })))
}

/// Judges the newest `rows` predictions whose request ids start with `prefix`, without reacting.
async fn check(
    it: &Loop<'_>,
    endpoint: &str,
    rows: usize,
    prefix: Option<&str>,
) -> Result<monitor::Checked, Failure> {
    let cmd = monitor::Check {
        endpoint: endpoint.to_owned(),
        rows: Some(rows),
        request_prefix: prefix.map(str::to_owned),
        react: false,
    };
    Ok(monitor::check(&it.app, &it.who, &cmd).await?)
}

/// The live rows, parted by the model that the pipeline made first.
pub async fn live(it: &Loop<'_>, journal: &Journal) -> Result<Live, Failure> {
    let version = it.app.registry.get_version(&journal.plan.model, 1).await?;
    let version = version.ok_or_else(|| Failure::new(ErrorKind::Internal, "version 1 is not registered"))?;
    let digest = version.tag(lemnis_app::model::MODEL_DIGEST).unwrap_or_default().to_owned();
    let model = artifact::load_model(&it.app, version.artifact_uri(), &digest).await?;
    let run_uri = version.artifact_uri().trim_end_matches("/model").to_owned();
    let importance = artifact::read(&it.app, &format!("{run_uri}/importance.json")).await?;
    let importance: Vec<(String, f64)> = serde_json::from_slice(&importance).unwrap_or_default();
    let important: Vec<String> = importance.into_iter().map(|(name, _)| name).collect();
    let rows = live_rows(it)?;
    let settings = it.app.project.settings()?;
    let drift_share = settings.endpoint(&journal.plan.model)?.monitor.drift.drift_share;
    shift::part(&rows, &journal.plan.target, &model, journal.plan.task, &important, drift_share)
}
