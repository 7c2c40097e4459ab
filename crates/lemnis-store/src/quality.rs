//! The port of verdicts.

use async_trait::async_trait;
use lemnis_quality::{Error, Result, Verdict, VerdictKind, Verdicts};

use crate::sql::{self, Columns as _, QueryBuilder, Row, query};
use crate::{Fail, Fault, Store};

const COLUMNS: &str = "SELECT id, at_ms, subject, kind, outcome, summary, inputs, report FROM verdict";

impl Fault for Error {
    fn fault(error: crate::Error) -> Self {
        Error::store(error)
    }
}

impl From<Error> for Fail<Error> {
    fn from(error: Error) -> Self {
        Fail::Domain(error)
    }
}

#[async_trait]
impl Verdicts for Store {
    async fn insert(&self, verdict: &Verdict) -> Result<()> {
        let verdict = verdict.clone();
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                query(
                    "INSERT INTO verdict (id, at_ms, subject, kind, outcome, summary, inputs, report) \
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
                )
                .bind(verdict.id)
                .bind(verdict.at_ms)
                .bind(verdict.subject)
                .bind(verdict.kind.as_str())
                .bind(verdict.outcome.as_str())
                .bind(verdict.summary)
                .bind(verdict.inputs)
                .bind(verdict.report)
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    async fn get(&self, id: &str) -> Result<Option<Verdict>> {
        let id = id.to_owned();
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let mut sql = QueryBuilder::new(COLUMNS);
                sql.push(" WHERE id = ").push_bind(id);
                let row = sql.build().fetch_optional(connection).await?;
                Ok(row.as_ref().map(verdict).transpose()?)
            })
        })
        .await
    }

    async fn latest(
        &self,
        subject: Option<&str>,
        kind: Option<VerdictKind>,
        limit: usize,
    ) -> Result<Vec<Verdict>> {
        let subject = subject.map(str::to_owned);
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let mut sql = QueryBuilder::new(COLUMNS);
                sql.push(" WHERE true");
                if let Some(subject) = subject {
                    sql.push(" AND subject = ").push_bind(subject);
                }
                if let Some(kind) = kind {
                    sql.push(" AND kind = ").push_bind(kind.as_str());
                }
                sql.push(" ORDER BY at_ms DESC, place DESC LIMIT ");
                sql.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
                let rows = sql.build().fetch_all(connection).await?;
                Ok(rows.iter().map(verdict).collect::<Result<Vec<_>, _>>()?)
            })
        })
        .await
    }
}

fn verdict(row: &Row) -> Result<Verdict, sql::Error> {
    Ok(Verdict {
        id: row.try_get(0)?,
        at_ms: row.try_get(1)?,
        subject: row.try_get(2)?,
        kind: word(row, 3)?,
        outcome: word(row, 4)?,
        summary: row.try_get(5)?,
        inputs: row.try_get(6)?,
        report: row.try_get(7)?,
    })
}

/// A column that holds one of an enum's words, as serde writes them.
fn word<T: serde::de::DeserializeOwned>(row: &Row, column: usize) -> Result<T, sql::Error> {
    let text: String = row.try_get(column)?;
    serde_json::from_value(text.into()).map_err(|error| sql::Error::column(column, error))
}
