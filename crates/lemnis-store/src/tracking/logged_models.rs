//! The port of logged models.

use std::collections::HashMap;

use async_trait::async_trait;
use lemnis_core::Millis;
use lemnis_tracking::{
    Error, ExperimentId, Lifecycle, LoggedMetric, LoggedModel, LoggedModelId, LoggedModelSearch,
    LoggedModelStatus, LoggedModels, NewLoggedModel, Page, Param, Result, RunId, Tag,
};

use super::{Done, below, experiments, logged_search, shown, tag};
use crate::Store;
use crate::sql::{self, Columns as _, Connection, List, Row, query, query_scalar};

/// The columns of a logged model, in the order in which [`model`] reads them.
pub(super) const COLUMNS: &str = "m.model_id, m.experiment, m.name, m.artifact_uri, m.created, m.updated, m.status, \
                                  m.lifecycle, m.model_type, m.source_run_id";

#[async_trait]
impl LoggedModels for Store {
    async fn create(&self, new: &NewLoggedModel) -> Result<LoggedModel> {
        let new = new.clone();
        self.write::<_, Error, _>(move |connection| Box::pin(create(connection, new))).await
    }

    async fn get(&self, id: &LoggedModelId) -> Result<Option<LoggedModel>> {
        let id = id.clone();
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let found = find(connection, &id).await?;
                Ok(found.filter(|model| model.lifecycle_stage == Lifecycle::Active))
            })
        })
        .await
    }

    async fn set_status(
        &self,
        id: &LoggedModelId,
        status: LoggedModelStatus,
        at_ms: Millis,
    ) -> Result<LoggedModel> {
        let id = id.clone();
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                query("UPDATE logged_model SET status = ?, updated = ? WHERE model_id = ?")
                    .bind(status.as_str())
                    .bind(at_ms)
                    .bind(id.as_str())
                    .execute(connection)
                    .await?;
                Ok(find(connection, &id).await?.ok_or_else(|| Error::no_logged_model(&id))?)
            })
        })
        .await
    }

    async fn delete(&self, id: &LoggedModelId, at_ms: Millis) -> Result<()> {
        let id = id.clone();
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let gone =
                    query("UPDATE logged_model SET lifecycle = 'deleted', updated = ? WHERE model_id = ?")
                        .bind(at_ms)
                        .bind(id.as_str())
                        .execute(connection)
                        .await?;
                if gone == 0 { Err(Error::no_logged_model(&id).into()) } else { Ok(()) }
            })
        })
        .await
    }

    async fn search(&self, search: &LoggedModelSearch) -> Result<Page<LoggedModel>> {
        let search = search.clone();
        self.read::<_, Error, _>(move |connection| Box::pin(logged_search::search(connection, search))).await
    }

    async fn set_tags(&self, id: &LoggedModelId, tags: &[Tag]) -> Result<()> {
        let (id, tags) = (id.clone(), tags.to_vec());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                known(connection, &id).await?;
                put_tags(connection, &id, &tags).await
            })
        })
        .await
    }

    async fn delete_tag(&self, id: &LoggedModelId, key: &str) -> Result<()> {
        let (id, key) = (id.clone(), key.to_owned());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                known(connection, &id).await?;
                let gone = query("DELETE FROM logged_model_tag WHERE model_id = ? AND key = ?")
                    .bind(id.as_str())
                    .bind(&key)
                    .execute(connection)
                    .await?;
                if gone == 0 {
                    let message = format!("No tag with key '{key}' found for model with ID '{id}'.");
                    return Err(Error::missing(message).into());
                }
                Ok(())
            })
        })
        .await
    }

    async fn log_params(&self, id: &LoggedModelId, params: &[Param]) -> Result<()> {
        let (id, params) = (id.clone(), params.to_vec());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                known(connection, &id).await?;
                put_params(connection, &id, &params).await
            })
        })
        .await
    }
}

async fn known(connection: &mut Connection, id: &LoggedModelId) -> Done<()> {
    let known: Option<i64> = query_scalar("SELECT 1 FROM logged_model WHERE model_id = ?")
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?;
    if known.is_none() { Err(Error::no_logged_model(id).into()) } else { Ok(()) }
}

/// Sets tags of a model that is known.
pub(super) async fn put_tags(connection: &mut Connection, id: &LoggedModelId, tags: &[Tag]) -> Done<()> {
    for tag in tags {
        query(
            "INSERT INTO logged_model_tag (model_id, key, value) VALUES (?, ?, ?) \
             ON CONFLICT (model_id, key) DO UPDATE SET value = excluded.value",
        )
        .bind(id.as_str())
        .bind(&tag.key)
        .bind(&tag.value)
        .execute(connection)
        .await?;
    }
    Ok(())
}

async fn put_params(connection: &mut Connection, id: &LoggedModelId, params: &[Param]) -> Done<()> {
    for param in params {
        query(
            "INSERT INTO logged_model_param (model_id, key, value) VALUES (?, ?, ?) \
             ON CONFLICT (model_id, key) DO UPDATE SET value = excluded.value",
        )
        .bind(id.as_str())
        .bind(&param.key)
        .bind(&param.value)
        .execute(connection)
        .await?;
    }
    Ok(())
}

async fn create(connection: &mut Connection, new: NewLoggedModel) -> Done<LoggedModel> {
    let name = new.named()?;
    experiments::active(connection, new.experiment_id).await?;
    let location = experiments::location(connection, new.experiment_id).await?;
    let id = LoggedModelId::random();
    query(
        "INSERT INTO logged_model \
         (model_id, experiment, name, artifact_uri, created, updated, status, model_type, source_run_id) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8)",
    )
    .bind(id.as_str())
    .bind(new.experiment_id.0)
    .bind(name)
    .bind(below(&location, &["models", id.as_str(), "artifacts"]))
    .bind(new.at_ms)
    .bind(LoggedModelStatus::Pending.as_str())
    .bind(&new.model_type)
    .bind(new.source_run_id.as_ref().map(RunId::as_str))
    .execute(connection)
    .await?;
    put_tags(connection, &id, &new.tags).await?;
    put_params(connection, &id, &new.params).await?;
    Ok(find(connection, &id).await?.ok_or_else(|| Error::no_logged_model(&id))?)
}

async fn find(connection: &mut Connection, id: &LoggedModelId) -> Done<Option<LoggedModel>> {
    let row = query(
        "SELECT m.model_id, m.experiment, m.name, m.artifact_uri, m.created, m.updated, m.status, m.lifecycle, \
         m.model_type, m.source_run_id FROM logged_model m WHERE m.model_id = ?",
    )
    .bind(id.as_str())
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let mut found = vec![model(&row)?];
    load(connection, &mut found).await?;
    Ok(found.pop())
}

pub(super) fn model(row: &Row) -> Result<LoggedModel, sql::Error> {
    Ok(LoggedModel {
        model_id: row.try_get::<String>(0)?.into(),
        experiment_id: ExperimentId(row.try_get(1)?),
        name: row.try_get(2)?,
        artifact_uri: row.try_get(3)?,
        creation_timestamp: row.try_get(4)?,
        last_updated_timestamp: row.try_get(5)?,
        status: LoggedModelStatus::parse(row.try_get(6)?).unwrap_or_default(),
        lifecycle_stage: Lifecycle::parse(row.try_get(7)?),
        model_type: row.try_get(8)?,
        source_run_id: row.try_get::<Option<String>>(9)?.map(RunId::from),
        tags: Vec::new(),
        params: Vec::new(),
        metrics: Vec::new(),
    })
}

/// Adds tags, params and metrics.
pub(super) async fn load(connection: &mut Connection, models: &mut [LoggedModel]) -> Done<()> {
    if models.is_empty() {
        return Ok(());
    }
    let ids = List(models.iter().map(|model| model.model_id.as_str().to_owned()).collect::<Vec<_>>());
    let places: HashMap<String, usize> =
        ids.0.iter().enumerate().map(|(place, id)| (id.clone(), place)).collect();
    let rows = query(
        "SELECT model_id, key, value FROM logged_model_tag WHERE model_id IN (SELECT value FROM json_each(?)) \
         ORDER BY model_id, key",
    )
    .bind(&ids)
    .fetch_all(connection)
    .await?;
    for row in &rows {
        if let Some(place) = places.get(row.try_get::<&str>(0)?) {
            models[*place].tags.push(tag(row, 1)?);
        }
    }
    let rows = query(
        "SELECT model_id, key, value FROM logged_model_param WHERE model_id IN (SELECT value FROM json_each(?)) \
         ORDER BY model_id, key",
    )
    .bind(&ids)
    .fetch_all(connection)
    .await?;
    for row in &rows {
        if let Some(place) = places.get(row.try_get::<&str>(0)?) {
            models[*place].params.push(Param { key: row.try_get(1)?, value: row.try_get(2)? });
        }
    }
    let rows = query(
        "SELECT model_id, key, value, is_nan, timestamp, step, run_id, dataset_name, dataset_digest \
         FROM logged_model_metric WHERE model_id IN (SELECT value FROM json_each(?)) \
         ORDER BY model_id, key, timestamp, step, run_id",
    )
    .bind(&ids)
    .fetch_all(connection)
    .await?;
    for row in &rows {
        if let Some(place) = places.get(row.try_get::<&str>(0)?) {
            models[*place].metrics.push(LoggedMetric {
                key: row.try_get(1)?,
                value: shown(row.try_get(2)?, row.try_get(3)?),
                timestamp: row.try_get(4)?,
                step: row.try_get(5)?,
                run_id: row.try_get::<String>(6)?.into(),
                dataset_name: row.try_get(7)?,
                dataset_digest: row.try_get(8)?,
            });
        }
    }
    Ok(())
}
