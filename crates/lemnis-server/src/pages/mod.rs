//! The pages: server-rendered, part of the binary, readable without a script and without a network.
//!
//! A handler asks `lemnis_app::view` for a read model and hands it to a pure renderer. `?fragment=1` answers only what
//! is inside `<main>`; an open page fetches that now and then to stay fresh.

mod assets;
mod bars;
mod chrome;
mod endpoint_page;
mod handlers;
mod html;
mod importance_page;
mod loop_map;
mod plot;
mod render;
mod run_page;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::routing::get;

use crate::Server;

pub(crate) use handlers::nowhere;

pub(crate) fn routes() -> Router<Server> {
    Router::new()
        .route("/", get(handlers::overview))
        .route("/data", get(handlers::data))
        .route("/runs", get(handlers::runs))
        .route("/runs/{id}", get(handlers::run))
        .route("/experiments/{name}/importance", get(importance_page::show))
        .route("/models", get(handlers::models))
        .route("/models/{name}", get(handlers::model))
        .route("/endpoints", get(handlers::endpoints))
        .route("/endpoints/{name}", get(handlers::endpoint))
        .route("/flows", get(handlers::flows))
        .route("/events", get(handlers::events))
        .route("/why/{name}", get(handlers::why))
        .route("/assets/lemnis.css", get(assets::style))
        .route("/assets/lemnis.js", get(assets::script))
        .route("/assets/icon.svg", get(assets::icon))
        .route("/favicon.ico", get(assets::icon))
}
