//! Runs: what one execution of training code logged.

use async_trait::async_trait;
use lemnis_core::Millis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::search::{Clause, Order};
use crate::{Error, ExperimentId, Lifecycle, LoggedModelId, Page, Result, RunId, View};

/// The tag that holds a run's name.
pub const RUN_NAME_TAG: &str = "mlflow.runName";

/// How a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RunStatus {
    /// Works now.
    #[default]
    Running,
    /// Waits to start.
    Scheduled,
    /// Ended well.
    Finished,
    /// Ended with an error.
    Failed,
    /// Was stopped.
    Killed,
}

impl RunStatus {
    /// The status's name, such as `FINISHED`.
    pub fn as_str(self) -> &'static str {
        match self {
            RunStatus::Running => "RUNNING",
            RunStatus::Scheduled => "SCHEDULED",
            RunStatus::Finished => "FINISHED",
            RunStatus::Failed => "FAILED",
            RunStatus::Killed => "KILLED",
        }
    }

    /// The status that `text` names, or its number in MLflow's protocol (1 = RUNNING … 5 = KILLED).
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "RUNNING" | "1" => RunStatus::Running,
            "SCHEDULED" | "2" => RunStatus::Scheduled,
            "FINISHED" | "3" => RunStatus::Finished,
            "FAILED" | "4" => RunStatus::Failed,
            "KILLED" | "5" => RunStatus::Killed,
            _ => return None,
        })
    }
}

/// A key with a text that may change.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Tag {
    /// Its name.
    pub key: String,
    /// Its text.
    pub value: String,
}

impl Tag {
    /// A tag.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

/// A key with a text that never changes once logged.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Param {
    /// Its name.
    pub key: String,
    /// Its text.
    pub value: String,
}

impl Param {
    /// A param.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

/// One point of a metric.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Metric {
    /// Its name.
    pub key: String,
    /// The value; NaN is allowed, infinities are kept as ±[`f64::MAX`].
    pub value: f64,
    /// When it was measured.
    pub timestamp: Millis,
    /// The training step it belongs to.
    pub step: i64,
    /// The logged model it describes, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<LoggedModelId>,
    /// Name of the dataset it was measured on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_name: Option<String>,
    /// Digest of that dataset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_digest: Option<String>,
}

impl Metric {
    /// A point at step 0.
    pub fn new(key: impl Into<String>, value: f64, timestamp: Millis) -> Self {
        let key = key.into();
        Self { key, value, timestamp, step: 0, model_id: None, dataset_name: None, dataset_digest: None }
    }

    /// The same point at `step`.
    pub fn at_step(mut self, step: i64) -> Self {
        self.step = step;
        self
    }
}

/// A dataset that a run read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    /// Its name; (name, digest) is unique in an experiment.
    pub name: String,
    /// Its digest, at most 36 characters.
    pub digest: String,
    /// The kind of its source, such as `local`.
    pub source_type: String,
    /// Where it comes from, usually JSON.
    pub source: String,
    /// Its columns, usually JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Its size, usually JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
}

/// A dataset with what the run used it for (tag `mlflow.data.context`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetInput {
    /// The dataset.
    pub dataset: Dataset,
    /// Tags of this use.
    pub tags: Vec<Tag>,
}

/// A logged model that a run made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelOutput {
    /// Which model.
    pub model_id: LoggedModelId,
    /// The step it was saved at.
    pub step: i64,
}

/// A run without what it logged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Its id.
    pub run_id: RunId,
    /// Its name; also its tag `mlflow.runName`.
    pub run_name: String,
    /// The experiment it belongs to.
    pub experiment_id: ExperimentId,
    /// Who started it.
    pub user_id: String,
    /// How it stands.
    pub status: RunStatus,
    /// When it started.
    pub start_time: Option<Millis>,
    /// When it ended.
    pub end_time: Option<Millis>,
    /// The URI of its artifacts.
    pub artifact_uri: String,
    /// Active or deleted.
    pub lifecycle_stage: Lifecycle,
}

/// A run with what it logged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Identity, times and status.
    pub info: RunInfo,
    /// The latest point of each metric, by key.
    pub metrics: Vec<Metric>,
    /// The params, by key.
    pub params: Vec<Param>,
    /// The tags, by key.
    pub tags: Vec<Tag>,
    /// The datasets it read.
    pub dataset_inputs: Vec<DatasetInput>,
    /// The logged models it read.
    pub model_inputs: Vec<LoggedModelId>,
    /// The logged models it made.
    pub model_outputs: Vec<ModelOutput>,
}

impl Run {
    /// The latest value of metric `key`.
    pub fn metric(&self, key: &str) -> Option<f64> {
        self.metrics.iter().find(|metric| metric.key == key).map(|metric| metric.value)
    }

    /// The param `key`.
    pub fn param(&self, key: &str) -> Option<&str> {
        self.params.iter().find(|param| param.key == key).map(|param| param.value.as_str())
    }

    /// The tag `key`.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.as_str())
    }
}

/// A run to make.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// Its experiment.
    pub experiment_id: ExperimentId,
    /// Who starts it.
    pub user_id: String,
    /// Its name; without one the tag `mlflow.runName` or a generated name is taken.
    pub run_name: Option<String>,
    /// When it started.
    pub start_time: Option<Millis>,
    /// Its first tags.
    pub tags: Vec<Tag>,
}

impl NewRun {
    /// The run's name and its tags with that name in `mlflow.runName`. A name that contradicts the tag is refused;
    /// where there is neither, one is made up.
    pub fn named(&self) -> Result<(String, Vec<Tag>)> {
        let mut tags = self.tags.clone();
        let tag = tags.iter().rev().find(|tag| tag.key == RUN_NAME_TAG).map(|tag| tag.value.clone());
        let name = self.run_name.clone().filter(|name| !name.is_empty());
        match (name, tag) {
            (Some(name), Some(tag)) if name != tag => Err(Error::invalid(format!(
                "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values \
                 (run_name='{name}', mlflow.runName='{tag}')."
            ))),
            (_, Some(tag)) => Ok((tag, tags)),
            (name, None) => {
                let name = name.unwrap_or_else(crate::name::random);
                tags.push(Tag::new(RUN_NAME_TAG, name.clone()));
                Ok((name, tags))
            }
        }
    }

    /// A run in `experiment_id` that starts at `start_time`, without a name or tags.
    pub fn new(experiment_id: ExperimentId, start_time: Millis) -> Self {
        let user_id = String::new();
        Self { experiment_id, user_id, run_name: None, start_time: Some(start_time), tags: Vec::new() }
    }
}

/// What changes in a run; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct RunChange {
    /// The new status.
    pub status: Option<RunStatus>,
    /// When it ended.
    pub end_time: Option<Millis>,
    /// The new name.
    pub run_name: Option<String>,
}

/// Metrics, params and tags logged at once: all of them or none.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Points of metrics.
    pub metrics: Vec<Metric>,
    /// Params.
    pub params: Vec<Param>,
    /// Tags.
    pub tags: Vec<Tag>,
}

/// A search for runs.
#[derive(Clone, Debug)]
pub struct RunSearch {
    /// The experiments to look in; none finds nothing.
    pub experiments: Vec<ExperimentId>,
    /// Clauses that must all hold: [`crate::search::runs`].
    pub filter: Vec<Clause>,
    /// Active, deleted or both.
    pub view: View,
    /// The order; empty is newest first.
    pub order: Vec<Order>,
    /// Rows a page, at most 50 000.
    pub limit: usize,
    /// Where the page starts.
    pub offset: u64,
}

impl RunSearch {
    /// The newest 1000 active runs of `experiments`.
    pub fn new(experiments: Vec<ExperimentId>) -> Self {
        Self {
            experiments,
            filter: Vec::new(),
            view: View::Active,
            order: Vec::new(),
            limit: 1000,
            offset: 0,
        }
    }

    /// Only runs that match `filter`, in MLflow's grammar.
    pub fn matching(mut self, filter: &str) -> Result<Self> {
        self.filter = crate::search::runs(filter)?;
        Ok(self)
    }
}

/// Which points of one metric to read.
#[derive(Clone, Debug)]
pub struct History {
    /// The metric's name.
    pub key: String,
    /// At most this many points; `None` reads them all.
    pub limit: Option<usize>,
    /// Where the page starts.
    pub offset: u64,
}

/// At most `max_points` evenly spread points of one metric for each of several runs.
#[derive(Clone, Debug)]
pub struct SampledMetrics {
    /// The runs.
    pub run_ids: Vec<RunId>,
    /// The metric's name.
    pub key: String,
    /// First and last step, both included.
    pub steps: Option<(i64, i64)>,
    /// Points a run; the last point is always kept.
    pub max_points: usize,
}

/// The port that keeps runs.
#[async_trait]
pub trait Runs: Send + Sync {
    /// Makes a run of an active experiment.
    async fn create(&self, new: &NewRun) -> Result<Run>;

    /// The run with `id`, active or deleted, with all it logged.
    async fn get(&self, id: &RunId) -> Result<Option<Run>>;

    /// The run with `id` without what it logged.
    async fn info(&self, id: &RunId) -> Result<Option<RunInfo>>;

    /// Changes an active run and returns it.
    async fn update(&self, id: &RunId, change: &RunChange) -> Result<RunInfo>;

    /// Deletes or restores a run; a run that stands there already is `INVALID_PARAMETER_VALUE`.
    async fn set_lifecycle(&self, id: &RunId, to: Lifecycle, at_ms: Millis) -> Result<()>;

    /// Logs to an active run: everything in `batch` or nothing.
    async fn log(&self, id: &RunId, batch: &Batch) -> Result<()>;

    /// Removes a tag of an active run; an absent one is `RESOURCE_DOES_NOT_EXIST`.
    async fn delete_tag(&self, id: &RunId, key: &str) -> Result<()>;

    /// Runs that match.
    async fn search(&self, search: &RunSearch) -> Result<Page<Run>>;

    /// How many runs match; order, limit and offset do not matter.
    async fn count(&self, search: &RunSearch) -> Result<u64>;

    /// The points of one metric, by timestamp, step, value.
    async fn history(&self, id: &RunId, history: &History) -> Result<Page<Metric>>;

    /// Points of one metric of several runs, thinned out for a plot, by run and step.
    async fn sampled(&self, sample: &SampledMetrics) -> Result<Vec<(RunId, Metric)>>;

    /// Records which datasets and logged models an active run read; what is recorded already stays as it is.
    async fn log_inputs(&self, id: &RunId, datasets: &[DatasetInput], models: &[LoggedModelId])
    -> Result<()>;

    /// Records which logged models an active run made.
    async fn log_outputs(&self, id: &RunId, models: &[ModelOutput]) -> Result<()>;
}

impl RunInfo {
    /// Fails unless the run is active.
    pub fn active(&self) -> Result<()> {
        match self.lifecycle_stage {
            Lifecycle::Active => Ok(()),
            Lifecycle::Deleted => Err(Error::invalid(format!(
                "The run {} must be in the 'active' state. Current state is deleted.",
                self.run_id
            ))),
        }
    }
}
