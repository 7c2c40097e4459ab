//! `traces/…`

use std::collections::HashMap;

use axum::extract::{Path as UrlPath, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use lemnis_tracking::trace::{ARTIFACT_LOCATION_TAG, SPANS_LOCATION_TAG, check_links, no_trace};
use lemnis_tracking::{
    Error, ExperimentId, Result, Trace, TraceDeletion, TraceId, TraceLink, TraceSearch, search as grammar,
};
use serde_json::{Value, json};

use super::super::Answer;
use super::super::artifact_paths::of_uri;
use super::super::artifact_proxy::send;
use super::super::experiments::parse_id;
use super::super::failure::Failure;
use super::super::fields::Fields;
use super::super::wire::{Page, Reply, nothing};
use super::{span_out, wire};
use crate::Server;

/// Traces of a page.
const MAX_RESULTS: usize = 500;
/// Traces that one call may name.
const MAX_IDS: usize = 1000;

pub(super) async fn start(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let given = fields.object("trace")?.ok_or_else(|| fields.missing("trace"))?;
    let info = given.object("trace_info")?.ok_or_else(|| fields.missing("trace.trace_info"))?;
    let trace = wire::read_trace(&info, server.app.clock.now_ms())?;
    let kept = server.app.traces.put(&trace).await?;
    Ok(Reply(json!({"trace": {"trace_info": wire::trace(kept)}})))
}

/// The trace with this id, or 404.
pub(super) async fn one(server: &Server, id: &TraceId) -> Result<Trace> {
    let found = server.app.traces.get(std::slice::from_ref(id)).await?.pop();
    found.ok_or_else(|| Error::missing(format!("Trace with ID {id} is not found.")))
}

pub(super) async fn info(State(server): State<Server>, UrlPath(id): UrlPath<String>) -> Answer<Value> {
    let found = server.app.traces.get(&[id.as_str().into()]).await?.pop();
    let trace = found.ok_or_else(|| no_trace(&id))?;
    Ok(Reply(json!({"trace": {"trace_info": wire::trace(trace)}})))
}

pub(super) async fn get(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let id: TraceId = fields.required("trace_id")?.into();
    fields.flag("allow_partial")?;
    let trace = one(&server, &id).await?;
    let spans = server.app.traces.spans(&[id]).await?;
    let spans: Vec<Value> = spans.iter().map(|(_, content)| span_out::otel(content)).collect();
    Ok(Reply(json!({"trace": {"trace_info": wire::trace(trace), "spans": spans}})))
}

/// The ids that a request names, each once.
fn ids(fields: &Fields) -> Result<Vec<TraceId>> {
    let mut ids = fields.texts("trace_ids")?;
    if ids.is_empty() {
        return Err(fields.missing("trace_ids"));
    }
    if ids.len() > MAX_IDS {
        return Err(Error::invalid(format!("At most {MAX_IDS} trace_ids can be given, got {}.", ids.len())));
    }
    let mut seen = std::collections::HashSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    Ok(ids.into_iter().map(TraceId::from).collect())
}

/// The traces that a request names, in its order; only of the experiments that it names, where it does.
async fn named(server: &Server, fields: &Fields) -> Result<Vec<Trace>> {
    let ids = ids(fields)?;
    let experiments: Vec<ExperimentId> =
        fields.texts("experiment_ids")?.iter().filter_map(|id| ExperimentId::parse(id)).collect();
    let found = server.app.traces.get(&ids).await?;
    let mut by_id: HashMap<String, Trace> =
        found.into_iter().map(|trace| (trace.trace_id.to_string(), trace)).collect();
    let mut traces: Vec<Trace> = ids.iter().filter_map(|id| by_id.remove(id.as_str())).collect();
    if fields.has("experiment_ids") {
        traces.retain(|trace| experiments.contains(&trace.experiment_id));
    }
    Ok(traces)
}

pub(super) async fn batch_get(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let mut traces = named(&server, &fields).await?;
    // A trace whose spans lie elsewhere is read from its artifacts.
    traces.retain(|trace| trace.tags.contains_key(SPANS_LOCATION_TAG));
    let ids: Vec<TraceId> = traces.iter().map(|trace| trace.trace_id.clone()).collect();
    let mut spans: HashMap<String, Vec<Value>> = HashMap::new();
    for (id, content) in server.app.traces.spans(&ids).await? {
        spans.entry(id.to_string()).or_default().push(span_out::otel(&content));
    }
    let list: Vec<Value> = traces
        .into_iter()
        .map(|trace| {
            let spans = spans.remove(trace.trace_id.as_str()).unwrap_or_default();
            json!({"trace_info": wire::trace(trace), "spans": spans})
        })
        .collect();
    Ok(Reply(if list.is_empty() { json!({}) } else { json!({ "traces": list }) }))
}

pub(super) async fn batch_get_infos(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let list: Vec<Value> = named(&server, &fields).await?.into_iter().map(wire::trace).collect();
    Ok(Reply(if list.is_empty() { json!({}) } else { json!({ "trace_infos": list }) }))
}

pub(super) async fn search(State(server): State<Server>, fields: Fields) -> Answer<Page<'static, Value>> {
    let locations = fields.objects("locations")?;
    if locations.is_empty() {
        return Err(fields.missing("locations").into());
    }
    let mut experiments = Vec::new();
    for location in locations {
        if let Some(experiment) = location.object("mlflow_experiment")? {
            experiments.push(parse_id(&experiment.required("experiment_id")?)?);
        }
    }
    let page = server.app.traces.search(&wanted(&fields, experiments)?).await?;
    let next_page_token = page.next_token();
    Ok(Reply(Page { list: ("traces", page.items.into_iter().map(wire::trace).collect()), next_page_token }))
}

pub(super) fn wanted(fields: &Fields, experiments: Vec<ExperimentId>) -> Result<TraceSearch> {
    let order: Result<Vec<_>> =
        fields.texts("order_by")?.iter().map(|item| grammar::trace_order(item)).collect();
    Ok(TraceSearch {
        experiments,
        filter: grammar::traces(&fields.text("filter")?.unwrap_or_default())?,
        order: order?,
        limit: fields.max_results(100, MAX_RESULTS)?,
        offset: fields.offset()?,
    })
}

pub(super) async fn delete(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let limit = match fields.int("max_traces")? {
        None => None,
        Some(given) => Some(usize::try_from(given).map_err(|_| {
            Error::invalid(format!("`max_traces` must be a positive integer, received {given}."))
        })?),
    };
    let deletion = TraceDeletion {
        experiment_id: parse_id(&fields.required("experiment_id")?)?,
        until_ms: fields.int("max_timestamp_millis")?,
        limit,
        trace_ids: fields.texts("request_ids")?.into_iter().map(TraceId::from).collect(),
    };
    let deleted = server.app.traces.delete(&deletion).await?;
    Ok(Reply(json!({ "traces_deleted": deleted })))
}

/// Tags that say where a trace's spans lie are for the server to set.
const LOCATION_TAGS: [&str; 3] =
    [SPANS_LOCATION_TAG, "mlflow.trace.archiveLocation", "mlflow.trace.archivalFailure"];

fn changeable(key: &str, action: &str) -> Result<()> {
    if LOCATION_TAGS.contains(&key) {
        return Err(Error::invalid(format!("Tag '{key}' is immutable and cannot be {action} on a trace.")));
    }
    Ok(())
}

pub(super) async fn set_tag(
    State(server): State<Server>,
    UrlPath(id): UrlPath<String>,
    fields: Fields,
) -> Answer<Value> {
    let (key, value) = (fields.required("key")?, fields.text("value")?.unwrap_or_default());
    changeable(&key, "set")?;
    server.app.traces.set_tag(&id.into(), &key, Some(&value)).await?;
    Ok(nothing())
}

pub(super) async fn delete_tag(
    State(server): State<Server>,
    UrlPath(id): UrlPath<String>,
    fields: Fields,
) -> Answer<Value> {
    let key = fields.required("key")?;
    changeable(&key, "deleted")?;
    server.app.traces.set_tag(&id.into(), &key, None).await?;
    Ok(nothing())
}

pub(super) async fn link_to_run(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let ids = ids(&fields)?;
    let run = fields.run_id()?;
    check_links(&run, fields.texts("trace_ids")?.len())?;
    server.app.traces.link(&ids, TraceLink::Run, &[run.to_string()]).await?;
    Ok(nothing())
}

pub(super) async fn link_prompts(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let id: TraceId = fields.required("trace_id")?.into();
    let mut targets = Vec::new();
    for prompt in fields.objects("prompt_versions")? {
        let (name, version) = (prompt.required("name")?, prompt.word("version")?.unwrap_or_default());
        if version.parse::<u32>().is_err() {
            return Err(Error::invalid(format!("Prompt version must be an integer, got '{version}'.")).into());
        }
        targets.push(format!("{name}/{version}"));
    }
    if targets.is_empty() {
        return Err(fields.missing("prompt_versions").into());
    }
    server.app.traces.link(&[id], TraceLink::Prompt, &targets).await?;
    Ok(nothing())
}

/// `get-trace-artifact?request_id=…[&path=…]`: the spans as one file, or an attachment.
pub(super) async fn artifact(
    State(server): State<Server>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Failure> {
    let Some(id) = fields.filled("request_id")? else {
        return Err(Error::Refused {
            code: lemnis_tracking::Code::BadRequest,
            message: "Request must include the \"request_id\" query parameter.".to_owned(),
        }
        .into());
    };
    let trace = one(&server, &id.into()).await?;
    let attachment = fields.filled("path")?;
    if attachment.is_none() && trace.tags.contains_key(SPANS_LOCATION_TAG) {
        let spans = server.app.traces.spans(std::slice::from_ref(&trace.trace_id)).await?;
        let spans: Vec<&str> = spans.iter().map(|(_, content)| content.as_str()).collect();
        let body = format!("{{\"spans\":[{}]}}", spans.join(","));
        let headers = [
            ("content-type", "application/octet-stream"),
            ("content-disposition", "attachment; filename=traces.json"),
        ];
        return Ok((headers, body).into_response());
    }
    let missing = || Error::missing(format!("Trace data of '{}' is not found.", trace.trace_id));
    let location = trace.tags.get(ARTIFACT_LOCATION_TAG).ok_or_else(missing)?;
    let below = match attachment {
        Some(path) => format!("attachments/{path}"),
        None => "traces.json".to_owned(),
    };
    send(server.app.artifacts.as_ref(), &of_uri(location, Some(&below))?, &headers).await
}
