//! Whole traces of an MLflow database.

use std::collections::HashMap;

use lemnis_tracking::trace::{COST, SESSION, TOKEN_USAGE, TRACE_NAME_TAG};
use lemnis_tracking::transfer::{Record, WholeTrace};
use lemnis_tracking::{Assessment, ExperimentId, Trace, TraceId, TraceState, Verdict};
use serde_json::Value;

use super::schema::Schema;
use crate::sql::{Columns as _, Connection, List, query};
use crate::tracking::Done;

/// The parts of a trace's token usage that have columns.
pub(super) const TOKENS: [&str; 6] = [
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation_input_tokens_above_1hr",
];
/// The parts of its cost.
pub(super) const COSTS: [&str; 3] = ["input_cost", "output_cost", "total_cost"];

pub(super) async fn read(
    connection: &mut Connection,
    schema: &Schema,
    ids: Vec<String>,
) -> Done<Vec<Record>> {
    let ids = List(ids);
    let optional = |columns: &[&str], kind: &str| {
        let columns = columns.iter().map(|column| schema.or_null("trace_info", column, kind));
        columns.collect::<Vec<_>>().join(", ")
    };
    let texts = ["client_request_id", "request_preview", "response_preview", "trace_name", "session_id"];
    let sql = format!(
        "SELECT request_id, experiment_id, timestamp_ms, execution_time_ms, status, {}, {}, {} FROM trace_info \
         WHERE request_id IN (SELECT value FROM json_each(?))",
        optional(&texts, "TEXT"),
        optional(&TOKENS, "BIGINT"),
        optional(&COSTS, "DOUBLE PRECISION"),
    );
    let mut found: Vec<WholeTrace> = Vec::new();
    query(sql)
        .bind(&ids)
        .each(connection, |row| {
            let id: String = row.try_get(0)?;
            let mut trace = Trace::new(id.into(), ExperimentId(row.try_get(1)?), row.try_get(2)?);
            trace.duration_ms = row.try_get(3)?;
            trace.state = TraceState::parse(row.try_get(4)?).unwrap_or_default();
            trace.client_request_id = row.try_get(5)?;
            trace.request_preview = row.try_get(6)?;
            trace.response_preview = row.try_get(7)?;
            if let Some(name) = row.try_get(8)? {
                trace.tags.insert(TRACE_NAME_TAG.to_owned(), name);
            }
            if let Some(session) = row.try_get(9)? {
                trace.metadata.insert(SESSION.to_owned(), session);
            }
            let mut usage = Vec::new();
            for (place, key) in TOKENS.iter().enumerate() {
                let tokens: Option<i64> = row.try_get(10 + place)?;
                usage.extend(tokens.map(|tokens| format!("\"{key}\": {tokens}")));
            }
            let mut cost = Vec::new();
            for (place, key) in COSTS.iter().enumerate() {
                let dollars: Option<f64> = row.try_get(10 + TOKENS.len() + place)?;
                cost.extend(dollars.map(|dollars| format!("\"{key}\": {dollars:?}")));
            }
            for (key, parts) in [(TOKEN_USAGE, usage), (COST, cost)] {
                if !parts.is_empty() {
                    trace.metadata.insert(key.to_owned(), format!("{{{}}}", parts.join(", ")));
                }
            }
            found.push(WholeTrace { trace, spans: Vec::new(), runs: Vec::new(), prompts: Vec::new() });
            Ok(())
        })
        .await?;
    let places: HashMap<String, usize> = found
        .iter()
        .enumerate()
        .map(|(place, one)| (one.trace.trace_id.as_str().to_owned(), place))
        .collect();
    for (table, is_tag) in [("trace_tags", true), ("trace_request_metadata", false)] {
        let sql = format!(
            "SELECT request_id, key, COALESCE(value, '') FROM {table} \
             WHERE request_id IN (SELECT value FROM json_each(?))"
        );
        query(sql)
            .bind(&ids)
            .each(connection, |row| {
                let Some(place) = places.get(row.try_get::<&str>(0)?) else { return Ok(()) };
                let trace = &mut found[*place].trace;
                let texts = if is_tag { &mut trace.tags } else { &mut trace.metadata };
                // What has columns of its own counts there.
                texts.entry(row.try_get(1)?).or_insert(row.try_get(2)?);
                Ok(())
            })
            .await?;
    }
    if schema.has_table("spans") {
        query(
            "SELECT trace_id, content FROM spans WHERE trace_id IN (SELECT value FROM json_each(?)) \
             ORDER BY start_time_unix_nano, span_id",
        )
        .bind(&ids)
        .each(connection, |row| {
            let Some(place) = places.get(row.try_get::<&str>(0)?) else { return Ok(()) };
            found[*place].spans.push(row.try_get(1)?);
            Ok(())
        })
        .await?;
    }
    if schema.has_table("assessments") {
        assessments(connection, &ids, &places, &mut found).await?;
    }
    if schema.has_table("entity_associations") {
        query(
            "SELECT source_id, destination_type, destination_id FROM entity_associations \
             WHERE source_type = 'trace' AND destination_type IN ('run', 'prompt_version') \
             AND source_id IN (SELECT value FROM json_each(?))",
        )
        .bind(&ids)
        .each(connection, |row| {
            let Some(place) = places.get(row.try_get::<&str>(0)?) else { return Ok(()) };
            match row.try_get::<&str>(1)? {
                "run" => found[*place].runs.push(row.try_get(2)?),
                _ => found[*place].prompts.push(row.try_get(2)?),
            }
            Ok(())
        })
        .await?;
    }
    Ok(found.into_iter().map(|whole| Record::Trace(Box::new(whole)).sorted()).collect())
}

async fn assessments(
    connection: &mut Connection,
    ids: &List<String>,
    places: &HashMap<String, usize>,
    found: &mut [WholeTrace],
) -> Done<()> {
    query(
        "SELECT trace_id, assessment_id, name, assessment_type, value, error, created_timestamp, \
         last_updated_timestamp, source_type, source_id, span_id, rationale, overrides, valid, assessment_metadata \
         FROM assessments WHERE trace_id IN (SELECT value FROM json_each(?))",
    )
    .bind(ids)
    .each(connection, |row| {
        let Some(place) = places.get(row.try_get::<&str>(0)?) else { return Ok(()) };
        let json = |text: Option<&str>| -> Option<Value> { serde_json::from_str(text?).ok() };
        let value = json(Some(row.try_get(4)?)).unwrap_or_default();
        let verdict = match row.try_get::<&str>(3)? {
            "expectation" => Verdict::Expectation { value },
            "issue" => Verdict::Issue { issue_name: value["issue_name"].as_str().unwrap_or_default().to_owned() },
            _ => Verdict::Feedback {
                value,
                error: json(row.try_get(5)?).and_then(|error| serde_json::from_value(error).ok()),
            },
        };
        let metadata = json(row.try_get(14)?).and_then(|metadata| serde_json::from_value(metadata).ok());
        found[*place].trace.assessments.push(Assessment {
            assessment_id: row.try_get(1)?,
            name: row.try_get(2)?,
            trace_id: TraceId::from(row.try_get::<String>(0)?),
            span_id: row.try_get(10)?,
            source_type: row.try_get(8)?,
            source_id: row.try_get::<Option<String>>(9)?.unwrap_or_default(),
            created: row.try_get(6)?,
            updated: row.try_get(7)?,
            verdict,
            rationale: row.try_get(11)?,
            metadata: metadata.unwrap_or_default(),
            overrides: row.try_get(12)?,
            valid: row.try_get(13)?,
        });
        Ok(())
    })
    .await?;
    Ok(())
}
