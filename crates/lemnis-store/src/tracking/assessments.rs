//! The port of assessments.

use async_trait::async_trait;
use lemnis_core::Millis;
use lemnis_tracking::{
    Assessment, AssessmentChange, AssessmentError, Assessments, Error, Result, TraceId, Verdict,
};
use serde_json::Value;

use super::{Done, clause, traces};
use crate::Store;
use crate::sql::{self, Columns as _, Connection, QueryBuilder, Row, query, query_scalar};

const COLUMNS: &str = "assessment_id, trace_id, name, kind, value, error, span_id, source_type, source_id, rationale, \
     metadata, overrides, valid, created, updated";

#[async_trait]
impl Assessments for Store {
    async fn create(&self, assessment: &Assessment) -> Result<()> {
        let assessment = assessment.clone();
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                traces::exists(connection, &assessment.trace_id).await?;
                if let Some(old) = &assessment.overrides {
                    let changed =
                        query("UPDATE assessment SET valid = 0 WHERE trace_id = ? AND assessment_id = ?")
                            .bind(assessment.trace_id.as_str())
                            .bind(old)
                            .execute(connection)
                            .await?;
                    if changed == 0 {
                        return Err(no_assessment(&assessment.trace_id, old).into());
                    }
                }
                put(connection, &assessment).await
            })
        })
        .await
    }

    async fn get(&self, trace: &TraceId, id: &str) -> Result<Assessment> {
        let (trace, id) = (trace.clone(), id.to_owned());
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move { find(connection, &trace, &id).await })
        })
        .await
    }

    async fn update(
        &self,
        trace: &TraceId,
        id: &str,
        change: &AssessmentChange,
        at_ms: Millis,
    ) -> Result<Assessment> {
        let (trace, id, change) = (trace.clone(), id.to_owned(), change.clone());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let changed = change.apply(find(connection, &trace, &id).await?, at_ms)?;
                put(connection, &changed).await?;
                Ok(changed)
            })
        })
        .await
    }

    async fn delete(&self, trace: &TraceId, id: &str) -> Result<()> {
        let (trace, id) = (trace.clone(), id.to_owned());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let overrides: Option<Option<String>> =
                    query_scalar("SELECT overrides FROM assessment WHERE trace_id = ? AND assessment_id = ?")
                        .bind(trace.as_str())
                        .bind(&id)
                        .fetch_optional(connection)
                        .await?;
                if let Some(Some(old)) = overrides {
                    query("UPDATE assessment SET valid = 1 WHERE trace_id = ? AND assessment_id = ?")
                        .bind(trace.as_str())
                        .bind(old)
                        .execute(connection)
                        .await?;
                }
                query("DELETE FROM assessment WHERE trace_id = ? AND assessment_id = ?")
                    .bind(trace.as_str())
                    .bind(&id)
                    .execute(connection)
                    .await?;
                Ok(())
            })
        })
        .await
    }
}

fn no_assessment(trace: &TraceId, id: &str) -> Error {
    Error::missing(format!("Assessment with ID '{id}' not found for trace '{trace}'"))
}

async fn find(connection: &mut Connection, trace: &TraceId, id: &str) -> Done<Assessment> {
    let row = query(
        "SELECT assessment_id, trace_id, name, kind, value, error, span_id, source_type, source_id, \
             rationale, metadata, overrides, valid, created, updated FROM assessment \
             WHERE trace_id = ? AND assessment_id = ?",
    )
    .bind(trace.as_str())
    .bind(id)
    .fetch_optional(connection)
    .await?;
    if let Some(row) = row {
        return Ok(assessment(&row)?);
    }
    let there = query("SELECT 1 FROM trace WHERE trace_id = ?")
        .bind(trace.as_str())
        .fetch_optional(connection)
        .await?;
    Err(match there {
        Some(_) => no_assessment(trace, id),
        None => Error::missing(format!("Trace with request_id '{trace}' not found")),
    }
    .into())
}

fn assessment(row: &Row) -> Result<Assessment, sql::Error> {
    let value: Value = serde_json::from_str(row.try_get(4)?).unwrap_or_default();
    let error: Option<AssessmentError> =
        row.try_get::<Option<&str>>(5)?.and_then(|text| serde_json::from_str(text).ok());
    let verdict = match row.try_get::<&str>(3)? {
        "expectation" => Verdict::Expectation { value },
        "issue" => Verdict::Issue { issue_name: value["issue_name"].as_str().unwrap_or_default().to_owned() },
        _ => Verdict::Feedback { value, error },
    };
    Ok(Assessment {
        assessment_id: row.try_get(0)?,
        trace_id: row.try_get::<String>(1)?.into(),
        name: row.try_get(2)?,
        verdict,
        span_id: row.try_get(6)?,
        source_type: row.try_get(7)?,
        source_id: row.try_get(8)?,
        rationale: row.try_get(9)?,
        metadata: serde_json::from_str(row.try_get(10)?).unwrap_or_default(),
        overrides: row.try_get(11)?,
        valid: row.try_get::<i64>(12)? != 0,
        created: row.try_get(13)?,
        updated: row.try_get(14)?,
    })
}

/// The assessments of these traces, oldest first.
pub(super) async fn of_traces<'t>(
    connection: &mut Connection,
    traces: impl Iterator<Item = &'t str>,
) -> Done<Vec<Assessment>> {
    let mut sql = QueryBuilder::new(format!("SELECT {COLUMNS} FROM assessment WHERE trace_id IN "));
    clause::texts(&mut sql, traces);
    sql.push(" ORDER BY created, assessment_id");
    let rows = sql.build().fetch_all(connection).await?;
    Ok(rows.iter().map(assessment).collect::<Result<_, _>>()?)
}

/// Adds an assessment, or replaces the one with its id.
pub(super) async fn put(connection: &mut Connection, assessment: &Assessment) -> Done<()> {
    let (number, is_number) = assessment.verdict.number();
    let error = match &assessment.verdict {
        Verdict::Feedback { error: Some(error), .. } => serde_json::to_string(error).ok(),
        _ => None,
    };
    query(
        "INSERT INTO assessment (assessment_id, trace_id, name, kind, value, error, number, is_number, span_id, \
         source_type, source_id, rationale, metadata, overrides, valid, created, updated) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (assessment_id) DO UPDATE SET name = excluded.name, value = excluded.value, \
         error = excluded.error, number = excluded.number, is_number = excluded.is_number, \
         rationale = excluded.rationale, metadata = excluded.metadata, valid = excluded.valid, \
         updated = excluded.updated WHERE assessment.trace_id = excluded.trace_id",
    )
    .bind(&assessment.assessment_id)
    .bind(assessment.trace_id.as_str())
    .bind(&assessment.name)
    .bind(assessment.verdict.kind())
    .bind(assessment.verdict.value().to_string())
    .bind(error)
    .bind(number)
    .bind(i64::from(is_number))
    .bind(&assessment.span_id)
    .bind(&assessment.source_type)
    .bind(&assessment.source_id)
    .bind(&assessment.rationale)
    .bind(serde_json::to_string(&assessment.metadata).unwrap_or_else(|_| "{}".to_owned()))
    .bind(&assessment.overrides)
    .bind(i64::from(assessment.valid))
    .bind(assessment.created)
    .bind(assessment.updated)
    .execute(connection)
    .await?;
    Ok(())
}
