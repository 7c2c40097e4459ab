//! Experiments, runs side by side and their curves.

use std::collections::HashMap;

use lemnis_tracking::{ExperimentId, ExperimentSearch, History, RunId, RunSearch};

use super::runs::{common, row, versions_of};
use crate::view::{Curve, ExperimentLine, Moment, RunComparison, thin};
use crate::{App, Context, Error};

/// The most runs that are compared.
const MAX_RUNS: usize = 200;
/// The most points of one curve.
const MAX_POINTS: usize = 5_000;

/// Every active experiment with the number of its runs, the one with the newest run first.
pub async fn experiments(app: &App) -> Result<Vec<ExperimentLine>, Error> {
    let found =
        app.experiments.search(&ExperimentSearch::default()).await.context("looking for experiments")?;
    let mut lines = Vec::with_capacity(found.items.len());
    for one in found.items {
        let mut search = RunSearch::new(vec![one.experiment_id]);
        search.limit = 1;
        let runs = app.runs.count(&search).await.context("counting runs")?;
        let newest = app.runs.search(&search).await.context("looking for runs")?.items;
        let note = one.tags.iter().find(|tag| tag.key == "mlflow.note.content");
        lines.push(ExperimentLine {
            id: one.experiment_id.to_string(),
            note: note.map(|tag| tag.value.clone()).filter(|note| !note.is_empty()),
            name: one.name,
            runs,
            created: Moment(one.creation_time),
            newest: newest.first().and_then(|run| run.info.start_time).map(Moment),
        });
    }
    lines.sort_by(|a, b| b.newest.cmp(&a.newest).then_with(|| a.name.cmp(&b.name)));
    Ok(lines)
}

/// The runs with these ids side by side; an id is used once, and at most 200 are.
pub async fn compare(app: &App, ids: &[String]) -> Result<RunComparison, Error> {
    let mut comparison =
        RunComparison { runs: Vec::new(), missing: Vec::new(), metrics: Vec::new(), params: Vec::new() };
    let mut found = Vec::new();
    for id in distinct(ids)? {
        match app.runs.get(&RunId::from(id)).await.context("looking for a run")? {
            Some(run) => found.push(run),
            None => comparison.missing.push(id.to_owned()),
        }
    }
    let mut names: HashMap<ExperimentId, String> = HashMap::new();
    for run in &found {
        let id = run.info.experiment_id;
        if !names.contains_key(&id) {
            let experiment = app.experiments.get(id).await.context("looking for the experiment")?;
            names.extend(experiment.map(|experiment| (id, experiment.name)));
        }
    }
    let versions = versions_of(app, &found).await?;
    comparison.runs = found.iter().map(|run| row(run, &names, &versions)).collect();
    comparison.metrics = common(comparison.runs.iter().map(|run| run.metrics.keys()));
    comparison.params = common(comparison.runs.iter().map(|run| run.params.keys()));
    Ok(comparison)
}

/// One metric of several runs, each by step and thinned out to `points`. Runs without the metric are left out.
pub async fn curves(app: &App, ids: &[String], metric: &str, points: usize) -> Result<Vec<Curve>, Error> {
    let all = History { key: metric.to_owned(), limit: None, offset: 0 };
    let mut curves = Vec::new();
    for id in distinct(ids)? {
        let run = RunId::from(id);
        if app.runs.info(&run).await.context("looking for a run")?.is_none() {
            continue;
        }
        let mut history = app.runs.history(&run, &all).await.context("reading a metric's history")?.items;
        if history.is_empty() {
            continue;
        }
        history.sort_by_key(|point| (point.step, point.timestamp));
        let logged = history.len();
        let kept = thin(history, points.min(MAX_POINTS));
        curves.push(Curve {
            run: id.to_owned(),
            steps: kept.iter().map(|point| point.step).collect(),
            times: kept.iter().map(|point| point.timestamp).collect(),
            values: kept.iter().map(|point| shown(point.value)).collect(),
            logged,
        });
    }
    Ok(curves)
}

/// Infinities are kept as the largest number there is; a plot has no place for either.
fn shown(value: f64) -> f64 {
    if value.abs() >= f64::MAX { f64::NAN } else { value }
}

fn distinct(ids: &[String]) -> Result<Vec<&str>, Error> {
    let mut seen: Vec<&str> = Vec::new();
    for id in ids.iter().map(|id| id.trim()).filter(|id| !id.is_empty()) {
        if !seen.contains(&id) {
            seen.push(id);
        }
    }
    if seen.len() > MAX_RUNS {
        return Err(Error::invalid(format!(
            "{} runs are more than the {MAX_RUNS} that can be compared",
            seen.len()
        )));
    }
    Ok(seen)
}
