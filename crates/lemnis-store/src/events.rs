//! The port of events.

use async_trait::async_trait;
use lemnis_core::{Event, EventLog, LogError};

use crate::Store;
use crate::sql::{self, Columns as _, Row, query};

#[async_trait]
impl EventLog for Store {
    async fn append(&self, event: &Event) -> Result<(), LogError> {
        let event = event.clone();
        self.write::<_, LogError, _>(move |connection| {
            Box::pin(async move {
                query(
                    "INSERT INTO event (id, at_ms, actor, kind, subject, data) VALUES (?, ?, ?, ?, ?, ?) \
                     ON CONFLICT (id) DO NOTHING",
                )
                .bind(event.id)
                .bind(event.at_ms)
                .bind(event.actor)
                .bind(event.kind)
                .bind(event.subject)
                .bind(event.data)
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
        .map_err(|error| LogError { action: "written", ..error })
    }

    async fn latest(&self, subject: Option<&str>, limit: usize) -> Result<Vec<Event>, LogError> {
        let subject = subject.map(str::to_owned);
        self.read::<_, LogError, _>(move |connection| {
            Box::pin(async move {
                let all = "SELECT id, at_ms, actor, kind, subject, data FROM event \
                           ORDER BY at_ms DESC, place DESC LIMIT ?";
                let one = "SELECT id, at_ms, actor, kind, subject, data FROM event WHERE subject = ? \
                           ORDER BY at_ms DESC, place DESC LIMIT ?";
                let query = match subject {
                    Some(subject) => query(one).bind(subject),
                    None => query(all),
                };
                let rows = query.bind(i64::try_from(limit).unwrap_or(i64::MAX)).fetch_all(connection).await?;
                Ok(rows.iter().map(event).collect::<Result<Vec<_>, _>>()?)
            })
        })
        .await
        .map_err(|error| LogError { action: "read", ..error })
    }
}

fn event(row: &Row) -> Result<Event, sql::Error> {
    Ok(Event {
        id: row.try_get(0)?,
        at_ms: row.try_get(1)?,
        actor: row.try_get(2)?,
        kind: row.try_get(3)?,
        subject: row.try_get(4)?,
        data: row.try_get(5)?,
    })
}
