//! Gates: the conditions under which a version is let through, and the report that keeps why.
//!
//! A check depends on nothing but the rule and what was found, so a stored report can be checked again at any time.

mod check;
mod rule;

use async_trait::async_trait;
use lemnis_core::Millis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Result;

pub use check::{Agreement, Finding, check};
pub use rule::{
    Approval, BetterThan, Fairness, FairnessMeasure, Latency, Quantile, Report, ReportKind, Rule, Size, Test,
    Threshold, Weighed,
};

/// How challenger and champion compare on the same rows.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Comparison {
    /// The metric's name.
    pub metric: String,
    /// The champion's value.
    pub champion: f64,
    /// The challenger's value.
    pub challenger: f64,
    /// By how much the challenger is better: positive is better, also for metrics where less is better.
    pub difference: f64,
    /// Lower end of the interval of `difference` at the rule's confidence.
    pub low: f64,
    /// Upper end of that interval.
    pub high: f64,
    /// How likely the challenger is better: the share of the resamples in which it is, or the test's own figure.
    pub p_better: f64,
    /// Where the interval comes from.
    #[serde(default)]
    pub test: Test,
    /// Number of bootstrap resamples; 0 for other tests.
    pub resamples: usize,
    /// Seed of the resampling.
    pub seed: u64,
    /// Rows that both were measured on.
    pub rows: usize,
}

/// What one rule found.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[schemars(rename = "GateCheck")]
pub struct Check {
    /// The rule in short, such as `roc_auc >= 0.75`.
    pub name: String,
    /// Whether it lets the challenger through.
    pub passed: bool,
    /// What was measured; `None` where nothing could be.
    pub observed: Option<f64>,
    /// What it was compared with.
    pub threshold: Option<f64>,
    /// One sentence with the figures.
    pub detail: String,
}

/// Why a version was or was not let through.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct GateReport {
    /// Unique; a report that is inserted again changes nothing.
    pub id: String,
    /// When it was decided.
    pub at_ms: Millis,
    /// The registered model's name.
    pub model: String,
    /// The version that wants through; `None` where the gate ran before the registration.
    pub challenger_version: Option<u32>,
    /// The version that it was compared with.
    pub champion_version: Option<u32>,
    /// Whether every check passed.
    pub passed: bool,
    /// The checks, in the order of the rules.
    pub checks: Vec<Check>,
    /// What the decision looked at: digests, rows, seeds, the comparison.
    pub inputs: serde_json::Value,
}

/// The port that keeps gate reports.
#[async_trait]
pub trait GateReports: Send + Sync {
    /// Keeps a report; an id that is already there changes nothing.
    async fn insert(&self, report: &GateReport) -> Result<()>;

    /// The report with `id`.
    async fn get(&self, id: &str) -> Result<Option<GateReport>>;

    /// The newest `limit` reports, newest first; only those of `model` where one is given.
    async fn latest(&self, model: Option<&str>, limit: usize) -> Result<Vec<GateReport>>;
}
