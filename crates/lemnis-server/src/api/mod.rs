//! Lemnis's own API: plural nouns, verbs after a colon, JSON both ways.
//!
//! Commands and the pages' live updates use it; errors are `{"error", "causes", "hint", "kind"}`.

mod act;
mod error;
mod experiments;
mod extract;
mod read;

use axum::extract::DefaultBodyLimit;

use crate::routes::{Routes, get, post};
pub(crate) use error::ApiError;
pub(crate) use read::{CompareQuery, CurvesQuery, ListQuery, RunsQuery};

/// The largest body that an act may carry: a batch of ground truth.
const MAX_BODY_BYTES: usize = 32 << 20;

pub(crate) fn routes() -> Routes {
    Routes::new()
        .route("/api/v1/server", get(read::server))
        .route("/api/v1/overview", get(read::overview))
        .route("/api/v1/runs", get(read::runs))
        .route("/api/v1/runs/{id}", get(read::run))
        .route("/api/v1/experiments", get(read::experiments))
        .route("/api/v1/compare", get(read::compare))
        .route("/api/v1/curves", get(read::curves))
        .route("/api/v1/models", get(read::models))
        .route("/api/v1/models/{name}", get(read::model).acts(&act::MODEL_ACTS, act::model))
        .route("/api/v1/models/{name}/versions/{version}/lineage", get(read::lineage))
        .route("/api/v1/models/{name}/versions/{version}/diff/{other}", get(read::version_diff))
        .route("/api/v1/endpoints", get(read::endpoints))
        .route("/api/v1/endpoints/{name}", get(read::endpoint).acts(&act::ENDPOINT_ACTS, act::endpoint))
        .route("/api/v1/flow-runs", get(read::flow_runs))
        .route("/api/v1/events", get(read::events))
        .route("/api/v1/verdicts", get(read::verdicts).post(act::verdict))
        .route("/api/v1/stage-runs", post(act::stage_run))
        .route("/api/v1/why/{name}", get(read::why))
        .merge(experiments::routes())
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}
