//! What endpoints need of the model registry: a version that serves, may serve or is to be rolled back to stays.
//!
//! The registry and the endpoints share the database, so both sides of a rule change in one transaction; an endpoint
//! whose model is gone could not come up after the next start.

use lemnis_serving::rollout::Rollout;
use lemnis_tracking::{Code, Error};

use super::Done;
use crate::sql::{Columns as _, Connection, Json, query, query_scalar};

/// The endpoints of a model: name, champion, the version before it, and the rollout that runs.
const OF_MODEL: &str = "SELECT e.name, e.champion_version, e.previous_version, r.body FROM endpoint e \
     LEFT JOIN rollout r ON r.endpoint = e.name AND r.state = 'progressing' WHERE e.model = ? ORDER BY e.place";

/// Fails if an endpoint serves the model `name`.
pub(super) async fn refuse_model(connection: &mut Connection, name: &str) -> Done<()> {
    let endpoint: Option<String> =
        query_scalar("SELECT name FROM endpoint WHERE model = ? ORDER BY place LIMIT 1")
            .bind(name)
            .fetch_optional(connection)
            .await?;
    match endpoint {
        Some(endpoint) => Err(refused(format!(
            "Registered Model (name={name}) cannot be deleted: endpoint '{endpoint}' serves it. Deploy another model to \
             the endpoint first"
        ))),
        None => Ok(()),
    }
}

/// Fails if an endpoint or its running rollout names the version.
pub(super) async fn refuse_version(connection: &mut Connection, name: &str, number: u32) -> Done<()> {
    let mut endpoint: Option<String> = None;
    query(OF_MODEL)
        .bind(name)
        .each(connection, |row| {
            let rollout: Option<Json<Rollout>> = row.try_get(3)?;
            let named = [row.try_get(1)?, row.try_get(2)?, rollout.map(|rollout| rollout.0.to_version)];
            if endpoint.is_none() && named.contains(&Some(number)) {
                endpoint = Some(row.try_get(0)?);
            }
            Ok(())
        })
        .await?;
    match endpoint {
        Some(endpoint) => Err(refused(format!(
            "Model Version (name={name}, version={number}) cannot be deleted: endpoint '{endpoint}' serves it, is trying \
             it, or would roll back to it. Deploy other versions to the endpoint first"
        ))),
        None => Ok(()),
    }
}

/// Endpoints follow their model to its new name. Rollouts name their endpoint only.
pub(super) async fn rename(connection: &mut Connection, from: &str, to: &str) -> Done<()> {
    query("UPDATE endpoint SET model = ? WHERE model = ?").bind(to).bind(from).execute(connection).await?;
    Ok(())
}

/// A 4xx status, because MLflow's client repeats a request for minutes after a 5xx one.
fn refused(message: String) -> crate::Fail<Error> {
    Error::Refused { code: Code::BadRequest, message }.into()
}

#[cfg(test)]
mod tests {
    use lemnis_serving::rollout::{Begin, Policy, Rollout};
    use lemnis_serving::{EndpointState, Rollouts};
    use lemnis_tracking::{Code, Error, ModelChange, NewModel, NewVersion, Registry};

    use crate::Store;

    /// A model `churn` with four versions, of which the endpoint `live` serves 2 after 1 and tries 3.
    async fn serving() -> (Store, Rollout) {
        let store = Store::in_memory().await.unwrap();
        let name = "churn".to_owned();
        store.create_model(&NewModel { name: name.clone(), ..NewModel::default() }).await.unwrap();
        let version =
            NewVersion { name, source: "mlflow-artifacts:/0/r/m".to_owned(), ..NewVersion::default() };
        for _ in 0..4 {
            store.create_version(&version).await.unwrap();
        }
        let endpoint = EndpointState::new("live", "churn", 1, 1).promoted(2, 2);
        store.put_endpoint(&endpoint).await.unwrap();
        let rollout = Rollout::begin(Begin {
            id: "r".to_owned(),
            endpoint: "live".to_owned(),
            from_version: 2,
            to_version: 3,
            policy: Policy::default(),
            fault: None,
            because: None,
            now: 3,
        })
        .unwrap();
        store.put_rollout(&rollout).await.unwrap();
        (store, rollout)
    }

    fn said(result: lemnis_tracking::Result<()>) -> String {
        match result {
            Err(Error::Refused { code: Code::BadRequest, message }) => message,
            other => format!("not refused: {other:?}"),
        }
    }

    #[tokio::test]
    async fn what_an_endpoint_names_is_not_deleted() {
        let (store, rollout) = serving().await;
        assert!(said(store.delete_model("churn").await).contains("endpoint 'live' serves it"));
        for version in 1..=3 {
            let said = said(store.delete_version("churn", version, 9).await);
            assert!(said.contains("endpoint 'live'"), "{version}: {said}");
            assert!(store.get_version("churn", version).await.unwrap().is_some());
        }
        store.delete_version("churn", 4, 9).await.unwrap();
        store.put_rollout(&rollout.aborted("enough", 10)).await.unwrap();
        store.delete_version("churn", 3, 11).await.unwrap();
        store.put_endpoint(&EndpointState::new("live", "other", 1, 12)).await.unwrap();
        store.delete_model("churn").await.unwrap();
    }

    #[tokio::test]
    async fn an_endpoint_follows_its_model_to_a_new_name() {
        let (store, _) = serving().await;
        let change = ModelChange { name: Some("leavers".to_owned()), description: None, at_ms: 9 };
        store.update_model("churn", &change).await.unwrap();
        assert_eq!(store.get_endpoint("live").await.unwrap().unwrap().model, "leavers");
        assert!(said(store.delete_version("leavers", 2, 9).await).contains("endpoint 'live'"));
    }
}
