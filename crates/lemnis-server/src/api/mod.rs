//! Lemnis's own API: plural nouns, verbs after a colon, JSON both ways.
//!
//! Commands and the pages' live updates use it; errors are `{"error", "causes", "hint", "kind"}`.

mod act;
mod error;
mod experiments;
mod read;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;

use crate::Server;
pub(crate) use error::ApiError;

/// The largest body that an act may carry: a batch of ground truth.
const MAX_BODY_BYTES: usize = 32 << 20;

pub(crate) fn routes() -> Router<Server> {
    Router::new()
        .route("/api/v1/server", get(read::server))
        .route("/api/v1/overview", get(read::overview))
        .route("/api/v1/runs", get(read::runs))
        .route("/api/v1/runs/{id}", get(read::run))
        .route("/api/v1/experiments", get(read::experiments))
        .route("/api/v1/compare", get(read::compare))
        .route("/api/v1/curves", get(read::curves))
        .route("/api/v1/models", get(read::models))
        .route("/api/v1/models/{target}", get(read::model).post(act::model))
        .route("/api/v1/models/{name}/versions/{version}/lineage", get(read::lineage))
        .route("/api/v1/models/{name}/versions/{version}/diff/{other}", get(read::version_diff))
        .route("/api/v1/endpoints", get(read::endpoints))
        .route("/api/v1/endpoints/{target}", get(read::endpoint).post(act::endpoint))
        .route("/api/v1/flow-runs", get(read::flow_runs))
        .route("/api/v1/events", get(read::events))
        .route("/api/v1/verdicts", get(read::verdicts).post(act::verdict))
        .route("/api/v1/stage-runs", axum::routing::post(act::stage_run))
        .route("/api/v1/why/{name}", get(read::why))
        .merge(experiments::routes())
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}
