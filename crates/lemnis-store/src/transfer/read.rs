//! Whole records of our own store.

use std::collections::HashMap;

use lemnis_tracking::transfer::{Kind, ModelFamily, Record, WholeTrace};
use lemnis_tracking::{Experiment, ExperimentId, Lifecycle, Metric, Tag, TraceId};

use crate::points;
use crate::sql::{Columns as _, Connection, List, query, query_scalar};
use crate::tracking::{Done, whole};

pub(super) async fn experiments(connection: &mut Connection) -> Done<Vec<Experiment>> {
    let mut found = Vec::new();
    query("SELECT id, name, artifact_location, lifecycle, created, updated FROM experiment ORDER BY id")
        .each(connection, |row| {
            found.push(Experiment {
                experiment_id: ExperimentId(row.try_get(0)?),
                name: row.try_get(1)?,
                artifact_location: row.try_get(2)?,
                lifecycle_stage: Lifecycle::parse(row.try_get(3)?),
                creation_time: row.try_get(4)?,
                last_update_time: row.try_get(5)?,
                tags: Vec::new(),
            });
            Ok(())
        })
        .await?;
    let mut tags: HashMap<i64, Vec<Tag>> = HashMap::new();
    query("SELECT experiment, key, value FROM experiment_tag ORDER BY experiment, key")
        .each(connection, |row| {
            tags.entry(row.try_get(0)?)
                .or_default()
                .push(Tag::new(row.try_get::<String>(1)?, row.try_get::<String>(2)?));
            Ok(())
        })
        .await?;
    for experiment in &mut found {
        experiment.tags = tags.remove(&experiment.experiment_id.0).unwrap_or_default();
    }
    Ok(found)
}

pub(super) async fn ids(
    connection: &mut Connection,
    kind: Kind,
    experiment: Option<ExperimentId>,
) -> Done<Vec<String>> {
    let sql = match (kind, experiment) {
        (Kind::Run, Some(_)) => "SELECT run_id FROM run WHERE experiment = ? ORDER BY id",
        (Kind::LoggedModel, Some(_)) => {
            "SELECT model_id FROM logged_model WHERE experiment = ? ORDER BY created, model_id"
        }
        (Kind::Trace, Some(_)) => {
            "SELECT trace_id FROM trace WHERE experiment = ? ORDER BY request_time, trace_id"
        }
        (Kind::Model, None) => "SELECT name FROM registered_model ORDER BY name",
        _ => return Ok(Vec::new()),
    };
    match experiment {
        Some(id) => Ok(query_scalar(sql).bind(id.0).fetch_all(connection).await?),
        None => Ok(query_scalar(sql).fetch_all(connection).await?),
    }
}

pub(super) async fn records(connection: &mut Connection, kind: Kind, ids: Vec<String>) -> Done<Vec<Record>> {
    match kind {
        Kind::Run => runs(connection, ids).await,
        Kind::LoggedModel => {
            let models = whole::logged_models(connection, List(ids)).await?;
            Ok(models.into_iter().map(|model| Record::LoggedModel(Box::new(model))).collect())
        }
        Kind::Trace => traces(connection, ids).await,
        Kind::Model => {
            let mut found = Vec::new();
            for name in ids {
                let Some(model) = whole::model(connection, &name).await? else { continue };
                let versions = whole::versions(connection, &name).await?;
                let deleted = query_scalar(
                    "SELECT version FROM model_version WHERE model = ? AND deleted ORDER BY version",
                )
                .bind(&name)
                .fetch_all(connection)
                .await?;
                found.push(Record::Model(Box::new(ModelFamily { model, versions, deleted })));
            }
            Ok(found)
        }
    }
}

async fn runs(connection: &mut Connection, ids: Vec<String>) -> Done<Vec<Record>> {
    let mut runs = whole::runs(connection, List(ids)).await?;
    let rows = List(runs.iter().map(|(row, _)| *row).collect::<Vec<_>>());
    let places: HashMap<i64, usize> = rows.0.iter().enumerate().map(|(place, row)| (*row, place)).collect();
    runs.iter_mut().for_each(|(_, run)| run.metrics.clear());
    query(
        "SELECT p.run, k.text, p.points FROM metric_points p JOIN key_name k ON k.id = p.key \
         WHERE p.run IN (SELECT value FROM json_each(?))",
    )
    .bind(rows)
    .each(connection, |row| {
        let Some(place) = places.get(&row.try_get::<i64>(0)?) else { return Ok(()) };
        let key: &str = row.try_get(1)?;
        let mut unpacked = Vec::new();
        points::unpack(row.try_get(2)?, &mut unpacked)?;
        let metrics = &mut runs[*place].1.metrics;
        let metric =
            |point: points::Point| Metric::new(key, point.value, point.timestamp).at_step(point.step);
        metrics.extend(unpacked.into_iter().map(metric));
        Ok(())
    })
    .await?;
    Ok(runs.into_iter().map(|(_, run)| Record::Run(Box::new(run))).collect())
}

async fn traces(connection: &mut Connection, ids: Vec<String>) -> Done<Vec<Record>> {
    let ids: Vec<TraceId> = ids.into_iter().map(TraceId::from).collect();
    let found = whole::traces(connection, &ids).await?;
    let mut spans: HashMap<TraceId, Vec<String>> = HashMap::new();
    for (id, content) in whole::spans(connection, &ids).await? {
        spans.entry(id).or_default().push(content);
    }
    let mut links: HashMap<(String, bool), Vec<String>> = HashMap::new();
    query("SELECT trace_id, kind, target FROM trace_link WHERE trace_id IN (SELECT value FROM json_each(?))")
        .bind(List(ids.iter().map(|id| id.as_str().to_owned()).collect::<Vec<_>>()))
        .each(connection, |row| {
            let is_run = row.try_get::<&str>(1)? == "run";
            links.entry((row.try_get(0)?, is_run)).or_default().push(row.try_get(2)?);
            Ok(())
        })
        .await?;
    let whole = found.into_iter().map(|trace| {
        let id = trace.trace_id.as_str().to_owned();
        Record::Trace(Box::new(WholeTrace {
            spans: spans.remove(&trace.trace_id).unwrap_or_default(),
            runs: links.remove(&(id.clone(), true)).unwrap_or_default(),
            prompts: links.remove(&(id, false)).unwrap_or_default(),
            trace,
        }))
    });
    Ok(whole.collect())
}

pub(super) async fn left_out(connection: &mut Connection) -> Done<Vec<(String, u64)>> {
    let mut found = Vec::new();
    for (table, what) in [
        ("webhook", "webhooks"),
        ("evaluation_dataset", "evaluation datasets"),
        ("scorer", "scorers"),
        ("issue", "issues"),
    ] {
        let count: i64 = query_scalar(format!("SELECT count(*) FROM {table}")).fetch_one(connection).await?;
        if count > 0 {
            found.push((what.to_owned(), u64::try_from(count).unwrap_or_default()));
        }
    }
    Ok(found)
}
