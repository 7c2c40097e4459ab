//! Experiment tracking and the model registry, with MLflow's semantics: runs with their params, metrics and tags,
//! logged models, registered models with versions, stages and aliases, the filter grammar of every search, and the
//! gates that let a version through.
//!
//! The crate holds words, rules and ports; adapters keep the state. Messages that MLflow's clients show or match are
//! MLflow's own, so they do not follow the house style of lower-case sentences.

mod assessment;
pub mod direct;
mod error;
pub mod evaluation;
mod experiment;
pub mod gate;
mod id;
pub mod issue;
mod logged_model;
mod name;
pub mod page;
mod registry;
pub mod rules;
mod run;
pub mod scorer;
pub mod search;
pub mod suggest;
#[cfg(feature = "testing")]
pub mod testing;
pub mod trace;
pub mod transfer;
pub mod webhook;

pub use assessment::{Assessment, AssessmentChange, AssessmentError, Assessments, Verdict};
pub use error::{Code, Error};
pub use evaluation::{EvaluationDataset, EvaluationDatasets};
pub use experiment::{DatasetUse, Experiment, ExperimentSearch, Experiments, Lifecycle, NewExperiment, View};
pub use gate::{GateReport, GateReports};
pub use id::{ExperimentId, LoggedModelId, RunId, TraceId};
pub use issue::{Issue, Issues};
pub use logged_model::{
    LoggedMetric, LoggedModel, LoggedModelOrder, LoggedModelSearch, LoggedModelStatus, LoggedModels,
    NewLoggedModel,
};
pub use page::Page;
pub use registry::{
    Alias, LATEST, ModelChange, ModelSearch, ModelVersion, NewModel, NewVersion, PROMPT_TAG, RegisteredModel,
    Registry, Stage, VersionChange, VersionSearch, is_prompt,
};
pub use run::{
    Batch, Dataset, DatasetInput, History, Metric, ModelOutput, NewRun, Param, RUN_NAME_TAG, Run, RunChange,
    RunInfo, RunSearch, RunStatus, Runs, SampledMetrics, Tag,
};

pub use scorer::{Scorer, Scorers};
pub use trace::{Trace, TraceDeletion, TraceLink, TraceSearch, TraceState, Traces};
pub use webhook::{Webhook, WebhookEvent, WebhookSender, Webhooks};

/// What every call of this crate and its ports returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;
