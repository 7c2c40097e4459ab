//! The gate: a version against its rules and against the versions that serve, on the same rows.

use std::collections::BTreeMap;

use lemnis_core::{Action, Digest, Principal};
use lemnis_tracking::gate::{Check, Rule, check};
use lemnis_tracking::{GateReport, ModelVersion};

use super::findings::{Rival, known, measure};
use super::{CHAMPION, MODEL_DIGEST};
use crate::frame::read_table;
use crate::settings::{Environment, PRODUCTION};
use crate::{App, Context, Error, artifact, authorise, blocking};

/// Runs version `number` of `model` through the gate of `environment`, production where none is given, and keeps the
/// report.
///
/// The decision depends on the version, the versions that its rules name, the holdout, the rules and what people and
/// earlier reports say alone: where a report on the same of them exists, it is returned as it is.
pub async fn gate(
    app: &App,
    who: &Principal,
    model: &str,
    number: u32,
    environment: Option<&str>,
) -> Result<GateReport, Error> {
    authorise(who, Action::Write)?;
    let settings = app.project.settings()?.model(model)?.clone();
    let environment = settings.environment(environment)?;
    let challenger = version(app, model, number).await?;
    let named = named(app, &environment, model, number).await?;
    let champion = named.get(environment.alias).and_then(Option::as_ref);
    let known = known(app, &environment, &challenger).await?;
    let before = passed_before(app, &environment, &challenger).await?;

    let holdout = app.project.root().join(&settings.holdout);
    let path = holdout.clone();
    let holdout_digest =
        blocking(move || Ok(Digest::sha256(&std::fs::read(&path).map_err(Error::file(&path, "read"))?)))
            .await?;
    let known_checks: Vec<Check> =
        known.iter().map(|(place, found)| check(&environment.gate[*place], found)).collect();
    let task = (&settings.task, &settings.target, &settings.positive);
    let rules = (environment.name, environment.gate, task, &known_checks, &before);
    let id = report_id(model, &challenger, &named, &holdout_digest, &rules)?;
    if let Some(report) = app.gate_reports.get(&id).await.context("looking for the gate report")? {
        return Ok(report);
    }

    let candidate = load(app, &challenger).await?;
    let mut rivals = BTreeMap::new();
    for alias in environment.gate.iter().filter_map(rival) {
        if let Some(Some(rival)) = named.get(alias)
            && !rivals.contains_key(alias)
        {
            let loaded = Rival { version: rival.version, model: load(app, rival).await? };
            rivals.insert(alias.to_owned(), loaded);
        }
    }
    let (own, gate) = (settings.clone(), environment.gate.to_vec());
    let mut measured = blocking(move || {
        let holdout = read_table(&holdout)?;
        measure(&own, &gate, &holdout, &candidate, &rivals)
    })
    .await?;
    measured.findings.extend(known);
    let checks: Vec<Check> =
        before
            .into_iter()
            .chain(
                environment.gate.iter().zip(0..).filter_map(|(rule, place)| {
                    measured.findings.get(&place).map(|found| check(rule, found))
                }),
            )
            .collect();
    // Pages show one comparison: the one with the champion, where a rule asks for it.
    let shown = measured.compared.iter().find(|one| one.alias == CHAMPION).or(measured.compared.first());
    let report = GateReport {
        id: id.clone(),
        at_ms: app.clock.now_ms(),
        model: model.to_owned(),
        challenger_version: Some(number),
        champion_version: champion.map(|champion| champion.version),
        passed: checks.iter().all(|check| check.passed),
        inputs: serde_json::json!({
            "environment": environment.name,
            "challenger_digest": challenger.tag(MODEL_DIGEST),
            "champion_digest": champion.and_then(|champion| champion.tag(MODEL_DIGEST)),
            "holdout": settings.holdout,
            "holdout_digest": holdout_digest,
            "holdout_rows": measured.rows,
            "metrics": measured.metrics,
            "comparison": shown.map(|one| &one.comparison),
            "comparisons": measured.compared,
            "groups": measured.groups,
            "rules": environment.gate,
        }),
        checks,
    };
    app.gate_reports.insert(&report).await.context("keeping the gate report")?;
    let kind = if report.passed { "gate.passed" } else { "gate.failed" };
    let data = serde_json::json!({
        "report": id,
        "version": number,
        "environment": environment.name,
        "checks": report.checks,
    });
    app.record(id.clone(), who, kind, format!("model/{model}"), data).await?;
    Ok(report)
}

/// The alias that a rule compares with.
fn rival(rule: &Rule) -> Option<&str> {
    match rule {
        Rule::BetterThan(rule) => Some(&rule.alias),
        _ => None,
    }
}

/// The versions behind the environment's alias and those that rules name; a version is no rival of itself.
async fn named(
    app: &App,
    environment: &Environment<'_>,
    model: &str,
    number: u32,
) -> Result<BTreeMap<String, Option<ModelVersion>>, Error> {
    let mut named = BTreeMap::from([(environment.alias.to_owned(), None)]);
    named.extend(environment.gate.iter().filter_map(rival).map(|alias| (alias.to_owned(), None)));
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

/// Whether the version passed the gate of the environment that comes before.
async fn passed_before(
    app: &App,
    environment: &Environment<'_>,
    version: &ModelVersion,
) -> Result<Option<Check>, Error> {
    let Some(after) = environment.after else { return Ok(None) };
    let newest = newest_report(app, &version.name, version.version, after).await?;
    let detail = match &newest {
        None => format!("the version never went through the gate of {after}"),
        Some(report) if report.passed => format!("the gate of {after} was passed ({})", report.id),
        Some(report) => format!("the gate of {after} was not passed ({})", report.id),
    };
    let passed = newest.is_some_and(|report| report.passed);
    Ok(Some(Check { name: format!("after {after}"), passed, observed: None, threshold: None, detail }))
}

/// What the gate of `environment` last said of a version.
pub(super) async fn newest_report(
    app: &App,
    model: &str,
    number: u32,
    environment: &str,
) -> Result<Option<GateReport>, Error> {
    let reports = app.gate_reports.latest(Some(model), 1_000).await.context("looking for gate reports")?;
    Ok(reports.into_iter().find(|report| {
        let of = report.inputs["environment"].as_str().unwrap_or(PRODUCTION);
        report.challenger_version == Some(number) && of == environment
    }))
}

/// Names a decision by all that it depends on. Number and place stand beside the digest, because a version that
/// another client registered carries no digest.
fn report_id(
    model: &str,
    challenger: &ModelVersion,
    named: &BTreeMap<String, Option<ModelVersion>>,
    holdout: &Digest,
    rules: &impl serde::Serialize,
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
