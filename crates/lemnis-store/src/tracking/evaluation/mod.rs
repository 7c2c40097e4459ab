//! The port of evaluation datasets.

mod records;

use std::collections::BTreeMap;

use async_trait::async_trait;
use lemnis_core::{Digest, Millis};
use lemnis_tracking::evaluation::{
    EvaluationRecord, EvaluationSearch, NewEvaluationDataset, RecordChange, RecordCursor, USER_TAG,
};
use lemnis_tracking::search::{Entity, Value as Wanted};
use lemnis_tracking::{Error, EvaluationDataset, EvaluationDatasets, ExperimentId, Page, Result};

use super::{Done, clause, experiments, offset, one_more};
use crate::Store;
use crate::sql::{self, Columns as _, Connection, QueryBuilder, Row, query};

const COLUMNS: &str =
    "d.dataset_id, d.name, d.digest, d.created, d.updated, d.created_by, d.updated_by, d.schema, d.profile";

#[async_trait]
impl EvaluationDatasets for Store {
    async fn create(&self, new: &NewEvaluationDataset) -> Result<EvaluationDataset> {
        let new = new.clone();
        self.write::<_, Error, _>(move |connection| Box::pin(create(connection, new))).await
    }

    async fn get(&self, id: &str) -> Result<Option<EvaluationDataset>> {
        let id = id.to_owned();
        self.read::<_, Error, _>(move |connection| Box::pin(async move { find(connection, &id).await })).await
    }

    async fn delete(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                query("DELETE FROM evaluation_dataset WHERE dataset_id = ?")
                    .bind(&id)
                    .execute(connection)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    async fn search(&self, search: &EvaluationSearch) -> Result<Page<EvaluationDataset>> {
        let wanted = search.clone();
        self.read::<_, Error, _>(move |connection| Box::pin(search_datasets(connection, wanted))).await
    }

    async fn set_tags(&self, id: &str, tags: &[(String, Option<String>)]) -> Result<()> {
        let (id, tags) = (id.to_owned(), tags.to_vec());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                exists(connection, &id, || {
                    Error::missing(format!("Could not find evaluation dataset with ID {id}"))
                })
                .await?;
                for (key, value) in &tags {
                    put_tag(connection, &id, key, value.as_deref()).await?;
                }
                Ok(())
            })
        })
        .await
    }

    async fn set_experiments(
        &self,
        id: &str,
        add: &[ExperimentId],
        remove: &[ExperimentId],
        at_ms: Millis,
    ) -> Result<EvaluationDataset> {
        let (id, add, remove) = (id.to_owned(), add.to_vec(), remove.to_vec());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let missing = || Error::missing(format!("Dataset '{id}' not found"));
                exists(connection, &id, missing).await?;
                for experiment in &add {
                    experiments::location(connection, *experiment).await?;
                    put_experiment(connection, &id, *experiment).await?;
                }
                for experiment in &remove {
                    query(
                        "DELETE FROM evaluation_dataset_experiment WHERE dataset_id = ? AND experiment = ?",
                    )
                    .bind(&id)
                    .bind(experiment.0)
                    .execute(connection)
                    .await?;
                }
                query("UPDATE evaluation_dataset SET updated = ? WHERE dataset_id = ?")
                    .bind(at_ms)
                    .bind(&id)
                    .execute(connection)
                    .await?;
                Ok(find(connection, &id).await?.ok_or_else(missing)?)
            })
        })
        .await
    }

    async fn upsert(&self, id: &str, records: &[RecordChange], at_ms: Millis) -> Result<(u64, u64)> {
        let (id, records) = (id.to_owned(), records.to_vec());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move { records::upsert(connection, &id, records, at_ms).await })
        })
        .await
    }

    async fn records(
        &self,
        id: &str,
        after: Option<&RecordCursor>,
        limit: usize,
    ) -> Result<(Vec<EvaluationRecord>, bool)> {
        let (id, after) = (id.to_owned(), after.cloned());
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                exists(connection, &id, || no_dataset(&id)).await?;
                let mut sql = QueryBuilder::new(format!(
                    "SELECT {} FROM evaluation_record WHERE dataset_id = ",
                    records::COLUMNS
                ));
                sql.push_bind(id);
                if let Some(after) = after {
                    sql.push(" AND (created > ").push_bind(after.created);
                    sql.push(" OR (created = ").push_bind(after.created);
                    sql.push(" AND record_id > ").push_bind(after.record_id).push("))");
                }
                sql.push(" ORDER BY created, record_id LIMIT ").push_bind(one_more(limit));
                let rows = sql.build().fetch_all(connection).await?;
                let mut found = rows.iter().map(records::record).collect::<Result<Vec<_>, _>>()?;
                let more = found.len() > limit;
                found.truncate(limit);
                Ok((found, more))
            })
        })
        .await
    }

    async fn delete_records(&self, id: &str, records: &[String]) -> Result<u64> {
        let (id, records) = (id.to_owned(), records.to_vec());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                exists(connection, &id, || no_dataset(&id)).await?;
                let mut gone = 0;
                for record in &records {
                    gone += query("DELETE FROM evaluation_record WHERE dataset_id = ? AND record_id = ?")
                        .bind(&id)
                        .bind(record)
                        .execute(connection)
                        .await?;
                }
                if gone > 0 {
                    records::put_profile(connection, &id).await?;
                }
                Ok(gone)
            })
        })
        .await
    }
}

fn no_dataset(id: &str) -> Error {
    Error::missing(format!("Evaluation dataset with id '{id}' not found"))
}

/// A short digest that changes with every change.
fn digest(name: &str, at_ms: Millis) -> String {
    Digest::sha256(format!("{name}:{at_ms}").as_bytes()).hex().chars().take(8).collect()
}

async fn exists(connection: &mut Connection, id: &str, missing: impl FnOnce() -> Error) -> Done<()> {
    let found = query("SELECT 1 FROM evaluation_dataset WHERE dataset_id = ?")
        .bind(id)
        .fetch_optional(connection)
        .await?;
    if found.is_some() { Ok(()) } else { Err(missing().into()) }
}

async fn create(connection: &mut Connection, new: NewEvaluationDataset) -> Done<EvaluationDataset> {
    let id = format!("d-{}", uuid::Uuid::new_v4().simple());
    let user = new.tags.get(USER_TAG);
    query(
        "INSERT INTO evaluation_dataset (dataset_id, name, digest, created, updated, created_by, updated_by) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&id)
    .bind(&new.name)
    .bind(digest(&new.name, new.at_ms))
    .bind(new.at_ms)
    .bind(new.at_ms)
    .bind(user)
    .bind(user)
    .execute(connection)
    .await?;
    for (key, value) in &new.tags {
        put_tag(connection, &id, key, Some(value)).await?;
    }
    for experiment in &new.experiment_ids {
        put_experiment(connection, &id, *experiment).await?;
    }
    Ok(find(connection, &id).await?.ok_or_else(|| no_dataset(&id))?)
}

async fn put_tag(connection: &mut Connection, id: &str, key: &str, value: Option<&str>) -> Done<()> {
    match value {
        Some(value) => {
            query(
                "INSERT INTO evaluation_dataset_tag (dataset_id, key, value) VALUES (?, ?, ?) \
                 ON CONFLICT (dataset_id, key) DO UPDATE SET value = excluded.value",
            )
            .bind(id)
            .bind(key)
            .bind(value)
            .execute(connection)
            .await?
        }
        None => {
            query("DELETE FROM evaluation_dataset_tag WHERE dataset_id = ? AND key = ?")
                .bind(id)
                .bind(key)
                .execute(connection)
                .await?
        }
    };
    Ok(())
}

async fn put_experiment(connection: &mut Connection, id: &str, experiment: ExperimentId) -> Done<()> {
    query(
        "INSERT INTO evaluation_dataset_experiment (dataset_id, experiment) VALUES (?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(id)
    .bind(experiment.0)
    .execute(connection)
    .await?;
    Ok(())
}

fn dataset(row: &Row) -> Result<EvaluationDataset, sql::Error> {
    Ok(EvaluationDataset {
        dataset_id: row.try_get(0)?,
        name: row.try_get(1)?,
        digest: row.try_get(2)?,
        created: row.try_get(3)?,
        updated: row.try_get(4)?,
        created_by: row.try_get(5)?,
        updated_by: row.try_get(6)?,
        schema: row.try_get(7)?,
        profile: row.try_get(8)?,
        tags: BTreeMap::new(),
        experiment_ids: Vec::new(),
    })
}

/// Adds tags and experiments.
async fn complete(connection: &mut Connection, dataset: &mut EvaluationDataset) -> Done<()> {
    let rows = query("SELECT key, value FROM evaluation_dataset_tag WHERE dataset_id = ?")
        .bind(&dataset.dataset_id)
        .fetch_all(connection)
        .await?;
    for row in &rows {
        dataset.tags.insert(row.try_get(0)?, row.try_get(1)?);
    }
    let rows = query(
        "SELECT experiment FROM evaluation_dataset_experiment WHERE dataset_id = ? ORDER BY experiment",
    )
    .bind(&dataset.dataset_id)
    .fetch_all(connection)
    .await?;
    for row in &rows {
        dataset.experiment_ids.push(ExperimentId(row.try_get(0)?));
    }
    Ok(())
}

async fn find(connection: &mut Connection, id: &str) -> Done<Option<EvaluationDataset>> {
    let row = query(
        "SELECT d.dataset_id, d.name, d.digest, d.created, d.updated, d.created_by, d.updated_by, d.schema, \
         d.profile FROM evaluation_dataset d WHERE d.dataset_id = ?",
    )
    .bind(id)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let mut found = dataset(&row)?;
    complete(connection, &mut found).await?;
    Ok(Some(found))
}

async fn search_datasets(
    connection: &mut Connection,
    search: EvaluationSearch,
) -> Done<Page<EvaluationDataset>> {
    let mut sql = QueryBuilder::new(format!("SELECT {COLUMNS} FROM evaluation_dataset d WHERE true"));
    if !search.experiments.is_empty() {
        sql.push(
            " AND EXISTS (SELECT 1 FROM evaluation_dataset_experiment e WHERE e.dataset_id = d.dataset_id \
             AND e.experiment IN ",
        );
        clause::experiments(&mut sql, &search.experiments);
        sql.push(")");
    }
    for wanted in &search.filter {
        sql.push(" AND ");
        if wanted.entity == Entity::Tag {
            sql.push("EXISTS (SELECT 1 FROM evaluation_dataset_tag v WHERE v.dataset_id = d.dataset_id AND v.key = ");
            sql.push_bind(wanted.key.clone()).push(" AND ");
            clause::compare(&mut sql, "v.value", wanted);
            sql.push(")");
        } else if let Wanted::List(names) = &wanted.value {
            sql.push(column(&wanted.key)).push(" IN ");
            clause::texts(&mut sql, names.iter().map(String::as_str));
        } else {
            clause::compare(&mut sql, column(&wanted.key), wanted);
        }
    }
    sql.push(" ORDER BY ");
    for order in &search.order {
        sql.push(column(&order.key)).push(clause::direction(order.ascending)).push(", ");
    }
    if search.order.is_empty() {
        sql.push("d.created DESC, ");
    }
    sql.push("d.dataset_id LIMIT ").push_bind(one_more(search.limit));
    sql.push(" OFFSET ").push_bind(offset(search.offset));
    let rows = sql.build().fetch_all(connection).await?;
    let found = rows.iter().map(dataset).collect::<Result<Vec<_>, _>>()?;
    let mut page = Page::cut(found, search.limit, search.offset);
    for dataset in &mut page.items {
        complete(connection, dataset).await?;
    }
    Ok(page)
}

fn column(key: &str) -> &'static str {
    match key {
        "created_time" => "d.created",
        "last_update_time" => "d.updated",
        "created_by" => "d.created_by",
        "last_updated_by" => "d.updated_by",
        _ => "d.name",
    }
}
