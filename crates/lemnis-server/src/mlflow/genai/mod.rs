//! MLflow's calls for generative AI: traces, assessments, evaluation datasets, scorers, issues and GraphQL.

mod assessments;
mod evaluation;
mod graphql;
mod issues;
mod metrics;
mod otlp;
mod promptlab;
mod scorers;
mod span_out;
mod traces;
mod traces_v2;
mod wire;

use axum::extract::DefaultBodyLimit;
use tower_http::decompression::RequestDecompressionLayer;

use crate::routes::{Routes, delete, get, patch, post, put};

/// What lies below `/api/2.0/mlflow`.
pub(super) fn older() -> Routes {
    Routes::new()
        .route("/traces", post(traces_v2::start).get(traces_v2::search))
        .route("/traces/{trace_id}", patch(traces_v2::end))
        .route("/traces/{trace_id}/info", get(traces_v2::info))
        .route("/traces/{trace_id}/tags", patch(traces::set_tag).delete(traces::delete_tag))
        .route("/traces/delete-traces", post(traces::delete))
        .route("/traces/link-to-run", post(traces::link_to_run))
        .route("/traces/link-prompts", post(traces::link_prompts))
        .route("/get-trace-artifact", get(traces::artifact))
        .route("/runs/create-promptlab-run", post(promptlab::create))
}

/// What lies below `/api/3.0/mlflow`.
pub(super) fn newer() -> Routes {
    let traces = Routes::new()
        .route("/traces", post(traces::start))
        .route("/traces/get", get(traces::get))
        .route("/traces/batchGet", get(traces::batch_get))
        .route("/traces/batchGetInfos", post(traces::batch_get_infos))
        .route("/traces/search", post(traces::search))
        .route("/traces/delete-traces", post(traces::delete))
        .route("/traces/link-to-run", post(traces::link_to_run))
        .route("/traces/link-prompts", post(traces::link_prompts))
        .route("/traces/calculate-filter-correlation", post(metrics::correlation))
        .route("/traces/metrics", post(metrics::query))
        .route("/traces/{trace_id}", get(traces::info))
        .route("/traces/{trace_id}/tags", patch(traces::set_tag).delete(traces::delete_tag))
        .route("/traces/{trace_id}/assessments", post(assessments::create))
        .route(
            "/traces/{trace_id}/assessments/{assessment_id}",
            get(assessments::get).patch(assessments::update).delete(assessments::delete),
        )
        .route("/get-trace-artifact", get(traces::artifact));
    let datasets = Routes::new()
        .route("/datasets/create", post(evaluation::create))
        .route("/datasets/search", post(evaluation::search).get(evaluation::search))
        .route("/datasets/{dataset_id}", get(evaluation::get).delete(evaluation::delete))
        .route("/datasets/{dataset_id}/tags", patch(evaluation::set_tags))
        .route("/datasets/{dataset_id}/tags/{key}", delete(evaluation::delete_tag))
        .route(
            "/datasets/{dataset_id}/records",
            post(evaluation::upsert_records).get(evaluation::records).delete(evaluation::delete_records),
        )
        .route("/datasets/{dataset_id}/experiment-ids", get(evaluation::experiment_ids))
        .route("/datasets/{dataset_id}/add-experiments", post(evaluation::add_experiments))
        .route("/datasets/{dataset_id}/remove-experiments", post(evaluation::remove_experiments));
    let scorers = Routes::new()
        .route("/scorers/register", post(scorers::register))
        .route("/scorers/list", get(scorers::list))
        .route("/scorers/versions", get(scorers::versions))
        .route("/scorers/get", get(scorers::get))
        .route("/scorers/delete", delete(scorers::delete))
        .route("/scorers/online-configs", get(scorers::online))
        .route("/scorers/online-config", put(scorers::set_online));
    let issues = Routes::new()
        .route("/issues", post(issues::create))
        .route("/issues/search", post(issues::search))
        .route("/issues/{issue_id}", get(issues::get).patch(issues::update));
    traces.merge(datasets).merge(scorers).merge(issues)
}

/// What has no prefix: OpenTelemetry's traces and GraphQL.
pub(super) fn unprefixed() -> Routes {
    Routes::new()
        .route("/v1/traces", post(otlp::export))
        .layer(RequestDecompressionLayer::new())
        .layer(DefaultBodyLimit::disable())
        .route("/graphql", post(graphql::handle))
}
