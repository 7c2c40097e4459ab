//! Traces and assessments in MLflow's protocol, both ways.

use lemnis_tracking::{Assessment, AssessmentError, Error, Result, Trace, TraceState, Verdict};
use serde_json::{Map, Value, json};

use super::super::experiments::parse_id;
use super::super::fields::Fields;

/// A moment as protocol buffers write it.
pub(super) fn moment(at_ms: i64) -> String {
    lemnis_core::rfc3339(at_ms)
}

/// A duration as protocol buffers write it.
fn duration(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    match (ms / 1000, ms % 1000) {
        (seconds, 0) => format!("{sign}{seconds}s"),
        (seconds, rest) => format!("{sign}{seconds}.{rest:03}s"),
    }
}

pub(super) fn trace(trace: Trace) -> Value {
    let mut out = Map::new();
    out.insert("trace_id".into(), trace.trace_id.as_str().into());
    let texts = [
        ("client_request_id", trace.client_request_id),
        ("request_preview", trace.request_preview),
        ("response_preview", trace.response_preview),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            out.insert(name.into(), text.into());
        }
    }
    out.insert(
        "trace_location".into(),
        json!({"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": trace.experiment_id}}),
    );
    out.insert("request_time".into(), moment(trace.request_time).into());
    if let Some(ms) = trace.duration_ms {
        out.insert("execution_duration".into(), duration(ms).into());
    }
    out.insert("state".into(), trace.state.as_str().into());
    out.insert("trace_metadata".into(), json!(trace.metadata));
    out.insert("tags".into(), json!(trace.tags));
    if !trace.assessments.is_empty() {
        let list: Vec<Value> = trace.assessments.into_iter().map(assessment).collect();
        out.insert("assessments".into(), list.into());
    }
    out.into()
}

/// Reads a trace's information.
pub(super) fn read_trace(fields: &Fields, now_ms: i64) -> Result<Trace> {
    let location = fields.object("trace_location")?;
    let experiment = match &location {
        Some(location) => location.object("mlflow_experiment")?,
        None => None,
    };
    let experiment = experiment.ok_or_else(|| fields.missing("trace_location.mlflow_experiment"))?;
    let id = parse_id(&experiment.required("experiment_id")?)?;
    let request_time = fields.moment("request_time")?.unwrap_or_default();
    let mut trace = Trace::new(fields.required("trace_id")?.into(), id, request_time);
    trace.client_request_id = fields.text("client_request_id")?;
    trace.request_preview = fields.text("request_preview")?;
    trace.response_preview = fields.text("response_preview")?;
    trace.duration_ms = fields.duration("execution_duration")?;
    trace.state = state(fields, "state")?;
    trace.metadata = fields.map("trace_metadata")?;
    trace.tags = fields.map("tags")?;
    for found in fields.objects("assessments")? {
        trace.assessments.push(read_assessment(&found, trace.trace_id.as_str(), now_ms)?);
    }
    Ok(trace)
}

pub(super) fn state(fields: &Fields, name: &str) -> Result<TraceState> {
    match fields.word(name)? {
        None => Ok(TraceState::Unspecified),
        Some(word) => TraceState::parse(&word).ok_or_else(|| {
            Error::invalid(format!("Invalid value \"{word}\" for parameter '{name}' supplied."))
        }),
    }
}

pub(super) fn assessment(found: Assessment) -> Value {
    let mut out = Map::new();
    out.insert("assessment_id".into(), found.assessment_id.into());
    out.insert("assessment_name".into(), found.name.into());
    out.insert("trace_id".into(), found.trace_id.as_str().into());
    if let Some(span) = found.span_id {
        out.insert("span_id".into(), span.into());
    }
    out.insert("source".into(), json!({"source_type": found.source_type, "source_id": found.source_id}));
    out.insert("create_time".into(), moment(found.created).into());
    out.insert("last_update_time".into(), moment(found.updated).into());
    match found.verdict {
        Verdict::Feedback { value, error } => {
            let mut feedback = json!({ "value": value });
            if let Some(error) = error {
                feedback["error"] = json!(error);
            }
            out.insert("feedback".into(), feedback);
        }
        Verdict::Expectation { value: value @ (Value::Array(_) | Value::Object(_)) } => {
            let text = value.to_string();
            let serialized = json!({"serialization_format": "JSON_FORMAT", "value": text});
            out.insert("expectation".into(), json!({ "serialized_value": serialized }));
        }
        Verdict::Expectation { value } => {
            out.insert("expectation".into(), json!({ "value": value }));
        }
        Verdict::Issue { issue_name } => {
            out.insert("issue".into(), json!({ "issue_name": issue_name }));
        }
    }
    if let Some(rationale) = found.rationale {
        out.insert("rationale".into(), rationale.into());
    }
    if !found.metadata.is_empty() {
        out.insert("metadata".into(), json!(found.metadata));
    }
    if let Some(old) = found.overrides {
        out.insert("overrides".into(), old.into());
    }
    out.insert("valid".into(), found.valid.into());
    out.into()
}

/// What an assessment says, if it says anything.
pub(super) fn read_verdict(fields: &Fields) -> Result<Option<Verdict>> {
    if let Some(feedback) = fields.object("feedback")? {
        let error = match feedback.object("error")? {
            None => None,
            Some(error) => Some(AssessmentError {
                error_code: error.text("error_code")?.unwrap_or_default(),
                error_message: error.text("error_message")?,
                stack_trace: error.text("stack_trace")?,
            }),
        };
        return Ok(Some(Verdict::Feedback { value: feedback.json("value"), error }));
    }
    if let Some(expectation) = fields.object("expectation")? {
        let value = match expectation.object("serialized_value")? {
            None => expectation.json("value"),
            Some(serialized) => {
                let format = serialized.text("serialization_format")?.unwrap_or_default();
                if format != "JSON_FORMAT" {
                    return Err(Error::invalid(format!(
                        "Unknown serialization format: {format}. Only JSON_FORMAT is supported."
                    )));
                }
                serde_json::from_str(&serialized.text("value")?.unwrap_or_default())
                    .map_err(|_| Error::invalid("The serialized value of an expectation is no JSON."))?
            }
        };
        return Ok(Some(Verdict::Expectation { value }));
    }
    if let Some(issue) = fields.object("issue")? {
        return Ok(Some(Verdict::Issue { issue_name: issue.text("issue_name")?.unwrap_or_default() }));
    }
    Ok(None)
}

/// Reads a new assessment of `trace`.
pub(super) fn read_assessment(fields: &Fields, trace: &str, now_ms: i64) -> Result<Assessment> {
    let verdict = read_verdict(fields)?
        .ok_or_else(|| Error::invalid("Assessment must have either feedback, expectation, or issue value"))?;
    let source = fields.object("source")?;
    let source_text = |name: &str| match &source {
        Some(source) => source.word(name),
        None => Ok(None),
    };
    let kind = match source_text("source_type")?.unwrap_or_default().as_str() {
        "1" => "HUMAN".to_owned(),
        "2" | "AI_JUDGE" => "LLM_JUDGE".to_owned(),
        "3" => "CODE".to_owned(),
        "" | "0" => "SOURCE_TYPE_UNSPECIFIED".to_owned(),
        other => other.to_owned(),
    };
    Ok(Assessment {
        assessment_id: fields.filled("assessment_id")?.unwrap_or_else(Assessment::random_id),
        name: fields.text("assessment_name")?.unwrap_or_default(),
        trace_id: trace.into(),
        span_id: fields.filled("span_id")?,
        source_type: kind,
        source_id: source_text("source_id")?.unwrap_or_default(),
        created: fields.moment("create_time")?.unwrap_or(now_ms),
        updated: fields.moment("last_update_time")?.unwrap_or(now_ms),
        verdict,
        rationale: fields.text("rationale")?,
        metadata: fields.map("metadata")?,
        overrides: fields.filled("overrides")?,
        valid: fields.flag("valid")?.unwrap_or(true),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_protocol_buffers_do() {
        assert_eq!(moment(1234), "1970-01-01T00:00:01.234Z");
        assert_eq!(
            (duration(1500), duration(2000), duration(-5)),
            ("1.500s".into(), "2s".into(), "-0.005s".into())
        );
    }
}
