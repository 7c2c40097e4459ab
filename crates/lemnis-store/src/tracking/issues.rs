//! The port of issues.

use async_trait::async_trait;
use lemnis_core::Millis;
use lemnis_tracking::issue::{IssueChange, IssueSearch, SEVERITIES};
use lemnis_tracking::{Error, ExperimentId, Issue, Issues, Page, Result};

use super::{Done, clause, experiments, offset, one_more};
use crate::Store;
use crate::sql::{self, Columns as _, Connection, QueryBuilder, Row, query};

const COLUMNS: &str = "i.issue_id, i.experiment, i.name, i.description, i.status, i.severity, i.root_causes, \
     i.source_run_id, i.categories, i.created, i.updated, i.created_by";
const TRACES: &str =
    "(SELECT count(DISTINCT a.trace_id) FROM assessment a WHERE a.name = i.issue_id AND a.kind = 'issue')";

#[async_trait]
impl Issues for Store {
    async fn create(&self, issue: &Issue) -> Result<()> {
        let issue = issue.clone();
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                experiments::active(connection, issue.experiment_id).await?;
                put(connection, &issue).await
            })
        })
        .await
    }

    async fn get(&self, id: &str) -> Result<Option<Issue>> {
        let id = id.to_owned();
        self.read::<_, Error, _>(move |connection| Box::pin(async move { find(connection, &id).await })).await
    }

    async fn update(&self, id: &str, change: &IssueChange, at_ms: Millis) -> Result<Option<Issue>> {
        let (id, change) = (id.to_owned(), change.clone());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let Some(mut issue) = find(connection, &id).await? else { return Ok(None) };
                issue.name = change.name.unwrap_or(issue.name);
                issue.description = change.description.unwrap_or(issue.description);
                issue.status = change.status.unwrap_or(issue.status);
                issue.severity = change.severity.or(issue.severity);
                issue.updated = at_ms;
                put(connection, &issue).await?;
                Ok(Some(issue))
            })
        })
        .await
    }

    async fn search(&self, search: &IssueSearch) -> Result<Page<Issue>> {
        let search = search.clone();
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let count = if search.count_traces { TRACES } else { "0" };
                let mut sql = QueryBuilder::new(format!("SELECT {COLUMNS}, {count} FROM issue i WHERE true"));
                if let Some(experiment) = search.experiment_id {
                    sql.push(" AND i.experiment = ").push_bind(experiment.0);
                }
                for wanted in &search.filter {
                    sql.push(" AND ");
                    let column = if wanted.key == "status" { "i.status" } else { "i.source_run_id" };
                    clause::compare(&mut sql, column, wanted);
                }
                sql.push(" ORDER BY i.severity_rank DESC, ");
                if search.count_traces {
                    sql.push(TRACES).push(" DESC, ");
                }
                sql.push("i.created DESC, i.issue_id DESC LIMIT ").push_bind(one_more(search.limit));
                sql.push(" OFFSET ").push_bind(offset(search.offset));
                let rows = sql.build().fetch_all(connection).await?;
                let mut found = Vec::with_capacity(rows.len());
                for row in &rows {
                    let mut issue = issue(row)?;
                    if search.count_traces {
                        issue.trace_count = Some(row.try_get(12)?);
                    }
                    found.push(issue);
                }
                Ok(Page::cut(found, search.limit, search.offset))
            })
        })
        .await
    }
}

fn issue(row: &Row) -> Result<Issue, sql::Error> {
    let texts = |place: usize| -> Result<Vec<String>, sql::Error> {
        Ok(serde_json::from_str(row.try_get(place)?).unwrap_or_default())
    };
    Ok(Issue {
        issue_id: row.try_get(0)?,
        experiment_id: ExperimentId(row.try_get(1)?),
        name: row.try_get(2)?,
        description: row.try_get(3)?,
        status: row.try_get(4)?,
        severity: row.try_get(5)?,
        root_causes: texts(6)?,
        source_run_id: row.try_get(7)?,
        categories: texts(8)?,
        created: row.try_get(9)?,
        updated: row.try_get(10)?,
        created_by: row.try_get(11)?,
        trace_count: None,
    })
}

async fn find(connection: &mut Connection, id: &str) -> Done<Option<Issue>> {
    let row = query(
        "SELECT i.issue_id, i.experiment, i.name, i.description, i.status, i.severity, i.root_causes, \
         i.source_run_id, i.categories, i.created, i.updated, i.created_by FROM issue i WHERE i.issue_id = ?",
    )
    .bind(id)
    .fetch_optional(connection)
    .await?;
    Ok(row.as_ref().map(issue).transpose()?)
}

async fn put(connection: &mut Connection, issue: &Issue) -> Done<()> {
    let rank = issue.severity.as_deref().and_then(|name| SEVERITIES.iter().position(|known| *known == name));
    let list = |texts: &[String]| serde_json::Value::from(texts.to_vec()).to_string();
    query(
        "INSERT INTO issue (issue_id, experiment, name, description, status, severity, severity_rank, root_causes, \
         source_run_id, categories, created, updated, created_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (issue_id) DO UPDATE SET name = excluded.name, description = excluded.description, \
         status = excluded.status, severity = excluded.severity, severity_rank = excluded.severity_rank, \
         updated = excluded.updated",
    )
    .bind(&issue.issue_id)
    .bind(issue.experiment_id.0)
    .bind(&issue.name)
    .bind(&issue.description)
    .bind(&issue.status)
    .bind(&issue.severity)
    .bind(rank.and_then(|rank| i64::try_from(rank).ok()).unwrap_or(-1))
    .bind(list(&issue.root_causes))
    .bind(&issue.source_run_id)
    .bind(list(&issue.categories))
    .bind(issue.created)
    .bind(issue.updated)
    .bind(&issue.created_by)
    .execute(connection)
    .await?;
    Ok(())
}
