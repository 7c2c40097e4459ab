//! The truth about earlier predictions, as it arrives.

use lemnis_core::{Action, Principal};
use lemnis_serving::Truth;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Labels;
use crate::model::CHAMPION;
use crate::{App, Context, Error, authorise};

/// The most labels that one call may carry.
const MAX_LABELS: usize = 100_000;
/// The longest label.
const MAX_LABEL_BYTES: usize = 1_000;

/// Labels for predictions, by request id.
#[derive(Clone, Debug, JsonSchema, Deserialize)]
pub struct Feedback {
    /// The endpoint that answered.
    pub endpoint: String,
    /// The labels.
    pub feedback: Vec<Label>,
}

/// The truth about one row of one request.
#[derive(Clone, Debug, JsonSchema, Deserialize)]
pub struct Label {
    /// The request's id: the `X-Request-Id` of its answer.
    pub request_id: String,
    /// The row within the request, from 0.
    #[serde(default)]
    pub row: u32,
    /// A class by name, or a number.
    pub label: serde_json::Value,
}

/// How many labels were taken.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct FeedbackTaken {
    /// Labels in the call. A row that had one already keeps it.
    pub taken: usize,
}

/// Keeps the labels, by request id and row; predictions that are not known yet do not matter.
///
/// All of them or none: a label that means nothing to the task refuses the call and is named.
pub async fn feedback(app: &App, who: &Principal, cmd: &Feedback) -> Result<FeedbackTaken, Error> {
    authorise(who, Action::Predict)?;
    let settings = app.project.settings()?;
    let endpoint = settings.endpoint(&cmd.endpoint)?;
    let model = settings.model(endpoint.model_name())?;
    if cmd.feedback.len() > MAX_LABELS {
        return Err(Error::invalid_with(
            format!("{} labels in one call, more than {MAX_LABELS}", cmd.feedback.len()),
            "send them in several calls",
        ));
    }
    let champion = app
        .registry
        .version_by_alias(endpoint.model_name(), CHAMPION)
        .await
        .context("finding the champion")?;
    let accepted = Labels::of(app, &cmd.endpoint, model, champion.as_ref()).await?;
    let now = app.clock.now_ms();
    let mut labels = Vec::with_capacity(cmd.feedback.len());
    for (place, label) in cmd.feedback.iter().enumerate() {
        let text = match &label.label {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Number(number) => number.to_string(),
            serde_json::Value::Bool(flag) => flag.to_string(),
            _ => return Err(Error::invalid(format!("feedback[{place}].label is no class and no number"))),
        };
        if text.len() > MAX_LABEL_BYTES || label.request_id.is_empty() || label.request_id.len() > 256 {
            return Err(Error::invalid(format!("feedback[{place}] has an empty or overlong field")));
        }
        let read = accepted.read(&text).ok_or_else(|| {
            Error::invalid_with(
                format!("feedback[{place}].label {text:?} means nothing to {}", cmd.endpoint),
                accepted.wanted(),
            )
        })?;
        labels.push(Truth {
            request_id: label.request_id.clone(),
            row: label.row,
            label: read,
            received_ms: now,
        });
    }
    app.rollouts.feedback_insert(&cmd.endpoint, &labels).await.context("keeping labels")?;
    Ok(FeedbackTaken { taken: labels.len() })
}
