//! Rows of the records of evaluation datasets.

use lemnis_core::{Digest, Millis};
use lemnis_tracking::evaluation::{EvaluationRecord, RecordChange, empty_schema};
use serde_json::{Value, json};

use super::super::Done;
use crate::sql::{self, Columns as _, Connection, Row, query, query_scalar};

pub(super) const COLUMNS: &str = "record_id, inputs, outputs, expectations, tags, source, created, updated, created_by, \
     updated_by";

pub(super) fn record(row: &Row) -> Result<EvaluationRecord, sql::Error> {
    let json = |place: usize| -> Result<Option<Value>, sql::Error> {
        Ok(row.try_get::<Option<&str>>(place)?.and_then(|text| serde_json::from_str(text).ok()))
    };
    let object = |value: Option<Value>| match value {
        Some(Value::Object(map)) => Some(map),
        _ => None,
    };
    Ok(EvaluationRecord {
        record_id: row.try_get(0)?,
        inputs: json(1)?.unwrap_or_default(),
        outputs: json(2)?,
        expectations: object(json(3)?),
        tags: object(json(4)?),
        source: json(5)?,
        created: row.try_get(6)?,
        updated: row.try_get(7)?,
        created_by: row.try_get(8)?,
        updated_by: row.try_get(9)?,
    })
}

pub(super) async fn upsert(
    connection: &mut Connection,
    id: &str,
    records: Vec<RecordChange>,
    at_ms: Millis,
) -> Done<(u64, u64)> {
    let dataset = super::find(connection, id).await?.ok_or_else(|| super::no_dataset(id))?;
    let mut schema: Value = match &dataset.schema {
        Some(text) => serde_json::from_str(text).unwrap_or_else(|_| empty_schema()),
        None => empty_schema(),
    };
    let (mut added, mut changed, mut user) = (0, 0, None);
    for change in &records {
        let identity = Digest::sha256(change.identity().as_bytes()).hex().to_owned();
        let row = query(
            "SELECT record_id, inputs, outputs, expectations, tags, source, created, updated, created_by, \
             updated_by FROM evaluation_record WHERE dataset_id = ? AND identity = ?",
        )
        .bind(id)
        .bind(&identity)
        .fetch_optional(connection)
        .await?;
        let whole = match row {
            Some(row) => {
                let mut old = record(&row)?;
                change.merge(&mut old, at_ms);
                changed += 1;
                old
            }
            None => {
                added += 1;
                change.make(at_ms)
            }
        };
        put_record(connection, id, &identity, &whole).await?;
        change.describe(&mut schema);
        user = change.user().or(user);
    }
    let schema = (!records.is_empty() || dataset.schema.is_some()).then(|| schema.to_string());
    query(
        "UPDATE evaluation_dataset SET schema = ?, digest = ?, updated = ?, updated_by = ? WHERE dataset_id = ?",
    )
    .bind(schema)
    .bind(super::digest(&dataset.name, at_ms))
    .bind(at_ms)
    .bind(user)
    .bind(id)
    .execute(connection)
    .await?;
    put_profile(connection, id).await?;
    Ok((added, changed))
}

async fn put_record(
    connection: &mut Connection,
    id: &str,
    identity: &str,
    record: &EvaluationRecord,
) -> Done<()> {
    let text = |value: &Option<Value>| value.as_ref().map(Value::to_string);
    query(
        "INSERT INTO evaluation_record (record_id, dataset_id, identity, inputs, outputs, expectations, tags, \
         source, created, updated, created_by, updated_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (record_id) DO UPDATE SET outputs = excluded.outputs, expectations = excluded.expectations, \
         tags = excluded.tags, updated = excluded.updated, updated_by = excluded.updated_by",
    )
    .bind(&record.record_id)
    .bind(id)
    .bind(identity)
    .bind(record.inputs.to_string())
    .bind(text(&record.outputs))
    .bind(text(&record.expectations.clone().map(Value::Object)))
    .bind(text(&record.tags.clone().map(Value::Object)))
    .bind(text(&record.source))
    .bind(record.created)
    .bind(record.updated)
    .bind(&record.created_by)
    .bind(&record.updated_by)
    .execute(connection)
    .await?;
    Ok(())
}

/// Counts the records anew.
pub(super) async fn put_profile(connection: &mut Connection, id: &str) -> Done<()> {
    let count: i64 = query_scalar("SELECT count(*) FROM evaluation_record WHERE dataset_id = ?")
        .bind(id)
        .fetch_one(connection)
        .await?;
    query("UPDATE evaluation_dataset SET profile = ? WHERE dataset_id = ?")
        .bind((count > 0).then(|| json!({"num_records": count}).to_string()))
        .bind(id)
        .execute(connection)
        .await?;
    Ok(())
}
