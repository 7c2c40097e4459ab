//! Logged models: what `log_model` saves, before and without any registration.

use async_trait::async_trait;
use lemnis_core::Millis;
use serde::{Deserialize, Serialize};

use crate::search::Clause;
use crate::{ExperimentId, Lifecycle, LoggedModelId, Page, Param, Result, RunId, Tag};

/// How far a logged model is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LoggedModelStatus {
    /// Its files are being written.
    #[default]
    #[serde(rename = "LOGGED_MODEL_PENDING")]
    Pending,
    /// Complete.
    #[serde(rename = "LOGGED_MODEL_READY")]
    Ready,
    /// Its files could not be written.
    #[serde(rename = "LOGGED_MODEL_UPLOAD_FAILED")]
    UploadFailed,
}

impl LoggedModelStatus {
    /// The name on the wire, such as `LOGGED_MODEL_READY`.
    pub fn as_str(self) -> &'static str {
        match self {
            LoggedModelStatus::Pending => "LOGGED_MODEL_PENDING",
            LoggedModelStatus::Ready => "LOGGED_MODEL_READY",
            LoggedModelStatus::UploadFailed => "LOGGED_MODEL_UPLOAD_FAILED",
        }
    }

    /// The status that `text` names, or its number in MLflow's protocol.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "LOGGED_MODEL_PENDING" | "PENDING" | "1" => LoggedModelStatus::Pending,
            "LOGGED_MODEL_READY" | "READY" | "2" => LoggedModelStatus::Ready,
            "LOGGED_MODEL_UPLOAD_FAILED" | "FAILED" | "3" => LoggedModelStatus::UploadFailed,
            _ => return None,
        })
    }

    /// The word a filter compares with, such as `READY`.
    pub fn filter_word(self) -> &'static str {
        match self {
            LoggedModelStatus::Pending => "PENDING",
            LoggedModelStatus::Ready => "READY",
            LoggedModelStatus::UploadFailed => "FAILED",
        }
    }
}

/// A metric that was logged for a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedMetric {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: f64,
    /// When it was measured.
    pub timestamp: Millis,
    /// The training step.
    pub step: i64,
    /// The run that logged it.
    pub run_id: RunId,
    /// Name of the dataset it was measured on.
    pub dataset_name: Option<String>,
    /// Digest of that dataset.
    pub dataset_digest: Option<String>,
}

/// A logged model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedModel {
    /// Its id.
    pub model_id: LoggedModelId,
    /// The experiment it belongs to.
    pub experiment_id: ExperimentId,
    /// Its name; need not be unique.
    pub name: String,
    /// The URI of its files.
    pub artifact_uri: String,
    /// When it was made.
    pub creation_timestamp: Millis,
    /// When its status changed last.
    pub last_updated_timestamp: Millis,
    /// How far it is.
    pub status: LoggedModelStatus,
    /// What kind of model it is, such as `Agent`.
    pub model_type: Option<String>,
    /// The run that made it.
    pub source_run_id: Option<RunId>,
    /// Its tags, by key.
    pub tags: Vec<Tag>,
    /// Its params, by key.
    pub params: Vec<Param>,
    /// The latest point of each metric and dataset.
    pub metrics: Vec<LoggedMetric>,
    /// Active or deleted.
    pub lifecycle_stage: Lifecycle,
}

/// A logged model to make.
#[derive(Clone, Debug)]
pub struct NewLoggedModel {
    /// Its experiment.
    pub experiment_id: ExperimentId,
    /// Its name; `None` or empty takes a generated one.
    pub name: Option<String>,
    /// What kind of model it is.
    pub model_type: Option<String>,
    /// The run that makes it.
    pub source_run_id: Option<RunId>,
    /// Its first tags.
    pub tags: Vec<Tag>,
    /// Its first params.
    pub params: Vec<Param>,
    /// The present moment.
    pub at_ms: Millis,
}

impl NewLoggedModel {
    /// The model's name; one is made up where none is given.
    pub fn named(&self) -> Result<String> {
        match self.name.as_deref() {
            None | Some("") => Ok(crate::name::random()),
            Some(name) => crate::rules::logged_model_name(name).map(|()| name.to_owned()),
        }
    }
}

/// One item of a logged-model search's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedModelOrder {
    /// `metrics.<key>` or an attribute.
    pub field: String,
    /// Smallest first.
    pub ascending: bool,
    /// Only metrics measured on this dataset.
    pub dataset_name: Option<String>,
    /// Only metrics measured on the dataset with this digest.
    pub dataset_digest: Option<String>,
}

/// A search for logged models.
#[derive(Clone, Debug, Default)]
pub struct LoggedModelSearch {
    /// The experiments to look in.
    pub experiments: Vec<ExperimentId>,
    /// Clauses that must all hold: [`crate::search::logged_models`].
    pub filter: Vec<Clause>,
    /// Datasets (name, digest) that metric clauses are limited to; empty is any.
    pub datasets: Vec<(String, Option<String>)>,
    /// The order; empty is newest first.
    pub order: Vec<LoggedModelOrder>,
    /// Rows a page.
    pub limit: usize,
    /// Where the page starts.
    pub offset: u64,
}

/// The port that keeps logged models.
#[async_trait]
pub trait LoggedModels: Send + Sync {
    /// Makes a model with status pending.
    async fn create(&self, new: &NewLoggedModel) -> Result<LoggedModel>;

    /// The model with `id` unless it is deleted.
    async fn get(&self, id: &LoggedModelId) -> Result<Option<LoggedModel>>;

    /// Sets how far the model is, and returns it.
    async fn set_status(
        &self,
        id: &LoggedModelId,
        status: LoggedModelStatus,
        at_ms: Millis,
    ) -> Result<LoggedModel>;

    /// Deletes a model softly.
    async fn delete(&self, id: &LoggedModelId, at_ms: Millis) -> Result<()>;

    /// Models that match.
    async fn search(&self, search: &LoggedModelSearch) -> Result<Page<LoggedModel>>;

    /// Sets tags.
    async fn set_tags(&self, id: &LoggedModelId, tags: &[Tag]) -> Result<()>;

    /// Removes a tag; an absent one is `RESOURCE_DOES_NOT_EXIST`.
    async fn delete_tag(&self, id: &LoggedModelId, key: &str) -> Result<()>;

    /// Adds params.
    async fn log_params(&self, id: &LoggedModelId, params: &[Param]) -> Result<()>;
}
