//! Logged models and registered models into an MLflow database.

use lemnis_tracking::transfer::ModelFamily;
use lemnis_tracking::{LoggedModel, LoggedModelStatus, ModelVersion, RunId, Tag};

use super::models::DELETED;
use crate::sql::{Connection, Value, insert_many, query};
use crate::tracking::Done;

pub(super) async fn logged(connection: &mut Connection, model: &LoggedModel) -> Done<()> {
    let (id, experiment) = (model.model_id.as_str(), model.experiment_id.0);
    let status: i64 = match model.status {
        LoggedModelStatus::Pending => 1,
        LoggedModelStatus::Ready => 2,
        LoggedModelStatus::UploadFailed => 3,
    };
    query(
        "INSERT INTO logged_models (model_id, experiment_id, name, artifact_location, creation_timestamp_ms, \
         last_updated_timestamp_ms, status, lifecycle_stage, model_type, source_run_id) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (model_id) DO UPDATE SET \
         experiment_id = excluded.experiment_id, name = excluded.name, \
         artifact_location = excluded.artifact_location, creation_timestamp_ms = excluded.creation_timestamp_ms, \
         last_updated_timestamp_ms = excluded.last_updated_timestamp_ms, status = excluded.status, \
         lifecycle_stage = excluded.lifecycle_stage, model_type = excluded.model_type, \
         source_run_id = excluded.source_run_id",
    )
    .bind(id)
    .bind(experiment)
    .bind(&model.name)
    .bind(&model.artifact_uri)
    .bind(model.creation_timestamp)
    .bind(model.last_updated_timestamp)
    .bind(status)
    .bind(model.lifecycle_stage.as_str())
    .bind(&model.model_type)
    .bind(model.source_run_id.as_ref().map(RunId::as_str))
    .execute(connection)
    .await?;
    for table in ["logged_model_tags", "logged_model_params", "logged_model_metrics"] {
        query(format!("DELETE FROM {table} WHERE model_id = ?")).bind(id).execute(connection).await?;
    }
    let text = |key: &String, value: &String| vec![id.into(), experiment.into(), key.into(), value.into()];
    let tags = model.tags.iter().map(|one| text(&one.key, &one.value)).collect();
    let head = "INSERT INTO logged_model_tags (model_id, experiment_id, tag_key, tag_value)";
    insert_many(connection, head, tags, "").await?;
    let params = model.params.iter().map(|one| text(&one.key, &one.value)).collect();
    let head = "INSERT INTO logged_model_params (model_id, experiment_id, param_key, param_value)";
    insert_many(connection, head, params, "").await?;
    let metrics = model
        .metrics
        .iter()
        .map(|one| {
            vec![
                id.into(),
                experiment.into(),
                (&one.key).into(),
                Some(one.value).filter(|value| !value.is_nan()).into(),
                one.timestamp.into(),
                one.step.into(),
                one.run_id.as_str().into(),
                (&one.dataset_name).into(),
                (&one.dataset_digest).into(),
            ]
        })
        .collect();
    let head = "INSERT INTO logged_model_metrics (model_id, experiment_id, metric_name, metric_value, \
                metric_timestamp_ms, metric_step, run_id, dataset_name, dataset_digest)";
    insert_many(connection, head, metrics, "ON CONFLICT DO NOTHING").await?;
    Ok(())
}

pub(super) async fn family(connection: &mut Connection, family: &ModelFamily) -> Done<()> {
    let model = &family.model;
    for table in [
        "registered_model_aliases",
        "registered_model_tags",
        "model_version_tags",
        "model_versions",
        "registered_models",
    ] {
        query(format!("DELETE FROM {table} WHERE name = ?")).bind(&model.name).execute(connection).await?;
    }
    query("INSERT INTO registered_models (name, creation_time, last_updated_time, description) VALUES (?, ?, ?, ?)")
        .bind(&model.name)
        .bind(model.creation_timestamp)
        .bind(model.last_updated_timestamp)
        .bind(&model.description)
        .execute(connection)
        .await?;
    let tag = |tag: &Tag| vec![(&model.name).into(), (&tag.key).into(), (&tag.value).into()];
    let tags = model.tags.iter().map(tag).collect();
    insert_many(connection, "INSERT INTO registered_model_tags (name, key, value)", tags, "").await?;
    let head = "INSERT INTO model_versions (name, version, creation_time, last_updated_time, description, user_id, \
                current_stage, source, storage_location, run_id, run_link, status, status_message)";
    insert_many(connection, head, family.versions.iter().map(row).collect(), "").await?;
    for number in &family.deleted {
        query(
            "INSERT INTO model_versions (name, version, creation_time, last_updated_time, current_stage, source, status) \
             VALUES (?1, ?2, ?3, ?3, ?4, 'REDACTED-SOURCE-PATH', 'READY')",
        )
        .bind(&model.name)
        .bind(*number)
        .bind(model.last_updated_timestamp)
        .bind(DELETED)
        .execute(connection)
        .await?;
    }
    let tags = family.versions.iter().flat_map(|version| {
        let owner = |tag: &Tag| {
            vec![(&version.name).into(), version.version.into(), (&tag.key).into(), (&tag.value).into()]
        };
        version.tags.iter().map(owner)
    });
    let tags = tags.collect();
    insert_many(connection, "INSERT INTO model_version_tags (name, version, key, value)", tags, "").await?;
    let aliases = model
        .aliases
        .iter()
        .map(|one| vec![(&model.name).into(), (&one.alias).into(), one.version.into()])
        .collect();
    let head = "INSERT INTO registered_model_aliases (name, alias, version)";
    insert_many(connection, head, aliases, "").await?;
    Ok(())
}

fn row(version: &ModelVersion) -> Vec<Value> {
    vec![
        (&version.name).into(),
        version.version.into(),
        version.creation_timestamp.into(),
        version.last_updated_timestamp.into(),
        (&version.description).into(),
        (&version.user_id).into(),
        version.current_stage.as_str().into(),
        (&version.source).into(),
        version.artifact_uri().into(),
        version.run_id.as_ref().map(RunId::as_str).into(),
        (&version.run_link).into(),
        "READY".into(),
        Value::Text(None),
    ]
}
