//! Registered models: versions, aliases and the reports of their gates.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Moment, RunRow};

/// All registered models.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct ModelList {
    /// By name.
    pub models: Vec<ModelRow>,
}

/// A registered model with its versions.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct ModelRow {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// When it or a version of it changed last.
    pub updated: Moment,
    /// Its versions, highest number first.
    pub versions: Vec<VersionRow>,
}

impl ModelRow {
    /// The version that `alias` points at.
    pub fn alias(&self, alias: &str) -> Option<&VersionRow> {
        self.versions.iter().find(|version| version.aliases.iter().any(|name| name == alias))
    }
}

/// One version.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct VersionRow {
    /// Its number.
    pub version: u32,
    /// The aliases that point at it.
    pub aliases: Vec<String>,
    /// `passed`, `failed`, or empty where no gate looked at it.
    pub gate: String,
    /// When it was registered.
    pub created: Moment,
    /// The run that made it.
    pub run_id: Option<String>,
    /// The metrics of that run.
    pub metrics: BTreeMap<String, f64>,
    /// The digest of the model.
    pub model_digest: Option<String>,
    /// The digest of the data it was trained on.
    pub data_digest: Option<String>,
    /// The Git commit of the code.
    pub git_commit: Option<String>,
    /// The endpoints that serve it, each with its share of the traffic in basis points.
    pub serving: Vec<(String, u32)>,
}

/// One model with the evidence for its versions.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct ModelDetail {
    /// The model.
    #[serde(flatten)]
    pub model: ModelRow,
    /// The metric that its gate and monitors look at first.
    pub metric: Option<String>,
    /// The rules of its gate, one sentence each.
    pub rules: Vec<String>,
    /// The reports of its gate, newest first.
    pub reports: Vec<GateRow>,
    /// The runs of its versions, by version, highest first.
    pub runs: Vec<RunRow>,
}

/// One report of a gate.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct GateRow {
    /// The report's id.
    pub id: String,
    /// When it was decided.
    pub at: Moment,
    /// The version that wanted through.
    pub challenger: Option<u32>,
    /// The version that it was compared with.
    pub champion: Option<u32>,
    /// Whether it was let through.
    pub passed: bool,
    /// What each rule found.
    pub checks: Vec<CheckRow>,
    /// The comparison with the champion.
    pub bootstrap: Option<BootstrapRow>,
    /// Digest of the rows that both were measured on.
    pub holdout_digest: Option<String>,
}

/// What one rule found.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct CheckRow {
    /// The rule in short.
    pub name: String,
    /// Whether it lets the version through.
    pub passed: bool,
    /// What was measured.
    pub observed: Option<f64>,
    /// What it was compared with.
    pub threshold: Option<f64>,
    /// One sentence with the figures.
    pub detail: String,
}

/// A paired bootstrap comparison: an interval of the challenger's advantage in the metric's unit.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct BootstrapRow {
    /// The metric's name.
    pub metric: String,
    /// The champion's value.
    pub champion: f64,
    /// The challenger's value.
    pub challenger: f64,
    /// The challenger's advantage; above 0 is better whatever the metric's direction.
    pub difference: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// The margin that the lower end must exceed.
    pub margin: f64,
    /// Share of the resamples in which the challenger is better.
    pub p_better: f64,
    /// Number of resamples.
    pub resamples: usize,
    /// Seed of the resampling.
    pub seed: u64,
    /// Rows that both were measured on.
    pub rows: usize,
}
