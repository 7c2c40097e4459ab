//! The port of gate reports.

use async_trait::async_trait;
use lemnis_tracking::{Error, GateReport, GateReports, Result};

use crate::Store;
use crate::sql::{self, Columns as _, Json, Row, query};

#[async_trait]
impl GateReports for Store {
    async fn insert(&self, report: &GateReport) -> Result<()> {
        let report = report.clone();
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                query(
                    "INSERT INTO gate_report \
                     (id, at_ms, model, challenger_version, champion_version, passed, checks, inputs) \
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
                )
                .bind(report.id)
                .bind(report.at_ms)
                .bind(report.model)
                .bind(report.challenger_version)
                .bind(report.champion_version)
                .bind(report.passed)
                .bind(Json(report.checks))
                .bind(report.inputs)
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
    }

    async fn get(&self, id: &str) -> Result<Option<GateReport>> {
        let id = id.to_owned();
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let row = query(
                    "SELECT id, at_ms, model, challenger_version, champion_version, passed, checks, inputs \
                     FROM gate_report WHERE id = ?",
                )
                .bind(id)
                .fetch_optional(connection)
                .await?;
                Ok(row.as_ref().map(report).transpose()?)
            })
        })
        .await
    }

    async fn latest(&self, model: Option<&str>, limit: usize) -> Result<Vec<GateReport>> {
        let model = model.map(str::to_owned);
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let rows = query(
                    "SELECT id, at_ms, model, challenger_version, champion_version, passed, checks, inputs \
                     FROM gate_report WHERE ?1 IS NULL OR model = ?1 ORDER BY at_ms DESC, place DESC LIMIT ?2",
                )
                .bind(model)
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .fetch_all(connection)
                .await?;
                Ok(rows.iter().map(report).collect::<Result<Vec<_>, _>>()?)
            })
        })
        .await
    }
}

fn report(row: &Row) -> Result<GateReport, sql::Error> {
    Ok(GateReport {
        id: row.try_get(0)?,
        at_ms: row.try_get(1)?,
        model: row.try_get(2)?,
        challenger_version: row.try_get(3)?,
        champion_version: row.try_get(4)?,
        passed: row.try_get(5)?,
        checks: row.try_get::<Json<_>>(6)?.0,
        inputs: row.try_get(7)?,
    })
}
