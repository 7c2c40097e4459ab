//! Why this model answers: from the version that serves back to the data it was trained on.

use lemnis_core::{Action, Digest, Millis, Principal};
use lemnis_quality::VerdictKind;
use lemnis_tracking::{GateReport, ModelVersion, Run, VersionSearch};
use schemars::JsonSchema;
use serde::Serialize;

use crate::lineage::{self, StageRun};
use crate::model::{CHAMPION, DATA_DIGEST, GIT_COMMIT, MODEL_DIGEST};
use crate::{App, Context, Error, authorise};

/// The chain of evidence behind an endpoint or a model.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Why {
    /// The name that was asked for.
    pub name: String,
    /// The registered model behind it.
    pub model: String,
    /// The version that serves.
    pub version: Option<u32>,
    /// The links, from what serves back to what it was made of.
    pub links: Vec<Link>,
}

/// One link of the chain.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Link {
    /// What kind of thing it is, such as `gate`.
    pub what: &'static str,
    /// What it says, in one line.
    pub title: String,
    /// Figures and digests, by name.
    pub facts: Vec<(String, String)>,
    /// When it came about.
    pub at_ms: Option<Millis>,
    /// The page that shows more.
    pub href: Option<String>,
}

/// Walks back from the endpoint or model `name`.
pub async fn why(app: &App, who: &Principal, name: &str) -> Result<Why, Error> {
    authorise(who, Action::Read)?;
    let settings = app.project.settings_if_any()?;
    let endpoint = settings.as_ref().and_then(|settings| settings.endpoints.get(name));
    let model = endpoint.map_or(name, |endpoint| endpoint.model_name()).to_owned();
    let champion =
        app.registry.version_by_alias(&model, CHAMPION).await.context("looking for the champion")?;
    if champion.is_none() && app.registry.get_model(&model).await.context("looking for the model")?.is_none()
    {
        return Err(Error::Missing { what: "endpoint or model", name: name.to_owned() });
    }
    let mut links = Vec::new();
    if endpoint.is_some() {
        links.push(serving(app, name).await?);
    }
    // What serves by its alias; where nothing does, the newest version.
    let version = match champion {
        Some(version) => Some(version),
        None => {
            let found = app.registry.search_versions(&VersionSearch::of_model(&model)).await;
            found.context("looking for versions")?.items.into_iter().max_by_key(|version| version.version)
        }
    };
    let Some(version) = version else {
        return Ok(Why { name: name.to_owned(), model, version: None, links });
    };
    links.push(version_link(&version));
    if let Some(report) = passed_report(app, &version).await? {
        links.push(gate_link(&report));
    }
    if let Some(run) = run_of(app, &version).await? {
        links.extend(run_links(&run, &version));
        if let Some(link) = stage_link(app, &run).await? {
            links.push(link);
        }
    }
    if let Some(link) = data_link(app, &settings).await? {
        links.push(link);
    }
    if let Some(link) = drift_link(app, name).await? {
        links.push(link);
    }
    Ok(Why { name: name.to_owned(), model, version: Some(version.version), links })
}

async fn serving(app: &App, name: &str) -> Result<Link, Error> {
    let mut facts = Vec::new();
    let mut title = format!("{name} serves nothing yet");
    if let Some(endpoint) = app.endpoints.get(name) {
        let view = endpoint.view();
        title = format!("{name} answers with version {}", view.champion.version);
        if let Some(canary) = &view.canary {
            title.push_str(&format!(
                ", and {} % of the traffic with version {}",
                view.weight_bp / 100,
                canary.version
            ));
        }
        for arm in [Some(&view.champion), view.canary.as_ref()].into_iter().flatten() {
            facts.push((
                format!("version {}", arm.version),
                format!(
                    "{} requests, {} errors since the server started",
                    arm.total.requests, arm.total.errors
                ),
            ));
        }
    }
    Ok(Link { what: "endpoint", title, facts, at_ms: None, href: Some(format!("/endpoints/{name}")) })
}

fn version_link(version: &ModelVersion) -> Link {
    let mut facts = Vec::new();
    if let Some(digest) = version.tag(MODEL_DIGEST) {
        facts.push(("model".to_owned(), digest.to_owned()));
    }
    facts.push(("artifacts".to_owned(), version.artifact_uri().to_owned()));
    let aliases = match version.aliases.as_slice() {
        [] => "no alias".to_owned(),
        [one] => format!("alias {one}"),
        many => format!("aliases {}", many.join(", ")),
    };
    Link {
        what: "version",
        title: format!("{} version {}, {}", version.name, version.version, aliases),
        facts,
        at_ms: Some(version.creation_timestamp),
        href: Some(format!("/models/{}", version.name)),
    }
}

/// The newest report that let the version through.
async fn passed_report(app: &App, version: &ModelVersion) -> Result<Option<GateReport>, Error> {
    let reports =
        app.gate_reports.latest(Some(&version.name), 200).await.context("looking for gate reports")?;
    let own: Vec<GateReport> =
        reports.into_iter().filter(|report| report.challenger_version == Some(version.version)).collect();
    Ok(own.iter().find(|report| report.passed).or(own.first()).cloned())
}

fn gate_link(report: &GateReport) -> Link {
    let mut facts: Vec<(String, String)> =
        report.checks.iter().map(|check| (check.name.clone(), check.detail.clone())).collect();
    if let Some(digest) = report.inputs["holdout_digest"].as_str() {
        facts.push(("holdout".to_owned(), format!("{digest}, {} rows", report.inputs["holdout_rows"])));
    }
    let against = report
        .champion_version
        .map_or("no champion before it".to_owned(), |v| format!("against version {v}"));
    Link {
        what: "gate",
        title: format!("gate {}, {against}", if report.passed { "passed" } else { "not passed" }),
        facts,
        at_ms: Some(report.at_ms),
        href: Some(format!("/models/{}", report.model)),
    }
}

async fn run_of(app: &App, version: &ModelVersion) -> Result<Option<Run>, Error> {
    match &version.run_id {
        Some(id) => app.runs.get(id).await.context("looking for the run"),
        None => Ok(None),
    }
}

fn run_links(run: &Run, version: &ModelVersion) -> Vec<Link> {
    let metrics: Vec<String> = run
        .metrics
        .iter()
        .filter(|metric| ["roc_auc", "accuracy", "rmse", "r2", "mae"].contains(&metric.key.as_str()))
        .map(|metric| format!("{} {:.4}", metric.key, metric.value))
        .collect();
    let params: Vec<String> =
        run.params.iter().map(|param| format!("{}={}", param.key, param.value)).collect();
    let mut links = vec![Link {
        what: "run",
        title: format!("run {} ({})", run.info.run_name, run.info.run_id),
        facts: vec![("metrics".to_owned(), metrics.join(", ")), ("params".to_owned(), params.join(", "))],
        at_ms: run.info.start_time,
        href: Some(format!("/runs/{}", run.info.run_id)),
    }];
    let commit = version.tag(GIT_COMMIT).or_else(|| run.tag("mlflow.source.git.commit"));
    if let Some(commit) = commit {
        links.push(Link {
            what: "code",
            title: format!("Git commit {commit}"),
            facts: vec![("source".to_owned(), run.tag("mlflow.source.name").unwrap_or_default().to_owned())],
            at_ms: None,
            href: None,
        });
    }
    let data = version.tag(DATA_DIGEST).or_else(|| run.tag(DATA_DIGEST));
    if let Some(digest) = data {
        let inputs: Vec<String> = run
            .dataset_inputs
            .iter()
            .map(|input| format!("{} {}", input.dataset.name, input.dataset.digest))
            .collect();
        links.push(Link {
            what: "training data",
            title: format!("trained on {digest}"),
            facts: vec![("datasets".to_owned(), inputs.join(", "))],
            at_ms: None,
            href: Some("/data".to_owned()),
        });
    }
    links
}

/// The stage run that opened the run: its inputs by digest, and what it ran in.
async fn stage_link(app: &App, run: &Run) -> Result<Option<Link>, Error> {
    let Some(found) = lineage::stage_run_of(app, run).await? else { return Ok(None) };
    let StageRun { stage, reason, is_dirty, deps, environment, .. } = found;
    let mut facts: Vec<(String, String)> = deps
        .into_iter()
        .map(|dep| {
            (dep.path, dep.digest.map_or_else(|| "not recorded".to_owned(), |digest| digest.to_string()))
        })
        .collect();
    for (name, value) in environment.as_object().into_iter().flatten() {
        facts.push((name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    }
    if is_dirty {
        facts.push(("working tree".to_owned(), "differed from the commit".to_owned()));
    }
    let title = format!("stage {stage} ran: {reason}");
    Ok(Some(Link { what: "stage", title, facts, at_ms: None, href: None }))
}

async fn data_link(app: &App, settings: &Option<crate::Settings>) -> Result<Option<Link>, Error> {
    let Some(check) = settings.as_ref().and_then(|settings| settings.checks.first()) else { return Ok(None) };
    let subject = format!("data/{}", check.data.display());
    let verdicts = app
        .verdicts
        .latest(Some(&subject), Some(VerdictKind::Validation), 1)
        .await
        .context("looking for validations")?;
    let dvc = app.project.root().join(format!("{}.dvc", check.data.display()));
    let mut facts = Vec::new();
    if let Ok(text) = std::fs::read_to_string(&dvc)
        && let Some(md5) = text.split("md5: ").nth(1).and_then(|rest| rest.split_whitespace().next())
    {
        facts.push(("versioned as".to_owned(), Digest::md5(md5).to_string()));
    }
    let title = verdicts
        .first()
        .map_or_else(|| format!("raw data {}", check.data.display()), |one| one.summary.clone());
    Ok(Some(Link {
        what: "raw data",
        title,
        facts,
        at_ms: verdicts.first().map(|one| one.at_ms),
        href: Some("/data".to_owned()),
    }))
}

async fn drift_link(app: &App, endpoint: &str) -> Result<Option<Link>, Error> {
    let subject = format!("endpoint/{endpoint}");
    let verdicts = app
        .verdicts
        .latest(Some(&subject), Some(VerdictKind::Drift), 1)
        .await
        .context("looking for drift verdicts")?;
    Ok(verdicts.first().map(|verdict| Link {
        what: "last verdict",
        title: verdict.summary.clone(),
        facts: vec![("verdict".to_owned(), verdict.id.clone())],
        at_ms: Some(verdict.at_ms),
        href: Some(format!("/endpoints/{endpoint}")),
    }))
}
