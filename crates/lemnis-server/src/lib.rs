//! Everything that Lemnis answers over HTTP: MLflow's REST API, scoring, its own API and the pages, on one port.
//!
//! Handlers translate and nothing more: the rules are in `lemnis-app` and the domains.

mod api;
mod guard;
mod mlflow;
mod mounted;
mod openapi;
mod pages;
mod routes;
mod scoring;
mod serve;

use std::path::Path;
use std::sync::Arc;

pub use axum::Router;
use lemnis_app::App;
use lemnis_core::Principal;

pub use guard::Access;
pub use mounted::call;
pub use openapi::{Malformed, document as openapi};
pub use serve::serve;

/// What every handler can reach.
#[derive(Clone)]
pub struct Server {
    /// The use-cases and their ports.
    pub app: Arc<App>,
    /// Whom requests act for, once the guard let them in.
    pub principal: Arc<Principal>,
    /// Changes with every start, so that a client can tell this server from an earlier one on the same port.
    pub instance: Arc<str>,
    /// The directory that it was started in, which a relative place for artifacts lies below.
    pub directory: Arc<Path>,
}

/// The whole server behind its guard.
pub fn router(server: Server, access: Access) -> Router {
    protocols()
        .into_router()
        .merge(pages::routes())
        .fallback(pages::nowhere)
        .with_state(server)
        .layer(axum::middleware::from_fn_with_state(Arc::new(access), guard::guard))
        .layer(tower_http::catch_panic::CatchPanicLayer::new())
}

/// Everything that programs call. The OpenAPI document describes just this.
fn protocols() -> routes::Routes {
    routes::Routes::new()
        .merge(mlflow::routes())
        .merge(scoring::routes())
        .merge(api::routes())
        .merge(openapi::routes())
        .method_not_allowed_fallback(guard::not_allowed)
}
