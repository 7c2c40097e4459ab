//! For tests only: an [`App`] on a real SQLite file and real artifacts in a folder of the test's own.
//!
//! Below the binary this is the one place where use-cases meet their adapters, so that tests of the server need not know
//! the store.

mod postgres;

use std::path::Path;
use std::sync::Arc;

use lemnis_app::announce::Announced;
use lemnis_app::project::Project;
use lemnis_app::{App, Ports};
use lemnis_core::Clock;
use lemnis_serving::{Endpoints, PredictionLog};
use lemnis_store::{SecretKeys, Store};

pub use postgres::Postgres;

/// What a test does with a failure: it ends.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Every port of one project, on the SQLite file in `dir`.
pub async fn ports(dir: &Path) -> Result<Ports, Error> {
    let project = Project::at(dir);
    for folder in
        [project.state_dir(), project.artifacts_dir(), project.predictions_dir(), project.logs_dir()]
    {
        std::fs::create_dir_all(folder)?;
    }
    let secrets = SecretKeys::in_file(project.secret_key_file());
    let store = Arc::new(Store::open(&project.database()).await?.with_secrets(secrets).await?);
    Ok(Ports {
        experiments: store.clone(),
        runs: store.clone(),
        logged_models: store.clone(),
        registry: store.clone(),
        gate_reports: store.clone(),
        verdicts: store.clone(),
        events: store.clone(),
        queue: store.clone(),
        traces: store.clone(),
        assessments: store.clone(),
        evaluation_datasets: store.clone(),
        scorers: store.clone(),
        issues: store.clone(),
        webhooks: store.clone(),
        webhook_sender: lemnis_store::webhook_sender(lemnis_store::WebhookSettings {
            private_networks: true,
        })?,
        rollouts: store.clone(),
        leader: store,
        artifacts: lemnis_store::artifacts(&project.artifacts_dir())?,
        direct: None,
    })
}

/// The whole of one project in `dir`, at the time that `clock` shows.
pub async fn app(dir: &Path, clock: Arc<dyn Clock>) -> Result<Arc<App>, Error> {
    let mut ports = ports(dir).await?;
    ports.registry = Arc::new(Announced {
        registry: ports.registry,
        webhooks: ports.webhooks.clone(),
        clock: clock.clone(),
    });
    let project = Project::at(dir);
    let predictions = Arc::new(PredictionLog::open(&project.predictions_dir(), clock.clone())?);
    Ok(Arc::new(App {
        endpoints: Arc::new(Endpoints::new(predictions.clone(), clock.clone())),
        predictions,
        project,
        ports,
        environment: Default::default(),
        clock,
        registering: tokio::sync::Mutex::new(()),
        deploying: tokio::sync::Mutex::new(()),
        reacting: tokio::sync::Mutex::new(()),
        suggesting: tokio::sync::Mutex::new(()),
    }))
}
