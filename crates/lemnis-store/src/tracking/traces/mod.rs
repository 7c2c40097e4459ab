//! The port of traces.

mod measure;
pub(super) mod rows;
mod search;
pub(super) mod spans;

use std::collections::BTreeMap;

use async_trait::async_trait;
use lemnis_core::Millis;
use lemnis_tracking::trace::{Span, correlation, metric, no_trace};
use lemnis_tracking::{
    Error, ExperimentId, Page, Result, Trace, TraceDeletion, TraceId, TraceLink, TraceSearch, TraceState,
    Traces,
};

use super::{Done, clause};
use crate::Store;
use crate::sql::{Columns as _, Connection, QueryBuilder, query};

/// Ids that one statement names.
const CHUNK: usize = 500;

#[async_trait]
impl Traces for Store {
    async fn put(&self, trace: &Trace) -> Result<Trace> {
        trace.check()?;
        let trace = trace.clone();
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let id = trace.trace_id.clone();
                rows::put(connection, trace).await?;
                one(connection, &id).await
            })
        })
        .await
    }

    async fn end(
        &self,
        id: &TraceId,
        end_ms: Millis,
        state: TraceState,
        metadata: &BTreeMap<String, String>,
        tags: &BTreeMap<String, String>,
    ) -> Result<Trace> {
        let (id, metadata, tags) = (id.clone(), metadata.clone(), tags.clone());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let mut trace = one(connection, &id).await?;
                trace.duration_ms = Some(end_ms.saturating_sub(trace.request_time));
                trace.state = state;
                trace.metadata.extend(metadata);
                trace.tags.extend(tags);
                trace.check()?;
                rows::save(connection, &trace).await?;
                Ok(trace)
            })
        })
        .await
    }

    async fn get(&self, ids: &[TraceId]) -> Result<Vec<Trace>> {
        let ids = ids.to_vec();
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move { rows::load(connection, &ids).await })
        })
        .await
    }

    async fn search(&self, search: &TraceSearch) -> Result<Page<Trace>> {
        let search = search.clone();
        self.read::<_, Error, _>(move |connection| Box::pin(search::search(connection, search))).await
    }

    async fn counts(
        &self,
        experiments: &[ExperimentId],
        filters: &correlation::Filters,
    ) -> Result<correlation::Counts> {
        let (experiments, filters) = (experiments.to_vec(), filters.clone());
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let both = [&filters.base[..], &filters.first, &filters.second].concat();
                let first = [&filters.base[..], &filters.first].concat();
                let second = [&filters.base[..], &filters.second].concat();
                Ok(correlation::Counts {
                    total: search::count(connection, &experiments, &filters.base).await?,
                    first: search::count(connection, &experiments, &first).await?,
                    second: search::count(connection, &experiments, &second).await?,
                    joint: search::count(connection, &experiments, &both).await?,
                })
            })
        })
        .await
    }

    async fn delete(&self, deletion: &TraceDeletion) -> Result<u64> {
        deletion.check()?;
        let deletion = deletion.clone();
        self.write::<_, Error, _>(move |connection| Box::pin(delete(connection, deletion))).await
    }

    async fn set_tag(&self, id: &TraceId, key: &str, value: Option<&str>) -> Result<()> {
        lemnis_tracking::trace::check_tag(key)?;
        let (id, key, value) = (id.clone(), key.to_owned(), value.map(str::to_owned));
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                exists(connection, &id).await?;
                let Some(value) = value else {
                    let gone = query("DELETE FROM trace_tag WHERE trace_id = ? AND key = ?")
                        .bind(id.as_str())
                        .bind(&key)
                        .execute(connection)
                        .await?;
                    if gone == 0 {
                        let message = format!("No trace tag with key '{key}' for trace with ID '{id}'");
                        return Err(Error::missing(message).into());
                    }
                    return Ok(());
                };
                rows::put_text(connection, rows::Table::Tag, &id, &key, &value).await
            })
        })
        .await
    }

    async fn link(&self, ids: &[TraceId], kind: TraceLink, targets: &[String]) -> Result<()> {
        let (ids, targets) = (ids.to_vec(), targets.to_vec());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                for id in &ids {
                    if kind == TraceLink::Prompt {
                        exists(connection, id).await?;
                    }
                    for target in &targets {
                        query(
                            "INSERT INTO trace_link (trace_id, kind, target) VALUES (?, ?, ?) \
                             ON CONFLICT DO NOTHING",
                        )
                        .bind(id.as_str())
                        .bind(kind.as_str())
                        .bind(target)
                        .execute(connection)
                        .await?;
                    }
                }
                Ok(())
            })
        })
        .await
    }

    async fn log_spans(&self, experiment: ExperimentId, spans: &[Span]) -> Result<()> {
        let spans = spans.to_vec();
        self.write::<_, Error, _>(move |connection| Box::pin(spans::log(connection, experiment, spans))).await
    }

    async fn spans(&self, ids: &[TraceId]) -> Result<Vec<(TraceId, String)>> {
        let ids = ids.to_vec();
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move { spans::contents(connection, &ids).await })
        })
        .await
    }

    async fn measure(&self, query: &metric::Query) -> Result<Vec<metric::Point>> {
        let query = query.clone();
        self.read::<_, Error, _>(move |connection| Box::pin(measure::points(connection, query))).await
    }
}

/// The trace with `id`, or the error that there is none.
async fn one(connection: &mut Connection, id: &TraceId) -> Done<Trace> {
    let found = rows::load(connection, std::slice::from_ref(id)).await?.pop();
    Ok(found.ok_or_else(|| no_trace(id))?)
}

/// Fails unless the trace is there.
pub(super) async fn exists(connection: &mut Connection, id: &TraceId) -> Done<()> {
    let found =
        query("SELECT 1 FROM trace WHERE trace_id = ?").bind(id.as_str()).fetch_optional(connection).await?;
    if found.is_some() { Ok(()) } else { Err(no_trace(id).into()) }
}

async fn delete(connection: &mut Connection, deletion: TraceDeletion) -> Done<u64> {
    let mut sql = QueryBuilder::new("SELECT t.trace_id FROM trace t WHERE t.experiment = ");
    sql.push_bind(deletion.experiment_id.0);
    if let Some(until) = deletion.until_ms {
        sql.push(" AND t.request_time <= ").push_bind(until);
    }
    if !deletion.trace_ids.is_empty() {
        sql.push(" AND t.trace_id IN ");
        clause::texts(&mut sql, deletion.trace_ids.iter().map(TraceId::as_str));
    }
    sql.push(" ORDER BY t.request_time, t.trace_id");
    if let Some(limit) = deletion.limit {
        sql.push(" LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    }
    let rows = sql.build().fetch_all(connection).await?;
    let ids = rows.iter().map(|row| row.try_get::<String>(0)).collect::<Result<Vec<_>, _>>()?;
    for chunk in ids.chunks(CHUNK) {
        // Spans, tags, metadata and assessments go with their trace; links may be there without one.
        for table in ["trace_link", "trace"] {
            let mut sql = QueryBuilder::new(format!("DELETE FROM {table} WHERE trace_id IN "));
            clause::texts(&mut sql, chunk.iter().map(String::as_str));
            sql.build().execute(connection).await?;
        }
    }
    Ok(ids.len() as u64)
}
