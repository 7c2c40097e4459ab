//! `runs/create`, `get`, `update`, `delete`, `restore` and `search`.

use axum::extract::State;
use lemnis_tracking::{
    Error, ExperimentId, Lifecycle, NewRun, Result, RunChange, RunSearch, RunStatus, search,
};
use serde_json::{Value, json};

use super::Answer;
use super::experiments::{parse_id, view};
use super::fields::Fields;
use super::wire::{self, Reply};
use crate::Server;

pub(super) async fn create(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let experiment_id = match fields.filled("experiment_id")? {
        Some(id) => parse_id(&id)?,
        None => ExperimentId::DEFAULT,
    };
    let new = NewRun {
        experiment_id,
        user_id: fields.text("user_id")?.unwrap_or_default(),
        run_name: fields.text("run_name")?,
        start_time: Some(fields.int("start_time")?.unwrap_or_default()),
        tags: fields.tags("tags")?,
    };
    let run = server.app.runs.create(&new).await?;
    Ok(Reply(json!({"run": wire::run(run)})))
}

pub(super) async fn get(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let id = fields.run_id()?;
    let run = server.app.runs.get(&id).await?.ok_or_else(|| Error::no_run(&id))?;
    Ok(Reply(json!({"run": wire::run(run)})))
}

pub(super) async fn update(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let id = fields.run_id()?;
    let status = match fields.word("status")? {
        None => None,
        Some(word) => Some(RunStatus::parse(&word).ok_or_else(|| {
            Error::invalid(format!("Invalid value \"{word}\" for parameter 'status' supplied."))
        })?),
    };
    let change = RunChange { status, end_time: fields.int("end_time")?, run_name: fields.text("run_name")? };
    let info = server.app.runs.update(&id, &change).await?;
    Ok(Reply(json!({"run_info": wire::run_info(info)})))
}

pub(super) async fn delete(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    server.app.runs.set_lifecycle(&fields.run_id()?, Lifecycle::Deleted, server.app.clock.now_ms()).await?;
    Ok(wire::nothing())
}

pub(super) async fn restore(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    server.app.runs.set_lifecycle(&fields.run_id()?, Lifecycle::Active, server.app.clock.now_ms()).await?;
    Ok(wire::nothing())
}

pub(super) async fn search(
    State(server): State<Server>,
    fields: Fields,
) -> Answer<wire::Page<'static, wire::RunOut>> {
    // An id that no experiment can have matches nothing.
    let experiments =
        fields.listed_texts("experiment_ids")?.iter().filter_map(|id| ExperimentId::parse(id)).collect();
    let order: Result<Vec<_>> =
        fields.listed_texts("order_by")?.iter().map(|item| search::run_order(item)).collect();
    let wanted = RunSearch {
        experiments,
        filter: search::runs(&fields.text("filter")?.unwrap_or_default())?,
        view: view(&fields, "run_view_type")?,
        order: order?,
        limit: fields.max_results(1000, 50_000)?,
        offset: fields.offset()?,
    };
    let page = server.app.runs.search(&wanted).await?;
    let next_page_token = page.next_token();
    let list = page.items.into_iter().map(wire::run).collect();
    Ok(Reply(wire::Page { list: ("runs", list), next_page_token }))
}
