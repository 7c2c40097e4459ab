//! What transfers need of this folder: whole runs, logged models, registered models and traces by their ids.

use lemnis_tracking::{
    Alias, Assessment, Error, LoggedModel, ModelVersion, RegisteredModel, Run, Trace, TraceId,
};

use super::{Done, assessments, logged_models, run_search, runs, tag, traces, versions};
use crate::sql::{Columns as _, Connection, List, query};

/// The runs with these ids, with row numbers; their metrics are the latest points.
pub(crate) async fn runs(connection: &mut Connection, ids: List<String>) -> Done<Vec<(i64, Run)>> {
    let sql =
        format!("SELECT {} FROM run r WHERE r.run_id IN (SELECT value FROM json_each(?))", runs::COLUMNS);
    let rows = query(sql).bind(ids).fetch_all(connection).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let (row, info) = runs::info(row)?;
        found.push((row, runs::bare(info)));
    }
    run_search::load(connection, &mut found).await?;
    Ok(found)
}

/// The logged models with these ids, deleted ones too.
pub(crate) async fn logged_models(connection: &mut Connection, ids: List<String>) -> Done<Vec<LoggedModel>> {
    let sql = format!(
        "SELECT {} FROM logged_model m WHERE m.model_id IN (SELECT value FROM json_each(?))",
        logged_models::COLUMNS
    );
    let rows = query(sql).bind(ids).fetch_all(connection).await?;
    let mut found = rows.iter().map(logged_models::model).collect::<Result<Vec<_>, _>>()?;
    logged_models::load(connection, &mut found).await?;
    Ok(found)
}

/// A registered model without its versions.
pub(crate) async fn model(connection: &mut Connection, name: &str) -> Done<Option<RegisteredModel>> {
    let row = query("SELECT name, created, updated, description FROM registered_model WHERE name = ?")
        .bind(name)
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let mut model = RegisteredModel {
        name: row.try_get(0)?,
        creation_timestamp: row.try_get(1)?,
        last_updated_timestamp: row.try_get(2)?,
        description: row.try_get(3)?,
        latest_versions: Vec::new(),
        tags: Vec::new(),
        aliases: Vec::new(),
    };
    let rows = query("SELECT key, value FROM registered_model_tag WHERE model = ? ORDER BY key")
        .bind(name)
        .fetch_all(connection)
        .await?;
    for row in &rows {
        model.tags.push(tag(row, 0)?);
    }
    let rows = query("SELECT alias, version FROM model_alias WHERE model = ? ORDER BY alias")
        .bind(name)
        .fetch_all(connection)
        .await?;
    for row in &rows {
        model.aliases.push(Alias { alias: row.try_get(0)?, version: row.try_get(1)? });
    }
    Ok(Some(model))
}

/// The versions of a registered model by number, with tags alone.
pub(crate) async fn versions(connection: &mut Connection, name: &str) -> Done<Vec<ModelVersion>> {
    let mut found = versions::all(connection, name).await?;
    found.iter_mut().for_each(|version| version.aliases.clear());
    Ok(found)
}

/// The traces with these ids that are there.
pub(crate) async fn traces(connection: &mut Connection, ids: &[TraceId]) -> Done<Vec<Trace>> {
    traces::rows::load(connection, ids).await
}

/// The contents of the traces' spans, by start.
pub(crate) async fn spans(connection: &mut Connection, ids: &[TraceId]) -> Done<Vec<(TraceId, String)>> {
    traces::spans::contents(connection, ids).await
}

/// Writes a trace's information over what is there, and its spans from their contents.
///
/// Fails where a content is not a span's.
pub(crate) async fn put_trace(connection: &mut Connection, trace: &Trace, spans: &[String]) -> Done<()> {
    traces::rows::save(connection, trace).await?;
    for content in spans {
        let row = lemnis_tracking::trace::SpanRow::of_content(content)
            .ok_or_else(|| Error::invalid(format!("a span of trace {} cannot be read", trace.trace_id)))?;
        traces::spans::put(connection, &trace.trace_id, &row).await?;
    }
    Ok(())
}

/// Adds an assessment.
pub(crate) async fn put_assessment(connection: &mut Connection, assessment: &Assessment) -> Done<()> {
    assessments::put(connection, assessment).await
}
