//! Experiments: named groups of runs.

use async_trait::async_trait;
use lemnis_core::Millis;
use serde::{Deserialize, Serialize};

use crate::search::{Clause, Order};
use crate::{ExperimentId, Page, Result, Tag};

/// Whether a thing is shown or was softly deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lifecycle {
    /// Shown and writable.
    #[default]
    Active,
    /// Softly deleted; can be restored.
    Deleted,
}

impl Lifecycle {
    /// `active` or `deleted`.
    pub fn as_str(self) -> &'static str {
        match self {
            Lifecycle::Active => "active",
            Lifecycle::Deleted => "deleted",
        }
    }

    /// The stage that `text` names; anything unknown counts as active.
    pub fn parse(text: &str) -> Self {
        if text == "deleted" { Lifecycle::Deleted } else { Lifecycle::Active }
    }
}

/// Which lifecycle stages a search shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// `ACTIVE_ONLY`.
    #[default]
    Active,
    /// `DELETED_ONLY`.
    Deleted,
    /// `ALL`.
    All,
}

impl View {
    /// The lifecycle the view is limited to; `None` shows both.
    pub fn lifecycle(self) -> Option<Lifecycle> {
        match self {
            View::Active => Some(Lifecycle::Active),
            View::Deleted => Some(Lifecycle::Deleted),
            View::All => None,
        }
    }
}

/// An experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// Its id.
    pub experiment_id: ExperimentId,
    /// Its unique name; a deleted experiment keeps it.
    pub name: String,
    /// The URI under which the artifacts of its runs lie.
    pub artifact_location: String,
    /// Active or deleted.
    pub lifecycle_stage: Lifecycle,
    /// When it was made.
    pub creation_time: Millis,
    /// When its name or lifecycle changed last.
    pub last_update_time: Millis,
    /// Its tags, by key.
    pub tags: Vec<Tag>,
}

/// An experiment to make.
#[derive(Clone, Debug, Default)]
pub struct NewExperiment {
    /// Its name.
    pub name: String,
    /// Where artifacts go; `None` is `mlflow-artifacts:/<id>`.
    pub artifact_location: Option<String>,
    /// Its first tags.
    pub tags: Vec<Tag>,
    /// The present moment.
    pub at_ms: Millis,
}

/// A search for experiments.
#[derive(Clone, Debug)]
pub struct ExperimentSearch {
    /// Clauses that must all hold: [`crate::search::experiments`].
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

impl Default for ExperimentSearch {
    fn default() -> Self {
        Self { filter: Vec::new(), view: View::Active, order: Vec::new(), limit: 1000, offset: 0 }
    }
}

/// A dataset and what runs of an experiment used it for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetUse {
    /// The experiment.
    pub experiment_id: ExperimentId,
    /// The dataset's name.
    pub name: String,
    /// Its digest.
    pub digest: String,
    /// What it was used for, such as `training`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

/// The port that keeps experiments.
#[async_trait]
pub trait Experiments: Send + Sync {
    /// Makes an experiment and returns it. A taken name is `RESOURCE_ALREADY_EXISTS`, also if its owner is deleted.
    async fn create(&self, new: &NewExperiment) -> Result<Experiment>;

    /// The experiment with `id`, active or deleted.
    async fn get(&self, id: ExperimentId) -> Result<Option<Experiment>>;

    /// The experiment called `name`, active or deleted.
    async fn by_name(&self, name: &str) -> Result<Option<Experiment>>;

    /// The datasets that runs of `experiments` read, each use once, at most 1000.
    async fn datasets(&self, experiments: &[ExperimentId]) -> Result<Vec<DatasetUse>>;

    /// Experiments that match.
    async fn search(&self, search: &ExperimentSearch) -> Result<Page<Experiment>>;

    /// Gives an active experiment another name.
    async fn rename(&self, id: ExperimentId, name: &str, at_ms: Millis) -> Result<()>;

    /// Deletes or restores an experiment together with its runs. The wrong present stage is
    /// `RESOURCE_DOES_NOT_EXIST`, as in MLflow.
    async fn set_lifecycle(&self, id: ExperimentId, to: Lifecycle, at_ms: Millis) -> Result<()>;

    /// Sets a tag of an active experiment.
    async fn set_tag(&self, id: ExperimentId, tag: &Tag, at_ms: Millis) -> Result<()>;

    /// Removes a tag of an active experiment; an absent one is `RESOURCE_DOES_NOT_EXIST`.
    async fn delete_tag(&self, id: ExperimentId, key: &str, at_ms: Millis) -> Result<()>;
}
