//! MLflow's REST API: experiments, runs, logged models, the model registry and the artifact proxy.
//!
//! Every path is served under `/api/…` for the Python client and under `/ajax-api/…` for browsers. A caller's mistake
//! is never answered with a 5xx status, because the client repeats those for minutes and then hides the message.

mod artifact_direct;
pub(crate) mod artifact_paths;
mod artifact_proxy;
mod artifacts;
mod experiments;
mod failure;
mod fields;
mod genai;
mod logged;
mod logged_models;
mod logging;
mod metrics;
mod model_versions;
pub(crate) mod nul;
mod registered_models;
mod runs;
mod source;
mod webhooks;
mod wire;

use axum::extract::DefaultBodyLimit;

use crate::routes::{Routes, delete, get, patch, post};
pub(crate) use artifact_proxy::send;
use failure::Failure;

/// What a handler of this module answers.
type Answer<T> = Result<wire::Reply<T>, Failure>;

/// The routes of MLflow's API. Unknown paths below its prefixes answer 404 `ENDPOINT_NOT_FOUND` as JSON.
pub(crate) fn routes() -> Routes {
    let mut all = Routes::new();
    for prefix in ["/api", "/ajax-api"] {
        all = all
            .nest(&format!("{prefix}/2.0/mlflow"), mlflow())
            .nest(&format!("{prefix}/3.0/mlflow"), newer())
            .nest(&format!("{prefix}/2.0/mlflow-artifacts"), proxy());
    }
    all.route("/get-artifact", get(artifacts::get_artifact))
        .route("/model-versions/get-artifact", get(artifacts::get_version_artifact))
        // MLflow's own pages and tests ask with two slashes.
        .route("//model-versions/get-artifact", get(artifacts::get_version_artifact))
        .merge(genai::unprefixed())
}

fn mlflow() -> Routes {
    let experiments = Routes::new()
        .route("/experiments/create", post(experiments::create))
        .route("/experiments/get", get(experiments::get))
        .route("/experiments/get-by-name", get(experiments::get_by_name))
        .route("/experiments/search", post(experiments::search).get(experiments::search))
        .route("/experiments/delete", post(experiments::delete))
        .route("/experiments/restore", post(experiments::restore))
        .route("/experiments/update", post(experiments::update))
        .route("/experiments/set-experiment-tag", post(experiments::set_tag))
        .route("/experiments/delete-experiment-tag", post(experiments::delete_tag))
        .route("/experiments/search-datasets", post(experiments::search_datasets));
    let runs = Routes::new()
        .route("/runs/create", post(runs::create))
        .route("/runs/get", get(runs::get))
        .route("/runs/update", post(runs::update))
        .route("/runs/delete", post(runs::delete))
        .route("/runs/restore", post(runs::restore))
        .route("/runs/search", post(runs::search))
        .route("/runs/log-metric", post(logging::log_metric))
        .route("/runs/log-parameter", post(logging::log_param))
        .route("/runs/set-tag", post(logging::set_tag))
        .route("/runs/delete-tag", post(logging::delete_tag))
        .route("/runs/log-batch", post(logging::log_batch))
        .route("/runs/log-model", post(logging::log_model))
        .route("/runs/log-inputs", post(logging::log_inputs))
        .route("/runs/outputs", post(logging::log_outputs))
        .route("/metrics/get-history", get(metrics::history))
        .route("/metrics/get-history-bulk", get(metrics::history_bulk))
        .route("/metrics/get-history-bulk-interval", get(metrics::history_sampled))
        .route("/artifacts/list", get(artifacts::list))
        .route("/upload-artifact", post(artifacts::upload))
        .route("/artifacts/presigned-upload-url", post(artifact_direct::upload_url))
        .route("/artifacts/presigned-download-url", post(artifact_direct::download_url));
    experiments
        .merge(runs)
        .merge(logged())
        .merge(registry())
        .merge(hooks())
        .merge(genai::older())
        .fallback(failure::unknown_endpoint)
        .method_not_allowed_fallback(failure::unknown_endpoint)
}

fn logged() -> Routes {
    Routes::new()
        .route("/logged-models", post(logged_models::create))
        .route("/logged-models/search", post(logged_models::search))
        .route(
            "/logged-models/{model_id}",
            get(logged_models::get).patch(logged_models::finalize).delete(logged_models::delete),
        )
        .route("/logged-models/{model_id}/params", post(logged_models::log_params))
        .route("/logged-models/{model_id}/tags", patch(logged_models::set_tags))
        .route("/logged-models/{model_id}/tags/{tag_key}", delete(logged_models::delete_tag))
        .route("/logged-models/{model_id}/artifacts/directories", get(artifacts::list_logged_model))
        .route("/logged-models/{model_id}/artifacts/files", get(artifacts::get_logged_model_artifact))
}

fn registry() -> Routes {
    Routes::new()
        .route("/registered-models/create", post(registered_models::create))
        .route("/registered-models/rename", post(registered_models::rename))
        .route("/registered-models/update", patch(registered_models::update))
        .route("/registered-models/delete", delete(registered_models::delete))
        .route("/registered-models/get", get(registered_models::get))
        .route("/registered-models/search", get(registered_models::search))
        .route(
            "/registered-models/get-latest-versions",
            post(registered_models::latest_versions).get(registered_models::latest_versions),
        )
        .route("/registered-models/set-tag", post(registered_models::set_tag))
        .route("/registered-models/delete-tag", delete(registered_models::delete_tag))
        .route(
            "/registered-models/alias",
            post(registered_models::set_alias)
                .delete(registered_models::delete_alias)
                .get(registered_models::version_by_alias),
        )
        .route("/model-versions/create", post(model_versions::create))
        .route("/model-versions/update", patch(model_versions::update))
        .route("/model-versions/transition-stage", post(model_versions::transition_stage))
        .route("/model-versions/delete", delete(model_versions::delete))
        .route("/model-versions/get", get(model_versions::get))
        .route("/model-versions/search", get(model_versions::search))
        .route("/model-versions/get-download-uri", get(model_versions::download_uri))
        .route("/model-versions/set-tag", post(model_versions::set_tag))
        .route("/model-versions/delete-tag", delete(model_versions::delete_tag))
}

fn hooks() -> Routes {
    Routes::new()
        .route("/webhooks", post(webhooks::create).get(webhooks::list))
        .route("/webhooks/{webhook_id}", get(webhooks::get).patch(webhooks::update).delete(webhooks::delete))
        .route("/webhooks/{webhook_id}/test", post(webhooks::test))
}

fn newer() -> Routes {
    Routes::new()
        .route("/server-info", get(artifacts::server_info))
        .merge(genai::newer())
        .fallback(failure::unknown_endpoint)
        .method_not_allowed_fallback(failure::unknown_endpoint)
}

fn proxy() -> Routes {
    Routes::new()
        .route("/artifacts", get(artifact_proxy::list))
        .route(
            "/artifacts/{*path}",
            get(artifact_proxy::download).put(artifact_proxy::upload).delete(artifact_proxy::delete),
        )
        .route("/mpu/create/{*path}", post(artifact_direct::begin))
        .route("/mpu/complete/{*path}", post(artifact_direct::complete))
        .route("/mpu/abort/{*path}", post(artifact_direct::abort))
        .route("/presigned/{*path}", get(artifact_direct::presigned))
        .layer(DefaultBodyLimit::disable())
        .fallback(failure::unknown_endpoint)
        .method_not_allowed_fallback(failure::unknown_endpoint)
}
