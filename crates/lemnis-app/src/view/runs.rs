//! Runs of all experiments, and one run with all it logged.

use std::collections::BTreeMap;
use std::ops::Range;

use lemnis_tracking::View;
use schemars::JsonSchema;
use serde::Serialize;

use super::{KeyValue, Moment, State};

/// Which runs to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunQuery {
    /// A filter in MLflow's grammar; empty shows all.
    pub filter: String,
    /// An order such as `metrics.roc_auc DESC`; empty is newest first.
    pub order_by: String,
    /// Only this experiment's runs, by id.
    pub experiment: Option<String>,
    /// Whether active runs, deleted ones or both are shown.
    pub view: View,
    /// Whether to count the runs that match.
    pub count: bool,
    /// Rows a page, at most 1000.
    pub limit: usize,
    /// Where the page starts.
    pub offset: u64,
}

impl Default for RunQuery {
    fn default() -> Self {
        Self {
            filter: String::new(),
            order_by: String::new(),
            experiment: None,
            view: View::Active,
            count: false,
            limit: 100,
            offset: 0,
        }
    }
}

/// One page of runs.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct RunList {
    /// The runs in the order asked for.
    pub runs: Vec<RunRow>,
    /// Names of the metrics that any of the runs has; the ones that most of them have first.
    pub metrics: Vec<String>,
    /// Names of the params in which the runs differ.
    pub params: Vec<String>,
    /// The experiments there are.
    pub experiments: Vec<ExperimentRow>,
    /// The experiment that the list is limited to.
    pub experiment: Option<String>,
    /// The filter as it was given.
    pub filter: String,
    /// The order as it was given.
    pub order_by: String,
    /// What is wrong with the filter or the order; no runs are shown then.
    pub error: Option<String>,
    /// The bytes of the filter that are at fault.
    pub fault: Option<Range<usize>>,
    /// How many runs match, where that was asked for.
    pub total: Option<u64>,
    /// Where this page starts.
    pub offset: u64,
    /// Where the next page starts.
    pub next_offset: Option<u64>,
}

/// Runs side by side.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct RunComparison {
    /// The runs, in the order asked for.
    pub runs: Vec<RunRow>,
    /// Ids for which there is no run.
    pub missing: Vec<String>,
    /// The metrics that any of the runs has, commonest first.
    pub metrics: Vec<String>,
    /// The params that any of the runs has, commonest first.
    pub params: Vec<String>,
}

/// One metric of one run over time, thinned out: [`thin`](crate::view::thin).
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Curve {
    /// The run's id.
    pub run: String,
    /// The steps.
    pub steps: Vec<i64>,
    /// When each value was measured, in milliseconds since 1970.
    pub times: Vec<i64>,
    /// The values; what is not finite is `null` in JSON.
    pub values: Vec<f64>,
    /// How many points were logged.
    pub logged: usize,
}

/// An experiment in one line.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct ExperimentLine {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is about (tag `mlflow.note.content`).
    pub note: Option<String>,
    /// Active runs.
    pub runs: u64,
    /// When it was made.
    pub created: Moment,
    /// When its newest run started.
    pub newest: Option<Moment>,
}

/// An experiment by name.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct ExperimentRow {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// A run in one line.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct RunRow {
    /// The run's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The experiment's id.
    pub experiment_id: String,
    /// The experiment's name.
    pub experiment: String,
    /// `RUNNING`, `SCHEDULED`, `FINISHED`, `FAILED` or `KILLED`.
    pub status: String,
    /// How the row is coloured.
    pub state: State,
    /// When it started.
    pub started: Option<Moment>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<i64>,
    /// Who started it.
    pub user: String,
    /// The latest value of each metric.
    pub metrics: BTreeMap<String, f64>,
    /// The params.
    pub params: BTreeMap<String, String>,
    /// The tags that are not MLflow's own.
    pub tags: BTreeMap<String, String>,
    /// Whether it was deleted.
    pub deleted: bool,
    /// The registered versions that came of it.
    pub versions: Vec<VersionLink>,
}

/// A registered version and the aliases that point at it.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct VersionLink {
    /// The model's name.
    pub model: String,
    /// The version's number.
    pub version: u32,
    /// Its aliases.
    pub aliases: Vec<String>,
}

/// One run with all it logged.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct RunDetail {
    /// The run's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The experiment's id.
    pub experiment_id: String,
    /// The experiment's name.
    pub experiment: String,
    /// `RUNNING`, `SCHEDULED`, `FINISHED`, `FAILED` or `KILLED`.
    pub status: String,
    /// How the page is coloured.
    pub state: State,
    /// When it started.
    pub started: Option<Moment>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<i64>,
    /// Who started it.
    pub user: String,
    /// The metrics with their histories, by name.
    pub metrics: Vec<MetricSeries>,
    /// The params, by name.
    pub params: Vec<KeyValue>,
    /// The tags that are not MLflow's own, by name.
    pub tags: Vec<KeyValue>,
    /// The description (tag `mlflow.note.content`).
    pub note: Option<String>,
    /// The run that it is a part of.
    pub parent: Option<String>,
    /// The runs that are a part of it, newest first.
    pub children: Vec<RunRow>,
    /// Whether it was deleted.
    pub deleted: bool,
    /// The files that it logged.
    pub artifacts: Vec<ArtifactRow>,
    /// Whether there are more files than `artifacts` lists.
    pub artifacts_cut: bool,
    /// The datasets that it read.
    pub datasets: Vec<DatasetRow>,
    /// Where it comes from and what came of it.
    pub lineage: Lineage,
}

/// One metric of a run.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct MetricSeries {
    /// The metric's name.
    pub key: String,
    /// The latest value.
    pub value: f64,
    /// The history by step, thinned out; a single point where it was logged once.
    pub points: Vec<MetricPoint>,
}

/// One point of a metric.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize)]
pub struct MetricPoint {
    /// The step.
    pub step: i64,
    /// The value.
    pub value: f64,
}

/// A file that a run logged.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct ArtifactRow {
    /// The path below the run's artifacts.
    pub path: String,
    /// Its size.
    pub size_bytes: u64,
    /// The page that shows it.
    pub href: String,
}

/// A dataset that a run read.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct DatasetRow {
    /// Its name.
    pub name: String,
    /// Its digest.
    pub digest: String,
    /// What it was used for, such as `training`.
    pub context: Option<String>,
}

/// The chain from code and data to a version.
#[derive(Clone, Debug, Default, JsonSchema, Serialize)]
pub struct Lineage {
    /// The Git commit of the code.
    pub git_commit: Option<String>,
    /// The digest of the data.
    pub data_digest: Option<String>,
    /// The digest of the model.
    pub model_digest: Option<String>,
    /// The registered versions.
    pub versions: Vec<VersionLink>,
}
