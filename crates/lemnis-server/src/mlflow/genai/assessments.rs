//! `traces/{trace_id}/assessments`

use axum::extract::{Path as UrlPath, State};
use lemnis_tracking::{AssessmentChange, Error};
use serde_json::{Value, json};

use super::super::Answer;
use super::super::fields::Fields;
use super::super::wire::{Reply, nothing};
use super::wire;
use crate::Server;

fn one(assessment: lemnis_tracking::Assessment) -> Reply<Value> {
    Reply(json!({ "assessment": wire::assessment(assessment) }))
}

pub(super) async fn create(
    State(server): State<Server>,
    UrlPath(trace): UrlPath<String>,
    fields: Fields,
) -> Answer<Value> {
    let given = fields.object("assessment")?.ok_or_else(|| fields.missing("assessment"))?;
    let assessment = wire::read_assessment(&given, &trace, server.app.clock.now_ms())?;
    server.app.assessments.create(&assessment).await?;
    Ok(one(assessment))
}

pub(super) async fn get(
    State(server): State<Server>,
    UrlPath((trace, id)): UrlPath<(String, String)>,
) -> Answer<Value> {
    Ok(one(server.app.assessments.get(&trace.into(), &id).await?))
}

pub(super) async fn update(
    State(server): State<Server>,
    UrlPath((trace, id)): UrlPath<(String, String)>,
    fields: Fields,
) -> Answer<Value> {
    let given = fields.object("assessment")?.ok_or_else(|| fields.missing("assessment"))?;
    // A mask is written as names with commas between, in either spelling.
    let mask = match fields.json("update_mask") {
        Value::String(text) => text.split(',').map(|name| name.trim().to_owned()).collect(),
        Value::Object(map) => {
            let paths = map.get("paths").and_then(Value::as_array).cloned().unwrap_or_default();
            paths.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
        }
        Value::Null => return Err(fields.missing("update_mask").into()),
        _ => Vec::new(),
    };
    let has = |names: &[&str]| mask.iter().any(|given: &String| names.contains(&given.as_str()));
    if has(&["expectation"]) && has(&["feedback"]) {
        let message = "Cannot specify both `expectation` and `feedback` parameters.";
        return Err(Error::invalid(message).into());
    }
    let mut change = AssessmentChange::default();
    if has(&["assessment_name", "assessmentName"]) {
        change.name = given.text("assessment_name")?;
    }
    if has(&["expectation", "feedback"]) {
        change.verdict = wire::read_verdict(&given)?;
    }
    if has(&["rationale"]) {
        change.rationale = given.text("rationale")?;
    }
    if has(&["metadata"]) {
        change.metadata = given.map("metadata")?;
    }
    let now = server.app.clock.now_ms();
    Ok(one(server.app.assessments.update(&trace.into(), &id, &change, now).await?))
}

pub(super) async fn delete(
    State(server): State<Server>,
    UrlPath((trace, id)): UrlPath<(String, String)>,
) -> Answer<Value> {
    server.app.assessments.delete(&trace.into(), &id).await?;
    Ok(nothing())
}
