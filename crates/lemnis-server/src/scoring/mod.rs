//! Predictions over HTTP: MLflow's scoring protocol and the Open Inference Protocol, version 2.
//!
//! Handlers translate headers and bodies; parsing, routing, prediction and logging are `lemnis-serving`'s. Every answer
//! names the version that gave it (`X-Model-Version`) and the request that truth may refer to later (`X-Request-Id`).

mod envelope;
mod mlflow;
mod oip;
mod repository;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, FromRef};
use axum::response::Response;
use lemnis_serving::{Endpoint, Endpoints, Rollouts};
use tokio::runtime::Handle;
use tokio::task::{JoinError, spawn_blocking};
use tower_http::decompression::RequestDecompressionLayer;

use crate::Server;
use crate::routes::{Routes, get, post};

/// The largest body of a request, unpacked.
const MAX_BODY_BYTES: usize = 32 << 20;
/// Bodies above this are read, answered and rendered on a thread that may block.
const INLINE_BODY_BYTES: usize = 128 << 10;

/// What the scoring handlers reach.
#[derive(Clone)]
pub(crate) struct Scoring {
    endpoints: Arc<Endpoints>,
    /// Which endpoints there should be.
    durable: Arc<dyn Rollouts>,
}

impl FromRef<Server> for Scoring {
    fn from_ref(server: &Server) -> Self {
        Self { endpoints: server.app.endpoints.clone(), durable: server.app.rollouts.clone() }
    }
}

impl Scoring {
    fn endpoint(&self, name: &str) -> Option<Arc<Endpoint>> {
        self.endpoints.get(name)
    }

    /// Why no endpoint of this name answers: it is known and not up, or there is none.
    async fn why_not(&self, name: String) -> lemnis_serving::Error {
        match self.durable.get_endpoint(&name).await {
            Ok(Some(_)) => lemnis_serving::Error::NotUp { name },
            Ok(None) => lemnis_serving::Error::NoEndpoint { name },
            Err(error) => error,
        }
    }

    /// The endpoint of the addresses that name none.
    async fn default(&self) -> lemnis_serving::Result<Option<Arc<Endpoint>>> {
        self.endpoints.default(self.durable.as_ref()).await
    }
}

/// Runs `work` on a thread that may block: what it computes for long must not hold up other connections.
async fn apart(work: impl Future<Output = Response> + Send + 'static) -> Result<Response, JoinError> {
    let runtime = Handle::current();
    spawn_blocking(move || runtime.block_on(work)).await
}

/// Scoring's part of the server.
pub(crate) fn routes() -> Routes {
    over()
}

fn over<S>() -> Routes<S>
where
    S: Clone + Send + Sync + 'static,
    Scoring: FromRef<S>,
{
    let not_allowed = mlflow::not_allowed;
    Routes::new()
        .route("/ping", get(mlflow::ping).fallback(not_allowed))
        .route("/health", get(mlflow::health).fallback(not_allowed))
        .route("/version", get(mlflow::version).fallback(not_allowed))
        .route("/invocations", post(mlflow::invoke_first).fallback(not_allowed))
        .route("/endpoints/{name}/invocations", post(mlflow::invoke).fallback(not_allowed))
        .route("/v2", get(oip::server))
        .route("/v2/health/live", get(oip::live))
        .route("/v2/health/ready", get(oip::all_ready))
        .route("/v2/models/{name}", get(oip::model))
        .route("/v2/models/{name}/versions/{version}", get(oip::model))
        .route("/v2/models/{name}/ready", get(oip::ready))
        .route("/v2/models/{name}/versions/{version}/ready", get(oip::ready))
        .route("/v2/models/{name}/infer", post(oip::infer))
        .route("/v2/models/{name}/versions/{version}/infer", post(oip::infer))
        .route("/v2/models/{name}/config", get(repository::config))
        .route("/v2/models/{name}/versions/{version}/config", get(repository::config))
        .route("/v2/models/stats", get(repository::all_statistics))
        .route("/v2/models/{name}/stats", get(repository::statistics))
        .route("/v2/models/{name}/versions/{version}/stats", get(repository::statistics))
        .route("/v2/repository/index", post(repository::index))
        .route("/v2/repository/models/{name}/load", post(repository::load))
        .route("/v2/repository/models/{name}/unload", post(repository::unload))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(RequestDecompressionLayer::new())
}
