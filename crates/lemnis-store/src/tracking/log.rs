//! What runs log, and the histories of their metrics.

use lemnis_tracking::{
    Batch, Error, History, Metric, Page, Param, RUN_NAME_TAG, RunId, SampledMetrics, Tag, rules,
};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::runs::writable;
use super::{Done, kept, offset, one_more, shown};
use crate::Names;

/// Logs all of `batch`; the caller has checked its rules.
pub(super) async fn log(
    connection: &mut SqliteConnection,
    names: &Names,
    id: &RunId,
    batch: &Batch,
) -> Done<()> {
    let run = writable(connection, id).await?;
    log_params(connection, names, id, run, batch).await?;
    for metric in &batch.metrics {
        log_metric(connection, names, id, run, metric).await?;
    }
    for tag in &batch.tags {
        put_tag(connection, names, run, tag).await?;
    }
    Ok(())
}

/// Sets a tag; the tag of the run's name renames the run.
pub(super) async fn put_tag(
    connection: &mut SqliteConnection,
    names: &Names,
    run: i64,
    tag: &Tag,
) -> Done<()> {
    let value = rules::cut(&tag.value, rules::TAG_VALUE_LENGTH);
    let key = names.number(connection, &tag.key).await?;
    sqlx::query(
        "INSERT INTO tag (run, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
    )
    .bind(run)
    .bind(key)
    .bind(value)
    .execute(&mut *connection)
    .await?;
    if tag.key == RUN_NAME_TAG {
        sqlx::query("UPDATE run SET name = ? WHERE id = ?").bind(value).bind(run).execute(connection).await?;
    }
    Ok(())
}

async fn log_params(
    connection: &mut SqliteConnection,
    names: &Names,
    id: &RunId,
    run: i64,
    batch: &Batch,
) -> Done<()> {
    let mut changed: Vec<(&Param, String)> = Vec::new();
    for param in &batch.params {
        let value = rules::cut(&param.value, rules::PARAM_VALUE_LENGTH);
        let key = names.number(connection, &param.key).await?;
        let inserted =
            sqlx::query("INSERT INTO param (run, key, value) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
                .bind(run)
                .bind(key)
                .bind(value)
                .execute(&mut *connection)
                .await?;
        if inserted.rows_affected() == 1 {
            continue;
        }
        let old: String = sqlx::query_scalar("SELECT value FROM param WHERE run = ? AND key = ?")
            .bind(run)
            .bind(key)
            .fetch_one(&mut *connection)
            .await?;
        if old != value {
            changed.push((param, old));
        }
    }
    match changed.as_slice() {
        [] => Ok(()),
        [(param, old)] if batch.params.len() == 1 && batch.metrics.is_empty() && batch.tags.is_empty() => {
            Err(Error::invalid(format!(
                "Changing param values is not allowed. Param with key='{}' was already logged with value='{old}' for \
                 run ID='{id}'. Attempted logging new value '{}'.",
                param.key, param.value
            ))
            .into())
        }
        several => {
            let several: Vec<String> = several
                .iter()
                .map(|(param, old)| {
                    format!("{{'key': '{}', 'old_value': '{old}', 'new_value': '{}'}}", param.key, param.value)
                })
                .collect();
            Err(Error::invalid(format!(
                "Changing param values is not allowed. Params were already logged='[{}]' for run ID='{id}'.",
                several.join(", ")
            ))
            .into())
        }
    }
}

async fn log_metric(
    connection: &mut SqliteConnection,
    names: &Names,
    id: &RunId,
    run: i64,
    metric: &Metric,
) -> Done<()> {
    let key = names.number(connection, &metric.key).await?;
    let (value, is_nan) = kept(metric.value);
    sqlx::query(
        "INSERT INTO metric (run, key, timestamp, step, value, is_nan) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT DO NOTHING",
    )
    .bind(run)
    .bind(key)
    .bind(metric.timestamp)
    .bind(metric.step)
    .bind(value)
    .bind(is_nan)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO latest_metric (run, key, timestamp, step, value, is_nan) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT DO UPDATE SET timestamp = excluded.timestamp, step = excluded.step, value = excluded.value, \
         is_nan = excluded.is_nan \
         WHERE (excluded.step, excluded.timestamp, excluded.value) > (step, timestamp, value)",
    )
    .bind(run)
    .bind(key)
    .bind(metric.timestamp)
    .bind(metric.step)
    .bind(value)
    .bind(is_nan)
    .execute(&mut *connection)
    .await?;
    let Some(model) = &metric.model_id else { return Ok(()) };
    sqlx::query(
        "INSERT INTO logged_model_metric \
         (model_id, key, timestamp, step, run_id, value, is_nan, dataset_name, dataset_digest) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(model.as_str())
    .bind(&metric.key)
    .bind(metric.timestamp)
    .bind(metric.step)
    .bind(id.as_str())
    .bind(value)
    .bind(is_nan)
    .bind(&metric.dataset_name)
    .bind(&metric.dataset_digest)
    .execute(connection)
    .await?;
    Ok(())
}

/// A page of one metric's points.
pub(super) async fn history(
    connection: &mut SqliteConnection,
    id: &RunId,
    history: History,
) -> Done<Page<Metric>> {
    let run: Option<i64> = sqlx::query_scalar("SELECT id FROM run WHERE run_id = ?")
        .bind(id.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(run) = run else { return Err(Error::no_run(id).into()) };
    let limit = history.limit.unwrap_or(usize::MAX);
    let rows = sqlx::query(
        "SELECT timestamp, step, value, is_nan FROM metric \
         WHERE run = ? AND key = (SELECT id FROM key_name WHERE text = ?) \
         ORDER BY timestamp, step, value LIMIT ? OFFSET ?",
    )
    .bind(run)
    .bind(&history.key)
    .bind(one_more(limit))
    .bind(offset(history.offset))
    .fetch_all(connection)
    .await?;
    let points = rows.iter().map(|row| point(row, &history.key)).collect::<Result<_, _>>()?;
    Ok(Page::cut(points, limit, history.offset))
}

/// Of each run at most `max_points` points: the first of each of as many equal parts of its steps, and the last point.
pub(super) async fn sampled(
    connection: &mut SqliteConnection,
    sample: SampledMetrics,
) -> Done<Vec<(RunId, Metric)>> {
    let (first, last) = sample.steps.unwrap_or((i64::MIN, i64::MAX));
    let most = i64::try_from(sample.max_points.max(1)).unwrap_or(i64::MAX);
    let mut found = Vec::new();
    for id in &sample.run_ids {
        let rows = sqlx::query(
            "WITH point AS ( \
                 SELECT timestamp, step, value, is_nan, \
                     ntile(?3) OVER (ORDER BY step, timestamp, value, is_nan) AS part, \
                     row_number() OVER (ORDER BY step, timestamp, value, is_nan) AS place, \
                     count(*) OVER () AS points \
                 FROM metric \
                 WHERE run = (SELECT id FROM run WHERE run_id = ?1) \
                     AND key = (SELECT id FROM key_name WHERE text = ?2) AND step BETWEEN ?4 AND ?5) \
             SELECT timestamp, step, value, is_nan FROM point \
             WHERE place = points OR place IN (SELECT min(place) FROM point GROUP BY part) ORDER BY place",
        )
        .bind(id.as_str())
        .bind(&sample.key)
        .bind(most)
        .bind(first)
        .bind(last)
        .fetch_all(&mut *connection)
        .await?;
        let mut points = rows.iter().map(|row| point(row, &sample.key)).collect::<Result<Vec<_>, _>>()?;
        if points.len() > sample.max_points {
            // The last point takes the place of the last part's first.
            points.remove(points.len() - 2);
        }
        found.extend(points.into_iter().map(|metric| (id.clone(), metric)));
    }
    Ok(found)
}

fn point(row: &SqliteRow, key: &str) -> Result<Metric, sqlx::Error> {
    let value = shown(row.try_get(2)?, row.try_get(3)?);
    Ok(Metric::new(key, value, row.try_get(0)?).at_step(row.try_get(1)?))
}
