//! Flow runs with what started them, the audit trail, and verdicts.

use schemars::JsonSchema;
use serde::Serialize;

use super::{EventRow, Moment, State, VerdictRow};

/// The newest flow runs.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct FlowList {
    /// Newest first.
    pub flow_runs: Vec<FlowRow>,
}

/// One flow run.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct FlowRow {
    /// Its id.
    pub id: String,
    /// The flow's name.
    pub flow: String,
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    pub status: String,
    /// How the row is coloured.
    pub state: State,
    /// What started it: the evidence, such as a verdict, or a rule with commit, path and digests.
    pub trigger: serde_json::Value,
    /// The same in words.
    pub because: String,
    /// The page of what started it, where there is one.
    pub trigger_href: Option<String>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// How many attempts it has.
    pub max_attempts: u32,
    /// The command.
    pub command: String,
    /// When it was asked for.
    pub created: Moment,
    /// When it started.
    pub started: Option<Moment>,
    /// When it ended.
    pub ended: Option<Moment>,
    /// How long it works or worked, in milliseconds.
    pub duration_ms: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
    /// The last lines of its log.
    pub log_tail: Vec<String>,
}

/// The audit trail.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct EventList {
    /// Newest first.
    pub events: Vec<EventRow>,
    /// The subject that the list is limited to.
    pub subject: Option<String>,
}

/// Verdicts of all subjects.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct VerdictList {
    /// Newest first.
    pub verdicts: Vec<VerdictRow>,
}
