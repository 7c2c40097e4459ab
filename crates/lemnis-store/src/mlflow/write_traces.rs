//! Traces into an MLflow database.

use lemnis_tracking::trace::{COST, SESSION, SpanRow, TOKEN_USAGE, TRACE_NAME_TAG};
use lemnis_tracking::transfer::WholeTrace;
use lemnis_tracking::{Assessment, Error, Trace, Verdict};

use super::schema::Schema;
use super::traces::{COSTS, TOKENS};
use super::write_runs::stable_id;
use crate::sql::{Connection, Value, insert_many, query};
use crate::tracking::Done;

pub(super) async fn trace(connection: &mut Connection, schema: &Schema, whole: &WholeTrace) -> Done<()> {
    let trace = &whole.trace;
    let id = trace.trace_id.as_str();
    for (table, column) in [
        ("span_metrics", "trace_id"),
        ("spans", "trace_id"),
        ("assessments", "trace_id"),
        ("trace_metrics", "request_id"),
        ("trace_tags", "request_id"),
        ("trace_request_metadata", "request_id"),
    ] {
        if schema.has_table(table) {
            query(format!("DELETE FROM {table} WHERE {column} = ?")).bind(id).execute(connection).await?;
        }
    }
    put_row(connection, schema, trace).await?;
    // What has columns of its own is kept there alone.
    let promoted = |key: &str| match key {
        TRACE_NAME_TAG => schema.has("trace_info", "trace_name"),
        SESSION => schema.has("trace_info", "session_id"),
        TOKEN_USAGE => schema.has("trace_info", "total_tokens"),
        COST => schema.has("trace_info", "total_cost"),
        _ => false,
    };
    for (table, texts) in [("trace_tags", &trace.tags), ("trace_request_metadata", &trace.metadata)] {
        let texts = texts.iter().filter(|(key, _)| !promoted(key));
        let rows = texts.map(|(key, value)| vec![id.into(), key.into(), value.into()]).collect();
        insert_many(connection, &format!("INSERT INTO {table} (request_id, key, value)"), rows, "").await?;
    }
    if schema.has_table("spans") {
        spans(connection, schema, whole).await?;
    }
    if schema.has_table("assessments") {
        for assessment in &trace.assessments {
            put_assessment(connection, schema, trace, assessment).await?;
        }
    }
    if schema.has_table("entity_associations") {
        query("DELETE FROM entity_associations WHERE source_type = 'trace' AND source_id = ?")
            .bind(id)
            .execute(connection)
            .await?;
        let runs = whole.runs.iter().map(|target| ("run", target));
        let links = runs.chain(whole.prompts.iter().map(|target| ("prompt_version", target)));
        let rows = links
            .map(|(kind, target)| {
                let uuid = stable_id(&[id, kind, target]);
                vec![uuid.into(), "trace".into(), id.into(), kind.into(), target.into()]
            })
            .collect();
        let head = "INSERT INTO entity_associations \
                    (association_id, source_type, source_id, destination_type, destination_id)";
        insert_many(connection, head, rows, "ON CONFLICT DO NOTHING").await?;
    }
    Ok(())
}

async fn put_row(connection: &mut Connection, schema: &Schema, trace: &Trace) -> Done<()> {
    let json = |key: &str| -> serde_json::Value {
        trace.metadata.get(key).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    };
    let (usage, cost) = (json(TOKEN_USAGE), json(COST));
    let mut columns: Vec<(&str, Value)> = vec![
        ("request_id", trace.trace_id.as_str().into()),
        ("experiment_id", trace.experiment_id.0.into()),
        ("timestamp_ms", trace.request_time.into()),
        ("execution_time_ms", trace.duration_ms.into()),
        ("status", trace.state.as_str().into()),
        ("client_request_id", (&trace.client_request_id).into()),
        ("request_preview", (&trace.request_preview).into()),
        ("response_preview", (&trace.response_preview).into()),
        ("trace_name", trace.tags.get(TRACE_NAME_TAG).into_value()),
        ("session_id", trace.metadata.get(SESSION).into_value()),
    ];
    columns.extend(TOKENS.map(|name| (name, Value::from(usage[name].as_i64()))));
    columns.extend(COSTS.map(|name| (name, Value::from(cost[name].as_f64()))));
    columns.retain(|(column, _)| schema.has("trace_info", column));
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let update: Vec<String> = names.iter().skip(1).map(|name| format!("{name} = excluded.{name}")).collect();
    let head = format!("INSERT INTO trace_info ({})", names.join(", "));
    let tail = format!("ON CONFLICT (request_id) DO UPDATE SET {}", update.join(", "));
    let row = columns.into_iter().map(|(_, value)| value).collect();
    insert_many(connection, &head, vec![row], &tail).await?;
    Ok(())
}

trait IntoValue {
    fn into_value(self) -> Value;
}

impl IntoValue for Option<&String> {
    fn into_value(self) -> Value {
        Value::Text(self.cloned())
    }
}

async fn spans(connection: &mut Connection, schema: &Schema, whole: &WholeTrace) -> Done<()> {
    let trace = &whole.trace;
    for content in &whole.spans {
        let row = SpanRow::of_content(content)
            .ok_or_else(|| Error::invalid(format!("a span of trace {} cannot be read", trace.trace_id)))?;
        let mut columns: Vec<(&str, Value)> = vec![
            ("trace_id", trace.trace_id.as_str().into()),
            ("experiment_id", trace.experiment_id.0.into()),
            ("span_id", (&row.span_id).into()),
            ("parent_span_id", (&row.parent_id).into()),
            ("name", (&row.name).into()),
            ("type", (&row.kind).into()),
            ("status", row.status.as_str().into()),
            ("start_time_unix_nano", row.start_ns.into()),
            ("end_time_unix_nano", row.end_ns.into()),
            ("content", content.into()),
            ("input_cost", row.costs[0].into()),
            ("output_cost", row.costs[1].into()),
            ("total_cost", row.costs[2].into()),
            ("model_name", (&row.model).into()),
            ("model_provider", (&row.provider).into()),
        ];
        columns.retain(|(column, _)| schema.has("spans", column));
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let head = format!("INSERT INTO spans ({})", names.join(", "));
        let row = columns.into_iter().map(|(_, value)| value).collect();
        insert_many(connection, &head, vec![row], "").await?;
    }
    Ok(())
}

async fn put_assessment(
    connection: &mut Connection,
    schema: &Schema,
    trace: &Trace,
    one: &Assessment,
) -> Done<()> {
    let error = match &one.verdict {
        Verdict::Feedback { error: Some(error), .. } => serde_json::to_string(error).ok(),
        _ => None,
    };
    let metadata =
        (!one.metadata.is_empty()).then(|| serde_json::to_string(&one.metadata).unwrap_or_default());
    let (number, is_number) = one.verdict.number();
    let mut columns: Vec<(&str, Value)> = vec![
        ("assessment_id", (&one.assessment_id).into()),
        ("trace_id", trace.trace_id.as_str().into()),
        ("name", (&one.name).into()),
        ("assessment_type", one.verdict.kind().into()),
        ("value", one.verdict.value().to_string().into()),
        ("error", error.into()),
        ("created_timestamp", one.created.into()),
        ("last_updated_timestamp", one.updated.into()),
        ("source_type", (&one.source_type).into()),
        ("source_id", (&one.source_id).into()),
        ("span_id", (&one.span_id).into()),
        ("rationale", (&one.rationale).into()),
        ("overrides", (&one.overrides).into()),
        ("valid", one.valid.into()),
        ("assessment_metadata", metadata.into()),
        ("experiment_id", trace.experiment_id.0.into()),
        ("trace_timestamp_ms", trace.request_time.into()),
        ("aggregate_value", number.into()),
        ("is_numeric_value", is_number.into()),
    ];
    columns.retain(|(column, _)| schema.has("assessments", column));
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let head = format!("INSERT INTO assessments ({})", names.join(", "));
    let row = columns.into_iter().map(|(_, value)| value).collect();
    insert_many(connection, &head, vec![row], "").await?;
    Ok(())
}
