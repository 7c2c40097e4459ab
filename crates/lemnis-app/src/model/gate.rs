//! The gate: a version against its rules and against the versions that serve, on the same rows.

use std::collections::BTreeMap;

use lemnis_core::{Action, Digest, Principal};
use lemnis_model::Model;
use lemnis_tracking::gate::{Check, Comparison, Rule, decide};
use lemnis_tracking::{GateReport, ModelVersion};
use serde::Serialize;

use super::compare::compare;
use super::{CHAMPION, MODEL_DIGEST};
use crate::frame::read_table;
use crate::settings::ModelSettings;
use crate::stage::{Scores, Truth, scalar_metrics, score};
use crate::{App, Context, Error, artifact, authorise, blocking};

/// A version that rules name by alias, and its model.
struct Rival {
    version: u32,
    model: Model,
}

/// What a rule that compares found, beside the alias and the version that it compared with.
#[derive(Serialize)]
struct Compared {
    alias: String,
    version: u32,
    #[serde(flatten)]
    comparison: Comparison,
}

/// What the holdout rows say.
struct Judged {
    rows: usize,
    metrics: BTreeMap<String, f64>,
    passed: bool,
    checks: Vec<Check>,
    compared: Vec<Compared>,
}

/// Runs version `number` of `model` through its gate and keeps the report.
///
/// The decision depends on the version, the versions that its rules name, the holdout and the rules alone: where a
/// report on the same of them exists, it is returned as it is.
pub async fn gate(app: &App, who: &Principal, model: &str, number: u32) -> Result<GateReport, Error> {
    authorise(who, Action::Write)?;
    let settings = app.project.settings()?.model(model)?.clone();
    let challenger = version(app, model, number).await?;
    let named = named(app, &settings, model, number).await?;
    let champion = named.get(CHAMPION).and_then(Option::as_ref);

    let holdout = app.project.root().join(&settings.holdout);
    let path = holdout.clone();
    let holdout_digest =
        blocking(move || Ok(Digest::sha256(&std::fs::read(&path).map_err(Error::file(&path, "read"))?)))
            .await?;
    let id = report_id(model, &challenger, &named, &holdout_digest, &settings.gate)?;
    if let Some(report) = app.gate_reports.get(&id).await.context("looking for the gate report")? {
        return Ok(report);
    }

    let candidate = load(app, &challenger).await?;
    let mut rivals = BTreeMap::new();
    for rule in &settings.gate {
        let Rule::BetterThan { alias, .. } = rule else { continue };
        if let Some(Some(rival)) = named.get(alias)
            && !rivals.contains_key(alias)
        {
            let loaded = Rival { version: rival.version, model: load(app, rival).await? };
            rivals.insert(alias.clone(), loaded);
        }
    }
    let rules = settings.clone();
    let judged = blocking(move || {
        let holdout = read_table(&holdout)?;
        judge(&rules, &holdout, &candidate, &rivals)
    })
    .await?;
    // Pages show one comparison: the one with the champion, where a rule asks for it.
    let shown = judged.compared.iter().find(|one| one.alias == CHAMPION).or(judged.compared.first());
    let report = GateReport {
        id: id.clone(),
        at_ms: app.clock.now_ms(),
        model: model.to_owned(),
        challenger_version: Some(number),
        champion_version: champion.map(|champion| champion.version),
        passed: judged.passed,
        inputs: serde_json::json!({
            "challenger_digest": challenger.tag(MODEL_DIGEST),
            "champion_digest": champion.and_then(|champion| champion.tag(MODEL_DIGEST)),
            "holdout": settings.holdout,
            "holdout_digest": holdout_digest,
            "holdout_rows": judged.rows,
            "metrics": judged.metrics,
            "comparison": shown.map(|one| &one.comparison),
            "comparisons": judged.compared,
            "rules": settings.gate,
        }),
        checks: judged.checks,
    };
    app.gate_reports.insert(&report).await.context("keeping the gate report")?;
    let kind = if report.passed { "gate.passed" } else { "gate.failed" };
    let data = serde_json::json!({ "report": id, "version": number, "checks": report.checks });
    app.record(id.clone(), who, kind, format!("model/{model}"), data).await?;
    Ok(report)
}

/// The versions behind the champion's alias and those that rules name; a version is no rival of itself.
async fn named(
    app: &App,
    settings: &ModelSettings,
    model: &str,
    number: u32,
) -> Result<BTreeMap<String, Option<ModelVersion>>, Error> {
    let mut named = BTreeMap::from([(CHAMPION.to_owned(), None)]);
    for rule in &settings.gate {
        if let Rule::BetterThan { alias, .. } = rule {
            named.insert(alias.clone(), None);
        }
    }
    for (alias, version) in &mut named {
        let found = app
            .registry
            .version_by_alias(model, alias)
            .await
            .context(format!("looking for the version behind {alias:?}"))?;
        *version = found.filter(|found| found.version != number);
    }
    Ok(named)
}

/// Names a decision by all that it depends on. Number and place stand beside the digest, because a version that
/// another client registered carries no digest.
fn report_id(
    model: &str,
    challenger: &ModelVersion,
    named: &BTreeMap<String, Option<ModelVersion>>,
    holdout: &Digest,
    rules: &[Rule],
) -> Result<String, Error> {
    let identity = |version: &ModelVersion| {
        serde_json::json!([version.version, version.artifact_uri(), version.tag(MODEL_DIGEST)])
    };
    let named: BTreeMap<&String, _> =
        named.iter().map(|(alias, version)| (alias, version.as_ref().map(identity))).collect();
    let about = serde_json::to_string(&(identity(challenger), named, holdout, rules))
        .map_err(|error| Error::invalid(error.to_string()))?;
    let number = challenger.version;
    Ok(format!("gate-{model}-{number}-{}", Digest::sha256(about.as_bytes()).short()))
}

fn judge(
    settings: &ModelSettings,
    holdout: &lemnis_table::Table,
    candidate: &Model,
    rivals: &BTreeMap<String, Rival>,
) -> Result<Judged, Error> {
    let truth = Truth::of(holdout, &settings.target, settings.task, settings.positive.as_deref())?;
    let scores = score(candidate, holdout, settings.task)?;
    let metrics = scalar_metrics(&truth, &scores)?;
    let mut before: BTreeMap<&str, Scores> = BTreeMap::new();
    for (alias, rival) in rivals {
        before.insert(alias, score(&rival.model, holdout, settings.task)?);
    }
    let (mut passed, mut checks, mut compared) = (true, Vec::new(), Vec::new());
    for rule in &settings.gate {
        let found = match rule {
            Rule::BetterThan { alias, metric, confidence, .. } => {
                match (rivals.get(alias), before.get(alias.as_str())) {
                    (Some(rival), Some(before)) => Some(Compared {
                        alias: alias.clone(),
                        version: rival.version,
                        comparison: compare(metric, *confidence, &truth, before, &scores)?,
                    }),
                    _ => None,
                }
            }
            Rule::Threshold { .. } => None,
        };
        let comparison = found.as_ref().map(|found| &found.comparison);
        let (holds, mut check) = decide(std::slice::from_ref(rule), &metrics, comparison);
        passed &= holds;
        checks.append(&mut check);
        compared.extend(found);
    }
    Ok(Judged { rows: truth.rows(), metrics, passed, checks, compared })
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
            let folder = artifact::local_copy(app, version.artifact_uri(), key.as_str()).await?;
            blocking(move || artifact::load_dir(&folder)).await
        }
    }
}
