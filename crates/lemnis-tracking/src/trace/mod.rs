//! Traces: what a GenAI application did for one request, as a tree of spans, and the port that keeps them.
//!
//! A trace is known by its information (times, state, tags, metadata), which a client sends when the request is done,
//! and by its spans, which may come earlier, later or never. Whichever comes first makes the trace; what the client
//! says at the end is final.

pub mod correlation;
mod ingest;
pub mod metric;
mod preview;
mod semantics;
mod span;

use std::collections::BTreeMap;

use async_trait::async_trait;
use lemnis_core::Millis;

pub use ingest::{Known, Stored, absorb, group};
pub use semantics::translate;
pub(crate) use span::hex;
pub use span::{Attributes, Span, SpanRow, SpanStatus};

use crate::search::{TraceClause, TraceOrder};
use crate::{Assessment, Error, ExperimentId, Page, Result, RunId, TraceId, rules};

/// The tag that holds a trace's name.
pub const TRACE_NAME_TAG: &str = "mlflow.traceName";
/// The tag that says where a trace's artifacts lie.
pub const ARTIFACT_LOCATION_TAG: &str = "mlflow.artifactLocation";
/// The tag that says where a trace's spans are kept.
pub const SPANS_LOCATION_TAG: &str = "mlflow.trace.spansLocation";
/// The value of [`SPANS_LOCATION_TAG`] for spans that this server keeps.
pub const SPANS_HERE: &str = "TRACKING_STORE";
/// The metadata that names the run in which a trace was made.
pub const SOURCE_RUN: &str = "mlflow.sourceRun";
/// The metadata that names the session a trace belongs to.
pub const SESSION: &str = "mlflow.trace.session";
/// The metadata that names the user whom a request came from.
pub const USER: &str = "mlflow.trace.user";
/// The metadata that holds a trace's token usage as JSON.
pub const TOKEN_USAGE: &str = "mlflow.trace.tokenUsage";
/// The metadata that holds a trace's cost as JSON.
pub const COST: &str = "mlflow.trace.cost";
/// The metadata that says that a trace's information is final.
pub const FINALIZED: &str = "mlflow.trace.infoFinalized";

/// Traces that one request may link to a run.
pub const MAX_LINKS: usize = 100;

/// How a trace ended, or that it has not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TraceState {
    /// Nothing is known.
    #[default]
    Unspecified,
    /// Ended well.
    Ok,
    /// Ended with an error.
    Error,
    /// Works now.
    InProgress,
}

impl TraceState {
    /// The name on the wire, such as `IN_PROGRESS`.
    pub fn as_str(self) -> &'static str {
        match self {
            TraceState::Unspecified => "STATE_UNSPECIFIED",
            TraceState::Ok => "OK",
            TraceState::Error => "ERROR",
            TraceState::InProgress => "IN_PROGRESS",
        }
    }

    /// The state that `text` names, or its number in MLflow's protocol.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "STATE_UNSPECIFIED" | "TRACE_STATUS_UNSPECIFIED" | "0" => TraceState::Unspecified,
            "OK" | "1" => TraceState::Ok,
            "ERROR" | "2" => TraceState::Error,
            "IN_PROGRESS" | "3" => TraceState::InProgress,
            _ => return None,
        })
    }
}

/// A trace without its spans.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Its id.
    pub trace_id: TraceId,
    /// The experiment it belongs to.
    pub experiment_id: ExperimentId,
    /// The id that the application gave the request.
    pub client_request_id: Option<String>,
    /// What was asked, cut.
    pub request_preview: Option<String>,
    /// What was answered, cut.
    pub response_preview: Option<String>,
    /// When the request came.
    pub request_time: Millis,
    /// How long the answer took, in milliseconds.
    pub duration_ms: Option<i64>,
    /// How it ended.
    pub state: TraceState,
    /// What the tracing client recorded; it does not change later.
    pub metadata: BTreeMap<String, String>,
    /// What people add and change.
    pub tags: BTreeMap<String, String>,
    /// What people and judges say about it, oldest first.
    pub assessments: Vec<Assessment>,
}

impl Trace {
    /// A trace of which nothing more is known.
    pub fn new(trace_id: TraceId, experiment_id: ExperimentId, request_time: Millis) -> Self {
        Self {
            trace_id,
            experiment_id,
            client_request_id: None,
            request_preview: None,
            response_preview: None,
            request_time,
            duration_ms: None,
            state: TraceState::default(),
            metadata: BTreeMap::new(),
            tags: BTreeMap::new(),
            assessments: Vec::new(),
        }
    }

    /// Whether the client has said its last word about it.
    pub fn finalized(&self) -> bool {
        self.metadata.contains_key(FINALIZED)
    }

    /// Fails where a name or a session is longer than is kept.
    pub fn check(&self) -> Result<()> {
        let over = |what: &str, value: Option<&String>, limit| {
            rules::length(what, value.map_or("", String::as_str), limit)
        };
        over("Trace name", self.tags.get(TRACE_NAME_TAG), 4096)?;
        over("Session ID", self.metadata.get(SESSION), 250)
    }
}

/// A search for traces.
#[derive(Clone, Debug)]
pub struct TraceSearch {
    /// The experiments to look in; none finds nothing.
    pub experiments: Vec<ExperimentId>,
    /// Clauses that must all hold: [`crate::search::traces`].
    pub filter: Vec<TraceClause>,
    /// The order; empty is newest first.
    pub order: Vec<TraceOrder>,
    /// Rows a page.
    pub limit: usize,
    /// Where the page starts.
    pub offset: u64,
}

/// Which traces of an experiment to delete.
#[derive(Clone, Debug)]
pub struct TraceDeletion {
    /// The experiment.
    pub experiment_id: ExperimentId,
    /// Those that came at this moment or earlier.
    pub until_ms: Option<Millis>,
    /// At most this many, oldest first.
    pub limit: Option<usize>,
    /// Only these; empty is any.
    pub trace_ids: Vec<TraceId>,
}

impl TraceDeletion {
    /// Fails unless the request says either until when or which.
    pub fn check(&self) -> Result<()> {
        match (self.until_ms.is_some(), !self.trace_ids.is_empty()) {
            (true, false) | (false, true) => {}
            (true, true) => {
                return Err(Error::invalid(
                    "Only one of `max_timestamp_millis` and `trace_ids` can be specified.",
                ));
            }
            (false, false) => {
                return Err(Error::invalid(
                    "Either `max_timestamp_millis` or `trace_ids` must be specified.",
                ));
            }
        }
        if !self.trace_ids.is_empty() && self.limit.is_some() {
            return Err(Error::invalid("`max_traces` can't be specified if `trace_ids` is specified."));
        }
        if self.limit == Some(0) {
            return Err(Error::invalid("`max_traces` must be a positive integer, received 0."));
        }
        Ok(())
    }
}

/// What a trace can be linked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceLink {
    /// A run.
    Run,
    /// A version of a prompt, as `name/version`.
    Prompt,
}

impl TraceLink {
    /// The word in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            TraceLink::Run => "run",
            TraceLink::Prompt => "prompt",
        }
    }
}

/// The port that keeps traces and their spans.
#[async_trait]
pub trait Traces: Send + Sync {
    /// Takes a client's last word about a trace; one that its spans made already is completed. Assessments that it
    /// carries are added.
    async fn put(&self, trace: &Trace) -> Result<Trace>;

    /// Merges `metadata` and `tags` into a trace that ended at `end_ms`, and sets its state.
    async fn end(
        &self,
        id: &TraceId,
        end_ms: Millis,
        state: TraceState,
        metadata: &BTreeMap<String, String>,
        tags: &BTreeMap<String, String>,
    ) -> Result<Trace>;

    /// The traces with these ids that are there, in no order.
    async fn get(&self, ids: &[TraceId]) -> Result<Vec<Trace>>;

    /// Traces that match.
    async fn search(&self, search: &TraceSearch) -> Result<Page<Trace>>;

    /// How many traces of `experiments` match each of two filters, both, and `base` alone.
    async fn counts(
        &self,
        experiments: &[ExperimentId],
        filters: &correlation::Filters,
    ) -> Result<correlation::Counts>;

    /// Deletes traces with all that belongs to them; returns how many.
    async fn delete(&self, deletion: &TraceDeletion) -> Result<u64>;

    /// Sets a tag, or removes it where there is no value. Removing an absent one is `RESOURCE_DOES_NOT_EXIST`.
    async fn set_tag(&self, id: &TraceId, key: &str, value: Option<&str>) -> Result<()>;

    /// Links traces to a run or to versions of prompts; what is linked already stays so.
    async fn link(&self, ids: &[TraceId], kind: TraceLink, targets: &[String]) -> Result<()>;

    /// Adds spans; those that are there already are replaced. A trace that is not there is made in `experiment`.
    async fn log_spans(&self, experiment: ExperimentId, spans: &[Span]) -> Result<()>;

    /// The stored content of the spans of each trace, in the order in which they started.
    async fn spans(&self, ids: &[TraceId]) -> Result<Vec<(TraceId, String)>>;

    /// The rows that a metric is computed from.
    async fn measure(&self, query: &metric::Query) -> Result<Vec<metric::Point>>;
}

/// Fails unless `key` may be a trace's tag.
pub fn check_tag(key: &str) -> Result<()> {
    rules::key(key, "key")?;
    rules::length("key", key, rules::KEY_LENGTH)
}

/// The error for a trace that is not there.
pub fn no_trace(id: impl std::fmt::Display) -> Error {
    Error::missing(format!("Trace with ID '{id}' not found."))
}

/// Fails where a run is linked to too many traces at once.
pub fn check_links(run: &RunId, traces: usize) -> Result<()> {
    if run.as_str().is_empty() {
        return Err(rules::missing("run_id"));
    }
    if traces > MAX_LINKS {
        return Err(Error::invalid(format!(
            "Cannot link more than {MAX_LINKS} traces to a run in a single request. Provided {traces} traces."
        )));
    }
    Ok(())
}
