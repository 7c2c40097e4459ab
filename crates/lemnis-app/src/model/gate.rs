//! The gate: a version against its rules and against the version that serves, on the same rows.

use lemnis_core::{Action, Digest, Principal};
use lemnis_tracking::gate::{Rule, decide};
use lemnis_tracking::{GateReport, ModelVersion};

use super::compare::compare;
use super::{CHAMPION, MODEL_DIGEST};
use crate::frame::read_table;
use crate::stage::{Truth, scalar_metrics, score};
use crate::{App, Context, Error, artifact, authorise};

/// Runs version `number` of `model` through its gate and keeps the report.
///
/// The decision depends on the version, the champion, the holdout and the rules alone: where a report on the same of
/// them exists, it is returned as it is.
pub async fn gate(app: &App, who: &Principal, model: &str, number: u32) -> Result<GateReport, Error> {
    authorise(who, Action::Write)?;
    let settings = app.project.settings()?;
    let settings = settings.model(model)?;
    let challenger = version(app, model, number).await?;
    let champion =
        app.registry.version_by_alias(model, CHAMPION).await.context("looking for the champion")?;
    let champion = champion.filter(|champion| champion.version != number);

    let holdout_path = app.project.root().join(&settings.holdout);
    let holdout_bytes = std::fs::read(&holdout_path).map_err(Error::file(&holdout_path, "read"))?;
    let holdout_digest = Digest::sha256(&holdout_bytes);
    drop(holdout_bytes);
    let champion_digest = champion.as_ref().and_then(|champion| champion.tag(MODEL_DIGEST)).unwrap_or("none");
    let rules = serde_json::to_string(&settings.gate).map_err(|error| Error::invalid(error.to_string()))?;
    let about =
        [challenger.tag(MODEL_DIGEST).unwrap_or_default(), champion_digest, holdout_digest.as_str(), &rules];
    let id = format!("gate-{}-{number}-{}", model, Digest::sha256(about.join("\n").as_bytes()).short());
    if let Some(report) = app.gate_reports.get(&id).await.context("looking for the gate report")? {
        return Ok(report);
    }

    let holdout = read_table(&holdout_path)?;
    let truth = Truth::of(&holdout, &settings.target, settings.task, settings.positive.as_deref())?;
    let challenger_model = load(app, &challenger).await?;
    let scores = score(&challenger_model, &holdout, settings.task)?;
    let metrics = scalar_metrics(&truth, &scores)?;
    let rule = settings.gate.iter().find_map(|rule| match rule {
        Rule::BetterThan { metric, confidence, .. } => Some((metric.clone(), *confidence)),
        Rule::Threshold { .. } => None,
    });
    let comparison = match (&champion, rule) {
        (Some(champion), Some((metric, confidence))) => {
            let before = score(&load(app, champion).await?, &holdout, settings.task)?;
            Some(compare(&metric, confidence, &truth, &before, &scores)?)
        }
        _ => None,
    };
    let (passed, checks) = decide(&settings.gate, &metrics, comparison.as_ref());
    let report = GateReport {
        id: id.clone(),
        at_ms: app.clock.now_ms(),
        model: model.to_owned(),
        challenger_version: Some(number),
        champion_version: champion.as_ref().map(|champion| champion.version),
        passed,
        checks,
        inputs: serde_json::json!({
            "challenger_digest": challenger.tag(MODEL_DIGEST),
            "champion_digest": champion_digest,
            "holdout": settings.holdout,
            "holdout_digest": holdout_digest,
            "holdout_rows": truth.rows(),
            "metrics": metrics,
            "comparison": comparison,
            "rules": settings.gate,
        }),
    };
    app.gate_reports.insert(&report).await.context("keeping the gate report")?;
    let kind = if passed { "gate.passed" } else { "gate.failed" };
    let data = serde_json::json!({ "report": id, "version": number, "checks": report.checks });
    app.record(id.clone(), who, kind, format!("model/{model}"), data).await?;
    Ok(report)
}

/// Version `number` of `model`.
pub(crate) async fn version(app: &App, model: &str, number: u32) -> Result<ModelVersion, Error> {
    let found = app.registry.get_version(model, number).await.context("looking for the version")?;
    found.ok_or_else(|| Error::Missing { what: "model version", name: format!("{model}/{number}") })
}

/// The files of a version, loaded.
pub(crate) async fn load(app: &App, version: &ModelVersion) -> Result<lemnis_model::Model, Error> {
    match version.tag(MODEL_DIGEST) {
        Some(digest) => artifact::load_model(app, version.artifact_uri(), digest).await,
        None => {
            let key = Digest::sha256(version.artifact_uri().as_bytes());
            artifact::load_dir(&artifact::local_copy(app, version.artifact_uri(), key.as_str()).await?)
        }
    }
}
