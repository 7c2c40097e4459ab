//! Experiments and ids of an MLflow database, and what of it is not carried.

use std::collections::HashMap;

use lemnis_tracking::transfer::Kind;
use lemnis_tracking::{Experiment, ExperimentId, Lifecycle, Tag};

use super::schema::Schema;
use crate::sql::{Columns as _, Connection, query, query_scalar};
use crate::tracking::Done;

pub(super) async fn experiments(connection: &mut Connection, schema: &Schema) -> Done<Vec<Experiment>> {
    let sql = format!(
        "SELECT experiment_id, name, COALESCE(artifact_location, ''), COALESCE(lifecycle_stage, 'active'), {}, {} \
         FROM experiments WHERE {} ORDER BY experiment_id",
        schema.or_null("experiments", "creation_time", "BIGINT"),
        schema.or_null("experiments", "last_update_time", "BIGINT"),
        schema.in_workspace("experiments"),
    );
    let mut found = Vec::new();
    query(sql)
        .each(connection, |row| {
            let created: Option<i64> = row.try_get(4)?;
            let updated: Option<i64> = row.try_get(5)?;
            found.push(Experiment {
                experiment_id: ExperimentId(row.try_get(0)?),
                name: row.try_get(1)?,
                artifact_location: row.try_get(2)?,
                lifecycle_stage: Lifecycle::parse(row.try_get(3)?),
                creation_time: created.or(updated).unwrap_or_default(),
                last_update_time: updated.or(created).unwrap_or_default(),
                tags: Vec::new(),
            });
            Ok(())
        })
        .await?;
    let mut tags: HashMap<i64, Vec<Tag>> = HashMap::new();
    if schema.has_table("experiment_tags") {
        query("SELECT experiment_id, key, COALESCE(value, '') FROM experiment_tags")
            .each(connection, |row| {
                let tag = Tag::new(row.try_get::<String>(1)?, row.try_get::<String>(2)?);
                tags.entry(row.try_get(0)?).or_default().push(tag);
                Ok(())
            })
            .await?;
    }
    for experiment in &mut found {
        experiment.tags = tags.remove(&experiment.experiment_id.0).unwrap_or_default();
        experiment.tags.sort_by(|a, b| a.key.cmp(&b.key));
    }
    Ok(found)
}

pub(super) async fn ids(
    connection: &mut Connection,
    schema: &Schema,
    kind: Kind,
    experiment: Option<ExperimentId>,
) -> Done<Vec<String>> {
    let (table, sql) = match (kind, experiment) {
        (Kind::Run, Some(_)) => {
            ("runs", "SELECT run_uuid FROM runs WHERE experiment_id = ? ORDER BY start_time, run_uuid".to_owned())
        }
        (Kind::LoggedModel, Some(_)) => (
            "logged_models",
            "SELECT model_id FROM logged_models WHERE experiment_id = ? ORDER BY creation_timestamp_ms, model_id"
                .to_owned(),
        ),
        (Kind::Trace, Some(_)) => (
            "trace_info",
            "SELECT request_id FROM trace_info WHERE experiment_id = ? ORDER BY timestamp_ms, request_id".to_owned(),
        ),
        (Kind::Model, None) => (
            "registered_models",
            format!(
                "SELECT name FROM registered_models WHERE {} ORDER BY name",
                schema.in_workspace("registered_models")
            ),
        ),
        _ => return Ok(Vec::new()),
    };
    if !schema.has_table(table) {
        return Ok(Vec::new());
    }
    match experiment {
        Some(id) => Ok(query_scalar(sql).bind(id.0).fetch_all(connection).await?),
        None => Ok(query_scalar(sql).fetch_all(connection).await?),
    }
}

/// Tables whose rows are no records, and the word for them.
const LEFT_OUT: &[(&str, &str)] = &[
    ("webhooks", "webhooks"),
    ("evaluation_datasets", "evaluation datasets"),
    ("scorers", "scorers"),
    ("issues", "issues"),
    ("endpoints", "gateway endpoints"),
    ("label_schemas", "label schemas"),
    ("review_queues", "review queues"),
    ("mcp_servers", "MCP servers"),
];

pub(super) async fn left_out(connection: &mut Connection, schema: &Schema) -> Done<Vec<(String, u64)>> {
    let mut found = Vec::new();
    for (table, what) in LEFT_OUT.iter().filter(|(table, _)| schema.has_table(table)) {
        let count: i64 = query_scalar(format!("SELECT count(*) FROM {table}")).fetch_one(connection).await?;
        found.push(((*what).to_owned(), count));
    }
    for table in ["experiments", "registered_models"] {
        if schema.has(table, "workspace") {
            let sql = format!("SELECT count(*) FROM {table} WHERE workspace <> 'default'");
            let count: i64 = query_scalar(sql).fetch_one(connection).await?;
            found.push((format!("{} of other workspaces", table.replace('_', " ")), count));
        }
    }
    found.retain(|(_, count)| *count > 0);
    Ok(found.into_iter().map(|(what, count)| (what, u64::try_from(count).unwrap_or_default())).collect())
}
