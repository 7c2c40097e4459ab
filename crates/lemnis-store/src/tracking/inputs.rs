//! The datasets and logged models that runs read and made.

use std::collections::HashMap;

use lemnis_tracking::{
    Dataset, DatasetInput, DatasetUse, ExperimentId, LoggedModelId, ModelOutput, Run, RunId,
};

use super::runs::writable;
use super::{Done, tag};
use crate::sql::{Columns as _, Connection, List, query, query_scalar};

pub(super) async fn log_inputs(
    connection: &mut Connection,
    id: &RunId,
    datasets: &[DatasetInput],
    models: &[LoggedModelId],
) -> Done<()> {
    let run = writable(connection, id).await?;
    for input in datasets {
        log_dataset(connection, run, input).await?;
    }
    for model in models {
        log_model(connection, run, "input", model, 0).await?;
    }
    Ok(())
}

pub(super) async fn log_outputs(connection: &mut Connection, id: &RunId, models: &[ModelOutput]) -> Done<()> {
    let run = writable(connection, id).await?;
    for output in models {
        log_model(connection, run, "output", &output.model_id, output.step).await?;
    }
    Ok(())
}

async fn log_model(
    connection: &mut Connection,
    run: i64,
    direction: &str,
    model: &LoggedModelId,
    step: i64,
) -> Done<()> {
    query(
        "INSERT INTO run_model (run, direction, model_id, step) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(run)
    .bind(direction)
    .bind(model.as_str())
    .bind(step)
    .execute(connection)
    .await?;
    Ok(())
}

async fn log_dataset(connection: &mut Connection, run: i64, input: &DatasetInput) -> Done<()> {
    let Dataset { name, digest, source_type, source, schema, profile } = &input.dataset;
    query(
        "INSERT INTO dataset (experiment, name, digest, source_type, source, schema, profile) \
         VALUES ((SELECT experiment FROM run WHERE id = ?), ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(run)
    .bind(name)
    .bind(digest)
    .bind(source_type)
    .bind(source)
    .bind(schema)
    .bind(profile)
    .execute(connection)
    .await?;
    let dataset: i64 = query_scalar(
        "SELECT id FROM dataset WHERE experiment = (SELECT experiment FROM run WHERE id = ?) AND name = ? AND digest = ?",
    )
    .bind(run)
    .bind(name)
    .bind(digest)
    .fetch_one(connection)
    .await?;
    let linked = query(
        "INSERT INTO run_dataset (run, dataset, place) \
         VALUES (?1, ?2, (SELECT count(*) FROM run_dataset WHERE run = ?1)) ON CONFLICT DO NOTHING",
    )
    .bind(run)
    .bind(dataset)
    .execute(connection)
    .await?;
    if linked == 0 {
        return Ok(());
    }
    for tag in &input.tags {
        query("INSERT INTO run_dataset_tag (run, dataset, key, value) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING")
            .bind(run)
            .bind(dataset)
            .bind(&tag.key)
            .bind(&tag.value)
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// Which datasets the runs of the experiments `ids` read, and what for.
pub(super) async fn uses(connection: &mut Connection, ids: List<i64>) -> Done<Vec<DatasetUse>> {
    let rows = query(
        "SELECT DISTINCT d.experiment, d.name, d.digest, t.value FROM dataset d JOIN run_dataset l ON l.dataset = d.id \
         LEFT JOIN run_dataset_tag t \
         ON t.run = l.run AND t.dataset = l.dataset AND t.key = 'mlflow.data.context' \
         WHERE d.experiment IN (SELECT value FROM json_each(?)) ORDER BY 1, 2, 3, 4 LIMIT 1000",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        found.push(DatasetUse {
            experiment_id: ExperimentId(row.try_get(0)?),
            name: row.try_get(1)?,
            digest: row.try_get(2)?,
            context: row.try_get(3)?,
        });
    }
    Ok(found)
}

/// Adds inputs and outputs to the runs at `places`, which are named by row number.
pub(super) async fn load(
    connection: &mut Connection,
    ids: &List<i64>,
    places: &HashMap<i64, usize>,
    runs: &mut [(i64, Run)],
) -> Done<()> {
    let rows = query(
        "SELECT run, direction, model_id, step FROM run_model WHERE run IN (SELECT value FROM json_each(?)) \
         ORDER BY run, step, model_id",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    for row in &rows {
        let Some(place) = places.get(&row.try_get(0)?) else { continue };
        let model_id: LoggedModelId = row.try_get::<String>(2)?.into();
        match row.try_get::<&str>(1)? {
            "input" => runs[*place].1.model_inputs.push(model_id),
            _ => runs[*place].1.model_outputs.push(ModelOutput { model_id, step: row.try_get(3)? }),
        }
    }
    let rows = query(
        "SELECT l.run, d.name, d.digest, d.source_type, d.source, d.schema, d.profile, t.key, t.value, d.id \
         FROM run_dataset l JOIN dataset d ON d.id = l.dataset \
         LEFT JOIN run_dataset_tag t ON t.run = l.run AND t.dataset = l.dataset \
         WHERE l.run IN (SELECT value FROM json_each(?)) ORDER BY l.run, l.place, t.key",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    let mut before = None;
    for row in &rows {
        let run: i64 = row.try_get(0)?;
        let Some(place) = places.get(&run) else { continue };
        let inputs = &mut runs[*place].1.dataset_inputs;
        let this = Some((run, row.try_get::<i64>(9)?));
        if before != this {
            before = this;
            let dataset = Dataset {
                name: row.try_get(1)?,
                digest: row.try_get(2)?,
                source_type: row.try_get(3)?,
                source: row.try_get(4)?,
                schema: row.try_get(5)?,
                profile: row.try_get(6)?,
            };
            inputs.push(DatasetInput { dataset, tags: Vec::new() });
        }
        let tagged = row.try_get::<Option<&str>>(7)?.is_some();
        if let (true, Some(input)) = (tagged, inputs.last_mut()) {
            input.tags.push(tag(row, 7)?);
        }
    }
    Ok(())
}
