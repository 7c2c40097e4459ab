//! Rows of spans, and what new spans change in their trace.

use lemnis_tracking::trace::{ARTIFACT_LOCATION_TAG, Known, Span, SpanRow, Stored, absorb, group};
use lemnis_tracking::{ExperimentId, Trace, TraceId};

use super::super::{Done, below, clause, experiments};
use super::{CHUNK, rows};
use crate::sql::{Columns as _, Connection, QueryBuilder, query};

pub(super) async fn log(connection: &mut Connection, experiment: ExperimentId, spans: Vec<Span>) -> Done<()> {
    for batch in group(&spans) {
        let Some(first) = batch.first() else { continue };
        let id = &first.trace_id;
        let found = rows::load(connection, std::slice::from_ref(id)).await?.pop();
        let (mut trace, known) = match found {
            Some(trace) => (trace, Known::Already),
            None => {
                let location = experiments::location(connection, experiment).await?;
                let mut trace = Trace::new(id.clone(), experiment, 0);
                let artifacts = below(&location, &["traces", id.as_str(), "artifacts"]);
                trace.tags.insert(ARTIFACT_LOCATION_TAG.to_owned(), artifacts);
                (trace, Known::Nothing)
            }
        };
        let new: Vec<SpanRow> = batch.iter().map(|span| span.row()).collect();
        let reports = new.iter().any(|row| row.usage.is_some() || row.cost.is_some());
        let old = if known == Known::Already && reports { stored(connection, id).await? } else { Vec::new() };
        absorb(&mut trace, known, &batch, old);
        rows::save(connection, &trace).await?;
        for row in &new {
            put(connection, id, row).await?;
        }
    }
    Ok(())
}

async fn stored(connection: &mut Connection, id: &TraceId) -> Done<Vec<Stored>> {
    let rows = query("SELECT span_id, parent_id, usage, cost FROM span WHERE trace_id = ?")
        .bind(id.as_str())
        .fetch_all(connection)
        .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        found.push(Stored::new(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?));
    }
    Ok(found)
}

pub(in crate::tracking) async fn put(connection: &mut Connection, id: &TraceId, row: &SpanRow) -> Done<()> {
    query(
        "INSERT INTO span (trace_id, span_id, parent_id, name, kind, status, start_ns, end_ns, usage, cost, \
         input_cost, output_cost, total_cost, model, provider, content) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (trace_id, span_id) DO UPDATE SET parent_id = excluded.parent_id, name = excluded.name, \
         kind = excluded.kind, status = excluded.status, start_ns = excluded.start_ns, \
         end_ns = excluded.end_ns, usage = excluded.usage, cost = excluded.cost, \
         input_cost = excluded.input_cost, output_cost = excluded.output_cost, total_cost = excluded.total_cost, \
         model = excluded.model, provider = excluded.provider, content = excluded.content",
    )
    .bind(id.as_str())
    .bind(&row.span_id)
    .bind(&row.parent_id)
    .bind(&row.name)
    .bind(&row.kind)
    .bind(row.status.as_str())
    .bind(row.start_ns)
    .bind(row.end_ns)
    .bind(&row.usage)
    .bind(&row.cost)
    .bind(row.costs[0])
    .bind(row.costs[1])
    .bind(row.costs[2])
    .bind(&row.model)
    .bind(&row.provider)
    .bind(&row.content)
    .execute(connection)
    .await?;
    Ok(())
}

/// The contents of the traces' spans, by start.
pub(in crate::tracking) async fn contents(
    connection: &mut Connection,
    ids: &[TraceId],
) -> Done<Vec<(TraceId, String)>> {
    let mut found = Vec::new();
    for chunk in ids.chunks(CHUNK) {
        let mut sql = QueryBuilder::new("SELECT trace_id, content FROM span WHERE trace_id IN ");
        clause::texts(&mut sql, chunk.iter().map(TraceId::as_str));
        sql.push(" ORDER BY start_ns, span_id");
        for row in &sql.build().fetch_all(connection).await? {
            found.push((row.try_get::<String>(0)?.into(), row.try_get(1)?));
        }
    }
    Ok(found)
}
