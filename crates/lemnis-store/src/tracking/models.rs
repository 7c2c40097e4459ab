//! Registered models, their tags and aliases.

use std::collections::HashMap;

use lemnis_core::Millis;
use lemnis_tracking::search::{Clause, Comparator, Entity, Value};
use lemnis_tracking::{
    Alias, Error, ModelChange, ModelSearch, NewModel, PROMPT_TAG, Page, RegisteredModel, is_prompt,
};

use super::{Done, clause, offset, one_more, served, tag, versions};
use crate::sql::{self, Columns as _, Connection, List, QueryBuilder, Row, query, query_scalar};

pub(super) async fn create(connection: &mut Connection, new: NewModel) -> Done<RegisteredModel> {
    if let Some(old) = find(connection, &new.name).await? {
        return Err(Error::model_exists(&new.name, is_prompt(&old.tags), is_prompt(&new.tags)).into());
    }
    query("INSERT INTO registered_model (name, description, created, updated) VALUES (?1, ?2, ?3, ?3)")
        .bind(&new.name)
        .bind(&new.description)
        .bind(new.at_ms)
        .execute(connection)
        .await?;
    for tag in &new.tags {
        put_tag(connection, &new.name, &tag.key, Some(&tag.value)).await?;
    }
    found(connection, &new.name).await
}

pub(super) async fn find(connection: &mut Connection, name: &str) -> Done<Option<RegisteredModel>> {
    let row =
        query("SELECT m.name, m.description, m.created, m.updated FROM registered_model m WHERE m.name = ?")
            .bind(name)
            .fetch_optional(connection)
            .await?;
    let Some(row) = row else { return Ok(None) };
    let mut models = vec![model(&row)?];
    load(connection, &mut models).await?;
    Ok(models.pop())
}

async fn found(connection: &mut Connection, name: &str) -> Done<RegisteredModel> {
    Ok(find(connection, name).await?.ok_or_else(|| Error::no_model(name))?)
}

/// Fails unless the model is there.
pub(super) async fn known(connection: &mut Connection, name: &str) -> Done<()> {
    let known: Option<i64> = query_scalar("SELECT 1 FROM registered_model WHERE name = ?")
        .bind(name)
        .fetch_optional(connection)
        .await?;
    if known.is_none() { Err(Error::no_model(name).into()) } else { Ok(()) }
}

/// Notes that a version of the model changed.
pub(super) async fn touch(connection: &mut Connection, name: &str, at_ms: Millis) -> Done<()> {
    query("UPDATE registered_model SET updated = ? WHERE name = ?")
        .bind(at_ms)
        .bind(name)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn update(
    connection: &mut Connection,
    name: &str,
    change: ModelChange,
) -> Done<RegisteredModel> {
    known(connection, name).await?;
    if let Some(description) = &change.description {
        query("UPDATE registered_model SET description = ? WHERE name = ?")
            .bind(description)
            .bind(name)
            .execute(connection)
            .await?;
    }
    let mut name = name.to_owned();
    if let Some(new_name) = change.name {
        if new_name != name && known(connection, &new_name).await.is_ok() {
            return Err(Error::model_exists(&new_name, false, false).into());
        }
        query("UPDATE registered_model SET name = ? WHERE name = ?")
            .bind(&new_name)
            .bind(&name)
            .execute(connection)
            .await?;
        query("UPDATE model_version SET updated = ? WHERE model = ?")
            .bind(change.at_ms)
            .bind(&new_name)
            .execute(connection)
            .await?;
        served::rename(connection, &name, &new_name).await?;
        name = new_name;
    }
    touch(connection, &name, change.at_ms).await?;
    found(connection, &name).await
}

pub(super) async fn set_tag(
    connection: &mut Connection,
    name: &str,
    key: &str,
    value: Option<&str>,
) -> Done<()> {
    known(connection, name).await?;
    put_tag(connection, name, key, value).await
}

async fn put_tag(connection: &mut Connection, name: &str, key: &str, value: Option<&str>) -> Done<()> {
    let query = match value {
        Some(value) => query(
            "INSERT INTO registered_model_tag (model, key, value) VALUES (?, ?, ?) \
             ON CONFLICT (model, key) DO UPDATE SET value = excluded.value",
        )
        .bind(name)
        .bind(key)
        .bind(value),
        None => query("DELETE FROM registered_model_tag WHERE model = ? AND key = ?").bind(name).bind(key),
    };
    query.execute(connection).await?;
    Ok(())
}

pub(super) async fn set_alias(
    connection: &mut Connection,
    name: &str,
    alias: &str,
    version: Option<u32>,
) -> Done<()> {
    known(connection, name).await?;
    let Some(version) = version else {
        query("DELETE FROM model_alias WHERE model = ? AND alias = ?")
            .bind(name)
            .bind(alias)
            .execute(connection)
            .await?;
        return Ok(());
    };
    versions::known(connection, name, version).await?;
    query(
        "INSERT INTO model_alias (model, alias, version) VALUES (?, ?, ?) \
         ON CONFLICT (model, alias) DO UPDATE SET version = excluded.version",
    )
    .bind(name)
    .bind(alias)
    .bind(version)
    .execute(connection)
    .await?;
    Ok(())
}

fn model(row: &Row) -> Result<RegisteredModel, sql::Error> {
    Ok(RegisteredModel {
        name: row.try_get(0)?,
        description: row.try_get(1)?,
        creation_timestamp: row.try_get(2)?,
        last_updated_timestamp: row.try_get(3)?,
        latest_versions: Vec::new(),
        tags: Vec::new(),
        aliases: Vec::new(),
    })
}

/// Adds tags, aliases and the newest version of each stage.
async fn load(connection: &mut Connection, models: &mut [RegisteredModel]) -> Done<()> {
    if models.is_empty() {
        return Ok(());
    }
    let names = List(models.iter().map(|model| model.name.clone()).collect::<Vec<_>>());
    let places: HashMap<String, usize> =
        names.0.iter().enumerate().map(|(place, name)| (name.clone(), place)).collect();
    let rows = query(
        "SELECT model, key, value FROM registered_model_tag \
         WHERE model IN (SELECT value FROM json_each(?)) ORDER BY model, key",
    )
    .bind(&names)
    .fetch_all(connection)
    .await?;
    for row in &rows {
        if let Some(place) = places.get(row.try_get::<&str>(0)?) {
            models[*place].tags.push(tag(row, 1)?);
        }
    }
    let rows = query(
        "SELECT model, alias, version FROM model_alias \
         WHERE model IN (SELECT value FROM json_each(?)) ORDER BY model, alias",
    )
    .bind(&names)
    .fetch_all(connection)
    .await?;
    for row in &rows {
        if let Some(place) = places.get(row.try_get::<&str>(0)?) {
            models[*place].aliases.push(Alias { alias: row.try_get(1)?, version: row.try_get(2)? });
        }
    }
    for version in versions::newest(connection, &names).await? {
        if let Some(place) = places.get(&version.name) {
            models[*place].latest_versions.push(version);
        }
    }
    Ok(())
}

pub(super) async fn search(connection: &mut Connection, search: ModelSearch) -> Done<Page<RegisteredModel>> {
    let mut sql = QueryBuilder::new(
        "SELECT m.name, m.description, m.created, m.updated FROM registered_model m WHERE true",
    );
    let tags = Tags { table: "registered_model_tag", owner: "v.model = m.name", model: "m.name" };
    filter(&mut sql, &search.filter, &tags, |_| "m.name");
    sql.push(" ORDER BY ");
    for order in &search.order {
        let column = match order.key.as_str() {
            "creation_timestamp" => "m.created",
            "last_updated_timestamp" => "m.updated",
            _ => "m.name",
        };
        sql.push(format!("{column}{}, ", clause::direction(order.ascending)));
    }
    sql.push("m.name LIMIT ").push_bind(one_more(search.limit));
    sql.push(" OFFSET ").push_bind(offset(search.offset));
    let rows = sql.build().fetch_all(connection).await?;
    let models = rows.iter().map(model).collect::<Result<Vec<_>, _>>()?;
    let mut page = Page::cut(models, search.limit, search.offset);
    load(connection, &mut page.items).await?;
    Ok(page)
}

/// Where the tags of what is searched are.
pub(super) struct Tags {
    pub(super) table: &'static str,
    /// Joins the table `v` to the row that is searched.
    pub(super) owner: &'static str,
    /// The column of the registered model's name in the row that is searched.
    pub(super) model: &'static str,
}

/// Appends the clauses. Prompts are left out unless the filter asks for them.
pub(super) fn filter(
    sql: &mut QueryBuilder,
    clauses: &[Clause],
    tags: &Tags,
    column: impl Fn(&str) -> &'static str,
) {
    let about_prompts = |wanted: &&Clause| wanted.entity == Entity::Tag && wanted.key == PROMPT_TAG;
    let wants_prompts = clauses.iter().filter(about_prompts).any(|wanted| {
        let is_true = matches!(&wanted.value, Value::Text(text) if text.eq_ignore_ascii_case("true"));
        is_true && wanted.comparator == Comparator::Equal
    });
    for wanted in clauses {
        if about_prompts(&wanted) && !wants_prompts {
            continue;
        }
        sql.push(" AND ");
        if wanted.entity == Entity::Tag {
            sql.push(format!("EXISTS (SELECT 1 FROM {} v WHERE {} AND v.key = ", tags.table, tags.owner));
            sql.push_bind(wanted.key.clone()).push(" AND ");
            clause::compare(sql, "v.value", wanted);
            sql.push(")");
        } else {
            clause::compare(sql, column(&wanted.key), wanted);
        }
    }
    if !wants_prompts {
        sql.push(format!(
            " AND NOT EXISTS (SELECT 1 FROM {} p WHERE p.model = {} AND p.key = '{PROMPT_TAG}' AND p.value = 'true')",
            tags.table, tags.model
        ));
    }
}
