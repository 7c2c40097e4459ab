//! Runs into an MLflow database.

use std::collections::HashMap;

use lemnis_core::{Digest, Millis};
use lemnis_tracking::{DatasetInput, Lifecycle, Metric, Run};

use super::schema::Schema;
use crate::sql::{Connection, Value, insert_many, query, query_scalar};
use crate::tracking::{Done, kept};

pub(super) async fn run(connection: &mut Connection, schema: &Schema, run: &Run, at_ms: Millis) -> Done<()> {
    put_row(connection, schema, run, at_ms).await?;
    let id = run.info.run_id.as_str();
    for table in ["metrics", "latest_metrics", "params", "tags"] {
        query(format!("DELETE FROM {table} WHERE run_uuid = ?")).bind(id).execute(connection).await?;
    }
    let text = |key: &String, value: &String| vec![id.into(), key.into(), value.into()];
    let params = run.params.iter().map(|one| text(&one.key, &one.value)).collect();
    insert_many(connection, "INSERT INTO params (run_uuid, key, value)", params, "").await?;
    let tags = run.tags.iter().map(|one| text(&one.key, &one.value)).collect();
    insert_many(connection, "INSERT INTO tags (run_uuid, key, value)", tags, "").await?;
    let point = |metric: &Metric| -> Vec<Value> {
        let (value, is_nan) = kept(metric.value);
        vec![
            id.into(),
            (&metric.key).into(),
            value.into(),
            metric.timestamp.into(),
            metric.step.into(),
            is_nan.into(),
        ]
    };
    let points = run.metrics.iter().map(point).collect();
    let columns = "(run_uuid, key, value, timestamp, step, is_nan)";
    insert_many(connection, &format!("INSERT INTO metrics {columns}"), points, "ON CONFLICT DO NOTHING")
        .await?;
    let mut latest: HashMap<&str, &Metric> = HashMap::new();
    for metric in &run.metrics {
        let place = |one: &Metric| (one.step, one.timestamp);
        let newer = latest.get(metric.key.as_str()).is_none_or(|best| {
            place(metric).cmp(&place(best)).then(kept(metric.value).0.total_cmp(&kept(best.value).0)).is_gt()
        });
        if newer {
            latest.insert(&metric.key, metric);
        }
    }
    let latest = latest.into_values().map(point).collect();
    insert_many(connection, &format!("INSERT INTO latest_metrics {columns}"), latest, "").await?;
    if schema.has_table("inputs") {
        inputs(connection, schema, run).await?;
    }
    Ok(())
}

async fn put_row(connection: &mut Connection, schema: &Schema, run: &Run, at_ms: Millis) -> Done<()> {
    let info = &run.info;
    let deleted = (info.lifecycle_stage == Lifecycle::Deleted).then_some(at_ms);
    query(
        "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, \
         end_time, source_version, lifecycle_stage, artifact_uri, experiment_id) \
         VALUES (?, ?, 'UNKNOWN', '', '', ?, ?, ?, ?, '', ?, ?, ?) ON CONFLICT (run_uuid) DO UPDATE SET \
         name = excluded.name, user_id = excluded.user_id, status = excluded.status, \
         start_time = excluded.start_time, end_time = excluded.end_time, lifecycle_stage = excluded.lifecycle_stage, \
         artifact_uri = excluded.artifact_uri, experiment_id = excluded.experiment_id",
    )
    .bind(info.run_id.as_str())
    .bind(&info.run_name)
    .bind(&info.user_id)
    .bind(info.status.as_str())
    .bind(info.start_time)
    .bind(info.end_time)
    .bind(info.lifecycle_stage.as_str())
    .bind(&info.artifact_uri)
    .bind(info.experiment_id.0)
    .execute(connection)
    .await?;
    if schema.has("runs", "deleted_time") {
        query("UPDATE runs SET deleted_time = ? WHERE run_uuid = ?")
            .bind(deleted)
            .bind(info.run_id.as_str())
            .execute(connection)
            .await?;
    }
    Ok(())
}

async fn inputs(connection: &mut Connection, schema: &Schema, run: &Run) -> Done<()> {
    let id = run.info.run_id.as_str();
    query(
        "DELETE FROM input_tags WHERE input_uuid IN \
         (SELECT input_uuid FROM inputs WHERE destination_type = 'RUN' AND destination_id = ?)",
    )
    .bind(id)
    .execute(connection)
    .await?;
    query(
        "DELETE FROM inputs WHERE (destination_type = 'RUN' AND destination_id = ?1) \
         OR (source_type IN ('RUN_INPUT', 'RUN_OUTPUT') AND source_id = ?1)",
    )
    .bind(id)
    .execute(connection)
    .await?;
    for input in &run.dataset_inputs {
        dataset(connection, run, input).await?;
    }
    let models = run.model_inputs.iter().map(|model| ("RUN_INPUT", "MODEL_INPUT", model, 0));
    let models = models
        .chain(run.model_outputs.iter().map(|one| ("RUN_OUTPUT", "MODEL_OUTPUT", &one.model_id, one.step)));
    for (source, destination, model, step) in models {
        let uuid = stable_id(&[source, id, model.as_str(), &step.to_string()]);
        query(
            "INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id) \
             VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(&uuid)
        .bind(source)
        .bind(id)
        .bind(destination)
        .bind(model.as_str())
        .execute(connection)
        .await?;
        if step != 0 && schema.has("inputs", "step") {
            query("UPDATE inputs SET step = ? WHERE input_uuid = ?")
                .bind(step)
                .bind(&uuid)
                .execute(connection)
                .await?;
        }
    }
    Ok(())
}

async fn dataset(connection: &mut Connection, run: &Run, input: &DatasetInput) -> Done<()> {
    let (id, dataset) = (run.info.run_id.as_str(), &input.dataset);
    let experiment = run.info.experiment_id.0;
    query(
        "INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source, \
         dataset_schema, dataset_profile) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(stable_id(&["dataset", &experiment.to_string(), &dataset.name, &dataset.digest]))
    .bind(experiment)
    .bind(&dataset.name)
    .bind(&dataset.digest)
    .bind(&dataset.source_type)
    .bind(&dataset.source)
    .bind(&dataset.schema)
    .bind(&dataset.profile)
    .execute(connection)
    .await?;
    let known: String =
        query_scalar("SELECT dataset_uuid FROM datasets WHERE experiment_id = ? AND name = ? AND digest = ?")
            .bind(experiment)
            .bind(&dataset.name)
            .bind(&dataset.digest)
            .fetch_one(connection)
            .await?;
    let uuid = stable_id(&["input", &known, id]);
    query(
        "INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id) \
         VALUES (?, 'DATASET', ?, 'RUN', ?) ON CONFLICT DO NOTHING",
    )
    .bind(&uuid)
    .bind(&known)
    .bind(id)
    .execute(connection)
    .await?;
    let tags =
        input.tags.iter().map(|tag| vec![(&uuid).into(), (&tag.key).into(), (&tag.value).into()]).collect();
    let head = "INSERT INTO input_tags (input_uuid, name, value)";
    insert_many(connection, head, tags, "ON CONFLICT DO NOTHING").await?;
    Ok(())
}

/// An id that is the same for the same row of the same export: 32 hex digits.
pub(super) fn stable_id(parts: &[&str]) -> String {
    let digest = Digest::sha256(parts.join("\n").as_bytes());
    digest.hex().get(..32).unwrap_or_default().to_owned()
}
