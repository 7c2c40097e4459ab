//! Records into an MLflow database: rows as MLflow itself writes them, each record replacing what was there.

use lemnis_core::Millis;
use lemnis_tracking::transfer::Record;
use lemnis_tracking::{Error, Experiment};

use super::schema::Schema;
use super::{write_models, write_runs, write_traces};
use crate::sql::{Connection, insert_many, query};
use crate::tracking::Done;

pub(super) async fn experiment(
    connection: &mut Connection,
    schema: &Schema,
    experiment: &Experiment,
) -> Done<()> {
    let number = experiment.experiment_id.0;
    if i32::try_from(number).is_err() {
        return Err(Error::invalid(format!(
            "experiment {number} ({}) cannot be kept by an MLflow database: its ids have 32 bits",
            experiment.name
        ))
        .into());
    }
    query(
        "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, \
         last_update_time) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (experiment_id) DO UPDATE SET name = excluded.name, \
         artifact_location = excluded.artifact_location, lifecycle_stage = excluded.lifecycle_stage, \
         creation_time = excluded.creation_time, last_update_time = excluded.last_update_time",
    )
    .bind(number)
    .bind(&experiment.name)
    .bind(&experiment.artifact_location)
    .bind(experiment.lifecycle_stage.as_str())
    .bind(experiment.creation_time)
    .bind(experiment.last_update_time)
    .execute(connection)
    .await?;
    if connection.is_postgres() {
        connection
            .batch(
                "SELECT setval(pg_get_serial_sequence('experiments', 'experiment_id'), \
                 GREATEST((SELECT max(experiment_id) FROM experiments), 1))",
            )
            .await?;
    }
    if schema.has_table("experiment_tags") {
        query("DELETE FROM experiment_tags WHERE experiment_id = ?").bind(number).execute(connection).await?;
        let tags = experiment
            .tags
            .iter()
            .map(|tag| vec![number.into(), (&tag.key).into(), (&tag.value).into()])
            .collect();
        let head = "INSERT INTO experiment_tags (experiment_id, key, value)";
        insert_many(connection, head, tags, "").await?;
    }
    Ok(())
}

pub(super) async fn records(
    connection: &mut Connection,
    schema: &Schema,
    records: &[Record],
    at_ms: Millis,
) -> Done<()> {
    for record in records {
        match record {
            Record::Run(run) => write_runs::run(connection, schema, run, at_ms).await?,
            Record::LoggedModel(model) => write_models::logged(connection, model).await?,
            Record::Trace(whole) => write_traces::trace(connection, schema, whole).await?,
            Record::Model(family) => write_models::family(connection, family).await?,
        }
    }
    Ok(())
}
