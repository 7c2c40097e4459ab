//! The pages: server-rendered, part of the binary, readable without a script and without a network.
//!
//! A handler asks `lemnis_app::view` for a read model and hands it to a pure renderer. `?fragment=1` answers only what
//! is inside `<main>`; an open page fetches that now and then to stay fresh.

mod api_page;
mod artifact_page;
mod assets;
mod bars;
mod chrome;
mod compare_page;
mod endpoint_page;
mod experiments_page;
mod handlers;
mod html;
mod importance_page;
mod loop_map;
mod plot;
mod render;
mod run_columns;
mod run_page;
mod run_table;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
mod version_page;

use axum::Router;
use axum::routing::get;

use crate::Server;

pub(crate) use handlers::nowhere;

pub(crate) fn routes() -> Router<Server> {
    Router::new()
        .route("/", get(handlers::overview))
        .route("/data", get(handlers::data))
        .route("/experiments", get(experiments_page::experiments))
        .route("/runs", get(run_table::runs))
        .route("/compare", get(compare_page::compare))
        .route("/runs/{id}/artifacts/{*path}", get(artifact_page::artifact))
        .route("/runs/{id}/raw/{*path}", get(artifact_page::raw))
        .route("/runs/{id}", get(handlers::run))
        .route("/experiments/{name}/importance", get(importance_page::show))
        .route("/models", get(handlers::models))
        .route("/models/{name}", get(handlers::model))
        .route("/models/{name}/versions/{version}", get(version_page::version))
        .route("/models/{name}/diff", get(version_page::diff))
        .route("/endpoints", get(handlers::endpoints))
        .route("/endpoints/{name}", get(handlers::endpoint))
        .route("/flows", get(handlers::flows))
        .route("/events", get(handlers::events))
        .route("/why/{name}", get(handlers::why))
        .route("/docs/api", get(api_page::show))
        .route("/assets/lemnis.css", get(assets::style))
        .route("/assets/lemnis.js", get(assets::script))
        .route("/assets/runs.js", get(assets::runs))
        .route("/assets/plot.js", get(assets::plot))
        .route("/assets/compare.js", get(assets::compare))
        .route("/assets/icon.svg", get(assets::icon))
        .route("/favicon.ico", get(assets::icon))
}
