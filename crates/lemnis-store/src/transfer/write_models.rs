//! Whole logged models and registered models into our own store.

use lemnis_tracking::transfer::ModelFamily;
use lemnis_tracking::{LoggedModel, LoggedModelId, ModelVersion, RunId, Tag};

use crate::sql::{Connection, Value, insert_many, query};
use crate::tracking::{Done, kept};

pub(super) async fn logged_model(connection: &mut Connection, model: &LoggedModel) -> Done<()> {
    let id = model.model_id.as_str();
    query(
        "INSERT INTO logged_model (model_id, experiment, name, artifact_uri, created, updated, status, lifecycle, \
         model_type, source_run_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (model_id) DO UPDATE SET \
         experiment = excluded.experiment, name = excluded.name, artifact_uri = excluded.artifact_uri, \
         created = excluded.created, updated = excluded.updated, status = excluded.status, \
         lifecycle = excluded.lifecycle, model_type = excluded.model_type, source_run_id = excluded.source_run_id",
    )
    .bind(id)
    .bind(model.experiment_id.0)
    .bind(&model.name)
    .bind(&model.artifact_uri)
    .bind(model.creation_timestamp)
    .bind(model.last_updated_timestamp)
    .bind(model.status.as_str())
    .bind(model.lifecycle_stage.as_str())
    .bind(&model.model_type)
    .bind(model.source_run_id.as_ref().map(RunId::as_str))
    .execute(connection)
    .await?;
    for table in ["logged_model_tag", "logged_model_param", "logged_model_metric"] {
        query(format!("DELETE FROM {table} WHERE model_id = ?")).bind(id).execute(connection).await?;
    }
    let text = |key: &String, value: &String| vec![id.into(), key.into(), value.into()];
    let tags = model.tags.iter().map(|one| text(&one.key, &one.value)).collect();
    insert_many(connection, "INSERT INTO logged_model_tag (model_id, key, value)", tags, "").await?;
    let params = model.params.iter().map(|one| text(&one.key, &one.value)).collect();
    insert_many(connection, "INSERT INTO logged_model_param (model_id, key, value)", params, "").await?;
    let metrics = model
        .metrics
        .iter()
        .map(|one| {
            let (value, is_nan) = kept(one.value);
            vec![
                id.into(),
                (&one.key).into(),
                one.timestamp.into(),
                one.step.into(),
                one.run_id.as_str().into(),
                value.into(),
                is_nan.into(),
                (&one.dataset_name).into(),
                (&one.dataset_digest).into(),
            ]
        })
        .collect();
    let head = "INSERT INTO logged_model_metric \
                (model_id, key, timestamp, step, run_id, value, is_nan, dataset_name, dataset_digest)";
    insert_many(connection, head, metrics, "ON CONFLICT DO NOTHING").await?;
    Ok(())
}

pub(super) async fn family(connection: &mut Connection, family: &ModelFamily) -> Done<()> {
    let model = &family.model;
    query(
        "INSERT INTO registered_model (name, description, created, updated) VALUES (?, ?, ?, ?) \
         ON CONFLICT (name) DO UPDATE SET description = excluded.description, created = excluded.created, \
         updated = excluded.updated",
    )
    .bind(&model.name)
    .bind(&model.description)
    .bind(model.creation_timestamp)
    .bind(model.last_updated_timestamp)
    .execute(connection)
    .await?;
    for table in ["model_alias", "registered_model_tag", "model_version_tag", "model_version"] {
        query(format!("DELETE FROM {table} WHERE model = ?")).bind(&model.name).execute(connection).await?;
    }
    let tag = |tag: &Tag| vec![(&model.name).into(), (&tag.key).into(), (&tag.value).into()];
    let tags = model.tags.iter().map(tag).collect();
    insert_many(connection, "INSERT INTO registered_model_tag (model, key, value)", tags, "").await?;
    let rows = family.versions.iter().map(row).collect();
    let head = "INSERT INTO model_version (model, version, created, updated, description, user_id, stage, source, \
                storage_location, run_id, run_link, model_id)";
    insert_many(connection, head, rows, "").await?;
    for number in &family.deleted {
        query(
            "INSERT INTO model_version (model, version, created, updated, stage, source, deleted) \
             VALUES (?1, ?2, ?3, ?3, 'None', 'REDACTED-SOURCE-PATH', true)",
        )
        .bind(&model.name)
        .bind(*number)
        .bind(model.last_updated_timestamp)
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
    insert_many(connection, "INSERT INTO model_version_tag (model, version, key, value)", tags, "").await?;
    let aliases = model
        .aliases
        .iter()
        .map(|one| vec![(&model.name).into(), (&one.alias).into(), one.version.into()])
        .collect();
    insert_many(connection, "INSERT INTO model_alias (model, alias, version)", aliases, "").await?;
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
        (&version.storage_location).into(),
        version.run_id.as_ref().map(RunId::as_str).into(),
        (&version.run_link).into(),
        version.model_id.as_ref().map(LoggedModelId::as_str).into(),
    ]
}
