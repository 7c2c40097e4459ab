//! The port of flow runs. The rules are those of `FlowRun`; here they are applied inside one transaction.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use lemnis_core::Millis;
use lemnis_flow::{Beat, Error, FlowRun, FlowState, New, Outcome, Queue, Result};

use crate::sql::{self, Columns as _, Connection, Json, Row, query};
use crate::{Fail, Fault, Store};

/// The columns in the order in which [`run`] reads them.
macro_rules! select {
    ($($rest:tt)*) => {
        concat!(
            "SELECT id, flow, trigger_by, idempotency_key, state, attempt, max_attempts, command, created_ms, \
             not_before_ms, started_ms, ended_ms, lease_until_ms, worker, cancel_requested, log_path, error, result \
             FROM flow_run ",
            $($rest)*
        )
    };
}

/// Which runs a worker may take at `?1`; the same as `FlowRun::is_due`.
macro_rules! due {
    ($rest:literal) => {
        select!(
            "WHERE state IN ('queued', 'running') AND not_before_ms <= ?1 \
             AND (state = 'queued' OR lease_until_ms IS NULL OR lease_until_ms < ?1) ORDER BY not_before_ms, place ",
            $rest
        )
    };
}

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
impl Queue for Store {
    async fn enqueue(&self, new: New) -> Result<FlowRun> {
        let fresh = FlowRun::queued(new)?;
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                if let Some(key) = &fresh.idempotency_key {
                    let query = query(select!("WHERE idempotency_key = ?")).bind(key.clone());
                    if let Some(row) = query.fetch_optional(connection).await? {
                        return Ok(run(&row)?);
                    }
                }
                put(connection, &fresh).await?;
                Ok(fresh)
            })
        })
        .await
    }

    async fn lease(&self, worker: &str, now: Millis, lease_ms: Millis) -> Result<Option<FlowRun>> {
        // An idle worker asks often: look without writing first.
        let due = self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                Ok(query(due!("LIMIT 1")).bind(now).fetch_optional(connection).await?.is_some())
            })
        });
        if !due.await? {
            return Ok(None);
        }
        let worker = worker.to_owned();
        self.append::<_, Error, _>(move |connection| {
            Box::pin(async move {
                // Among many servers each takes a run that no other is taking.
                let one = format!("{}{}", due!("LIMIT 1"), connection.for_update_skip_locked());
                loop {
                    let row = query(one.clone()).bind(now).fetch_optional(connection).await?;
                    let Some(row) = row else { return Ok(None) };
                    let next = run(&row)?.leased(&worker, now, lease_ms);
                    put(connection, &next).await?;
                    if next.state == FlowState::Running {
                        return Ok(Some(next));
                    }
                }
            })
        })
        .await
    }

    async fn heartbeat(
        &self,
        id: &str,
        worker: &str,
        attempt: u32,
        lease_until_ms: Millis,
        log_path: Option<&Path>,
    ) -> Result<Beat> {
        let (id, worker) = (id.to_owned(), worker.to_owned());
        let log_path = log_path.map(Path::to_owned);
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let Some(mut held) = find(connection, &id).await? else { return Ok(Beat::Lost) };
                if !held.is_held(&worker, attempt) {
                    return Ok(Beat::Lost);
                }
                held.lease_until_ms = Some(lease_until_ms);
                held.log_path = log_path.or(held.log_path);
                put(connection, &held).await?;
                Ok(if held.cancel_requested { Beat::CancelRequested } else { Beat::Held })
            })
        })
        .await
    }

    async fn finish(
        &self,
        id: &str,
        worker: &str,
        attempt: u32,
        outcome: Outcome,
        now: Millis,
    ) -> Result<bool> {
        let (id, worker) = (id.to_owned(), worker.to_owned());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let held = find(connection, &id).await?.filter(|held| held.is_held(&worker, attempt));
                let Some(held) = held else { return Ok(false) };
                put(connection, &held.finished(outcome, now)).await?;
                Ok(true)
            })
        })
        .await
    }

    async fn cancel(&self, id: &str, now: Millis) -> Result<Option<FlowRun>> {
        let id = id.to_owned();
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let Some(found) = find(connection, &id).await? else { return Ok(None) };
                let next = found.cancelled(now);
                put(connection, &next).await?;
                Ok(Some(next))
            })
        })
        .await
    }

    async fn expire_leases(&self, now: Millis) -> Result<u64> {
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let done = query("UPDATE flow_run SET lease_until_ms = ?1 - 1 WHERE state = 'running'")
                    .bind(now)
                    .execute(connection)
                    .await?;
                Ok(done)
            })
        })
        .await
    }

    async fn get(&self, id: &str) -> Result<Option<FlowRun>> {
        let id = id.to_owned();
        self.read::<_, Error, _>(move |connection| Box::pin(async move { find(connection, &id).await })).await
    }

    async fn list(&self, limit: usize) -> Result<Vec<FlowRun>> {
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let rows = query(select!("ORDER BY place DESC LIMIT ?"))
                    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                    .fetch_all(connection)
                    .await?;
                Ok(rows.iter().map(run).collect::<Result<Vec<_>, _>>()?)
            })
        })
        .await
    }
}

async fn find(connection: &mut Connection, id: &str) -> Result<Option<FlowRun>, Fail<Error>> {
    let row = query(select!("WHERE id = ?")).bind(id.to_owned()).fetch_optional(connection).await?;
    Ok(row.as_ref().map(run).transpose()?)
}

/// Writes a run over the one with its id.
async fn put(connection: &mut Connection, run: &FlowRun) -> Result<(), sql::Error> {
    query(
        "INSERT INTO flow_run (id, flow, trigger_by, idempotency_key, state, attempt, max_attempts, command, \
         created_ms, not_before_ms, started_ms, ended_ms, lease_until_ms, worker, cancel_requested, log_path, error, \
         result) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, attempt = excluded.attempt, \
         not_before_ms = excluded.not_before_ms, started_ms = excluded.started_ms, ended_ms = excluded.ended_ms, \
         lease_until_ms = excluded.lease_until_ms, worker = excluded.worker, \
         cancel_requested = excluded.cancel_requested, log_path = excluded.log_path, error = excluded.error, \
         result = excluded.result",
    )
    .bind(run.id.clone())
    .bind(run.flow.clone())
    .bind(run.trigger.clone())
    .bind(run.idempotency_key.clone())
    .bind(run.state.as_str())
    .bind(run.attempt)
    .bind(run.max_attempts)
    .bind(Json(run.command.clone()))
    .bind(run.created_ms)
    .bind(run.not_before_ms)
    .bind(run.started_ms)
    .bind(run.ended_ms)
    .bind(run.lease_until_ms)
    .bind(run.worker.clone())
    .bind(run.cancel_requested)
    .bind(run.log_path.as_ref().map(|path| path.to_string_lossy().into_owned()))
    .bind(run.error.clone())
    .bind(run.result.clone())
    .execute(connection)
    .await?;
    Ok(())
}

fn run(row: &Row) -> Result<FlowRun, sql::Error> {
    let word: String = row.try_get(4)?;
    let state = FlowState::parse(&word)
        .ok_or_else(|| sql::Error::column(4, format!("{word:?} is no state of a flow run")))?;
    Ok(FlowRun {
        id: row.try_get(0)?,
        flow: row.try_get(1)?,
        trigger: row.try_get(2)?,
        idempotency_key: row.try_get(3)?,
        state,
        attempt: row.try_get(5)?,
        max_attempts: row.try_get(6)?,
        command: row.try_get::<Json<_>>(7)?.0,
        created_ms: row.try_get(8)?,
        not_before_ms: row.try_get(9)?,
        started_ms: row.try_get(10)?,
        ended_ms: row.try_get(11)?,
        lease_until_ms: row.try_get(12)?,
        worker: row.try_get(13)?,
        cancel_requested: row.try_get(14)?,
        log_path: row.try_get::<Option<String>>(15)?.map(PathBuf::from),
        error: row.try_get(16)?,
        result: row.try_get(17)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_queue_keeps_its_contract() {
        let store = Store::in_memory().await.unwrap();
        lemnis_flow::testing::queue_conformance(&store).await;
    }

    #[tokio::test]
    async fn the_queue_keeps_its_contract_on_disk_and_across_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lemnis.db");
        let store = Store::open(&path).await.unwrap();
        lemnis_flow::testing::queue_conformance(&store).await;
        let before = store.list(1_000).await.unwrap();
        store.close().await;
        let after = Store::open(&path).await.unwrap().list(1_000).await.unwrap();
        assert_eq!(before, after);
    }

    #[tokio::test]
    async fn many_workers_never_share_a_run() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("lemnis.db")).await.unwrap();
        for n in 0..60 {
            let new = New {
                flow: "f".to_owned(),
                command: vec!["true".to_owned()],
                trigger: serde_json::Value::Null,
                idempotency_key: None,
                max_attempts: 1,
                created_ms: n,
            };
            store.enqueue(new).await.unwrap();
        }
        let workers = (0..6).map(|worker| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut taken = Vec::new();
                while let Some(run) = store.lease(&format!("w{worker}"), 1_000, 60_000).await.unwrap() {
                    taken.push(run.id);
                }
                taken
            })
        });
        let mut taken = Vec::new();
        for worker in workers.collect::<Vec<_>>() {
            taken.extend(worker.await.unwrap());
        }
        taken.sort();
        taken.dedup();
        assert_eq!(taken.len(), 60);
    }
}
