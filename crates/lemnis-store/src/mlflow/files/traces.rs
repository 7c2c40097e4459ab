//! Traces of an `mlruns/` folder; their spans lie among their artifacts.

use std::collections::BTreeMap;
use std::path::Path;

use lemnis_core::Millis;
use lemnis_tracking::transfer::{Record, WholeTrace};
use lemnis_tracking::{Assessment, AssessmentError, Error, ExperimentId, Result, Trace, TraceState, Verdict};
use serde::Deserialize;
use serde_json::Value;

use super::yaml::{self, Whole};

/// The file that says what a trace is.
pub(super) const META: &str = "trace_info.yaml";

/// What MLflow 3 writes, and what MLflow 2 wrote.
#[derive(Deserialize)]
struct Meta {
    trace_id: Option<String>,
    request_id: Option<String>,
    client_request_id: Option<String>,
    request_time: Option<String>,
    timestamp_ms: Option<Whole>,
    execution_duration_ms: Option<Whole>,
    execution_time_ms: Option<Whole>,
    state: Option<String>,
    status: Option<String>,
    request_preview: Option<String>,
    response_preview: Option<String>,
    experiment_id: Option<Whole>,
    trace_location: Option<Location>,
}

#[derive(Deserialize)]
struct Location {
    mlflow_experiment: Option<InExperiment>,
}

#[derive(Deserialize)]
struct InExperiment {
    experiment_id: Whole,
}

#[derive(Deserialize)]
struct AssessmentMeta {
    assessment_id: String,
    assessment_name: String,
    create_time: String,
    last_update_time: String,
    source: Source,
    feedback: Option<Feedback>,
    expectation: Option<Expectation>,
    rationale: Option<String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    span_id: Option<String>,
    overrides: Option<String>,
    valid: Option<bool>,
}

#[derive(Deserialize)]
struct Source {
    source_type: String,
    #[serde(default)]
    source_id: String,
}

#[derive(Deserialize)]
struct Feedback {
    #[serde(default)]
    value: Value,
    error: Option<AssessmentError>,
}

#[derive(Deserialize)]
struct Expectation {
    #[serde(default)]
    value: Value,
    serialized_value: Option<Serialized>,
}

#[derive(Deserialize)]
struct Serialized {
    value: String,
}

pub(super) fn read(folder: &Path) -> Result<Record> {
    let meta: Meta = yaml::read(folder, META)?;
    let id = meta.trace_id.or(meta.request_id).unwrap_or_default();
    let located = meta.trace_location.and_then(|location| location.mlflow_experiment);
    let experiment = located.map(|inside| inside.experiment_id).or(meta.experiment_id).unwrap_or_default();
    let began = match (&meta.request_time, meta.timestamp_ms) {
        (Some(text), _) => moment(folder, text)?,
        (None, time) => time.unwrap_or_default().0,
    };
    let mut trace = Trace::new(id.into(), ExperimentId(experiment.0), began);
    trace.client_request_id = meta.client_request_id;
    trace.request_preview = meta.request_preview;
    trace.response_preview = meta.response_preview;
    trace.duration_ms = meta.execution_duration_ms.or(meta.execution_time_ms).map(|time| time.0);
    let state = meta.state.or(meta.status);
    trace.state = state.as_deref().and_then(TraceState::parse).unwrap_or_default();
    let texts = |name: &str| -> Result<BTreeMap<String, String>> {
        Ok(yaml::texts(&folder.join(name))?.into_iter().map(|text| (text.key, text.value)).collect())
    };
    trace.tags = texts("tags")?;
    trace.metadata = texts("request_metadata")?;
    let assessments = folder.join("assessments");
    for (name, _) in yaml::keys(&assessments)? {
        trace.assessments.push(assessment(&trace, yaml::read(&assessments, &name)?, folder)?);
    }
    Ok(Record::Trace(Box::new(WholeTrace {
        trace,
        spans: Vec::new(),
        runs: Vec::new(),
        prompts: Vec::new(),
    })))
}

fn assessment(trace: &Trace, meta: AssessmentMeta, folder: &Path) -> Result<Assessment> {
    let verdict = match (meta.feedback, meta.expectation) {
        (_, Some(expectation)) => Verdict::Expectation {
            value: match expectation.serialized_value {
                Some(text) => serde_json::from_str(&text.value).unwrap_or(Value::String(text.value)),
                None => expectation.value,
            },
        },
        (Some(feedback), None) => Verdict::Feedback { value: feedback.value, error: feedback.error },
        (None, None) => Verdict::Feedback { value: Value::Null, error: None },
    };
    Ok(Assessment {
        assessment_id: meta.assessment_id,
        name: meta.assessment_name,
        trace_id: trace.trace_id.clone(),
        span_id: meta.span_id,
        source_type: meta.source.source_type,
        source_id: meta.source.source_id,
        created: moment(folder, &meta.create_time)?,
        updated: moment(folder, &meta.last_update_time)?,
        verdict,
        rationale: meta.rationale,
        metadata: meta.metadata,
        overrides: meta.overrides,
        valid: meta.valid.unwrap_or(true),
    })
}

fn moment(folder: &Path, text: &str) -> Result<Millis> {
    let parsed = chrono::DateTime::parse_from_rfc3339(text)
        .map_err(|error| Error::invalid(format!("{}: {text:?} is no moment: {error}", folder.display())))?;
    Ok(parsed.timestamp_millis())
}
