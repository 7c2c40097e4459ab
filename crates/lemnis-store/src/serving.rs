//! The port of endpoints, rollouts and late ground truth.

use async_trait::async_trait;
use lemnis_core::Millis;
use lemnis_serving::rollout::Rollout;
use lemnis_serving::{EndpointState, Error, Result, Rollouts, Truth};

use crate::sql::{self, Columns as _, Connection, Json, List, Row, insert_many, query};
use crate::{Fail, Fault, Store};

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
impl Rollouts for Store {
    async fn put_endpoint(&self, endpoint: &EndpointState) -> Result<()> {
        let endpoint = endpoint.clone();
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move { Ok(put_endpoint(connection, endpoint).await?) })
        })
        .await
    }

    async fn get_endpoint(&self, name: &str) -> Result<Option<EndpointState>> {
        let name = name.to_owned();
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let row = query(
                    "SELECT name, model, champion_version, previous_version, updated_ms FROM endpoint WHERE name = ?",
                )
                .bind(name)
                .fetch_optional(connection)
                .await?;
                Ok(row.as_ref().map(endpoint).transpose()?)
            })
        })
        .await
    }

    async fn list_endpoints(&self) -> Result<Vec<EndpointState>> {
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let rows = query(
                    "SELECT name, model, champion_version, previous_version, updated_ms FROM endpoint ORDER BY place",
                )
                .fetch_all(connection)
                .await?;
                Ok(rows.iter().map(endpoint).collect::<Result<Vec<_>, _>>()?)
            })
        })
        .await
    }

    async fn put_rollout(&self, rollout: &Rollout) -> Result<()> {
        let rollout = rollout.clone();
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move { put_rollout(connection, &rollout).await })
        })
        .await
    }

    async fn settle(&self, rollout: &Rollout, endpoint: &EndpointState) -> Result<()> {
        let (rollout, endpoint) = (rollout.clone(), endpoint.clone());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                put_rollout(connection, &rollout).await?;
                Ok(put_endpoint(connection, endpoint).await?)
            })
        })
        .await
    }

    async fn get_rollout(&self, id: &str) -> Result<Option<Rollout>> {
        let id = id.to_owned();
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move { find_rollout(connection, &id).await })
        })
        .await
    }

    async fn active_rollout(&self, endpoint: &str) -> Result<Option<Rollout>> {
        let endpoint = endpoint.to_owned();
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move { active(connection, &endpoint).await })
        })
        .await
    }

    async fn list_rollouts(&self, endpoint: Option<&str>, limit: usize) -> Result<Vec<Rollout>> {
        let endpoint = endpoint.map(str::to_owned);
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let all = "SELECT body FROM rollout ORDER BY place DESC LIMIT ?";
                let one = "SELECT body FROM rollout WHERE endpoint = ? ORDER BY place DESC LIMIT ?";
                let query = match endpoint {
                    Some(endpoint) => query(one).bind(endpoint),
                    None => query(all),
                };
                let rows = query.bind(i64::try_from(limit).unwrap_or(i64::MAX)).fetch_all(connection).await?;
                Ok(rows.iter().map(rollout).collect::<Result<Vec<_>, _>>()?)
            })
        })
        .await
    }

    async fn feedback_insert(&self, endpoint: &str, truths: &[Truth]) -> Result<u64> {
        if truths.is_empty() {
            return Ok(0);
        }
        let (endpoint, truths) = (endpoint.to_owned(), truths.to_vec());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let rows = truths
                    .into_iter()
                    .map(|truth| {
                        vec![
                            (&endpoint).into(),
                            truth.request_id.into(),
                            truth.row.into(),
                            truth.label.into(),
                            truth.received_ms.into(),
                        ]
                    })
                    .collect();
                let head = "INSERT INTO ground_truth (endpoint, request_id, row, label, received_ms)";
                Ok(insert_many(connection, head, rows, "ON CONFLICT DO NOTHING").await?)
            })
        })
        .await
    }

    async fn feedback_since(&self, endpoint: &str, since_ms: Millis, limit: usize) -> Result<Vec<Truth>> {
        let endpoint = endpoint.to_owned();
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let rows = query(
                    "SELECT request_id, row, label, received_ms FROM ground_truth \
                     WHERE endpoint = ? AND received_ms >= ? ORDER BY received_ms, place LIMIT ?",
                )
                .bind(endpoint)
                .bind(since_ms)
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .fetch_all(connection)
                .await?;
                Ok(rows.iter().map(truth).collect::<Result<Vec<_>, _>>()?)
            })
        })
        .await
    }

    async fn feedback_for(&self, endpoint: &str, request_ids: &[String]) -> Result<Vec<Truth>> {
        let (endpoint, ids) = (endpoint.to_owned(), List(request_ids.to_vec()));
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let rows = query(
                    "SELECT request_id, row, label, received_ms FROM ground_truth \
                     WHERE endpoint = ?1 AND request_id IN (SELECT value FROM json_each(?2))",
                )
                .bind(endpoint)
                .bind(ids)
                .fetch_all(connection)
                .await?;
                Ok(rows.iter().map(truth).collect::<Result<Vec<_>, _>>()?)
            })
        })
        .await
    }
}

async fn put_endpoint(connection: &mut Connection, endpoint: EndpointState) -> Result<(), sql::Error> {
    query(
        "INSERT INTO endpoint (name, model, champion_version, previous_version, updated_ms, place) \
         VALUES (?, ?, ?, ?, ?, (SELECT COALESCE(max(place), 0) + 1 FROM endpoint)) \
         ON CONFLICT (name) DO UPDATE SET model = excluded.model, champion_version = excluded.champion_version, \
         previous_version = excluded.previous_version, updated_ms = excluded.updated_ms",
    )
    .bind(endpoint.name)
    .bind(endpoint.model)
    .bind(endpoint.champion_version)
    .bind(endpoint.previous_version)
    .bind(endpoint.updated_ms)
    .execute(connection)
    .await?;
    Ok(())
}

async fn put_rollout(connection: &mut Connection, next: &Rollout) -> Result<(), Fail<Error>> {
    let conflict = |reason: String| Err(Error::Conflict { endpoint: next.endpoint.clone(), reason }.into());
    if let Some(present) = find_rollout(connection, &next.id).await?
        && !present.state.is_active()
    {
        return if present == *next {
            Ok(())
        } else {
            conflict(format!("the rollout {} has ended", next.id))
        };
    }
    if next.state.is_active()
        && let Some(other) = active(connection, &next.endpoint).await?
        && other.id != next.id
    {
        return conflict(format!(
            "the rollout {} of version {} is still running",
            other.id, other.to_version
        ));
    }
    query(
        "INSERT INTO rollout (id, endpoint, state, body) VALUES (?, ?, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, body = excluded.body",
    )
    .bind(next.id.clone())
    .bind(next.endpoint.clone())
    .bind(next.state.as_str())
    .bind(Json(next.clone()))
    .execute(connection)
    .await?;
    Ok(())
}

async fn find_rollout(connection: &mut Connection, id: &str) -> Result<Option<Rollout>, Fail<Error>> {
    let row =
        query("SELECT body FROM rollout WHERE id = ?").bind(id.to_owned()).fetch_optional(connection).await?;
    Ok(row.as_ref().map(rollout).transpose()?)
}

async fn active(connection: &mut Connection, endpoint: &str) -> Result<Option<Rollout>, Fail<Error>> {
    let row = query("SELECT body FROM rollout WHERE endpoint = ? AND state = 'progressing'")
        .bind(endpoint.to_owned())
        .fetch_optional(connection)
        .await?;
    Ok(row.as_ref().map(rollout).transpose()?)
}

fn rollout(row: &Row) -> Result<Rollout, sql::Error> {
    Ok(row.try_get::<Json<_>>(0)?.0)
}

fn endpoint(row: &Row) -> Result<EndpointState, sql::Error> {
    Ok(EndpointState {
        name: row.try_get(0)?,
        model: row.try_get(1)?,
        champion_version: row.try_get(2)?,
        previous_version: row.try_get(3)?,
        updated_ms: row.try_get(4)?,
    })
}

fn truth(row: &Row) -> Result<Truth, sql::Error> {
    Ok(Truth {
        request_id: row.try_get(0)?,
        row: row.try_get(1)?,
        label: row.try_get(2)?,
        received_ms: row.try_get(3)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn serving_state_keeps_its_contract() {
        let store = Store::in_memory().await.unwrap();
        lemnis_serving::testing::rollouts_conformance(&store).await;
    }

    #[tokio::test]
    async fn serving_state_keeps_its_contract_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("lemnis.db")).await.unwrap();
        lemnis_serving::testing::rollouts_conformance(&store).await;
    }
}
