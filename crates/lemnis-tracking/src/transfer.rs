//! Whole tracking stores on the move: what an experiment, a run, a logged model, a registered model and a trace consist
//! of, and the ports of a store that they are read from and of one that they are written to.
//!
//! A record holds everything that is known of its subject, in one order, so that two records are equal when their
//! digests are. Writing a record replaces the whole subject, so that writing it twice changes nothing.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use lemnis_core::{Digest, Millis};
use serde_json::json;

use crate::trace::{COST, TOKEN_USAGE};
use crate::{Experiment, ExperimentId, LoggedModel, ModelVersion, RegisteredModel, Result, Run, Trace};

/// What is moved, beside experiments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Runs, with every point of their metrics.
    Run,
    /// Logged models.
    LoggedModel,
    /// Traces, with spans and assessments.
    Trace,
    /// Registered models (and prompts), with versions and aliases.
    Model,
}

impl Kind {
    /// Every kind, in the order in which they are moved.
    pub const ALL: [Kind; 4] = [Kind::Run, Kind::LoggedModel, Kind::Trace, Kind::Model];

    /// The word for one of them.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Run => "run",
            Kind::LoggedModel => "logged model",
            Kind::Trace => "trace",
            Kind::Model => "registered model",
        }
    }
}

/// A registered model with all of its versions.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ModelFamily {
    /// The model; its latest versions are left out.
    pub model: RegisteredModel,
    /// Its versions by number; aliases, params and metrics are left out.
    pub versions: Vec<ModelVersion>,
    /// Numbers of versions that were deleted: they are never used again.
    pub deleted: Vec<u32>,
}

/// A trace with all that belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct WholeTrace {
    /// Its information.
    pub trace: Trace,
    /// The content of each of its spans as JSON, in the order in which they started. Spans that lie among the artifacts
    /// are not here.
    pub spans: Vec<String>,
    /// The runs it is linked to.
    pub runs: Vec<String>,
    /// The versions of prompts it is linked to, as `name/version`.
    pub prompts: Vec<String>,
}

/// One subject, whole.
#[derive(Clone, Debug)]
pub enum Record {
    /// A run; its metrics are every point that was logged.
    Run(Box<Run>),
    /// A logged model; its metrics are every point that was logged.
    LoggedModel(Box<LoggedModel>),
    /// A trace.
    Trace(Box<WholeTrace>),
    /// A registered model.
    Model(Box<ModelFamily>),
}

impl Record {
    /// Its id, or the name of a registered model.
    pub fn id(&self) -> &str {
        match self {
            Record::Run(run) => run.info.run_id.as_str(),
            Record::LoggedModel(model) => model.model_id.as_str(),
            Record::Trace(whole) => whole.trace.trace_id.as_str(),
            Record::Model(family) => &family.model.name,
        }
    }

    /// The same content in the one order that digests are taken of.
    pub fn sorted(mut self) -> Self {
        match &mut self {
            Record::Run(run) => sort_run(run),
            Record::LoggedModel(model) => {
                model.tags.sort_by(|a, b| a.key.cmp(&b.key));
                model.params.sort_by(|a, b| a.key.cmp(&b.key));
                model.metrics.sort_by(|a, b| {
                    let place = |one: &crate::LoggedMetric| {
                        (one.key.clone(), one.timestamp, one.step, one.run_id.clone())
                    };
                    place(a).cmp(&place(b))
                });
            }
            Record::Trace(whole) => {
                whole
                    .trace
                    .assessments
                    .sort_by(|a, b| (a.created, &a.assessment_id).cmp(&(b.created, &b.assessment_id)));
                whole.runs.sort();
                whole.prompts.sort();
            }
            Record::Model(family) => {
                family.model.tags.sort_by(|a, b| a.key.cmp(&b.key));
                family.model.aliases.sort_by(|a, b| a.alias.cmp(&b.alias));
                family.versions.sort_by_key(|version| version.version);
                family.versions.iter_mut().for_each(|version| version.tags.sort_by(|a, b| a.key.cmp(&b.key)));
                family.deleted.sort_unstable();
            }
        }
        self
    }

    /// The digest of its content, in order. NaN counts as one value.
    pub fn digest(&self) -> Digest {
        let text = match self {
            Record::Run(run) => serde_json::to_vec(run),
            Record::LoggedModel(model) => serde_json::to_vec(model),
            Record::Trace(whole) => serde_json::to_vec(&trace_json(whole)),
            Record::Model(family) => serde_json::to_vec(family),
        };
        Digest::sha256(&text.unwrap_or_default())
    }
}

fn sort_run(run: &mut Run) {
    run.tags.sort_by(|a, b| a.key.cmp(&b.key));
    run.params.sort_by(|a, b| a.key.cmp(&b.key));
    run.metrics.sort_by(|a, b| {
        (&a.key, a.timestamp, a.step).cmp(&(&b.key, b.timestamp, b.step)).then_with(|| {
            match (a.value.is_nan(), b.value.is_nan()) {
                (false, false) => a.value.total_cmp(&b.value),
                (mine, others) => mine.cmp(&others),
            }
        })
    });
    run.metrics.dedup_by(|a, b| {
        let same = a.value == b.value || a.value.is_nan() && b.value.is_nan();
        same && (&a.key, a.timestamp, a.step) == (&b.key, b.timestamp, b.step)
    });
    run.dataset_inputs
        .sort_by(|a, b| (&a.dataset.name, &a.dataset.digest).cmp(&(&b.dataset.name, &b.dataset.digest)));
    run.dataset_inputs.iter_mut().for_each(|input| input.tags.sort_by(|a, b| a.key.cmp(&b.key)));
    run.model_inputs.sort();
    run.model_inputs.dedup();
    run.model_outputs.sort_by(|a, b| (a.step, &a.model_id).cmp(&(b.step, &b.model_id)));
}

fn trace_json(whole: &WholeTrace) -> serde_json::Value {
    let trace = &whole.trace;
    // Numbers that stores keep apart: the order in which they are spelled says nothing.
    let plain = |(key, text): (&String, &String)| {
        let numbers: Option<BTreeMap<String, f64>> = match key.as_str() {
            TOKEN_USAGE | COST => serde_json::from_str(text).ok(),
            _ => None,
        };
        (key.clone(), numbers.map_or_else(|| json!(text), |numbers| json!(numbers)))
    };
    let metadata: BTreeMap<String, serde_json::Value> = trace.metadata.iter().map(plain).collect();
    let assessments: Vec<serde_json::Value> = trace.assessments.iter().map(assessment_json).collect();
    let spans: Vec<serde_json::Value> =
        whole.spans.iter().map(|span| serde_json::from_str(span).unwrap_or_default()).collect();
    json!({
        "id": trace.trace_id.as_str(), "experiment": trace.experiment_id,
        "client_request_id": trace.client_request_id,
        "request": trace.request_preview, "response": trace.response_preview,
        "time": trace.request_time, "duration": trace.duration_ms, "state": trace.state.as_str(),
        "metadata": metadata, "tags": trace.tags, "assessments": assessments,
        "spans": spans, "runs": whole.runs, "prompts": whole.prompts,
    })
}

fn assessment_json(one: &crate::Assessment) -> serde_json::Value {
    let error = match &one.verdict {
        crate::Verdict::Feedback { error, .. } => error.as_ref().map(|error| format!("{error:?}")),
        _ => None,
    };
    json!([
        one.assessment_id,
        one.name,
        one.span_id,
        one.source_type,
        one.source_id,
        one.created,
        one.updated,
        one.verdict.kind(),
        one.verdict.value(),
        error,
        one.rationale,
        one.metadata,
        one.overrides,
        one.valid,
    ])
}

/// A store that records are read from.
#[async_trait]
pub trait Archive: Send + Sync {
    /// Every experiment, active or deleted, by id.
    async fn experiments(&self) -> Result<Vec<Experiment>>;

    /// The ids of `kind` in an experiment, in order; registered models belong to none and are asked for with `None`.
    async fn ids(&self, kind: Kind, experiment: Option<ExperimentId>) -> Result<Vec<String>>;

    /// The records with these ids that are there, sorted inside, in no order.
    async fn records(&self, kind: Kind, ids: &[String]) -> Result<Vec<Record>>;

    /// What the store holds that is no record, such as webhooks, with how many there are.
    async fn left_out(&self) -> Result<Vec<(String, u64)>>;

    /// The version of its schema, for people.
    async fn schema(&self) -> Result<String>;
}

/// What was written once from where: with it, a later change here is told from one there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The kind of the thing, such as `run` or `artifact`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// The digest of what was written.
    pub digest: String,
}

/// A store that records are written to.
#[async_trait]
pub trait Target: Archive {
    /// The largest id that an experiment may have.
    fn largest_experiment(&self) -> ExperimentId {
        ExperimentId(i64::MAX)
    }

    /// Makes or replaces an experiment under its id.
    async fn put_experiment(&self, experiment: &Experiment) -> Result<()>;

    /// Makes or replaces every one of `records`, which are of one kind, with a receipt for each: all or none.
    async fn put(&self, records: &[Record], at_ms: Millis) -> Result<()>;

    /// The digests in the receipts of `kind`, by id.
    async fn receipts(&self, kind: &str, ids: &[String]) -> Result<HashMap<String, String>>;

    /// Keeps receipts for what was not written with [`Target::put`].
    async fn note(&self, receipts: &[Receipt], at_ms: Millis) -> Result<()>;
}
