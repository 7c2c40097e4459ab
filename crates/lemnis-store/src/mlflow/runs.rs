//! Whole runs of an MLflow database.

use std::collections::HashMap;

use lemnis_tracking::transfer::Record;
use lemnis_tracking::{
    Dataset, DatasetInput, ExperimentId, Lifecycle, Metric, ModelOutput, Param, Run, RunInfo, RunStatus, Tag,
    rules,
};

use super::schema::Schema;
use crate::sql::{Columns as _, Connection, List, query};
use crate::tracking::Done;

pub(super) async fn read(
    connection: &mut Connection,
    schema: &Schema,
    ids: Vec<String>,
) -> Done<Vec<Record>> {
    let ids = List(ids);
    let sql = format!(
        "SELECT run_uuid, COALESCE({}, ''), experiment_id, COALESCE(user_id, ''), COALESCE(status, 'FINISHED'), \
         start_time, end_time, COALESCE(artifact_uri, ''), COALESCE(lifecycle_stage, 'active') FROM runs \
         WHERE run_uuid IN (SELECT value FROM json_each(?))",
        schema.or_null("runs", "name", "TEXT")
    );
    let mut runs: Vec<Run> = Vec::with_capacity(ids.0.len());
    query(sql)
        .bind(&ids)
        .each(connection, |row| {
            runs.push(Run {
                info: RunInfo {
                    run_id: row.try_get::<String>(0)?.into(),
                    run_name: row.try_get(1)?,
                    experiment_id: ExperimentId(row.try_get(2)?),
                    user_id: row.try_get(3)?,
                    status: RunStatus::parse(row.try_get(4)?).unwrap_or(RunStatus::Finished),
                    start_time: row.try_get(5)?,
                    end_time: row.try_get(6)?,
                    artifact_uri: row.try_get(7)?,
                    lifecycle_stage: Lifecycle::parse(row.try_get(8)?),
                },
                metrics: Vec::new(),
                params: Vec::new(),
                tags: Vec::new(),
                dataset_inputs: Vec::new(),
                model_inputs: Vec::new(),
                model_outputs: Vec::new(),
            });
            Ok(())
        })
        .await?;
    let places: HashMap<String, usize> =
        runs.iter().enumerate().map(|(place, run)| (run.info.run_id.as_str().to_owned(), place)).collect();
    logged(connection, &ids, &places, &mut runs).await?;
    if schema.has_table("inputs") && schema.has_table("datasets") {
        inputs(connection, schema, &ids, &places, &mut runs).await?;
    }
    for run in &mut runs {
        if run.info.run_name.is_empty() {
            run.info.run_name = run.tag(lemnis_tracking::RUN_NAME_TAG).unwrap_or_default().to_owned();
        }
    }
    Ok(runs.into_iter().map(|run| Record::Run(Box::new(run)).sorted()).collect())
}

async fn logged(
    connection: &mut Connection,
    ids: &List<String>,
    places: &HashMap<String, usize>,
    runs: &mut [Run],
) -> Done<()> {
    query(
        "SELECT run_uuid, key, value, timestamp, step, is_nan FROM metrics \
         WHERE run_uuid IN (SELECT value FROM json_each(?))",
    )
    .bind(ids)
    .each(connection, |row| {
        let Some(place) = places.get(row.try_get::<&str>(0)?) else { return Ok(()) };
        let value = if row.try_get(5)? { f64::NAN } else { rules::finite(row.try_get(2)?) };
        let metric = Metric::new(row.try_get::<String>(1)?, value, row.try_get(3)?);
        runs[*place].metrics.push(metric.at_step(row.try_get(4)?));
        Ok(())
    })
    .await?;
    query("SELECT run_uuid, key, value FROM params WHERE run_uuid IN (SELECT value FROM json_each(?))")
        .bind(ids)
        .each(connection, |row| {
            let Some(place) = places.get(row.try_get::<&str>(0)?) else { return Ok(()) };
            runs[*place].params.push(Param::new(row.try_get::<String>(1)?, row.try_get::<String>(2)?));
            Ok(())
        })
        .await?;
    query(
        "SELECT run_uuid, key, COALESCE(value, '') FROM tags WHERE run_uuid IN (SELECT value FROM json_each(?))",
    )
    .bind(ids)
    .each(connection, |row| {
        let Some(place) = places.get(row.try_get::<&str>(0)?) else { return Ok(()) };
        runs[*place].tags.push(Tag::new(row.try_get::<String>(1)?, row.try_get::<String>(2)?));
        Ok(())
    })
    .await?;
    Ok(())
}

async fn inputs(
    connection: &mut Connection,
    schema: &Schema,
    ids: &List<String>,
    places: &HashMap<String, usize>,
    runs: &mut [Run],
) -> Done<()> {
    let mut tags: HashMap<String, Vec<Tag>> = HashMap::new();
    query(
        "SELECT t.input_uuid, t.name, t.value FROM input_tags t JOIN inputs i ON i.input_uuid = t.input_uuid \
         WHERE i.destination_type = 'RUN' AND i.destination_id IN (SELECT value FROM json_each(?))",
    )
    .bind(ids)
    .each(connection, |row| {
        let tag = Tag::new(row.try_get::<String>(1)?, row.try_get::<String>(2)?);
        tags.entry(row.try_get(0)?).or_default().push(tag);
        Ok(())
    })
    .await?;
    query(
        "SELECT i.destination_id, i.input_uuid, d.name, d.digest, d.dataset_source_type, d.dataset_source, \
         d.dataset_schema, d.dataset_profile FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id \
         WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' \
         AND i.destination_id IN (SELECT value FROM json_each(?))",
    )
    .bind(ids)
    .each(connection, |row| {
        let Some(place) = places.get(row.try_get::<&str>(0)?) else { return Ok(()) };
        let dataset = Dataset {
            name: row.try_get(2)?,
            digest: row.try_get(3)?,
            source_type: row.try_get(4)?,
            source: row.try_get(5)?,
            schema: row.try_get(6)?,
            profile: row.try_get(7)?,
        };
        let tags = tags.remove(row.try_get::<&str>(1)?).unwrap_or_default();
        runs[*place].dataset_inputs.push(DatasetInput { dataset, tags });
        Ok(())
    })
    .await?;
    let step = if schema.has("inputs", "step") { "step" } else { "0" };
    let sql = format!(
        "SELECT source_id, source_type, destination_id, {step} FROM inputs \
         WHERE source_type IN ('RUN_INPUT', 'RUN_OUTPUT') AND source_id IN (SELECT value FROM json_each(?))"
    );
    query(sql)
        .bind(ids)
        .each(connection, |row| {
            let Some(place) = places.get(row.try_get::<&str>(0)?) else { return Ok(()) };
            let model_id = row.try_get::<String>(2)?.into();
            match row.try_get::<&str>(1)? {
                "RUN_INPUT" => runs[*place].model_inputs.push(model_id),
                _ => runs[*place].model_outputs.push(ModelOutput { model_id, step: row.try_get(3)? }),
            }
            Ok(())
        })
        .await?;
    Ok(())
}
