//! What happened, by whom and on what evidence: the append-only record behind audit and `lemnis why`.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Classify, ErrorKind, Millis};

/// One thing that happened. Events are appended and never changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Unique; a caller that repeats an event with the same id adds nothing.
    pub id: String,
    /// When it happened.
    pub at_ms: Millis,
    /// Who did it: a principal's name, or `lemnis` for an automatic act.
    pub actor: String,
    /// `noun.past_tense`, such as `alias.moved` or `rollout.aborted`.
    pub kind: String,
    /// What it happened to, such as `model/churn` or `endpoint/churn`.
    pub subject: String,
    /// The evidence: digests, statistics, thresholds, the decision.
    pub data: serde_json::Value,
}

/// The port that keeps events.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Appends `event`; an id that is already there changes nothing.
    async fn append(&self, event: &Event) -> Result<(), LogError>;

    /// The newest `limit` events, newest first; only those of `subject` where one is given.
    async fn latest(&self, subject: Option<&str>, limit: usize) -> Result<Vec<Event>, LogError>;
}

/// The event store failed.
#[derive(Debug, thiserror::Error)]
#[error("the event log cannot be {action}")]
pub struct LogError {
    /// `read` or `written`.
    pub action: &'static str,
    /// Whether the store can be reached at all.
    pub kind: ErrorKind,
    /// What the store said.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl Classify for LogError {
    fn kind(&self) -> ErrorKind {
        self.kind
    }
}
