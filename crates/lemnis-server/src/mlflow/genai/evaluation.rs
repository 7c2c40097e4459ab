//! `datasets/…`: evaluation datasets.

use std::collections::BTreeMap;

use axum::extract::{Path as UrlPath, State};
use lemnis_tracking::evaluation::{
    EvaluationRecord, EvaluationSearch, NewEvaluationDataset, RecordChange, RecordCursor,
};
use lemnis_tracking::{Error, EvaluationDataset, ExperimentId, Result, search as grammar};
use serde_json::{Map, Value, json};

use super::super::Answer;
use super::super::experiments::parse_id;
use super::super::fields::Fields;
use super::super::wire::{Page, Reply, nothing};
use crate::Server;

/// Records of a page.
const MAX_RECORDS: usize = 10_000;

fn experiments(fields: &Fields) -> Result<Vec<ExperimentId>> {
    fields.texts("experiment_ids")?.iter().map(|id| parse_id(id)).collect()
}

fn dataset(found: EvaluationDataset) -> Value {
    let mut out = json!({
        "dataset_id": found.dataset_id,
        "name": found.name,
        "tags": json!(found.tags).to_string(),
        "digest": found.digest,
        "created_time": found.created,
        "last_update_time": found.updated,
    });
    let texts = [
        ("schema", found.schema),
        ("profile", found.profile),
        ("created_by", found.created_by),
        ("last_updated_by", found.updated_by),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            out[name] = text.into();
        }
    }
    out
}

fn one(found: EvaluationDataset) -> Reply<Value> {
    Reply(json!({ "dataset": dataset(found) }))
}

fn no_dataset(id: &str) -> Error {
    Error::missing(format!("Evaluation dataset with id '{id}' not found"))
}

/// The JSON object in the text `name`.
fn object(fields: &Fields, name: &str) -> Result<Map<String, Value>> {
    let Some(text) = fields.filled(name)? else { return Ok(Map::new()) };
    match serde_json::from_str(&text) {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(Error::invalid(format!("'{name}' must be a JSON object."))),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) async fn create(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let tags: BTreeMap<String, String> =
        object(&fields, "tags")?.iter().map(|(key, value)| (key.clone(), text(value))).collect();
    let new = NewEvaluationDataset {
        name: fields.required("name")?,
        tags,
        experiment_ids: experiments(&fields)?,
        at_ms: server.app.clock.now_ms(),
    };
    let made = server.app.evaluation_datasets.create(&new).await?;
    let experiments = json!(made.experiment_ids);
    let mut out = dataset(made);
    // Only here: later, clients ask for the experiments when they need them.
    out["experiment_ids"] = experiments;
    Ok(Reply(json!({ "dataset": out })))
}

pub(super) async fn get(State(server): State<Server>, UrlPath(id): UrlPath<String>) -> Answer<Value> {
    let found = server.app.evaluation_datasets.get(&id).await?;
    Ok(one(found.ok_or_else(|| no_dataset(&id))?))
}

pub(super) async fn delete(State(server): State<Server>, UrlPath(id): UrlPath<String>) -> Answer<Value> {
    server.app.evaluation_datasets.delete(&id).await?;
    Ok(nothing())
}

pub(super) async fn search(State(server): State<Server>, fields: Fields) -> Answer<Page<'static, Value>> {
    let order: Result<Vec<_>> =
        fields.texts("order_by")?.iter().map(|item| grammar::evaluation_dataset_order(item)).collect();
    let wanted = EvaluationSearch {
        experiments: experiments(&fields)?,
        filter: grammar::evaluation_datasets(&fields.text("filter_string")?.unwrap_or_default())?,
        order: order?,
        limit: fields.max_results(1000, 50_000)?,
        offset: fields.offset()?,
    };
    let page = server.app.evaluation_datasets.search(&wanted).await?;
    let next_page_token = page.next_token();
    let list = page.items.into_iter().map(dataset).collect();
    Ok(Reply(Page { list: ("datasets", list), next_page_token }))
}

pub(super) async fn set_tags(
    State(server): State<Server>,
    UrlPath(id): UrlPath<String>,
    fields: Fields,
) -> Answer<Value> {
    fields.required("tags")?;
    let tags: Vec<(String, Option<String>)> = object(&fields, "tags")?
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), Some(text(value))))
        .collect();
    server.app.evaluation_datasets.set_tags(&id, &tags).await?;
    Ok(nothing())
}

pub(super) async fn delete_tag(
    State(server): State<Server>,
    UrlPath((id, key)): UrlPath<(String, String)>,
) -> Answer<Value> {
    // Removing what is not there is no mistake.
    if server.app.evaluation_datasets.get(&id).await?.is_some() {
        server.app.evaluation_datasets.set_tags(&id, &[(key, None)]).await?;
    }
    Ok(nothing())
}

pub(super) async fn upsert_records(
    State(server): State<Server>,
    UrlPath(id): UrlPath<String>,
    fields: Fields,
) -> Answer<Value> {
    let wrong = || Error::invalid("'records' must be a JSON list of objects.");
    let records: Vec<Value> = serde_json::from_str(&fields.required("records")?).map_err(|_| wrong())?;
    let records = records.into_iter().map(RecordChange::parse).collect::<Result<Vec<_>>>()?;
    let now = server.app.clock.now_ms();
    let (inserted, updated) = server.app.evaluation_datasets.upsert(&id, &records, now).await?;
    Ok(Reply(json!({"inserted_count": inserted, "updated_count": updated})))
}

fn record(dataset: &str, found: EvaluationRecord) -> Value {
    let mut out = json!({
        "dataset_record_id": found.record_id,
        "dataset_id": dataset,
        "inputs": found.inputs,
        "created_time": found.created,
        "last_update_time": found.updated,
    });
    let source_type = found.source.as_ref().map(|source| source["source_type"].clone());
    let optional = [
        ("outputs", found.outputs),
        ("expectations", found.expectations.map(Value::Object)),
        ("tags", found.tags.map(Value::Object)),
        ("source", found.source),
        ("source_type", source_type),
        ("created_by", found.created_by.map(Value::from)),
        ("last_updated_by", found.updated_by.map(Value::from)),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            out[name] = value;
        }
    }
    out
}

pub(super) async fn records(
    State(server): State<Server>,
    UrlPath(id): UrlPath<String>,
    fields: Fields,
) -> Answer<Value> {
    let after = match fields.filled("page_token")? {
        None => None,
        Some(token) => Some(RecordCursor::parse(&token)?),
    };
    let limit = fields.max_results(1000, MAX_RECORDS)?;
    let (found, more) = server.app.evaluation_datasets.records(&id, after.as_ref(), limit).await?;
    let last =
        found.last().map(|last| RecordCursor { created: last.created, record_id: last.record_id.clone() });
    let list: Vec<Value> = found.into_iter().map(|found| record(&id, found)).collect();
    let mut out = json!({ "records": Value::from(list).to_string() });
    if let Some(last) = last.filter(|_| more) {
        out["next_page_token"] = last.token().into();
    }
    Ok(Reply(out))
}

pub(super) async fn delete_records(
    State(server): State<Server>,
    UrlPath(id): UrlPath<String>,
    fields: Fields,
) -> Answer<Value> {
    let records = fields.texts("dataset_record_ids")?;
    let deleted = server.app.evaluation_datasets.delete_records(&id, &records).await?;
    Ok(Reply(json!({ "deleted_count": deleted })))
}

pub(super) async fn experiment_ids(
    State(server): State<Server>,
    UrlPath(id): UrlPath<String>,
) -> Answer<Value> {
    let found = server.app.evaluation_datasets.get(&id).await?;
    let ids = found.map(|found| found.experiment_ids).unwrap_or_default();
    Ok(Reply(if ids.is_empty() { json!({}) } else { json!({ "experiment_ids": ids }) }))
}

pub(super) async fn add_experiments(
    State(server): State<Server>,
    UrlPath(id): UrlPath<String>,
    fields: Fields,
) -> Answer<Value> {
    let (ids, now) = (experiments(&fields)?, server.app.clock.now_ms());
    Ok(one(server.app.evaluation_datasets.set_experiments(&id, &ids, &[], now).await?))
}

pub(super) async fn remove_experiments(
    State(server): State<Server>,
    UrlPath(id): UrlPath<String>,
    fields: Fields,
) -> Answer<Value> {
    // An id that no experiment can have is not associated, either.
    let ids: Vec<ExperimentId> =
        fields.texts("experiment_ids")?.iter().filter_map(|id| ExperimentId::parse(id)).collect();
    let now = server.app.clock.now_ms();
    Ok(one(server.app.evaluation_datasets.set_experiments(&id, &[], &ids, now).await?))
}
