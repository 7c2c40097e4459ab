//! What runs log: params, tags and the points of metrics.
//!
//! A batch is kept whole or not at all. Batches of metrics alone take the short way of `point_queue.rs`.

use std::collections::{BTreeMap, HashMap};

use lemnis_tracking::{Batch, Error, Metric, RUN_NAME_TAG, RunId, Tag, rules};

use super::runs::writable;
use super::{Done, kept};
use crate::points::{self, Point, Series};
use crate::sql::{self, Columns as _, Connection, List, Value, insert_many, query};

/// The numbers of a batch's names, in the order of its lists.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) metrics: Vec<i64>,
    pub(super) params: Vec<i64>,
    pub(super) tags: Vec<i64>,
}

/// Logs all of `batch`; the caller has checked its rules.
pub(super) async fn log(connection: &mut Connection, id: &RunId, batch: &Batch, keys: &Keys) -> Done<()> {
    let run = writable(connection, id).await?;
    log_params(connection, id, run, batch, &keys.params).await?;
    log_metrics(connection, id, run, batch, &keys.metrics).await?;
    put_tags(connection, run, &batch.tags, &keys.tags).await
}

/// Sets tags; the tag of the run's name renames the run.
pub(super) async fn put_tags(connection: &mut Connection, run: i64, tags: &[Tag], keys: &[i64]) -> Done<()> {
    for tag in tags.iter().filter(|tag| tag.key == RUN_NAME_TAG) {
        query("UPDATE run SET name = ? WHERE id = ?")
            .bind(kept_tag(tag))
            .bind(run)
            .execute(connection)
            .await?;
    }
    insert_tags(connection, run, tags, keys).await
}

/// Sets tags and nothing else.
pub(super) async fn insert_tags(
    connection: &mut Connection,
    run: i64,
    tags: &[Tag],
    keys: &[i64],
) -> Done<()> {
    // The last of the same key counts.
    let last: BTreeMap<i64, &str> = keys.iter().copied().zip(tags.iter().map(kept_tag)).collect();
    let rows = last.into_iter().map(|(key, value)| vec![run.into(), key.into(), value.into()]).collect();
    let tail = "ON CONFLICT (run, key) DO UPDATE SET value = excluded.value";
    insert_many(connection, "INSERT INTO tag (run, key, value)", rows, tail).await?;
    Ok(())
}

/// What is kept of a tag's value.
pub(super) fn kept_tag(tag: &Tag) -> &str {
    rules::cut(&tag.value, rules::TAG_VALUE_LENGTH)
}

async fn log_params(
    connection: &mut Connection,
    id: &RunId,
    run: i64,
    batch: &Batch,
    keys: &[i64],
) -> Done<()> {
    let mut first: BTreeMap<i64, &str> = BTreeMap::new();
    for (param, key) in batch.params.iter().zip(keys) {
        first.entry(*key).or_insert_with(|| rules::cut(&param.value, rules::PARAM_VALUE_LENGTH));
    }
    let rows: Vec<Vec<Value>> =
        first.iter().map(|(key, value)| vec![run.into(), (*key).into(), (*value).into()]).collect();
    let wanted = rows.len() as u64;
    let head = "INSERT INTO param (run, key, value)";
    let inserted = insert_many(connection, head, rows, "ON CONFLICT DO NOTHING").await?;
    if inserted == wanted && first.len() == batch.params.len() {
        return Ok(());
    }
    let mut present: HashMap<i64, String> = HashMap::new();
    query("SELECT key, value FROM param WHERE run = ? AND key IN (SELECT value FROM json_each(?))")
        .bind(run)
        .bind(List(first.into_keys().collect::<Vec<_>>()))
        .each(connection, |row| {
            present.insert(row.try_get(0)?, row.try_get(1)?);
            Ok(())
        })
        .await?;
    let changed: Vec<(&str, &str, &str)> = batch
        .params
        .iter()
        .zip(keys)
        .filter_map(|(param, key)| Some((param, present.get(key)?)))
        .filter(|(param, old)| rules::cut(&param.value, rules::PARAM_VALUE_LENGTH) != old.as_str())
        .map(|(param, old)| (param.key.as_str(), old.as_str(), param.value.as_str()))
        .collect();
    match changed.as_slice() {
        [] => Ok(()),
        [(key, old, new)] if batch.params.len() == 1 && batch.metrics.is_empty() && batch.tags.is_empty() => {
            Err(Error::invalid(format!(
                "Changing param values is not allowed. Param with key='{key}' was already logged with value='{old}' for \
                 run ID='{id}'. Attempted logging new value '{new}'."
            ))
            .into())
        }
        several => {
            let several: Vec<String> = several
                .iter()
                .map(|(key, old, new)| format!("{{'key': '{key}', 'old_value': '{old}', 'new_value': '{new}'}}"))
                .collect();
            Err(Error::invalid(format!(
                "Changing param values is not allowed. Params were already logged='[{}]' for run ID='{id}'.",
                several.join(", ")
            ))
            .into())
        }
    }
}

async fn log_metrics(
    connection: &mut Connection,
    id: &RunId,
    run: i64,
    batch: &Batch,
    keys: &[i64],
) -> Done<()> {
    let mut series: BTreeMap<(i64, i64), Vec<Point>> = BTreeMap::new();
    for (metric, key) in batch.metrics.iter().zip(keys) {
        series.entry((run, *key)).or_default().push(point(metric));
    }
    put_points(connection, series).await?;
    let measured = batch.metrics.iter().filter_map(|metric| Some((metric, metric.model_id.as_ref()?)));
    let rows = measured
        .map(|(metric, model)| {
            let (value, is_nan) = kept(metric.value);
            vec![
                model.as_str().into(),
                (&metric.key).into(),
                metric.timestamp.into(),
                metric.step.into(),
                id.as_str().into(),
                value.into(),
                is_nan.into(),
                (&metric.dataset_name).into(),
                (&metric.dataset_digest).into(),
            ]
        })
        .collect();
    let head = "INSERT INTO logged_model_metric \
                (model_id, key, timestamp, step, run_id, value, is_nan, dataset_name, dataset_digest)";
    insert_many(connection, head, rows, "ON CONFLICT DO NOTHING").await?;
    Ok(())
}

/// The point that is kept of a metric.
pub(super) fn point(metric: &Metric) -> Point {
    let (value, is_nan) = kept(metric.value);
    Point { timestamp: metric.timestamp, step: metric.step, value: if is_nan { f64::NAN } else { value } }
}

/// Adds points by run and key, and to each run's latest ones, always in the same order, so that two transactions never
/// wait for each other.
pub(crate) async fn put_points(
    connection: &mut Connection,
    series: BTreeMap<(i64, i64), Vec<Point>>,
) -> Result<(), sql::Error> {
    let series: Vec<Series> = series.into_iter().map(|((run, key), points)| (run, key, points)).collect();
    points::append(connection, &series).await?;
    let latest = |points: &[Point]| {
        points.iter().copied().max_by(|a, b| {
            let place = |point: &Point| (point.step, point.timestamp);
            // As the statement below compares: NaN is kept as 0.
            place(a).cmp(&place(b)).then(kept(a.value).0.total_cmp(&kept(b.value).0))
        })
    };
    let rows = series
        .iter()
        .filter_map(|(run, key, points)| {
            let point = latest(points)?;
            let (value, is_nan) = kept(point.value);
            let moment = [point.timestamp.into(), point.step.into()];
            Some([[(*run).into(), (*key).into()], moment, [value.into(), is_nan.into()]].concat())
        })
        .collect();
    let tail = "ON CONFLICT (run, key) DO UPDATE SET timestamp = excluded.timestamp, step = excluded.step, \
                value = excluded.value, is_nan = excluded.is_nan \
                WHERE (excluded.step, excluded.timestamp, excluded.value) \
                > (latest_metric.step, latest_metric.timestamp, latest_metric.value)";
    let head = "INSERT INTO latest_metric (run, key, timestamp, step, value, is_nan)";
    insert_many(connection, head, rows, tail).await?;
    Ok(())
}
