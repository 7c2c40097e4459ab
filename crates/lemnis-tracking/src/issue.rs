//! Issues: problems that traces of an experiment show, found by people or by an analysis.

use async_trait::async_trait;
use lemnis_core::Millis;

use crate::search::Clause;
use crate::{ExperimentId, Page, Result};

/// States of an issue.
pub const STATUSES: [&str; 3] = ["pending", "rejected", "resolved"];
/// How bad an issue is, the least first.
pub const SEVERITIES: [&str; 4] = ["not_an_issue", "low", "medium", "high"];

/// An issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Its id: `iss-` and 32 hex digits.
    pub issue_id: String,
    /// Its experiment.
    pub experiment_id: ExperimentId,
    /// A short name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// One of [`STATUSES`].
    pub status: String,
    /// One of [`SEVERITIES`].
    pub severity: Option<String>,
    /// Where it comes from.
    pub root_causes: Vec<String>,
    /// The run that found it.
    pub source_run_id: Option<String>,
    /// What kind it is.
    pub categories: Vec<String>,
    /// When it was made.
    pub created: Millis,
    /// When it was changed last.
    pub updated: Millis,
    /// Who made it.
    pub created_by: Option<String>,
    /// How many traces show it, where that was asked.
    pub trace_count: Option<i64>,
}

impl Issue {
    /// A new random id.
    pub fn random_id() -> String {
        format!("iss-{}", uuid::Uuid::new_v4().simple())
    }
}

/// What changes in an issue; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct IssueChange {
    /// The new name.
    pub name: Option<String>,
    /// The new description.
    pub description: Option<String>,
    /// The new state.
    pub status: Option<String>,
    /// The new severity.
    pub severity: Option<String>,
}

/// A search for issues; the worst come first, then the newest.
#[derive(Clone, Debug)]
pub struct IssueSearch {
    /// Those of this experiment.
    pub experiment_id: Option<ExperimentId>,
    /// Clauses that must all hold: [`crate::search::issues`].
    pub filter: Vec<Clause>,
    /// Count the traces that show each; more traces come earlier among equally bad ones.
    pub count_traces: bool,
    /// Rows a page.
    pub limit: usize,
    /// Where the page starts.
    pub offset: u64,
}

/// The port that keeps issues.
#[async_trait]
pub trait Issues: Send + Sync {
    /// Adds an issue of an active experiment.
    async fn create(&self, issue: &Issue) -> Result<()>;

    /// The issue with `id`.
    async fn get(&self, id: &str) -> Result<Option<Issue>>;

    /// Changes an issue and returns it; `None` where there is none.
    async fn update(&self, id: &str, change: &IssueChange, at_ms: Millis) -> Result<Option<Issue>>;

    /// Issues that match.
    async fn search(&self, search: &IssueSearch) -> Result<Page<Issue>>;
}
