//! Whole records into our own store: each replaces what was there, together with its receipt.

use std::collections::HashMap;

use lemnis_core::Millis;
use lemnis_tracking::Experiment;
use lemnis_tracking::transfer::{Kind, Receipt, Record, WholeTrace};

use super::{write_models, write_runs};
use crate::sql::{Connection, insert_many, query};
use crate::tracking::{Done, whole};

pub(super) async fn experiment(connection: &mut Connection, experiment: Experiment) -> Done<()> {
    query(
        "INSERT INTO experiment (id, name, artifact_location, lifecycle, created, updated) \
         VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name, \
         artifact_location = excluded.artifact_location, lifecycle = excluded.lifecycle, \
         created = excluded.created, updated = excluded.updated",
    )
    .bind(experiment.experiment_id.0)
    .bind(&experiment.name)
    .bind(&experiment.artifact_location)
    .bind(experiment.lifecycle_stage.as_str())
    .bind(experiment.creation_time)
    .bind(experiment.last_update_time)
    .execute(connection)
    .await?;
    if connection.is_postgres() {
        // SQLite remembers the largest id by itself.
        connection
            .batch(
                "SELECT setval(pg_get_serial_sequence('experiment', 'id'), \
                 GREATEST((SELECT max(id) FROM experiment), 1))",
            )
            .await?;
    }
    query("DELETE FROM experiment_tag WHERE experiment = ?")
        .bind(experiment.experiment_id.0)
        .execute(connection)
        .await?;
    let rows = experiment
        .tags
        .iter()
        .map(|tag| vec![experiment.experiment_id.0.into(), (&tag.key).into(), (&tag.value).into()])
        .collect();
    insert_many(connection, "INSERT INTO experiment_tag (experiment, key, value)", rows, "").await?;
    Ok(())
}

pub(super) async fn records(
    connection: &mut Connection,
    records: &[Record],
    numbers: &HashMap<String, i64>,
    at_ms: Millis,
) -> Done<()> {
    let mut written = Vec::with_capacity(records.len());
    let mut series = Vec::new();
    for record in records {
        let kind = match record {
            Record::Run(run) => {
                write_runs::run(connection, run, numbers, at_ms, &mut series).await?;
                Kind::Run
            }
            Record::LoggedModel(model) => {
                write_models::logged_model(connection, model).await?;
                Kind::LoggedModel
            }
            Record::Trace(found) => {
                trace(connection, found).await?;
                Kind::Trace
            }
            Record::Model(family) => {
                write_models::family(connection, family).await?;
                Kind::Model
            }
        };
        written.push(Receipt {
            kind: kind.as_str().to_owned(),
            id: record.id().to_owned(),
            digest: record.digest().as_str().to_owned(),
        });
    }
    write_runs::points(connection, series).await?;
    receipts(connection, &written, at_ms).await
}

async fn trace(connection: &mut Connection, found: &WholeTrace) -> Done<()> {
    let id = found.trace.trace_id.as_str();
    query("DELETE FROM trace WHERE trace_id = ?").bind(id).execute(connection).await?;
    query("DELETE FROM trace_link WHERE trace_id = ?").bind(id).execute(connection).await?;
    whole::put_trace(connection, &found.trace, &found.spans).await?;
    for assessment in &found.trace.assessments {
        whole::put_assessment(connection, assessment).await?;
    }
    let link = |kind: &str, target: &String| vec![id.into(), kind.into(), target.into()];
    let runs = found.runs.iter().map(|target| link("run", target));
    let rows = runs.chain(found.prompts.iter().map(|target| link("prompt", target))).collect();
    let head = "INSERT INTO trace_link (trace_id, kind, target)";
    insert_many(connection, head, rows, "ON CONFLICT DO NOTHING").await?;
    Ok(())
}

pub(super) async fn receipts(connection: &mut Connection, receipts: &[Receipt], at_ms: Millis) -> Done<()> {
    let row = |one: &Receipt| vec![(&one.kind).into(), (&one.id).into(), (&one.digest).into(), at_ms.into()];
    let head = "INSERT INTO import_receipt (kind, id, digest, imported)";
    let tail = "ON CONFLICT (kind, id) DO UPDATE SET digest = excluded.digest, imported = excluded.imported";
    insert_many(connection, head, receipts.iter().map(row).collect(), tail).await?;
    Ok(())
}
