//! The one place where use-cases meet their adapters.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use lemnis_app::announce::Announced;
use lemnis_app::project::Project;
use lemnis_app::{App, Ports, release};
use lemnis_core::{Clock, ErrorKind, Principal};
use lemnis_data::Environment;
use lemnis_server::{Access, Router, Server};
use lemnis_serving::{Endpoints, PredictionLog};
use lemnis_store::{Artifacts, SecretKeys, Store, WebhookSettings};
use object_store::ObjectStore;

use crate::context::Context;
use crate::output::{Failure, io_failure};
use crate::place::Place;

/// Lets webhooks reach this machine and private networks.
const WEBHOOK_PRIVATE_NETWORKS: &str = "LEMNIS_WEBHOOK_PRIVATE_NETWORKS";

/// Keys for the secrets of webhooks: our variable, and MLflow's.
const SECRET_KEYS: [&str; 2] = ["LEMNIS_WEBHOOK_SECRET_KEY", "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"];

/// Opens the project's state, making what is not there, and brings its endpoints up.
pub async fn open(
    project: Project,
    place: &Place,
    clock: Arc<dyn Clock>,
    environment: Environment,
) -> Result<Arc<App>, Failure> {
    make_state_dirs(&project, &[project.artifacts_dir(), project.predictions_dir(), project.logs_dir()])?;
    let private_networks = environment
        .get(WEBHOOK_PRIVATE_NETWORKS)
        .is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes"));
    let webhooks = WebhookSettings { private_networks };
    let mut secrets = SecretKeys::in_file(project.secret_key_file());
    if let Some(keys) = SECRET_KEYS.iter().find_map(|name| environment.get(name)) {
        secrets = secrets.with_given(keys)?;
    }
    let store = match &place.database {
        Some(url) => Store::connect(url).await?,
        None => Store::open(&project.database()).await?,
    };
    let store = Arc::new(store.with_secrets(secrets).await?);
    let artifacts = artifacts(&project, place).await?;
    let ports = Ports {
        experiments: store.clone(),
        runs: store.clone(),
        logged_models: store.clone(),
        registry: Arc::new(Announced {
            registry: store.clone(),
            webhooks: store.clone(),
            clock: clock.clone(),
        }),
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
        webhook_sender: lemnis_store::webhook_sender(webhooks)
            .map_err(io_failure("reading the root certificates of this machine"))?,
        rollouts: store.clone(),
        leader: store,
        artifacts: artifacts.store,
        direct: artifacts.direct.filter(|_| place.direct_artifacts),
    };
    let predictions = Arc::new(PredictionLog::open(&project.predictions_dir(), clock.clone())?);
    let app = Arc::new(App {
        endpoints: Arc::new(Endpoints::new(predictions.clone(), clock.clone())),
        predictions,
        project,
        ports,
        environment,
        clock,
        registering: tokio::sync::Mutex::new(()),
        deploying: tokio::sync::Mutex::new(()),
        reacting: tokio::sync::Mutex::new(()),
        suggesting: tokio::sync::Mutex::new(()),
    });
    release::restore(&app).await?;
    Ok(app)
}

/// Makes the state's folder, out of Git's sight, and `inner` folders: the database and the key of secrets are not for commits.
fn make_state_dirs(project: &Project, inner: &[PathBuf]) -> Result<(), Failure> {
    let state = project.state_dir();
    for dir in [&state].into_iter().chain(inner) {
        std::fs::create_dir_all(dir).map_err(io_failure(format!("creating {}", dir.display())))?;
    }
    let ignore = state.join(".gitignore");
    if !ignore.exists() {
        lemnis_core::write_whole(&ignore, |out| writeln!(out, "*"))
            .map_err(io_failure(format!("writing {}", ignore.display())))?;
    }
    Ok(())
}

/// The project's state and its artifacts alone, for commands that move them; a server may work on them meanwhile.
pub async fn stores(project: &Project, place: &Place) -> Result<(Arc<Store>, Arc<dyn ObjectStore>), Failure> {
    make_state_dirs(project, &[project.artifacts_dir()])?;
    let store = match &place.database {
        Some(url) => Store::connect(url).await?,
        None => Store::open(&project.database()).await?,
    };
    Ok((Arc::new(store), artifacts(project, place).await?.store))
}

async fn artifacts(project: &Project, place: &Place) -> Result<Artifacts, Failure> {
    let Some(url) = place.artifacts.clone() else {
        let store = lemnis_store::artifacts(&project.artifacts_dir())?;
        return Ok(Artifacts { store, direct: None });
    };
    let environment = lemnis_store::CloudEnvironment { variables: Context::variables(), ask_secret: None };
    // Asking a bucket for its region waits.
    let opened = tokio::task::spawn_blocking(move || lemnis_store::artifacts_at(&url, &environment)).await;
    let opened = opened.map_err(|error| Failure::new(ErrorKind::Internal, error.to_string()))?;
    Ok(opened?)
}

/// The stores behind the URLs of data remotes.
pub struct Clouds(lemnis_store::CloudEnvironment);

impl Clouds {
    /// With credentials from the environment where a remote's options hold none.
    pub fn new() -> Self {
        Self(lemnis_store::CloudEnvironment {
            variables: Context::variables(),
            ask_secret: Some(crate::terminal::ask_secret),
        })
    }
}

impl lemnis_data::OpenStore for Clouds {
    fn open(
        &self,
        url: &str,
        options: &BTreeMap<String, String>,
    ) -> Result<lemnis_data::OpenedStore, lemnis_data::OpenError> {
        let (store, prefix) = lemnis_store::open_remote(url, options, &self.0)?;
        Ok(lemnis_data::OpenedStore { store, prefix })
    }
}

/// What a server is told about itself.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Changes with every start.
    pub instance: String,
    /// Who gets in.
    pub access: Access,
    /// Where it was started; without it, in the project's folder.
    pub directory: Option<PathBuf>,
}

/// The whole server over `app`.
pub fn router(app: Arc<App>, identity: Identity) -> Router {
    let directory = identity.directory.unwrap_or_else(|| app.project.root().to_owned());
    let server = Server {
        app,
        directory: Arc::from(directory),
        principal: Arc::new(Principal::local("local")),
        instance: Arc::from(identity.instance.as_str()),
    };
    lemnis_server::router(server, identity.access)
}
