//! The sections of `params.yaml` that the built-in stages read.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::settings::Task;

/// `prepare:` of `params.yaml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrepareParams {
    /// The column to predict; rows without it are left out.
    pub target: String,
    /// Columns that no model may see: identifiers, and whatever is known only afterwards.
    #[serde(default)]
    pub drop: Vec<String>,
    /// Decides which row goes to which part.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// The share of rows that the gate and `evaluate` use and no model trains on.
    #[serde(default = "default_holdout")]
    pub holdout_share: f64,
    /// The share of rows kept away from both, to be replayed as live traffic.
    #[serde(default)]
    pub live_share: f64,
    /// The share of labelled live rows that joins the holdout instead of the training rows.
    #[serde(default = "default_feedback_holdout")]
    pub feedback_holdout_share: f64,
}

/// `train:` of `params.yaml`: what to predict, then the trainer's own parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainParams {
    /// The column to predict.
    pub target: String,
    /// What kind of prediction it is.
    pub task: Task,
    /// For a binary task, the class whose probability is scored.
    #[serde(default)]
    pub positive: Option<String>,
    /// The share of the training rows that decides when to stop.
    #[serde(default = "default_validation")]
    pub validation_share: f64,
    /// The trainer's parameters.
    #[serde(flatten)]
    pub trainer: serde_json::Map<String, serde_json::Value>,
}

fn default_seed() -> u64 {
    42
}

fn default_holdout() -> f64 {
    0.2
}

fn default_feedback_holdout() -> f64 {
    0.5
}

fn default_validation() -> f64 {
    0.15
}

/// Reads the top-level `section` of the `params.yaml` at `path`.
pub fn read_section<T: DeserializeOwned>(path: &Path, section: &str) -> Result<T, Error> {
    let text = std::fs::read_to_string(path).map_err(Error::file(path, "read"))?;
    let mut all: serde_json::Map<String, serde_json::Value> = serde_saphyr::from_str(&text)
        .map_err(|error| Error::invalid(format!("{}: {error}", path.display())))?;
    let value = all.remove(section).ok_or_else(|| {
        Error::invalid_with(
            format!("{} has no section {section:?}", path.display()),
            format!("add `{section}:` with the stage's parameters"),
        )
    })?;
    serde_json::from_value(value)
        .map_err(|error| Error::invalid(format!("{}: section {section:?}: {error}", path.display())))
}
