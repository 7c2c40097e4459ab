//! Versions of registered models.

use std::collections::HashMap;

use lemnis_core::Millis;
use lemnis_tracking::{
    Error, LoggedModelId, Metric, ModelVersion, NewVersion, Page, Param, RunId, Stage, Tag, VersionChange,
    VersionSearch,
};

use super::models::{self, Tags};
use super::{Done, clause, logged_models, offset, one_more, served, shown, tag};
use crate::sql::{self, Columns as _, Connection, List, QueryBuilder, Row, query, query_scalar};

const SELECT: &str = "SELECT m.model, m.version, m.created, m.updated, m.description, m.user_id, m.stage, m.source, \
                      m.storage_location, m.run_id, m.run_link, m.model_id FROM model_version m";

/// The tag of a logged model that lists the versions registered from it.
const REGISTERED: &str = "mlflow.modelVersions";

pub(super) async fn create(connection: &mut Connection, new: NewVersion) -> Done<ModelVersion> {
    models::known(connection, &new.name).await?;
    let number: u32 = query_scalar("SELECT COALESCE(max(version), 0) + 1 FROM model_version WHERE model = ?")
        .bind(&new.name)
        .fetch_one(connection)
        .await?;
    query(
        "INSERT INTO model_version (model, version, created, updated, description, user_id, stage, source, \
         storage_location, run_id, run_link, model_id) VALUES (?1, ?2, ?3, ?3, ?4, ?5, 'None', ?6, ?7, ?8, ?9, ?10)",
    )
    .bind(&new.name)
    .bind(number)
    .bind(new.at_ms)
    .bind(&new.description)
    .bind(&new.user_id)
    .bind(&new.source)
    .bind(&new.storage_location)
    .bind(new.run_id.as_ref().map(RunId::as_str))
    .bind(&new.run_link)
    .bind(new.model_id.as_ref().map(LoggedModelId::as_str))
    .execute(connection)
    .await?;
    for tag in &new.tags {
        put_tag(connection, &new.name, number, &tag.key, Some(&tag.value)).await?;
    }
    if let Some(id) = &new.model_id {
        note_registration(connection, id, &new.name, number).await?;
    }
    models::touch(connection, &new.name, new.at_ms).await?;
    found(connection, &new.name, number).await
}

/// An entry of that tag.
#[derive(serde::Deserialize)]
struct Registration {
    name: String,
    version: u32,
}

/// Lists the new version in the tag of its logged model, if that is ours.
async fn note_registration(
    connection: &mut Connection,
    id: &LoggedModelId,
    name: &str,
    version: u32,
) -> Done<()> {
    let known: Option<i64> = query_scalar("SELECT 1 FROM logged_model WHERE model_id = ?")
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?;
    if known.is_none() {
        return Ok(());
    }
    let present: Option<String> =
        query_scalar("SELECT value FROM logged_model_tag WHERE model_id = ? AND key = ?")
            .bind(id.as_str())
            .bind(REGISTERED)
            .fetch_optional(connection)
            .await?;
    let mut list: Vec<Registration> =
        present.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    list.push(Registration { name: name.to_owned(), version });
    // Spaced as Python's json does, because clients compare the text.
    let list: Vec<String> = list
        .iter()
        .map(|entry| {
            let name = serde_json::Value::from(entry.name.as_str());
            format!("{{\"name\": {name}, \"version\": {}}}", entry.version)
        })
        .collect();
    let value = format!("[{}]", list.join(", "));
    logged_models::put_tags(connection, id, &[Tag::new(REGISTERED, value)]).await
}

pub(super) async fn find(connection: &mut Connection, name: &str, number: u32) -> Done<Option<ModelVersion>> {
    let mut sql = QueryBuilder::new(SELECT);
    sql.push(" WHERE m.model = ").push_bind(name.to_owned());
    sql.push(" AND m.version = ").push_bind(number);
    sql.push(" AND NOT m.deleted");
    let Some(row) = sql.build().fetch_optional(connection).await? else { return Ok(None) };
    let mut versions = vec![version(&row)?];
    load(connection, &mut versions).await?;
    let mut found = versions.pop();
    if let Some(ModelVersion { model_id: Some(id), model_params, model_metrics, .. }) = &mut found {
        load_model(connection, id, model_params, model_metrics).await?;
    }
    Ok(found)
}

/// Every version of a model that is not deleted, by number.
pub(super) async fn all(connection: &mut Connection, name: &str) -> Done<Vec<ModelVersion>> {
    let mut sql = QueryBuilder::new(SELECT);
    sql.push(" WHERE NOT m.deleted AND m.model = ").push_bind(name);
    sql.push(" ORDER BY m.version");
    let rows = sql.build().fetch_all(connection).await?;
    let mut versions = rows.iter().map(version).collect::<Result<Vec<_>, _>>()?;
    load(connection, &mut versions).await?;
    Ok(versions)
}

async fn found(connection: &mut Connection, name: &str, number: u32) -> Done<ModelVersion> {
    Ok(find(connection, name, number).await?.ok_or_else(|| Error::no_version(name, number))?)
}

/// Fails unless the version is there and not deleted.
pub(super) async fn known(connection: &mut Connection, name: &str, number: u32) -> Done<()> {
    let known: Option<i64> =
        query_scalar("SELECT 1 FROM model_version WHERE model = ? AND version = ? AND NOT deleted")
            .bind(name)
            .bind(number)
            .fetch_optional(connection)
            .await?;
    if known.is_none() { Err(Error::no_version(name, number).into()) } else { Ok(()) }
}

pub(super) async fn update(
    connection: &mut Connection,
    name: &str,
    number: u32,
    change: VersionChange,
    at_ms: Millis,
) -> Done<ModelVersion> {
    known(connection, name, number).await?;
    match change {
        VersionChange::Description(text) => {
            query("UPDATE model_version SET description = ?, updated = ? WHERE model = ? AND version = ?")
                .bind(text)
                .bind(at_ms)
                .bind(name)
                .bind(number)
                .execute(connection)
                .await?;
        }
        VersionChange::Stage { to, archive_existing } => {
            if archive_existing {
                archive_others(connection, name, number, to, at_ms).await?;
            }
            query("UPDATE model_version SET stage = ?, updated = ? WHERE model = ? AND version = ?")
                .bind(to.as_str())
                .bind(at_ms)
                .bind(name)
                .bind(number)
                .execute(connection)
                .await?;
            models::touch(connection, name, at_ms).await?;
        }
    }
    found(connection, name, number).await
}

async fn archive_others(
    connection: &mut Connection,
    name: &str,
    number: u32,
    to: Stage,
    at_ms: Millis,
) -> Done<()> {
    if !matches!(to, Stage::Staging | Stage::Production) {
        return Err(Error::invalid(format!(
            "Model version transition cannot archive existing model versions because '{}' is not an Active stage. \
             Valid stages are Staging, Production",
            to.as_str()
        ))
        .into());
    }
    query(
        "UPDATE model_version SET stage = 'Archived', updated = ? \
         WHERE model = ? AND version <> ? AND stage = ? AND NOT deleted",
    )
    .bind(at_ms)
    .bind(name)
    .bind(number)
    .bind(to.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn delete(connection: &mut Connection, name: &str, number: u32, at_ms: Millis) -> Done<()> {
    known(connection, name, number).await?;
    served::refuse_version(connection, name, number).await?;
    query(
        "UPDATE model_version SET deleted = true, updated = ?, description = NULL, user_id = NULL, \
         source = 'REDACTED-SOURCE-PATH', storage_location = NULL, run_id = NULL, run_link = NULL, model_id = NULL \
         WHERE model = ? AND version = ?",
    )
    .bind(at_ms)
    .bind(name)
    .bind(number)
    .execute(connection)
    .await?;
    query("DELETE FROM model_alias WHERE model = ? AND version = ?")
        .bind(name)
        .bind(number)
        .execute(connection)
        .await?;
    query("DELETE FROM model_version_tag WHERE model = ? AND version = ?")
        .bind(name)
        .bind(number)
        .execute(connection)
        .await?;
    models::touch(connection, name, at_ms).await
}

pub(super) async fn set_tag(
    connection: &mut Connection,
    name: &str,
    number: u32,
    key: &str,
    value: Option<&str>,
) -> Done<()> {
    known(connection, name, number).await?;
    put_tag(connection, name, number, key, value).await
}

async fn put_tag(
    connection: &mut Connection,
    name: &str,
    number: u32,
    key: &str,
    value: Option<&str>,
) -> Done<()> {
    let query = match value {
        Some(value) => query(
            "INSERT INTO model_version_tag (model, version, key, value) VALUES (?, ?, ?, ?) \
             ON CONFLICT (model, version, key) DO UPDATE SET value = excluded.value",
        )
        .bind(name)
        .bind(number)
        .bind(key)
        .bind(value),
        None => query("DELETE FROM model_version_tag WHERE model = ? AND version = ? AND key = ?")
            .bind(name)
            .bind(number)
            .bind(key),
    };
    query.execute(connection).await?;
    Ok(())
}

/// The version with the highest number of each stage of each model.
pub(super) async fn newest(connection: &mut Connection, names: &List<String>) -> Done<Vec<ModelVersion>> {
    let mut sql = QueryBuilder::new(SELECT);
    sql.push(" WHERE NOT m.deleted AND m.model IN (SELECT value FROM json_each(").push_bind(names);
    sql.push(
        ")) AND m.version = (SELECT max(o.version) FROM model_version o \
         WHERE o.model = m.model AND o.stage = m.stage AND NOT o.deleted) ORDER BY m.model, m.version",
    );
    let rows = sql.build().fetch_all(connection).await?;
    let mut versions = rows.iter().map(version).collect::<Result<Vec<_>, _>>()?;
    load(connection, &mut versions).await?;
    Ok(versions)
}

pub(super) async fn search(connection: &mut Connection, search: VersionSearch) -> Done<Page<ModelVersion>> {
    let mut sql = QueryBuilder::new(SELECT);
    sql.push(" WHERE NOT m.deleted");
    let tags = Tags {
        table: "model_version_tag",
        owner: "v.model = m.model AND v.version = m.version",
        model: "m.model",
    };
    models::filter(&mut sql, &search.filter, &tags, column);
    sql.push(" ORDER BY ");
    if search.order.is_empty() {
        sql.push("m.updated DESC, ");
    }
    for order in &search.order {
        sql.push(format!("{}{}, ", column(&order.key), clause::direction(order.ascending)));
    }
    sql.push("m.model, m.version DESC LIMIT ").push_bind(one_more(search.limit));
    sql.push(" OFFSET ").push_bind(offset(search.offset));
    let rows = sql.build().fetch_all(connection).await?;
    let versions = rows.iter().map(version).collect::<Result<Vec<_>, _>>()?;
    let mut page = Page::cut(versions, search.limit, search.offset);
    load(connection, &mut page.items).await?;
    Ok(page)
}

fn column(key: &str) -> &'static str {
    match key {
        "version_number" => "m.version",
        "run_id" => "m.run_id",
        "source_path" => "m.source",
        "creation_timestamp" => "m.created",
        "last_updated_timestamp" => "m.updated",
        _ => "m.model",
    }
}

fn version(row: &Row) -> Result<ModelVersion, sql::Error> {
    Ok(ModelVersion {
        name: row.try_get(0)?,
        version: row.try_get(1)?,
        creation_timestamp: row.try_get(2)?,
        last_updated_timestamp: row.try_get(3)?,
        description: row.try_get(4)?,
        user_id: row.try_get(5)?,
        current_stage: Stage::parse(row.try_get(6)?).unwrap_or_default(),
        source: row.try_get(7)?,
        storage_location: row.try_get(8)?,
        run_id: row.try_get::<Option<String>>(9)?.map(RunId::from),
        run_link: row.try_get(10)?,
        model_id: row.try_get::<Option<String>>(11)?.map(LoggedModelId::from),
        tags: Vec::new(),
        aliases: Vec::new(),
        model_params: Vec::new(),
        model_metrics: Vec::new(),
    })
}

/// Adds tags and aliases.
async fn load(connection: &mut Connection, versions: &mut [ModelVersion]) -> Done<()> {
    if versions.is_empty() {
        return Ok(());
    }
    let places: HashMap<(String, u32), usize> = versions
        .iter()
        .enumerate()
        .map(|(place, found)| ((found.name.clone(), found.version), place))
        .collect();
    let mut names: Vec<String> = versions.iter().map(|found| found.name.clone()).collect();
    names.sort();
    names.dedup();
    let names = List(names);
    let rows = query(
        "SELECT model, version, key, value FROM model_version_tag \
         WHERE model IN (SELECT value FROM json_each(?)) ORDER BY model, version, key",
    )
    .bind(&names)
    .fetch_all(connection)
    .await?;
    for row in &rows {
        if let Some(place) = places.get(&(row.try_get(0)?, row.try_get(1)?)) {
            versions[*place].tags.push(tag(row, 2)?);
        }
    }
    let rows = query(
        "SELECT model, version, alias FROM model_alias \
         WHERE model IN (SELECT value FROM json_each(?)) ORDER BY model, alias",
    )
    .bind(&names)
    .fetch_all(connection)
    .await?;
    for row in &rows {
        if let Some(place) = places.get(&(row.try_get(0)?, row.try_get(1)?)) {
            versions[*place].aliases.push(row.try_get(2)?);
        }
    }
    Ok(())
}

async fn load_model(
    connection: &mut Connection,
    id: &LoggedModelId,
    params: &mut Vec<Param>,
    metrics: &mut Vec<Metric>,
) -> Done<()> {
    let rows = query("SELECT key, value FROM logged_model_param WHERE model_id = ? ORDER BY key")
        .bind(id.as_str())
        .fetch_all(connection)
        .await?;
    for row in &rows {
        params.push(Param { key: row.try_get(0)?, value: row.try_get(1)? });
    }
    let rows = query(
        "SELECT key, value, is_nan, timestamp, step, dataset_name, dataset_digest FROM logged_model_metric \
         WHERE model_id = ? ORDER BY key, timestamp, step",
    )
    .bind(id.as_str())
    .fetch_all(connection)
    .await?;
    for row in &rows {
        metrics.push(Metric {
            key: row.try_get(0)?,
            value: shown(row.try_get(1)?, row.try_get(2)?),
            timestamp: row.try_get(3)?,
            step: row.try_get(4)?,
            model_id: Some(id.clone()),
            dataset_name: row.try_get(5)?,
            dataset_digest: row.try_get(6)?,
        });
    }
    Ok(())
}
