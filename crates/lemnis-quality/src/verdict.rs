//! Verdicts: what was judged, on which inputs, with which outcome. Automatic acts name the verdict that caused them.

use async_trait::async_trait;
use lemnis_core::Millis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Result;

/// What kind of question a verdict answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// Do the inputs look like those of the training?
    Drift,
    /// Are the answers right, now that the truth is known?
    Performance,
    /// Does the data satisfy its expectation suite?
    Validation,
}

impl VerdictKind {
    /// The kind in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            VerdictKind::Drift => "drift",
            VerdictKind::Performance => "performance",
            VerdictKind::Validation => "validation",
        }
    }
}

/// How a judgement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All is as it should be.
    Pass,
    /// The data drifted.
    Drift,
    /// The check does not hold.
    Fail,
    /// There was too little to judge.
    NotComputed,
}

impl Outcome {
    /// The outcome in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Drift => "drift",
            Outcome::Fail => "fail",
            Outcome::NotComputed => "not_computed",
        }
    }
}

/// A judgement that is kept.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Verdict {
    /// Unique; a verdict that is inserted again changes nothing.
    pub id: String,
    /// When it was given.
    pub at_ms: Millis,
    /// What was judged, such as `endpoint/churn` or `data/raw.csv`.
    pub subject: String,
    /// Which question it answers.
    pub kind: VerdictKind,
    /// How it ended.
    pub outcome: Outcome,
    /// One sentence.
    pub summary: String,
    /// What it looked at: digests, window, rows, settings.
    pub inputs: serde_json::Value,
    /// All figures.
    pub report: serde_json::Value,
}

/// The port that keeps verdicts.
#[async_trait]
pub trait Verdicts: Send + Sync {
    /// Keeps a verdict; an id that is already there changes nothing.
    async fn insert(&self, verdict: &Verdict) -> Result<()>;

    /// The verdict with `id`.
    async fn get(&self, id: &str) -> Result<Option<Verdict>>;

    /// The newest `limit` verdicts, newest first; only those of `subject` and of `kind` where they are given.
    async fn latest(
        &self,
        subject: Option<&str>,
        kind: Option<VerdictKind>,
        limit: usize,
    ) -> Result<Vec<Verdict>>;
}
