//! Registered models with their versions and gate reports.

use std::collections::{BTreeMap, HashMap};

use lemnis_tracking::gate::{BetterThan, Comparison, Rule};
use lemnis_tracking::{
    ExperimentSearch, GateReport, ModelSearch, ModelVersion, RegisteredModel, Run, VersionSearch,
};

use super::{endpoints, runs, settings, trimmed};
use crate::model::{DATA_DIGEST, GIT_COMMIT, MODEL_DIGEST};
use crate::view::{
    BootstrapRow, CheckRow, EndpointRow, GateRow, ModelDetail, ModelList, ModelRow, Moment, VersionRow,
};
use crate::{App, Context, Error};

/// Reports that one page shows.
const REPORTS: usize = 50;
/// Versions whose runs are read.
const RUNS: usize = 50;

/// All registered models.
pub async fn models(app: &App) -> Result<ModelList, Error> {
    let found = app.registry.search_models(&ModelSearch::default()).await.context("looking for models")?;
    let (settings, _) = settings(app);
    let serving = endpoints::rows(app, settings.as_ref()).await?;
    let mut models = Vec::with_capacity(found.items.len());
    for model in &found.items {
        let reports =
            app.gate_reports.latest(Some(&model.name), REPORTS).await.context("looking for gate reports")?;
        models.push(row(app, model, &reports, &serving).await?);
    }
    Ok(ModelList { models })
}

/// One model with the evidence for its versions.
pub async fn model(app: &App, name: &str) -> Result<ModelDetail, Error> {
    let found = app.registry.get_model(name).await.context("looking for the model")?;
    let found = found.ok_or_else(|| Error::Missing { what: "registered model", name: name.to_owned() })?;
    let (settings, _) = settings(app);
    let serving = endpoints::rows(app, settings.as_ref()).await?;
    let reports = app.gate_reports.latest(Some(name), REPORTS).await.context("looking for gate reports")?;
    let mut model = row(app, &found, &reports, &serving).await?;
    let own = settings.as_ref().and_then(|settings| settings.models.get(name));

    let experiments =
        app.experiments.search(&ExperimentSearch::default()).await.context("looking for experiments")?;
    let names: HashMap<_, _> =
        experiments.items.into_iter().map(|experiment| (experiment.experiment_id, experiment.name)).collect();
    let mut made: Vec<Run> = Vec::new();
    for version in model.versions.iter_mut().take(RUNS) {
        let Some(id) = &version.run_id else { continue };
        let Some(run) = app.runs.get(&id.as_str().into()).await.context("reading the run of a version")?
        else {
            continue;
        };
        version.metrics = run.metrics.iter().map(|metric| (metric.key.clone(), metric.value)).collect();
        made.push(run);
    }
    let links = runs::versions_of(app, &made).await?;
    Ok(ModelDetail {
        metric: own.map(|own| own.metric.clone()).or_else(|| first_metric(&model)),
        rules: own.map(|own| own.gate.iter().map(rule).collect()).unwrap_or_default(),
        reports: reports.into_iter().map(report).collect(),
        runs: made.iter().map(|run| runs::row(run, &names, &links)).collect(),
        model,
    })
}

fn first_metric(model: &ModelRow) -> Option<String> {
    let known = |name: &&str| model.versions.iter().any(|version| version.metrics.contains_key(*name));
    let usual = ["roc_auc", "accuracy", "f1", "rmse", "mae"].into_iter().find(known).map(str::to_owned);
    usual.or_else(|| model.versions.iter().find_map(|version| version.metrics.keys().next().cloned()))
}

fn rule(rule: &Rule) -> String {
    match rule {
        Rule::BetterThan(BetterThan { confidence, margin, .. }) => {
            let by = if *margin == 0.0 { String::new() } else { format!(" by {}", trimmed(*margin)) };
            format!("{}{by}, confidence {} %", rule.name(), trimmed(confidence * 100.0))
        }
        _ => rule.name(),
    }
}

async fn row(
    app: &App,
    model: &RegisteredModel,
    reports: &[GateReport],
    serving: &[EndpointRow],
) -> Result<ModelRow, Error> {
    let found = app
        .registry
        .search_versions(&VersionSearch { limit: 1_000, ..VersionSearch::of_model(&model.name) })
        .await
        .context("looking for versions")?;
    Ok(ModelRow {
        name: model.name.clone(),
        description: model.description.clone().filter(|text| !text.is_empty()),
        updated: Moment(model.last_updated_timestamp),
        versions: found.items.into_iter().map(|version| version_row(version, reports, serving)).collect(),
    })
}

fn version_row(version: ModelVersion, reports: &[GateReport], serving: &[EndpointRow]) -> VersionRow {
    let report = reports.iter().find(|report| report.challenger_version == Some(version.version));
    let text = |key: &str| version.tag(key).map(str::to_owned);
    let shares = serving.iter().filter(|endpoint| endpoint.model == version.name).flat_map(|endpoint| {
        let own = endpoint.split.iter().filter(|arm| arm.version == version.version && arm.weight_bp > 0);
        own.map(|arm| (endpoint.name.clone(), arm.weight_bp))
    });
    VersionRow {
        gate: report.map_or("", |report| if report.passed { "passed" } else { "failed" }).to_owned(),
        created: Moment(version.creation_timestamp),
        run_id: version.run_id.as_ref().map(ToString::to_string),
        metrics: BTreeMap::new(),
        model_digest: text(MODEL_DIGEST),
        data_digest: text(DATA_DIGEST),
        git_commit: text(GIT_COMMIT),
        serving: shares.collect(),
        version: version.version,
        aliases: version.aliases,
    }
}

fn report(report: GateReport) -> GateRow {
    let comparison: Option<Comparison> = serde_json::from_value(report.inputs["comparison"].clone()).ok();
    let margin = |metric: &str| {
        let rules: Vec<Rule> = serde_json::from_value(report.inputs["rules"].clone()).unwrap_or_default();
        rules.iter().find_map(|rule| match rule {
            Rule::BetterThan(own) if own.metric == metric => Some(own.margin),
            _ => None,
        })
    };
    let bootstrap = comparison.map(|seen| BootstrapRow {
        margin: margin(&seen.metric).unwrap_or(0.0),
        metric: seen.metric,
        champion: seen.champion,
        challenger: seen.challenger,
        difference: seen.difference,
        low: seen.low,
        high: seen.high,
        p_better: seen.p_better,
        resamples: seen.resamples,
        seed: seen.seed,
        rows: seen.rows,
    });
    GateRow {
        bootstrap,
        holdout_digest: report.inputs["holdout_digest"].as_str().map(str::to_owned),
        id: report.id,
        at: Moment(report.at_ms),
        challenger: report.challenger_version,
        champion: report.champion_version,
        passed: report.passed,
        checks: report
            .checks
            .into_iter()
            .map(|check| CheckRow {
                name: check.name,
                passed: check.passed,
                observed: check.observed,
                threshold: check.threshold,
                detail: check.detail,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_reads_as_it_is_meant() {
        let parse = |text| serde_json::from_str::<Rule>(text).unwrap();
        assert_eq!(rule(&parse(r#"{"metric": "roc_auc", "min": 0.75}"#)), "roc_auc >= 0.75");
        let better = parse(r#"{"better_than": "champion", "metric": "rmse", "margin": 0.1}"#);
        assert_eq!(rule(&better), "rmse better than champion by 0.1, confidence 95 %");
    }

    #[test]
    fn a_report_without_a_comparison_draws_none() {
        let bare = GateReport {
            id: "g".to_owned(),
            at_ms: 1,
            model: "churn".to_owned(),
            challenger_version: Some(1),
            champion_version: None,
            passed: true,
            checks: Vec::new(),
            inputs: serde_json::json!({ "comparison": null }),
        };
        assert!(report(bare).bootstrap.is_none());
    }
}
