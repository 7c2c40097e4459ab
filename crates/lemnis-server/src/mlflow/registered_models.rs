//! `registered-models/…`

use axum::extract::State;
use lemnis_app::model;
use lemnis_tracking::{
    Error, LATEST, ModelChange, ModelSearch, ModelVersion, NewModel, Result, Stage, rules, search,
};
use serde_json::{Value, json};

use super::Answer;
use super::fields::Fields;
use super::model_versions::{named, version_number};
use super::wire::{self, ModelOut, Reply, VersionOut};
use crate::Server;

pub(super) async fn create(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let new = NewModel {
        name: fields.required("name")?,
        description: fields.filled("description")?,
        tags: fields.tags("tags")?,
        at_ms: server.app.clock.now_ms(),
    };
    let model = server.app.registry.create_model(&new).await?;
    Ok(one(wire::model(model)))
}

fn one(model: ModelOut) -> Reply<Value> {
    Reply(json!({"registered_model": model}))
}

pub(super) async fn get(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let name = named(&fields)?;
    let model = server.app.registry.get_model(&name).await?.ok_or_else(|| Error::no_model(&name))?;
    Ok(one(wire::model(model)))
}

pub(super) async fn rename(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let name = named(&fields)?;
    let new_name = fields.required("new_name")?;
    let change = ModelChange { name: Some(new_name), description: None, at_ms: server.app.clock.now_ms() };
    let model = server.app.registry.update_model(&name, &change).await?;
    Ok(one(wire::model(model)))
}

pub(super) async fn update(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let name = named(&fields)?;
    let description = Some(fields.text("description")?.unwrap_or_default());
    let change = ModelChange { name: None, description, at_ms: server.app.clock.now_ms() };
    let model = server.app.registry.update_model(&name, &change).await?;
    Ok(one(wire::model(model)))
}

pub(super) async fn delete(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    server.app.registry.delete_model(&named(&fields)?).await?;
    Ok(wire::nothing())
}

pub(super) async fn search(
    State(server): State<Server>,
    fields: Fields,
) -> Answer<wire::Page<'static, ModelOut>> {
    let order: Result<Vec<_>> =
        fields.texts("order_by")?.iter().map(|item| search::model_order(item)).collect();
    let wanted = ModelSearch {
        filter: search::registered_models(&fields.text("filter")?.unwrap_or_default())?,
        order: order?,
        limit: limit(&fields, 100, 1000)?,
        offset: fields.offset()?,
    };
    let page = server.app.registry.search_models(&wanted).await?;
    let next_page_token = page.next_token();
    let list = page.items.into_iter().map(wire::model).collect();
    Ok(Reply(wire::Page { list: ("registered_models", list), next_page_token }))
}

/// A page's size, in the words of the registry.
pub(super) fn limit(fields: &Fields, default: usize, most: usize) -> Result<usize> {
    let Some(given) = fields.int("max_results")? else { return Ok(default) };
    let wrong = |why: &str| {
        Error::invalid(format!(
            "Invalid value for request parameter max_results. {why}, but got value {given}"
        ))
    };
    match usize::try_from(given) {
        Ok(given) if given > most => Err(wrong(&format!("It must be at most {most}"))),
        Ok(given) if given > 0 => Ok(given),
        _ => Err(wrong("It must be a positive integer")),
    }
}

pub(super) async fn latest_versions(
    State(server): State<Server>,
    fields: Fields,
) -> Answer<wire::Page<'static, VersionOut>> {
    let name = named(&fields)?;
    let stages: Result<Vec<Stage>> =
        fields.texts("stages")?.iter().map(|stage| Stage::parse(stage)).collect();
    let stages = stages?;
    let model = server.app.registry.get_model(&name).await?.ok_or_else(|| Error::no_model(&name))?;
    let wanted = |version: &ModelVersion| stages.is_empty() || stages.contains(&version.current_stage);
    let list = model.latest_versions.into_iter().filter(wanted).map(wire::version).collect();
    Ok(Reply(wire::Page { list: ("model_versions", list), next_page_token: None }))
}

pub(super) async fn set_tag(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let name = named(&fields)?;
    let tag = fields.tag()?;
    server.app.registry.set_model_tag(&name, &tag.key, Some(&tag.value)).await?;
    Ok(wire::nothing())
}

pub(super) async fn delete_tag(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    server.app.registry.set_model_tag(&named(&fields)?, &fields.required("key")?, None).await?;
    Ok(wire::nothing())
}

pub(super) async fn set_alias(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let name = named(&fields)?;
    let alias = fields.required("alias")?;
    rules::new_alias(&alias)?;
    let version = version_number(&fields)?;
    model::set_alias(&server.app, &server.principal, &name, &alias, Some(version)).await?;
    Ok(wire::nothing())
}

pub(super) async fn delete_alias(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let (name, alias) = (named(&fields)?, fields.required("alias")?);
    model::set_alias(&server.app, &server.principal, &name, &alias, None).await?;
    Ok(wire::nothing())
}

pub(super) async fn version_by_alias(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let name = named(&fields)?;
    let alias = fields.required("alias")?;
    rules::alias(&alias)?;
    if let Some(version) = server.app.registry.version_by_alias(&name, &alias).await? {
        return Ok(Reply(json!({"model_version": wire::version(version)})));
    }
    if server.app.registry.get_model(&name).await?.is_none() {
        return Err(Error::no_model(&name).into());
    }
    if alias.eq_ignore_ascii_case(LATEST) {
        return Err(Error::missing(format!("Latest version not found for model {name}.")).into());
    }
    Err(Error::no_alias(&alias).into())
}
