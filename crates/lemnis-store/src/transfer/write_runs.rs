//! Whole runs into our own store.

use std::collections::{BTreeMap, HashMap};

use lemnis_core::Millis;
use lemnis_tracking::{Error, Lifecycle, Run};

use crate::points::Point;
use crate::sql::{Connection, Value, insert_many, query, query_scalar};
use crate::tracking::{Done, put_points};

/// The points of one metric of one run.
pub(super) type Series = ((i64, i64), Vec<Point>);

/// Writes all of `run` but the points of its metrics, which are added to `series`.
pub(super) async fn run(
    connection: &mut Connection,
    run: &Run,
    numbers: &HashMap<String, i64>,
    at_ms: Millis,
    series: &mut Vec<Series>,
) -> Done<()> {
    let row = put_row(connection, run, at_ms).await?;
    let number = |key: &str| {
        numbers.get(key).copied().ok_or_else(|| Error::invalid(format!("the name {key:?} has no number")))
    };
    let text = |key: &str, value: &String| -> Result<Vec<Value>, Error> {
        Ok(vec![row.into(), number(key)?.into(), value.into()])
    };
    let params = run.params.iter().map(|one| text(&one.key, &one.value)).collect::<Result<_, _>>()?;
    insert_many(connection, "INSERT INTO param (run, key, value)", params, "").await?;
    let tags = run.tags.iter().map(|one| text(&one.key, &one.value)).collect::<Result<_, _>>()?;
    insert_many(connection, "INSERT INTO tag (run, key, value)", tags, "").await?;
    let mut points: BTreeMap<i64, Vec<Point>> = BTreeMap::new();
    for metric in &run.metrics {
        let point = Point { timestamp: metric.timestamp, step: metric.step, value: metric.value };
        points.entry(number(&metric.key)?).or_default().push(point);
    }
    series.extend(points.into_iter().map(|(key, points)| ((row, key), points)));
    let inputs = run.model_inputs.iter().map(|id| ("input", id, 0));
    let outputs = run.model_outputs.iter().map(|output| ("output", &output.model_id, output.step));
    let models = inputs
        .chain(outputs)
        .map(|(direction, id, step)| vec![row.into(), direction.into(), id.as_str().into(), step.into()])
        .collect();
    let head = "INSERT INTO run_model (run, direction, model_id, step)";
    insert_many(connection, head, models, "ON CONFLICT DO NOTHING").await?;
    for (place, input) in run.dataset_inputs.iter().enumerate() {
        put_input(connection, row, run, place, input).await?;
    }
    Ok(())
}

/// Makes the run's row, or empties the run that is there; returns the row's number.
async fn put_row(connection: &mut Connection, run: &Run, at_ms: Millis) -> Done<i64> {
    let info = &run.info;
    let known: Option<i64> = query_scalar("SELECT id FROM run WHERE run_id = ?")
        .bind(info.run_id.as_str())
        .fetch_optional(connection)
        .await?;
    if let Some(row) = known {
        for table in
            ["param", "tag", "metric_points", "latest_metric", "run_model", "run_dataset_tag", "run_dataset"]
        {
            query(format!("DELETE FROM {table} WHERE run = ?")).bind(row).execute(connection).await?;
        }
    }
    let deleted = (info.lifecycle_stage == Lifecycle::Deleted).then_some(at_ms);
    let row = query_scalar(
        "INSERT INTO run (run_id, experiment, name, user_id, status, lifecycle, start_time, end_time, deleted_time, \
         artifact_uri) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run_id) DO UPDATE SET \
         experiment = excluded.experiment, name = excluded.name, user_id = excluded.user_id, \
         status = excluded.status, lifecycle = excluded.lifecycle, start_time = excluded.start_time, \
         end_time = excluded.end_time, deleted_time = excluded.deleted_time, artifact_uri = excluded.artifact_uri \
         RETURNING id",
    )
    .bind(info.run_id.as_str())
    .bind(info.experiment_id.0)
    .bind(&info.run_name)
    .bind(&info.user_id)
    .bind(info.status.as_str())
    .bind(info.lifecycle_stage.as_str())
    .bind(info.start_time)
    .bind(info.end_time)
    .bind(deleted)
    .bind(&info.artifact_uri)
    .fetch_one(connection)
    .await?;
    Ok(row)
}

async fn put_input(
    connection: &mut Connection,
    row: i64,
    run: &Run,
    place: usize,
    input: &lemnis_tracking::DatasetInput,
) -> Done<()> {
    let dataset: i64 = query_scalar(
        "INSERT INTO dataset (experiment, name, digest, source_type, source, schema, profile) \
         VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (experiment, name, digest) DO UPDATE SET \
         source_type = excluded.source_type, source = excluded.source, schema = excluded.schema, \
         profile = excluded.profile RETURNING id",
    )
    .bind(run.info.experiment_id.0)
    .bind(&input.dataset.name)
    .bind(&input.dataset.digest)
    .bind(&input.dataset.source_type)
    .bind(&input.dataset.source)
    .bind(&input.dataset.schema)
    .bind(&input.dataset.profile)
    .fetch_one(connection)
    .await?;
    query("INSERT INTO run_dataset (run, dataset, place) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
        .bind(row)
        .bind(dataset)
        .bind(i64::try_from(place).unwrap_or(i64::MAX))
        .execute(connection)
        .await?;
    let tags = input
        .tags
        .iter()
        .map(|tag| vec![row.into(), dataset.into(), (&tag.key).into(), (&tag.value).into()])
        .collect();
    let head = "INSERT INTO run_dataset_tag (run, dataset, key, value)";
    insert_many(connection, head, tags, "ON CONFLICT DO NOTHING").await?;
    Ok(())
}

/// Writes the points of many runs at once.
pub(super) async fn points(connection: &mut Connection, series: Vec<Series>) -> Done<()> {
    Ok(put_points(connection, series.into_iter().collect()).await?)
}
