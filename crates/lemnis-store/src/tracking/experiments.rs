//! The port of experiments.

use std::collections::HashMap;

use async_trait::async_trait;
use lemnis_core::Millis;
use lemnis_tracking::search::{Comparator, Entity, Value};
use lemnis_tracking::{
    DatasetUse, Error, Experiment, ExperimentId, ExperimentSearch, Experiments, Lifecycle, NewExperiment,
    Page, Result, Tag, rules,
};

use super::{Done, clause, inputs, offset, one_more, tag};
use crate::Store;
use crate::sql::{self, Columns as _, Connection, List, QueryBuilder, Row, query, query_scalar};

#[async_trait]
impl Experiments for Store {
    async fn create(&self, new: &NewExperiment) -> Result<Experiment> {
        rules::experiment_name(&new.name)?;
        if let Some(location) = &new.artifact_location {
            rules::artifact_location(location)?;
        }
        for tag in &new.tags {
            rules::experiment_tag(tag)?;
        }
        let new = new.clone();
        self.write::<_, Error, _>(move |connection| Box::pin(create(connection, new))).await
    }

    async fn get(&self, id: ExperimentId) -> Result<Option<Experiment>> {
        self.read::<_, Error, _>(move |connection| Box::pin(find(connection, id))).await
    }

    async fn by_name(&self, name: &str) -> Result<Option<Experiment>> {
        let name = name.to_owned();
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let id: Option<i64> = query_scalar("SELECT id FROM experiment WHERE name = ?")
                    .bind(name)
                    .fetch_optional(connection)
                    .await?;
                match id {
                    Some(id) => find(connection, ExperimentId(id)).await,
                    None => Ok(None),
                }
            })
        })
        .await
    }

    async fn datasets(&self, experiments: &[ExperimentId]) -> Result<Vec<DatasetUse>> {
        let ids = List(experiments.iter().map(|id| id.0).collect::<Vec<_>>());
        self.read::<_, Error, _>(move |connection| Box::pin(inputs::uses(connection, ids))).await
    }

    async fn search(&self, search: &ExperimentSearch) -> Result<Page<Experiment>> {
        let search = search.clone();
        self.read::<_, Error, _>(move |connection| Box::pin(find_all(connection, search))).await
    }

    async fn rename(&self, id: ExperimentId, name: &str, at_ms: Millis) -> Result<()> {
        rules::experiment_name(name)?;
        let name = name.to_owned();
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                if stage(connection, id).await? != Lifecycle::Active {
                    return Err(Error::invalid("Cannot rename a non-active experiment.").into());
                }
                let renamed = query("UPDATE experiment SET name = ?, updated = ? WHERE id = ?")
                    .bind(&name)
                    .bind(at_ms)
                    .bind(id.0)
                    .execute(connection)
                    .await;
                taken(renamed, &name).map(|_| ())
            })
        })
        .await
    }

    async fn set_lifecycle(&self, id: ExperimentId, to: Lifecycle, at_ms: Millis) -> Result<()> {
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let moved = query(
                    "UPDATE experiment SET lifecycle = ?1, updated = ?2 WHERE id = ?3 AND lifecycle <> ?1",
                )
                .bind(to.as_str())
                .bind(at_ms)
                .bind(id.0)
                .execute(connection)
                .await?;
                if moved == 0 {
                    return Err(Error::no_experiment(id).into());
                }
                let deleted = (to == Lifecycle::Deleted).then_some(at_ms);
                query("UPDATE run SET lifecycle = ?, deleted_time = ? WHERE experiment = ?")
                    .bind(to.as_str())
                    .bind(deleted)
                    .bind(id.0)
                    .execute(connection)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    async fn set_tag(&self, id: ExperimentId, tag: &Tag, at_ms: Millis) -> Result<()> {
        rules::experiment_tag(tag)?;
        let tag = tag.clone();
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                active(connection, id).await?;
                put_tag(connection, id.0, &tag).await?;
                touch(connection, id, at_ms).await
            })
        })
        .await
    }

    async fn delete_tag(&self, id: ExperimentId, key: &str, at_ms: Millis) -> Result<()> {
        let key = key.to_owned();
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                active(connection, id).await?;
                let gone = query("DELETE FROM experiment_tag WHERE experiment = ? AND key = ?")
                    .bind(id.0)
                    .bind(&key)
                    .execute(connection)
                    .await?;
                if gone == 0 {
                    return Err(Error::missing(format!(
                        "No tag with name: {key} in experiment with id {id}"
                    ))
                    .into());
                }
                touch(connection, id, at_ms).await
            })
        })
        .await
    }
}

/// Fails unless the experiment is there and active.
pub(super) async fn active(connection: &mut Connection, id: ExperimentId) -> Done<()> {
    check_active(id, stage(connection, id).await?)
}

fn check_active(id: ExperimentId, stage: Lifecycle) -> Done<()> {
    match stage {
        Lifecycle::Active => Ok(()),
        Lifecycle::Deleted => Err(Error::invalid(format!(
            "The experiment {id} must be in the 'active' state. Current state is deleted."
        ))
        .into()),
    }
}

/// Where the artifacts of the experiment lie; fails unless it is active.
pub(super) async fn active_location(connection: &mut Connection, id: ExperimentId) -> Done<String> {
    let row = query("SELECT lifecycle, artifact_location FROM experiment WHERE id = ?")
        .bind(id.0)
        .fetch_optional(connection)
        .await?;
    let row = row.ok_or_else(|| Error::no_experiment(id))?;
    check_active(id, Lifecycle::parse(row.try_get(0)?))?;
    Ok(row.try_get(1)?)
}

/// Where the artifacts of the experiment lie.
pub(super) async fn location(connection: &mut Connection, id: ExperimentId) -> Done<String> {
    let location: Option<String> = query_scalar("SELECT artifact_location FROM experiment WHERE id = ?")
        .bind(id.0)
        .fetch_optional(connection)
        .await?;
    location.ok_or_else(|| Error::no_experiment(id).into())
}

async fn stage(connection: &mut Connection, id: ExperimentId) -> Done<Lifecycle> {
    let stage: Option<String> = query_scalar("SELECT lifecycle FROM experiment WHERE id = ?")
        .bind(id.0)
        .fetch_optional(connection)
        .await?;
    Ok(stage.map(|stage| Lifecycle::parse(&stage)).ok_or_else(|| Error::no_experiment(id))?)
}

async fn touch(connection: &mut Connection, id: ExperimentId, at_ms: Millis) -> Done<()> {
    query("UPDATE experiment SET updated = ? WHERE id = ?")
        .bind(at_ms)
        .bind(id.0)
        .execute(connection)
        .await?;
    Ok(())
}

async fn put_tag(connection: &mut Connection, id: i64, tag: &Tag) -> Done<()> {
    query(
        "INSERT INTO experiment_tag (experiment, key, value) VALUES (?, ?, ?) \
         ON CONFLICT (experiment, key) DO UPDATE SET value = excluded.value",
    )
    .bind(id)
    .bind(&tag.key)
    .bind(&tag.value)
    .execute(connection)
    .await?;
    Ok(())
}

/// Says that `name` is taken where the database says so.
fn taken<T>(result: Result<T, sql::Error>, name: &str) -> Done<T> {
    result.map_err(|error| match error.is_taken() {
        true => Error::exists(format!("Experiment(name={name}) already exists.")).into(),
        false => error.into(),
    })
}

async fn create(connection: &mut Connection, new: NewExperiment) -> Done<Experiment> {
    let inserted = query_scalar(
        "INSERT INTO experiment (name, artifact_location, created, updated) VALUES (?1, ?2, ?3, ?3) RETURNING id",
    )
    .bind(&new.name)
    .bind(new.artifact_location.as_deref().unwrap_or_default())
    .bind(new.at_ms)
    .fetch_one(connection)
    .await;
    let id = ExperimentId(taken(inserted, &new.name)?);
    if new.artifact_location.as_deref().unwrap_or_default().is_empty() {
        query("UPDATE experiment SET artifact_location = ? WHERE id = ?")
            .bind(format!("mlflow-artifacts:/{id}"))
            .bind(id.0)
            .execute(connection)
            .await?;
    }
    for tag in &new.tags {
        put_tag(connection, id.0, tag).await?;
    }
    Ok(find(connection, id).await?.ok_or_else(|| Error::no_experiment(id))?)
}

async fn find(connection: &mut Connection, id: ExperimentId) -> Done<Option<Experiment>> {
    let row =
        query("SELECT id, name, artifact_location, lifecycle, created, updated FROM experiment WHERE id = ?")
            .bind(id.0)
            .fetch_optional(connection)
            .await?;
    let Some(row) = row else { return Ok(None) };
    let mut found = vec![experiment(&row)?];
    load_tags(connection, &mut found).await?;
    Ok(found.pop())
}

fn experiment(row: &Row) -> Result<Experiment, sql::Error> {
    Ok(Experiment {
        experiment_id: ExperimentId(row.try_get(0)?),
        name: row.try_get(1)?,
        artifact_location: row.try_get(2)?,
        lifecycle_stage: Lifecycle::parse(row.try_get(3)?),
        creation_time: row.try_get(4)?,
        last_update_time: row.try_get(5)?,
        tags: Vec::new(),
    })
}

async fn load_tags(connection: &mut Connection, experiments: &mut [Experiment]) -> Done<()> {
    let places: HashMap<i64, usize> =
        experiments.iter().enumerate().map(|(place, found)| (found.experiment_id.0, place)).collect();
    let ids: Vec<i64> = places.keys().copied().collect();
    let rows = query(
        "SELECT experiment, key, value FROM experiment_tag \
         WHERE experiment IN (SELECT value FROM json_each(?)) ORDER BY experiment, key",
    )
    .bind(List(ids))
    .fetch_all(connection)
    .await?;
    for row in &rows {
        if let Some(place) = places.get(&row.try_get(0)?) {
            experiments[*place].tags.push(tag(row, 1)?);
        }
    }
    Ok(())
}

async fn find_all(connection: &mut Connection, search: ExperimentSearch) -> Done<Page<Experiment>> {
    let mut sql = QueryBuilder::new(
        "SELECT e.id, e.name, e.artifact_location, e.lifecycle, e.created, e.updated FROM experiment e WHERE true",
    );
    if let Some(stage) = search.view.lifecycle() {
        sql.push(" AND e.lifecycle = ").push_bind(stage.as_str());
    }
    for wanted in &search.filter {
        sql.push(" AND ");
        if wanted.entity == Entity::Tag {
            let absent = wanted.comparator == Comparator::Absent;
            sql.push(if absent { "NOT EXISTS" } else { "EXISTS" });
            sql.push(" (SELECT 1 FROM experiment_tag t WHERE t.experiment = e.id AND t.key = ");
            sql.push_bind(wanted.key.clone());
            if wanted.value != Value::Nothing {
                sql.push(" AND ");
                clause::compare(&mut sql, "t.value", wanted);
            }
            sql.push(")");
        } else {
            clause::compare(&mut sql, column(&wanted.key), wanted);
        }
    }
    sql.push(" ORDER BY ");
    for order in &search.order {
        sql.push(format!("{}{}, ", column(&order.key), clause::direction(order.ascending)));
    }
    sql.push(match search.order.is_empty() {
        true => "e.created DESC, e.id ASC",
        false => "e.id DESC",
    });
    sql.push(" LIMIT ").push_bind(one_more(search.limit));
    sql.push(" OFFSET ").push_bind(offset(search.offset));
    let rows = sql.build().fetch_all(connection).await?;
    let mut page =
        Page::cut(rows.iter().map(experiment).collect::<Result<_, _>>()?, search.limit, search.offset);
    load_tags(connection, &mut page.items).await?;
    Ok(page)
}

fn column(key: &str) -> &'static str {
    match key {
        "experiment_id" => "CAST(e.id AS TEXT)",
        "creation_time" => "e.created",
        "last_update_time" => "e.updated",
        _ => "e.name",
    }
}
