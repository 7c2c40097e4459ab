//! `experiments/…`

use axum::extract::State;
use lemnis_tracking::{
    Error, Experiment, ExperimentId, ExperimentSearch, Lifecycle, NewExperiment, Result, Tag, View, search,
};
use serde_json::{Value, json};

use super::Answer;
use super::fields::Fields;
use super::source::storage_location;
use super::wire::{self, Reply};
use crate::Server;

/// The id in the field `experiment_id`; one that no experiment can have is not found.
pub(super) fn experiment_id(fields: &Fields) -> Result<ExperimentId> {
    parse_id(&fields.required("experiment_id")?)
}

pub(super) fn parse_id(text: &str) -> Result<ExperimentId> {
    ExperimentId::parse(text).ok_or_else(|| match text.parse::<i64>() {
        Ok(_) => Error::no_experiment(text),
        Err(_) => {
            Error::invalid(format!("Invalid experiment ID '{text}'. Experiment ID must be a valid integer."))
        }
    })
}

/// The lifecycle stages that the field `name` asks for.
pub(super) fn view(fields: &Fields, name: &str) -> Result<View> {
    Ok(match fields.word(name)?.as_deref() {
        None | Some("ACTIVE_ONLY" | "1") => View::Active,
        Some("DELETED_ONLY" | "2") => View::Deleted,
        Some("ALL" | "3") => View::All,
        Some(other) => {
            return Err(Error::invalid(format!(
                "Invalid value \"{other}\" for parameter '{name}' supplied."
            )));
        }
    })
}

pub(super) async fn create(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let name = fields.required("name")?;
    let artifact_location = match fields.filled("artifact_location")? {
        Some(location) => Some(storage_location(&location, &server.directory)?),
        None => None,
    };
    let new = NewExperiment {
        name,
        artifact_location,
        tags: fields.tags("tags")?,
        at_ms: server.app.clock.now_ms(),
    };
    let made = server.app.experiments.create(&new).await?;
    Ok(Reply(json!({"experiment_id": made.experiment_id})))
}

pub(super) async fn get(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let id = experiment_id(&fields)?;
    let found = server.app.experiments.get(id).await?.ok_or_else(|| Error::no_experiment(id))?;
    Ok(one(found))
}

pub(super) async fn get_by_name(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let name = fields.required("experiment_name")?;
    let found = server.app.experiments.by_name(&name).await?;
    let missing = || Error::missing(format!("Could not find experiment with name '{name}'"));
    Ok(one(found.ok_or_else(missing)?))
}

fn one(experiment: Experiment) -> Reply<Value> {
    Reply(json!({"experiment": wire::experiment(experiment)}))
}

pub(super) async fn search(
    State(server): State<Server>,
    fields: Fields,
) -> Answer<wire::Page<'static, wire::ExperimentOut>> {
    let order: Result<Vec<_>> =
        fields.texts("order_by")?.iter().map(|item| search::experiment_order(item)).collect();
    let wanted = ExperimentSearch {
        filter: search::experiments(&fields.text("filter")?.unwrap_or_default())?,
        view: view(&fields, "view_type")?,
        order: order?,
        limit: fields.max_results(1000, 50_000)?,
        offset: fields.offset()?,
    };
    let page = server.app.experiments.search(&wanted).await?;
    let next_page_token = page.next_token();
    let list = page.items.into_iter().map(wire::experiment).collect();
    Ok(Reply(wire::Page { list: ("experiments", list), next_page_token }))
}

pub(super) async fn delete(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    set_lifecycle(&server, &fields, Lifecycle::Deleted).await
}

pub(super) async fn restore(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    set_lifecycle(&server, &fields, Lifecycle::Active).await
}

async fn set_lifecycle(server: &Server, fields: &Fields, to: Lifecycle) -> Answer<Value> {
    server.app.experiments.set_lifecycle(experiment_id(fields)?, to, server.app.clock.now_ms()).await?;
    Ok(wire::nothing())
}

pub(super) async fn update(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let id = experiment_id(&fields)?;
    let name = fields.required("new_name")?;
    server.app.experiments.rename(id, &name, server.app.clock.now_ms()).await?;
    Ok(wire::nothing())
}

pub(super) async fn set_tag(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let id = experiment_id(&fields)?;
    let tag: Tag = fields.tag()?;
    server.app.experiments.set_tag(id, &tag, server.app.clock.now_ms()).await?;
    Ok(wire::nothing())
}

pub(super) async fn delete_tag(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let id = experiment_id(&fields)?;
    let key = fields.required("key")?;
    server.app.experiments.delete_tag(id, &key, server.app.clock.now_ms()).await?;
    Ok(wire::nothing())
}

/// Experiments that a search for datasets may name.
const MAX_DATASET_EXPERIMENTS: usize = 20;

pub(super) async fn search_datasets(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let ids = fields.listed_texts("experiment_ids")?;
    if ids.is_empty() {
        return Err(Error::invalid("SearchDatasets request must specify at least one experiment_id.").into());
    }
    if ids.len() > MAX_DATASET_EXPERIMENTS {
        return Err(Error::invalid(format!(
            "SearchDatasets request cannot specify more than {MAX_DATASET_EXPERIMENTS} experiment_ids. Received {} \
             experiment_ids.",
            ids.len()
        ))
        .into());
    }
    let ids: Vec<ExperimentId> = ids.iter().filter_map(|id| ExperimentId::parse(id)).collect();
    let found = server.app.experiments.datasets(&ids).await?;
    Ok(Reply(match found.is_empty() {
        true => json!({}),
        false => json!({"dataset_summaries": found}),
    }))
}
