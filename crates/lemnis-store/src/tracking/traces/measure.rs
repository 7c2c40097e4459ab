//! The rows that trace metrics are computed from.

use lemnis_tracking::search::{MetricField, MetricFilter, MetricView};
use lemnis_tracking::trace::SOURCE_RUN;
use lemnis_tracking::trace::metric::{Point, Query};

use super::super::{Done, clause};
use crate::sql::{Columns as _, Connection, QueryBuilder};

type Sql = QueryBuilder;

const NANOSECONDS: i64 = 1_000_000;

pub(super) async fn points(connection: &mut Connection, query: Query) -> Done<Vec<Point>> {
    let at = match query.view {
        MetricView::Spans => "s.start_ns / 1000000",
        MetricView::Traces | MetricView::Assessments => "t.request_time",
    };
    let value = value(query.view, &query.metric);
    let distinct = if query.metric == "session_count" { "t.session_id" } else { "NULL" };
    let mut sql = QueryBuilder::new(format!("SELECT {at}, CAST({value} AS DOUBLE PRECISION), {distinct}"));
    for name in &query.dimensions {
        sql.push(", ").push(dimension(name));
    }
    sql.push(match query.view {
        MetricView::Traces => " FROM trace t",
        MetricView::Spans => " FROM span s JOIN trace t ON t.trace_id = s.trace_id",
        MetricView::Assessments => " FROM assessment a JOIN trace t ON t.trace_id = a.trace_id",
    });
    sql.push(" WHERE t.experiment IN ");
    clause::experiments(&mut sql, &query.experiments);
    if query.view == MetricView::Assessments {
        sql.push(" AND a.valid = 1");
    }
    if query.metric == "session_count" {
        sql.push(" AND t.session_id IS NOT NULL");
    }
    within(&mut sql, &query);
    for wanted in &query.filters {
        sql.push(" AND ");
        filter(&mut sql, wanted);
    }
    let rows = sql.build().fetch_all(connection).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let Some(value) = row.try_get::<Option<f64>>(1)? else { continue };
        let mut dimensions = Vec::with_capacity(query.dimensions.len());
        for place in 0..query.dimensions.len() {
            dimensions.extend(row.try_get::<Option<String>>(3 + place)?);
        }
        // What lacks a dimension belongs to no group.
        if dimensions.len() == query.dimensions.len() {
            found.push(Point { at_ms: row.try_get(0)?, dimensions, value, distinct: row.try_get(2)? });
        }
    }
    Ok(found)
}

fn value(view: MetricView, metric: &str) -> &'static str {
    match (view, metric) {
        (MetricView::Traces, "latency") => "t.duration_ms",
        (MetricView::Traces, "input_tokens") => "t.input_tokens",
        (MetricView::Traces, "output_tokens") => "t.output_tokens",
        (MetricView::Traces, "total_tokens") => "t.total_tokens",
        (MetricView::Traces, "cache_read_input_tokens") => "t.cache_read_input_tokens",
        (MetricView::Traces, "cache_creation_input_tokens") => "t.cache_creation_input_tokens",
        (MetricView::Spans, "latency") => "(s.end_ns - s.start_ns) / 1000000",
        (MetricView::Spans, "input_cost") => "s.input_cost",
        (MetricView::Spans, "output_cost") => "s.output_cost",
        (MetricView::Spans, "total_cost") => "s.total_cost",
        (MetricView::Assessments, "assessment_value") => "a.number",
        _ => "1",
    }
}

fn dimension(name: &str) -> &'static str {
    match name {
        "trace_name" => {
            "(SELECT g.value FROM trace_tag g WHERE g.trace_id = t.trace_id AND g.key = 'mlflow.traceName')"
        }
        "trace_status" => "t.state",
        "span_name" => "s.name",
        "span_type" => "s.kind",
        "span_status" => "s.status",
        "span_model_name" => "s.model",
        "span_model_provider" => "s.provider",
        "assessment_name" => "a.name",
        "assessment_value" => "a.value",
        _ => "NULL",
    }
}

/// Costs belong to the moment of their span, everything else to the moment of its trace.
fn within(sql: &mut Sql, query: &Query) {
    let by_span = query.view == MetricView::Spans && query.metric.ends_with("_cost");
    let (column, factor) = if by_span { ("s.start_ns", NANOSECONDS) } else { ("t.request_time", 1) };
    if let Some(start) = query.start_ms {
        sql.push(format!(" AND {column} >= ")).push_bind(start.saturating_mul(factor));
    }
    if let Some(end) = query.end_ms {
        sql.push(format!(" AND {column} < ")).push_bind(end.saturating_add(1).saturating_mul(factor));
    }
}

fn filter(sql: &mut Sql, wanted: &MetricFilter) {
    let column = match wanted.field {
        MetricField::TraceStatus => "t.state",
        MetricField::SpanName => "s.name",
        MetricField::SpanStatus => "s.status",
        MetricField::SpanType => "s.kind",
        MetricField::AssessmentName => "a.name",
        MetricField::AssessmentType => "a.kind",
        MetricField::TraceTag => return keyed(sql, "trace_tag", wanted),
        MetricField::TraceMetadata if wanted.key == SOURCE_RUN => {
            sql.push("(");
            keyed(sql, "trace_metadata", wanted);
            sql.push(
                " OR EXISTS (SELECT 1 FROM trace_link l WHERE l.trace_id = t.trace_id AND l.kind = 'run' \
                 AND l.target = ",
            );
            sql.push_bind(wanted.value.clone()).push("))");
            return;
        }
        MetricField::TraceMetadata => return keyed(sql, "trace_metadata", wanted),
    };
    sql.push(format!("{column} = ")).push_bind(wanted.value.clone());
}

fn keyed(sql: &mut Sql, table: &str, wanted: &MetricFilter) {
    sql.push(format!("EXISTS (SELECT 1 FROM {table} v WHERE v.trace_id = t.trace_id AND v.key = "));
    sql.push_bind(wanted.key.clone()).push(" AND v.value = ").push_bind(wanted.value.clone());
    sql.push(")");
}
