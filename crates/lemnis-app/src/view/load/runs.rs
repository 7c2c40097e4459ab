//! Runs from the tracking ports: metrics and params as columns, histories thinned out for plots.

use std::collections::{BTreeMap, HashMap};

use futures::TryStreamExt;
use lemnis_tracking::search::{Clause, Comparator, Entity, Value, run_fault, run_order};
use lemnis_tracking::{
    ExperimentId, ExperimentSearch, History, Lifecycle, Run, RunId, RunInfo, RunSearch, RunStatus,
    VersionSearch,
};
use object_store::ObjectStore;

use super::segment;
use crate::model::{DATA_DIGEST, GIT_COMMIT, MODEL_DIGEST};
use crate::view::{
    ArtifactRow, DatasetRow, ExperimentRow, KeyValue, Lineage, MetricPoint, MetricSeries, Moment, RunDetail,
    RunList, RunQuery, RunRow, State, VersionLink, thin,
};
use crate::{App, Context, Error, artifact};

/// The most runs on one page.
const MAX_LIMIT: usize = 1_000;
/// Metrics whose history is read.
const MAX_HISTORIES: usize = 60;
/// Points of one history.
const MAX_POINTS: usize = 300;
/// Files of a run that are listed.
const MAX_ARTIFACTS: usize = 500;
/// Nested runs that are listed.
const MAX_CHILDREN: usize = 200;
/// The tag by which a nested run names the run that it belongs to.
const PARENT_TAG: &str = "mlflow.parentRunId";

/// A page of runs. A filter or order that cannot be read is told in the list, not as a failure.
pub async fn runs(app: &App, query: &RunQuery) -> Result<RunList, Error> {
    let experiments =
        app.experiments.search(&ExperimentSearch::default()).await.context("looking for experiments")?;
    let names: HashMap<ExperimentId, String> = experiments
        .items
        .iter()
        .map(|experiment| (experiment.experiment_id, experiment.name.clone()))
        .collect();
    let mut list = RunList {
        runs: Vec::new(),
        metrics: Vec::new(),
        params: Vec::new(),
        experiments: experiments
            .items
            .iter()
            .map(|one| ExperimentRow { id: one.experiment_id.to_string(), name: one.name.clone() })
            .collect(),
        experiment: query.experiment.clone().filter(|id| !id.is_empty()),
        filter: query.filter.clone(),
        order_by: query.order_by.clone(),
        error: None,
        fault: None,
        total: None,
        offset: query.offset,
        next_offset: None,
    };
    let within = match &list.experiment {
        Some(id) => ExperimentId::parse(id).into_iter().collect(),
        None => names.keys().copied().collect(),
    };
    let mut search = match RunSearch::new(within).matching(&query.filter) {
        Ok(search) => search,
        Err(error) => {
            list.error = Some(error.to_string());
            list.fault = run_fault(&query.filter);
            return Ok(list);
        }
    };
    search.view = query.view;
    if !query.order_by.trim().is_empty() {
        match run_order(&query.order_by) {
            Ok(order) => search.order = vec![order],
            Err(error) => {
                list.error = Some(error.to_string());
                return Ok(list);
            }
        }
    }
    search.limit = query.limit.clamp(1, MAX_LIMIT);
    search.offset = query.offset;
    if query.count {
        list.total = Some(app.runs.count(&search).await.context("counting runs")?);
    }
    let page = app.runs.search(&search).await.context("looking for runs")?;
    let versions = versions_of(app, &page.items).await?;
    list.next_offset = page.next_offset;
    list.runs = page.items.iter().map(|run| row(run, &names, &versions)).collect();
    list.metrics = common(list.runs.iter().map(|run| run.metrics.keys()));
    list.params = differing(&list.runs);
    Ok(list)
}

/// Registered versions by the run that made them.
type Versions = HashMap<String, Vec<VersionLink>>;

pub(super) async fn versions_of(app: &App, runs: &[Run]) -> Result<Versions, Error> {
    if runs.is_empty() {
        return Ok(Versions::new());
    }
    let ids = runs.iter().map(|run| run.info.run_id.to_string()).collect();
    let clause = Clause {
        entity: Entity::Attribute,
        key: "run_id".to_owned(),
        comparator: Comparator::In,
        value: Value::List(ids),
    };
    let search = VersionSearch { filter: vec![clause], limit: 1_000, ..VersionSearch::default() };
    let found = app.registry.search_versions(&search).await.context("looking for versions")?;
    let mut versions = Versions::new();
    for version in found.items {
        let Some(run) = version.run_id else { continue };
        let link = VersionLink { model: version.name, version: version.version, aliases: version.aliases };
        versions.entry(run.to_string()).or_default().push(link);
    }
    Ok(versions)
}

pub(super) fn row(run: &Run, experiments: &HashMap<ExperimentId, String>, versions: &Versions) -> RunRow {
    let info = &run.info;
    RunRow {
        id: info.run_id.to_string(),
        name: info.run_name.clone(),
        experiment_id: info.experiment_id.to_string(),
        experiment: experiments.get(&info.experiment_id).cloned().unwrap_or_default(),
        status: info.status.as_str().to_owned(),
        state: state(info.status),
        started: info.start_time.map(Moment),
        duration_ms: info.start_time.zip(info.end_time).map(|(start, end)| (end - start).max(0)),
        user: info.user_id.clone(),
        metrics: run.metrics.iter().map(|metric| (metric.key.clone(), metric.value)).collect(),
        params: run.params.iter().map(|param| (param.key.clone(), param.value.clone())).collect(),
        tags: run
            .tags
            .iter()
            .filter(|tag| !tag.key.starts_with("mlflow."))
            .map(|tag| (tag.key.clone(), tag.value.clone()))
            .collect(),
        deleted: info.lifecycle_stage == Lifecycle::Deleted,
        versions: versions.get(info.run_id.as_str()).cloned().unwrap_or_default(),
    }
}

fn state(status: RunStatus) -> State {
    match status {
        RunStatus::Running | RunStatus::Scheduled => State::Working,
        RunStatus::Finished => State::Ok,
        RunStatus::Failed => State::Attention,
        RunStatus::Killed => State::Idle,
    }
}

/// Names by how many of the lists have them, then by name.
pub(super) fn common<'a>(lists: impl Iterator<Item = impl Iterator<Item = &'a String>>) -> Vec<String> {
    let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
    for name in lists.flatten() {
        *counts.entry(name).or_default() += 1;
    }
    let mut names: Vec<(&String, usize)> = counts.into_iter().collect();
    names.sort_by_key(|(_, count)| usize::MAX - count);
    names.into_iter().map(|(name, _)| name.clone()).collect()
}

/// Params that not all runs have with the same value.
fn differing(runs: &[RunRow]) -> Vec<String> {
    let names = common(runs.iter().map(|run| run.params.keys()));
    let differs = |name: &String| {
        let mut values = runs.iter().map(|run| run.params.get(name));
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    names.into_iter().filter(differs).collect()
}

/// One run, by its id or the start of one that no other run shares.
pub async fn run(app: &App, id: &str) -> Result<RunDetail, Error> {
    let run = find(app, id).await?.ok_or_else(|| Error::Missing { what: "run", name: id.to_owned() })?;
    let experiment =
        app.experiments.get(run.info.experiment_id).await.context("looking for the experiment")?;
    let names: HashMap<ExperimentId, String> =
        experiment.into_iter().map(|experiment| (experiment.experiment_id, experiment.name)).collect();
    let versions = versions_of(app, std::slice::from_ref(&run)).await?;
    let row = row(&run, &names, &versions);
    let (artifacts, artifacts_cut) = artifacts(app, &run).await?;
    let text = |key: &str| run.tag(key).map(str::to_owned);
    Ok(RunDetail {
        metrics: histories(app, &run).await?,
        params: run
            .params
            .iter()
            .map(|one| KeyValue { key: one.key.clone(), value: one.value.clone() })
            .collect(),
        tags: run
            .tags
            .iter()
            .filter(|tag| !tag.key.starts_with("mlflow."))
            .map(|tag| KeyValue { key: tag.key.clone(), value: tag.value.clone() })
            .collect(),
        note: text("mlflow.note.content"),
        parent: text(PARENT_TAG),
        children: children(app, &run, &names).await?,
        deleted: row.deleted,
        artifacts,
        artifacts_cut,
        datasets: run
            .dataset_inputs
            .iter()
            .map(|input| DatasetRow {
                name: input.dataset.name.clone(),
                digest: input.dataset.digest.clone(),
                context: input
                    .tags
                    .iter()
                    .find(|tag| tag.key == "mlflow.data.context")
                    .map(|tag| tag.value.clone()),
            })
            .collect(),
        lineage: Lineage {
            git_commit: text(GIT_COMMIT).or_else(|| text("mlflow.source.git.commit")),
            data_digest: text(DATA_DIGEST),
            model_digest: text(MODEL_DIGEST),
            versions: row.versions,
        },
        id: row.id,
        name: row.name,
        experiment_id: row.experiment_id,
        experiment: row.experiment,
        status: row.status,
        state: row.state,
        started: row.started,
        duration_ms: row.duration_ms,
        user: row.user,
    })
}

/// The run with this id, without what it logged.
pub async fn run_info(app: &App, id: &str) -> Result<RunInfo, Error> {
    let found = app.runs.info(&RunId::from(id)).await.context("looking for the run")?;
    found.ok_or_else(|| Error::Missing { what: "run", name: id.to_owned() })
}

/// The active runs that name `run` as their parent.
async fn children(app: &App, run: &Run, names: &HashMap<ExperimentId, String>) -> Result<Vec<RunRow>, Error> {
    let mut search = RunSearch::new(vec![run.info.experiment_id]);
    search.filter = vec![Clause {
        entity: Entity::Tag,
        key: PARENT_TAG.to_owned(),
        comparator: Comparator::Equal,
        value: Value::Text(run.info.run_id.to_string()),
    }];
    search.limit = MAX_CHILDREN;
    let found = app.runs.search(&search).await.context("looking for nested runs")?.items;
    Ok(found.iter().map(|run| row(run, names, &Versions::new())).collect())
}

async fn find(app: &App, id: &str) -> Result<Option<Run>, Error> {
    let exact = app.runs.get(&RunId::from(id)).await.context("looking for the run")?;
    let is_start = id.len() >= 4 && id.chars().all(|character| character.is_ascii_alphanumeric());
    if exact.is_some() || !is_start {
        return Ok(exact);
    }
    let experiments =
        app.experiments.search(&ExperimentSearch::default()).await.context("looking for experiments")?;
    let within = experiments.items.iter().map(|experiment| experiment.experiment_id).collect();
    let mut search = RunSearch::new(within)
        .matching(&format!("attributes.run_id LIKE '{id}%'"))
        .context("looking for the run")?;
    search.limit = 2;
    let found = app.runs.search(&search).await.context("looking for the run")?.items;
    match found.len() {
        0 | 1 => Ok(found.into_iter().next()),
        _ => Err(Error::invalid(format!("several runs begin with {id:?}: give more of the id"))),
    }
}

async fn histories(app: &App, run: &Run) -> Result<Vec<MetricSeries>, Error> {
    let mut series = Vec::with_capacity(run.metrics.len());
    for (place, metric) in run.metrics.iter().enumerate() {
        let mut points = Vec::new();
        // A metric whose latest point is at step 0 may still have a history by time; both cost one small read.
        if place < MAX_HISTORIES {
            let all = History { key: metric.key.clone(), limit: None, offset: 0 };
            let history =
                app.runs.history(&run.info.run_id, &all).await.context("reading a metric's history")?;
            let mut history = history.items;
            history.sort_by_key(|point| (point.step, point.timestamp));
            points = thin(history, MAX_POINTS)
                .iter()
                .map(|point| MetricPoint { step: point.step, value: point.value })
                .collect();
        }
        if points.is_empty() {
            points.push(MetricPoint { step: metric.step, value: metric.value });
        }
        series.push(MetricSeries { key: metric.key.clone(), value: metric.value, points });
    }
    Ok(series)
}

async fn artifacts(app: &App, run: &Run) -> Result<(Vec<ArtifactRow>, bool), Error> {
    let Ok(prefix) = artifact::object_path(&run.info.artifact_uri) else { return Ok((Vec::new(), false)) };
    let mut files = app.artifacts.list(Some(&prefix));
    let mut rows = Vec::new();
    let failed = |error: object_store::Error| {
        Error::conflict(
            format!("the artifacts of the run cannot be listed: {error}"),
            "look at the artifact store",
        )
    };
    while let Some(file) = files.try_next().await.map_err(failed)? {
        if rows.len() == MAX_ARTIFACTS {
            return Ok((sorted(rows), true));
        }
        let Some(parts) = file.location.prefix_match(&prefix) else { continue };
        let path = parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/");
        let place = path.split('/').map(segment).collect::<Vec<_>>().join("/");
        rows.push(ArtifactRow {
            path,
            size_bytes: file.size,
            href: format!("/runs/{}/artifacts/{place}", segment(run.info.run_id.as_str())),
        });
    }
    Ok((sorted(rows), false))
}

fn sorted(mut rows: Vec<ArtifactRow>) -> Vec<ArtifactRow> {
    rows.sort_by(|a, b| a.path.cmp(&b.path));
    rows
}
