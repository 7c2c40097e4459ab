//! The points of metrics, packed in parts.
//!
//! What is logged together becomes one part; once a metric has many small parts, they are packed into few large ones.
//! Parts may overlap and repeat a point: a reader sorts, and counts the same point once.

mod codec;

use crate::sql::{Columns as _, Connection, Error, Value, insert_many, query};

pub(crate) use codec::Point;

/// The migration with which points became packed.
pub(crate) const MIGRATION: i64 = 9;
/// Points of a part that is full.
const FULL: usize = 4096;

/// The points that were logged of a run's metric: run, key, points.
pub(crate) type Series = (i64, i64, Vec<Point>);

/// Adds points.
pub(crate) async fn append(connection: &mut Connection, series: &[Series]) -> Result<(), Error> {
    let rows = series
        .iter()
        .flat_map(|(run, key, points)| points.chunks(FULL).map(move |part| row(*run, *key, part)))
        .collect();
    insert_many(connection, "INSERT INTO metric_points (run, key, count, points)", rows, "").await?;
    Ok(())
}

fn row(run: i64, key: i64, points: &[Point]) -> Vec<Value> {
    vec![
        run.into(),
        key.into(),
        i64::try_from(points.len()).unwrap_or(i64::MAX).into(),
        codec::encode(points).into(),
    ]
}

/// Every point of a run's metric, in the order of a history, each once.
pub(crate) async fn read(connection: &mut Connection, run: i64, key: &str) -> Result<Vec<Point>, Error> {
    let mut points = Vec::new();
    query(
        "SELECT points FROM metric_points WHERE run = ? AND key = (SELECT id FROM key_name WHERE text = ?)",
    )
    .bind(run)
    .bind(key)
    .each(connection, |row| unpack(row.try_get(0)?, &mut points))
    .await?;
    sort(&mut points);
    Ok(points)
}

pub(crate) fn unpack(bytes: &[u8], points: &mut Vec<Point>) -> Result<(), Error> {
    codec::decode(bytes, points).ok_or_else(|| Error::column(0, "the points are damaged"))
}

fn sort(points: &mut Vec<Point>) {
    points.sort_by(Point::cmp);
    points.dedup_by(|a, b| Point::cmp(a, b).is_eq());
}

/// Packs the parts of a run's metric that are not full.
pub(crate) async fn pack(connection: &mut Connection, run: i64, key: i64) -> Result<(), Error> {
    let select = format!(
        "SELECT part, points FROM metric_points WHERE run = ? AND key = ? AND count < {FULL}{}",
        connection.for_update()
    );
    let mut parts = Vec::new();
    let mut points = Vec::new();
    query(select)
        .bind(run)
        .bind(key)
        .each(connection, |row| {
            parts.push(row.try_get::<i64>(0)?);
            unpack(row.try_get(1)?, &mut points)
        })
        .await?;
    if parts.len() < 2 {
        return Ok(());
    }
    sort(&mut points);
    query("DELETE FROM metric_points WHERE part IN (SELECT value FROM json_each(?))")
        .bind(crate::sql::List(parts))
        .execute(connection)
        .await?;
    append(connection, &[(run, key, points)]).await
}

/// Packs every metric of a run that has ended.
pub(crate) async fn pack_run(connection: &mut Connection, run: i64) -> Result<(), Error> {
    let mut keys: Vec<i64> = Vec::new();
    query("SELECT key FROM metric_points WHERE run = ? GROUP BY key HAVING count(*) > 1 ORDER BY key")
        .bind(run)
        .each(connection, |row| {
            keys.push(row.try_get(0)?);
            Ok(())
        })
        .await?;
    for key in keys {
        pack(connection, run, key).await?;
    }
    Ok(())
}

/// Packs the rows in which older databases kept points, and removes their table.
pub(crate) async fn take_over_rows(connection: &mut Connection) -> Result<(), Error> {
    let mut keys: Vec<(i64, i64)> = Vec::new();
    query("SELECT DISTINCT run, key FROM metric ORDER BY run, key")
        .each(connection, |row| {
            keys.push((row.try_get(0)?, row.try_get(1)?));
            Ok(())
        })
        .await?;
    for (run, key) in keys {
        let mut points = Vec::new();
        query("SELECT timestamp, step, value, is_nan FROM metric WHERE run = ? AND key = ?")
            .bind(run)
            .bind(key)
            .each(connection, |row| {
                let value = if row.try_get(3)? { f64::NAN } else { row.try_get(2)? };
                points.push(Point { timestamp: row.try_get(0)?, step: row.try_get(1)?, value });
                Ok(())
            })
            .await?;
        sort(&mut points);
        append(connection, &[(run, key, points)]).await?;
    }
    connection.batch("DROP TABLE metric").await
}
