//! Assessments of traces: feedback of people and judges, what was expected, and the issues that a trace shows.

use std::collections::BTreeMap;

use async_trait::async_trait;
use lemnis_core::Millis;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, Result, TraceId};

/// What went wrong while a judge worked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssessmentError {
    /// A short code.
    pub error_code: String,
    /// What it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Where it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_trace: Option<String>,
}

/// What an assessment says.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// How good it is.
    Feedback {
        /// The value; any JSON.
        value: Value,
        /// Why there is none.
        error: Option<AssessmentError>,
    },
    /// What it should have been.
    Expectation {
        /// The value; any JSON.
        value: Value,
    },
    /// A known issue that it shows; the assessment's name is the issue's id.
    Issue {
        /// The issue's name.
        issue_name: String,
    },
}

impl Verdict {
    /// The word in filters, such as `feedback`.
    pub fn kind(&self) -> &'static str {
        match self {
            Verdict::Feedback { .. } => "feedback",
            Verdict::Expectation { .. } => "expectation",
            Verdict::Issue { .. } => "issue",
        }
    }

    /// Its value as JSON.
    pub fn value(&self) -> Value {
        match self {
            Verdict::Feedback { value, .. } | Verdict::Expectation { value } => value.clone(),
            Verdict::Issue { issue_name } => serde_json::json!({ "issue_name": issue_name }),
        }
    }

    /// The number that its value stands for (`true` and `"yes"` are 1), and whether the value itself is a number.
    pub fn number(&self) -> (Option<f64>, bool) {
        match self.value() {
            Value::Bool(flag) => (Some(f64::from(flag)), false),
            Value::Number(number) => match number.as_f64().filter(|number| number.is_finite()) {
                Some(number) => (Some(number), true),
                None => (None, false),
            },
            Value::String(text) => match text.trim().to_lowercase().as_str() {
                "yes" => (Some(1.0), false),
                "no" => (Some(0.0), false),
                _ => (None, false),
            },
            _ => (None, false),
        }
    }
}

/// One assessment of a trace or of a span in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// Its id: `a-` and 32 hex digits.
    pub assessment_id: String,
    /// What is judged.
    pub name: String,
    /// The trace.
    pub trace_id: TraceId,
    /// The span, if it is about one.
    pub span_id: Option<String>,
    /// Kind of who says it: `HUMAN`, `LLM_JUDGE` or `CODE`.
    pub source_type: String,
    /// Who says it.
    pub source_id: String,
    /// When it was said.
    pub created: Millis,
    /// When it was changed last.
    pub updated: Millis,
    /// What it says.
    pub verdict: Verdict,
    /// Why.
    pub rationale: Option<String>,
    /// Whatever else belongs to it.
    pub metadata: BTreeMap<String, String>,
    /// The assessment that it replaces.
    pub overrides: Option<String>,
    /// Whether none replaces it.
    pub valid: bool,
}

impl Assessment {
    /// A new random id.
    pub fn random_id() -> String {
        format!("a-{}", uuid::Uuid::new_v4().simple())
    }
}

/// What changes in an assessment; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct AssessmentChange {
    /// The new name.
    pub name: Option<String>,
    /// A new value; its kind must be the old one's.
    pub verdict: Option<Verdict>,
    /// A new reason.
    pub rationale: Option<String>,
    /// Entries that are added or replaced.
    pub metadata: BTreeMap<String, String>,
}

impl AssessmentChange {
    /// `assessment` changed at `at_ms`.
    pub fn apply(self, mut assessment: Assessment, at_ms: Millis) -> Result<Assessment> {
        if let Some(verdict) = self.verdict {
            match (&verdict, &assessment.verdict) {
                (Verdict::Feedback { .. }, Verdict::Feedback { .. })
                | (Verdict::Expectation { .. }, Verdict::Expectation { .. })
                | (Verdict::Issue { .. }, Verdict::Issue { .. }) => assessment.verdict = verdict,
                (Verdict::Feedback { .. }, _) => {
                    return Err(Error::invalid("Cannot update feedback value on an Expectation assessment."));
                }
                (Verdict::Expectation { .. }, _) => {
                    return Err(Error::invalid("Cannot update expectation value on a Feedback assessment."));
                }
                (Verdict::Issue { .. }, _) => {
                    return Err(Error::invalid("Cannot update an issue reference on another assessment."));
                }
            }
        }
        assessment.name = self.name.unwrap_or(assessment.name);
        assessment.rationale = self.rationale.or(assessment.rationale);
        assessment.metadata.extend(self.metadata);
        assessment.updated = at_ms;
        Ok(assessment)
    }
}

/// The port that keeps assessments.
#[async_trait]
pub trait Assessments: Send + Sync {
    /// Adds an assessment of a trace that is there; the one that it replaces is no longer valid.
    async fn create(&self, assessment: &Assessment) -> Result<()>;

    /// The assessment `id` of a trace; a missing trace or assessment is `RESOURCE_DOES_NOT_EXIST`.
    async fn get(&self, trace: &TraceId, id: &str) -> Result<Assessment>;

    /// Changes an assessment and returns it.
    async fn update(
        &self,
        trace: &TraceId,
        id: &str,
        change: &AssessmentChange,
        at_ms: Millis,
    ) -> Result<Assessment>;

    /// Removes an assessment; the one that it replaced is valid again. An absent one is no error.
    async fn delete(&self, trace: &TraceId, id: &str) -> Result<()>;
}
