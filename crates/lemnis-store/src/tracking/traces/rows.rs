//! Rows of traces: reading whole traces and writing them.

use std::collections::HashMap;

use lemnis_tracking::trace::{ARTIFACT_LOCATION_TAG, FINALIZED, SESSION, SPANS_LOCATION_TAG, TOKEN_USAGE};
use lemnis_tracking::{ExperimentId, Trace, TraceId, TraceState, rules};

use super::super::{Done, assessments, below, clause, experiments};
use super::CHUNK;
use crate::sql::{self, Columns as _, Connection, QueryBuilder, Row, query};

pub(super) const COLUMNS: &str = "t.trace_id, t.experiment, t.client_request_id, t.request_preview, \
     t.response_preview, t.request_time, t.duration_ms, t.state";

/// A table of texts by key.
#[derive(Clone, Copy)]
pub(super) enum Table {
    Tag,
    Metadata,
}

impl Table {
    fn name(self) -> &'static str {
        match self {
            Table::Tag => "trace_tag",
            Table::Metadata => "trace_metadata",
        }
    }
}

pub(super) fn trace(row: &Row) -> Result<Trace, sql::Error> {
    let id: String = row.try_get(0)?;
    let mut trace = Trace::new(id.into(), ExperimentId(row.try_get(1)?), row.try_get(5)?);
    trace.client_request_id = row.try_get(2)?;
    trace.request_preview = row.try_get(3)?;
    trace.response_preview = row.try_get(4)?;
    trace.duration_ms = row.try_get(6)?;
    trace.state = TraceState::parse(row.try_get(7)?).unwrap_or_default();
    Ok(trace)
}

/// The traces with these ids that are there.
pub(in crate::tracking) async fn load(connection: &mut Connection, ids: &[TraceId]) -> Done<Vec<Trace>> {
    let mut found = Vec::new();
    for chunk in ids.chunks(CHUNK) {
        let mut sql = QueryBuilder::new(format!("SELECT {COLUMNS} FROM trace t WHERE t.trace_id IN "));
        clause::texts(&mut sql, chunk.iter().map(TraceId::as_str));
        for row in &sql.build().fetch_all(connection).await? {
            found.push(trace(row)?);
        }
    }
    complete(connection, &mut found).await?;
    Ok(found)
}

/// Adds tags, metadata and assessments to `traces`.
pub(super) async fn complete(connection: &mut Connection, traces: &mut [Trace]) -> Done<()> {
    for chunk in traces.chunks_mut(CHUNK) {
        let places: HashMap<String, usize> =
            chunk.iter().enumerate().map(|(place, trace)| (trace.trace_id.to_string(), place)).collect();
        for table in [Table::Tag, Table::Metadata] {
            let mut sql = QueryBuilder::new(format!(
                "SELECT trace_id, key, value FROM {} WHERE trace_id IN ",
                table.name()
            ));
            clause::texts(&mut sql, places.keys().map(String::as_str));
            for row in &sql.build().fetch_all(connection).await? {
                if let Some(trace) = places.get(row.try_get::<&str>(0)?).and_then(|at| chunk.get_mut(*at)) {
                    let texts = match table {
                        Table::Tag => &mut trace.tags,
                        Table::Metadata => &mut trace.metadata,
                    };
                    texts.insert(row.try_get(1)?, row.try_get(2)?);
                }
            }
        }
        for found in assessments::of_traces(connection, places.keys().map(String::as_str)).await? {
            if let Some(trace) = places.get(found.trace_id.as_str()).and_then(|at| chunk.get_mut(*at)) {
                trace.assessments.push(found);
            }
        }
    }
    Ok(())
}

/// Takes what a client says about a trace, over what its spans have said.
pub(super) async fn put(connection: &mut Connection, mut trace: Trace) -> Done<()> {
    let location = experiments::active_location(connection, trace.experiment_id).await?;
    let artifacts = below(&location, &["traces", trace.trace_id.as_str(), "artifacts"]);
    trace.tags.insert(ARTIFACT_LOCATION_TAG.to_owned(), artifacts);
    trace.metadata.insert(FINALIZED.to_owned(), "true".to_owned());
    let assessments = std::mem::take(&mut trace.assessments);
    if let Some(old) = load(connection, std::slice::from_ref(&trace.trace_id)).await?.pop() {
        trace.request_preview = trace.request_preview.or(old.request_preview);
        trace.response_preview = trace.response_preview.or(old.response_preview);
        for (key, value) in old.metadata {
            trace.metadata.entry(key).or_insert(value);
        }
        if let Some(here) = old.tags.get(SPANS_LOCATION_TAG) {
            trace.tags.insert(SPANS_LOCATION_TAG.to_owned(), here.clone());
        }
    }
    save(connection, &trace).await?;
    for mut assessment in assessments {
        assessment.trace_id = trace.trace_id.clone();
        assessments::put(connection, &assessment).await?;
    }
    Ok(())
}

/// Writes a trace's row, tags and metadata; tags and metadata that it does not name stay.
pub(in crate::tracking) async fn save(connection: &mut Connection, trace: &Trace) -> Done<()> {
    let usage: serde_json::Value =
        trace.metadata.get(TOKEN_USAGE).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let tokens = |name: &str| usage[name].as_i64();
    query(
        "INSERT INTO trace (trace_id, experiment, client_request_id, request_preview, response_preview, \
         request_time, duration_ms, state, session_id, input_tokens, output_tokens, total_tokens, \
         cache_read_input_tokens, cache_creation_input_tokens) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (trace_id) DO UPDATE SET experiment = excluded.experiment, \
         client_request_id = excluded.client_request_id, request_preview = excluded.request_preview, \
         response_preview = excluded.response_preview, request_time = excluded.request_time, \
         duration_ms = excluded.duration_ms, state = excluded.state, session_id = excluded.session_id, \
         input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens, \
         total_tokens = excluded.total_tokens, cache_read_input_tokens = excluded.cache_read_input_tokens, \
         cache_creation_input_tokens = excluded.cache_creation_input_tokens",
    )
    .bind(trace.trace_id.as_str())
    .bind(trace.experiment_id.0)
    .bind(&trace.client_request_id)
    .bind(&trace.request_preview)
    .bind(&trace.response_preview)
    .bind(trace.request_time)
    .bind(trace.duration_ms)
    .bind(trace.state.as_str())
    .bind(trace.metadata.get(SESSION))
    .bind(tokens("input_tokens"))
    .bind(tokens("output_tokens"))
    .bind(tokens("total_tokens"))
    .bind(tokens("cache_read_input_tokens"))
    .bind(tokens("cache_creation_input_tokens"))
    .execute(connection)
    .await?;
    for (table, texts) in [(Table::Tag, &trace.tags), (Table::Metadata, &trace.metadata)] {
        for (key, value) in texts {
            put_text(connection, table, &trace.trace_id, key, value).await?;
        }
    }
    Ok(())
}

/// Sets one tag or one entry of metadata.
pub(super) async fn put_text(
    connection: &mut Connection,
    table: Table,
    id: &TraceId,
    key: &str,
    value: &str,
) -> Done<()> {
    let value = match table {
        Table::Tag => rules::cut(value, rules::TAG_VALUE_LENGTH),
        Table::Metadata => value,
    };
    query(match table {
        Table::Tag => {
            "INSERT INTO trace_tag (trace_id, key, value) VALUES (?, ?, ?) \
             ON CONFLICT (trace_id, key) DO UPDATE SET value = excluded.value"
        }
        Table::Metadata => {
            "INSERT INTO trace_metadata (trace_id, key, value) VALUES (?, ?, ?) \
             ON CONFLICT (trace_id, key) DO UPDATE SET value = excluded.value"
        }
    })
    .bind(id.as_str())
    .bind(key)
    .bind(value)
    .execute(connection)
    .await?;
    Ok(())
}
