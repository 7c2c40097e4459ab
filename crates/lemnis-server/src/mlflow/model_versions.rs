//! `model-versions/…`

use axum::extract::State;
use lemnis_tracking::{
    Error, NewVersion, Result, Stage, VersionChange, VersionSearch, is_prompt, rules, search,
};
use serde_json::{Value, json};

use super::Answer;
use super::fields::Fields;
use super::registered_models::limit;
use super::source;
use super::wire::{self, Reply, VersionOut};
use crate::Server;

/// The model's name, which must be one that a model can have.
pub(super) fn named(fields: &Fields) -> Result<String> {
    let name = fields.required("name")?;
    rules::model_name(&name, "name")?;
    Ok(name)
}

/// The number in the field `version`.
pub(super) fn version_number(fields: &Fields) -> Result<u32> {
    let text = fields.word("version")?.ok_or_else(|| fields.missing("version"))?;
    let not_integer = || Error::invalid(format!("Parameter 'version' must be an integer, got '{text}'."));
    let number: i64 = text.trim().parse().map_err(|_| not_integer())?;
    let name = fields.text("name")?.unwrap_or_default();
    u32::try_from(number)
        .map_err(|_| Error::missing(format!("Model Version (name={name}, version={number}) not found")))
}

fn one(version: lemnis_tracking::ModelVersion) -> Reply<Value> {
    Reply(json!({"model_version": wire::version(version)}))
}

pub(super) async fn create(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let name = named(&fields)?;
    let given = source::Given {
        source: fields.required("source")?,
        run_id: fields.text("run_id")?,
        model_id: fields.text("model_id")?,
    };
    let tags = fields.tags("tags")?;
    let found = match is_prompt(&tags) {
        true => source::prompt(given)?,
        false => source::resolve(&server, given).await?,
    };
    let new = NewVersion {
        name,
        source: found.source,
        storage_location: found.storage_location,
        run_id: found.run_id,
        run_link: fields.filled("run_link")?,
        model_id: found.model_id,
        // MLflow keeps an empty text where none is given, and its client tells that from nothing.
        description: Some(fields.text("description")?.unwrap_or_default()),
        tags,
        user_id: None,
        at_ms: server.app.clock.now_ms(),
    };
    Ok(one(server.app.registry.create_version(&new).await?))
}

pub(super) async fn get(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let name = named(&fields)?;
    let number = version_number(&fields)?;
    let version = server.app.registry.get_version(&name, number).await?;
    Ok(one(version.ok_or_else(|| Error::no_version(&name, number))?))
}

pub(super) async fn update(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let name = named(&fields)?;
    let number = version_number(&fields)?;
    let change = VersionChange::Description(fields.text("description")?.unwrap_or_default());
    let now = server.app.clock.now_ms();
    Ok(one(server.app.registry.update_version(&name, number, &change, now).await?))
}

pub(super) async fn transition_stage(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let name = named(&fields)?;
    let number = version_number(&fields)?;
    let to = Stage::parse(&fields.required("stage")?)?;
    let archive_existing = fields.flag("archive_existing_versions")?.unwrap_or(false);
    let change = VersionChange::Stage { to, archive_existing };
    let now = server.app.clock.now_ms();
    Ok(one(server.app.registry.update_version(&name, number, &change, now).await?))
}

pub(super) async fn delete(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let name = named(&fields)?;
    let number = version_number(&fields)?;
    server.app.registry.delete_version(&name, number, server.app.clock.now_ms()).await?;
    Ok(wire::nothing())
}

pub(super) async fn search(
    State(server): State<Server>,
    fields: Fields,
) -> Answer<wire::Page<'static, VersionOut>> {
    let order: Result<Vec<_>> =
        fields.texts("order_by")?.iter().map(|item| search::version_order(item)).collect();
    let wanted = VersionSearch {
        filter: search::model_versions(&fields.text("filter")?.unwrap_or_default())?,
        order: order?,
        limit: limit(&fields, 200_000, 200_000)?,
        offset: fields.offset()?,
    };
    let page = server.app.registry.search_versions(&wanted).await?;
    let next_page_token = page.next_token();
    let list = page.items.into_iter().map(wire::version).collect();
    Ok(Reply(wire::Page { list: ("model_versions", list), next_page_token }))
}

pub(super) async fn download_uri(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let name = named(&fields)?;
    let number = version_number(&fields)?;
    let version = server.app.registry.get_version(&name, number).await?;
    let version = version.ok_or_else(|| Error::no_version(&name, number))?;
    Ok(Reply(json!({"artifact_uri": version.artifact_uri()})))
}

pub(super) async fn set_tag(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let name = named(&fields)?;
    let number = version_number(&fields)?;
    let tag = fields.tag()?;
    server.app.registry.set_version_tag(&name, number, &tag.key, Some(&tag.value)).await?;
    Ok(wire::nothing())
}

pub(super) async fn delete_tag(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let name = named(&fields)?;
    let number = version_number(&fields)?;
    server.app.registry.set_version_tag(&name, number, &fields.required("key")?, None).await?;
    Ok(wire::nothing())
}
