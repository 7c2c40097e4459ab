//! Read models filled from the ports. Nothing here changes anything.

mod compare;
mod data;
mod drift;
mod endpoints;
mod flows;
mod models;
mod overview;
mod predictions;
mod runs;
mod validation;

pub use compare::{compare, curves, experiments};
pub use data::data;
pub use endpoints::{endpoint, endpoints};
pub use flows::{events, flow_runs, verdicts};
pub use models::{model, models};
pub use overview::overview;
pub use runs::{run, run_info, runs};

use lemnis_core::Event;
use lemnis_quality::{Outcome, Verdict};
use serde_json::Value;

use super::{EventRow, Moment, State, VerdictRow};
use crate::{App, Settings, blocking};

/// `lemnis.yaml`, and what is wrong with it where something is: a broken file must not take the pages away with it.
fn settings(app: &App) -> (Option<Settings>, Option<String>) {
    match app.project.settings_if_any() {
        Ok(settings) => (settings, None),
        Err(error) => (None, Some(error.to_string())),
    }
}

/// The project's name: what `lemnis.yaml` says, or the directory's.
fn project_name(app: &App, settings: Option<&Settings>) -> String {
    let directory = || app.project.root().file_name().map(|name| name.to_string_lossy().into_owned());
    settings
        .map(|settings| settings.project.clone())
        .or_else(directory)
        .unwrap_or_else(|| "project".to_owned())
}

/// One segment of a path or one value of a query.
fn segment(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// The page of a subject such as `model/churn/2` or `endpoint/churn`.
fn href(subject: &str) -> Option<String> {
    let (kind, name) = subject.split_once('/')?;
    let first = name.split('/').next().unwrap_or_default();
    match kind {
        "model" => Some(format!("/models/{}", segment(first))),
        "endpoint" => Some(format!("/endpoints/{}", segment(first))),
        "run" => Some(format!("/runs/{}", segment(first))),
        "data" => Some("/data".to_owned()),
        "flow" => Some("/flows".to_owned()),
        _ => None,
    }
}

fn event_row(event: Event) -> EventRow {
    let Event { id, at_ms, actor, kind, subject, data } = event;
    let act = kind.rsplit('.').next().unwrap_or_default();
    let state = match act {
        "detected" | "failed" | "aborted" | "refused" | "rolled_back" | "cancelled" => State::Attention,
        "queued" | "started" => State::Working,
        _ => State::Ok,
    };
    EventRow { href: href(&subject), id, at: Moment(at_ms), actor, kind, subject, state, data }
}

fn verdict_row(verdict: &Verdict) -> VerdictRow {
    VerdictRow {
        id: verdict.id.clone(),
        at: Moment(verdict.at_ms),
        subject: verdict.subject.clone(),
        href: href(&verdict.subject),
        kind: verdict.kind.as_str().to_owned(),
        outcome: verdict.outcome.as_str().to_owned(),
        state: match verdict.outcome {
            Outcome::Pass => State::Ok,
            Outcome::Drift | Outcome::Fail => State::Attention,
            Outcome::NotComputed => State::Idle,
        },
        summary: verdict.summary.clone(),
    }
}

/// A JSON value as a short text without quotes.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Number(number) => match number.as_f64() {
            Some(value) if number.is_f64() => trimmed(value),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// A number with up to four decimals and without zeros at its end.
fn trimmed(value: f64) -> String {
    if value != 0.0 && (value.abs() < 1e-3 || value.abs() >= 1e9) {
        return format!("{value:.3e}");
    }
    format!("{value:.4}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_leads_to_its_page() {
        assert_eq!(href("model/a b/2").as_deref(), Some("/models/a%20b"));
        assert_eq!(href("endpoint/churn").as_deref(), Some("/endpoints/churn"));
        assert_eq!(href("data/raw/x.csv").as_deref(), Some("/data"));
        assert_eq!(href("project"), None);
    }

    #[test]
    fn values_read_without_json_around_them() {
        assert_eq!(plain(&serde_json::json!(["a", 1, 0.25, null])), "a, 1, 0.25, ");
        assert_eq!(plain(&serde_json::json!(1.0)), "1");
        assert_eq!(trimmed(0.000_012), "1.200e-5");
    }

    #[test]
    fn bad_news_is_marked() {
        let event = |kind: &str| Event {
            id: String::new(),
            at_ms: 0,
            actor: String::new(),
            kind: kind.to_owned(),
            subject: String::new(),
            data: Value::Null,
        };
        assert_eq!(event_row(event("drift.detected")).state, State::Attention);
        assert_eq!(event_row(event("flow.queued")).state, State::Working);
        assert_eq!(event_row(event("alias.moved")).state, State::Ok);
    }
}
