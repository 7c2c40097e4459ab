//! The older calls on traces, which clients before MLflow 3 make.

use std::collections::BTreeMap;

use axum::extract::{Path as UrlPath, State};
use lemnis_tracking::trace::FINALIZED;
use lemnis_tracking::{Result, Trace, TraceId, TraceState};
use serde_json::{Value, json};

use super::super::Answer;
use super::super::experiments::parse_id;
use super::super::fields::Fields;
use super::super::wire::{Page, Reply};
use super::{traces, wire};
use crate::Server;

fn texts(fields: &Fields, name: &str) -> Result<BTreeMap<String, String>> {
    Ok(fields.tags(name)?.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

fn older(trace: Trace) -> Value {
    let list = |texts: BTreeMap<String, String>| -> Vec<Value> {
        texts.into_iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
    };
    let status = match trace.state {
        TraceState::Unspecified => "TRACE_STATUS_UNSPECIFIED",
        state => state.as_str(),
    };
    let mut out = json!({
        "request_id": trace.trace_id,
        "experiment_id": trace.experiment_id,
        "timestamp_ms": trace.request_time,
        "status": status,
        "request_metadata": list(trace.metadata),
        "tags": list(trace.tags),
    });
    if let Some(ms) = trace.duration_ms {
        out["execution_time_ms"] = ms.into();
    }
    out
}

pub(super) async fn start(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let experiment = parse_id(&fields.required("experiment_id")?)?;
    let at_ms = fields.int("timestamp_ms")?.unwrap_or_default();
    let mut trace = Trace::new(TraceId::random(), experiment, at_ms);
    trace.state = TraceState::InProgress;
    trace.metadata = texts(&fields, "request_metadata")?;
    trace.tags = texts(&fields, "tags")?;
    let mut kept = server.app.traces.put(&trace).await?;
    kept.metadata.remove(FINALIZED);
    Ok(Reply(json!({ "trace_info": older(kept) })))
}

pub(super) async fn end(
    State(server): State<Server>,
    UrlPath(id): UrlPath<String>,
    fields: Fields,
) -> Answer<Value> {
    let state = wire::state(&fields, "status")?;
    let end_ms = fields.int("timestamp_ms")?.unwrap_or_default();
    let (metadata, tags) = (texts(&fields, "request_metadata")?, texts(&fields, "tags")?);
    let mut trace = server.app.traces.end(&id.into(), end_ms, state, &metadata, &tags).await?;
    trace.metadata.remove(FINALIZED);
    Ok(Reply(json!({ "trace_info": older(trace) })))
}

pub(super) async fn info(State(server): State<Server>, UrlPath(id): UrlPath<String>) -> Answer<Value> {
    Ok(Reply(json!({ "trace_info": older(traces::one(&server, &id.into()).await?) })))
}

pub(super) async fn search(State(server): State<Server>, fields: Fields) -> Answer<Page<'static, Value>> {
    let ids = fields.texts("experiment_ids")?;
    if ids.is_empty() {
        return Err(fields.missing("experiment_ids").into());
    }
    let experiments = ids.iter().map(|id| parse_id(id)).collect::<Result<Vec<_>>>()?;
    let page = server.app.traces.search(&traces::wanted(&fields, experiments)?).await?;
    let next_page_token = page.next_token();
    Ok(Reply(Page { list: ("traces", page.items.into_iter().map(older).collect()), next_page_token }))
}
