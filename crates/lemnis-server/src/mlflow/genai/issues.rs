//! `issues/…`

use axum::extract::{Path as UrlPath, State};
use lemnis_tracking::issue::{IssueChange, IssueSearch, SEVERITIES, STATUSES};
use lemnis_tracking::{Error, Issue, Result, search as grammar};
use serde_json::{Value, json};

use super::super::Answer;
use super::super::experiments::{experiment_id, parse_id};
use super::super::fields::Fields;
use super::super::wire::{Page, Reply};
use crate::Server;

/// Issues of a page.
const MAX_RESULTS: usize = 50_000;

fn issue(found: Issue) -> Value {
    let mut out = json!({
        "issue_id": found.issue_id,
        "experiment_id": found.experiment_id,
        "name": found.name,
        "description": found.description,
        "status": found.status,
        "created_timestamp": found.created,
        "last_updated_timestamp": found.updated,
    });
    for (name, text) in [
        ("severity", found.severity),
        ("source_run_id", found.source_run_id),
        ("created_by", found.created_by),
    ] {
        if let Some(text) = text {
            out[name] = text.into();
        }
    }
    for (name, list) in [("root_causes", found.root_causes), ("categories", found.categories)] {
        if !list.is_empty() {
            out[name] = list.into();
        }
    }
    if let Some(count) = found.trace_count {
        out["trace_count"] = count.into();
    }
    out
}

fn one(found: Issue) -> Reply<Value> {
    Reply(json!({ "issue": issue(found) }))
}

/// The word in the field `name`, which must be one of `known`.
fn known(fields: &Fields, name: &str, known: &[&str]) -> Result<Option<String>> {
    match fields.filled(name)? {
        Some(word) if !known.contains(&word.as_str()) => Err(Error::invalid(format!(
            "Invalid value \"{word}\" for parameter '{name}' supplied. Valid values are {known:?}"
        ))),
        word => Ok(word),
    }
}

fn no_issue(id: &str) -> Error {
    Error::missing(format!("Issue with ID '{id}' not found"))
}

pub(super) async fn create(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let now = server.app.clock.now_ms();
    let made = Issue {
        issue_id: Issue::random_id(),
        name: fields.required("name")?,
        description: fields.required("description")?,
        experiment_id: experiment_id(&fields)?,
        status: known(&fields, "status", &STATUSES)?.unwrap_or_else(|| "pending".to_owned()),
        severity: known(&fields, "severity", &SEVERITIES)?,
        root_causes: fields.texts("root_causes")?,
        source_run_id: fields.filled("source_run_id")?,
        categories: fields.texts("categories")?,
        created: now,
        updated: now,
        created_by: fields.filled("created_by")?,
        trace_count: None,
    };
    if let Some(run) = &made.source_run_id {
        let run = lemnis_tracking::RunId::from(run.as_str());
        server.app.runs.info(&run).await?.ok_or_else(|| Error::no_run(&run))?;
    }
    server.app.issues.create(&made).await?;
    Ok(one(made))
}

pub(super) async fn get(State(server): State<Server>, UrlPath(id): UrlPath<String>) -> Answer<Value> {
    Ok(one(server.app.issues.get(&id).await?.ok_or_else(|| no_issue(&id))?))
}

pub(super) async fn update(
    State(server): State<Server>,
    UrlPath(id): UrlPath<String>,
    fields: Fields,
) -> Answer<Value> {
    let change = IssueChange {
        name: fields.filled("name")?,
        description: fields.filled("description")?,
        status: known(&fields, "status", &STATUSES)?,
        severity: known(&fields, "severity", &SEVERITIES)?,
    };
    let now = server.app.clock.now_ms();
    Ok(one(server.app.issues.update(&id, &change, now).await?.ok_or_else(|| no_issue(&id))?))
}

pub(super) async fn search(State(server): State<Server>, fields: Fields) -> Answer<Page<'static, Value>> {
    let experiment_id = match fields.filled("experiment_id")? {
        None => None,
        Some(id) => Some(parse_id(&id)?),
    };
    let wanted = IssueSearch {
        experiment_id,
        filter: grammar::issues(&fields.text("filter_string")?.unwrap_or_default())?,
        count_traces: fields.flag("include_trace_count")?.unwrap_or(false),
        limit: fields.max_results(100, MAX_RESULTS)?,
        offset: fields.offset()?,
    };
    let page = server.app.issues.search(&wanted).await?;
    // Here the token is there on the last page, too, and empty.
    let token = page.next_token().unwrap_or_default();
    let list = page.items.into_iter().map(issue).collect();
    Ok(Reply(Page { list: ("issues", list), next_page_token: Some(token) }))
}
